import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { suite, test } from 'node:test';
import Ajv from 'ajv-draft-04';
import { type Facts, judge } from '../../../src/gate/judge';
import { type GateResult, isHeld, junitReport, markdownReport, sarifReport } from '../../../src/gate/reports';

const FACTS: Facts = {
  forecast: {
    mode: 'lazy',
    pullSeconds: 1,
    startSeconds: 3,
    totalSeconds: 4,
    requests: 100,
    bytes: 50_000_000,
  },
  spanSize: { bytes: 1 << 20, from: 'the index' },
  size: 110_000_000,
  base: { reference: 'docker://host.example/shop:main', size: 100_000_000 },
  waste: { fileBytes: 1000, replacedBytes: 100, removedBytes: 100, files: [] },
  index: { digests: ['sha256:aa'], missing: [], problems: [] },
};

/** A result with hostile names, as forges and build servers may have to show it. */
function result(checks: GateResult['checks']): GateResult {
  return {
    reference: 'docker://host.example/a|b<script>&"x"',
    platform: 'linux/amd64',
    file: 'services\\the shop\\soci-lens.json',
    lines: { startBytes: 4, index: 9 },
    checks,
  };
}

suite('judge', () => {
  const verdicts = (budget: Parameters<typeof judge>[0], facts: Facts = FACTS) =>
    judge(budget, facts).map(({ budget: key, verdict }) => `${key} ${verdict}`);

  test('what is just allowed holds, and a unit more is broken', () => {
    const exact = {
      startBytes: 50_000_000,
      startRequests: 100,
      readySeconds: 4,
      growthBytes: 10_000_000,
      growthShare: 0.1,
      wasteBytes: 200,
      wasteShare: 0.2,
      index: 'verified',
    } as const;
    assert.deepEqual(
      verdicts(exact),
      Object.keys(exact).map((key) => `${key} held`),
    );
    const less = {
      startBytes: 49_999_999,
      startRequests: 99,
      readySeconds: 3.99,
      growthBytes: 9_999_999,
      growthShare: 0.099,
      wasteBytes: 199,
      wasteShare: 0.199,
    };
    assert.deepEqual(
      verdicts(less),
      Object.keys(less).map((key) => `${key} broken`),
    );
  });

  test('an image that shrank keeps every budget of growth', () => {
    const [check] = judge({ growthBytes: 0 }, { ...FACTS, size: 90_000_000 });
    assert.equal(check?.verdict, 'held');
    assert.match(check.message, /90 MB, 10 MB smaller than .*main \(10 %\)/);
  });

  test('without a base yet, growth is skipped, and that breaks nothing', () => {
    const checks = judge(
      { growthBytes: 0, growthShare: 0 },
      { ...FACTS, base: { reference: 'b', size: null } },
    );
    assert.deepEqual(
      checks.map(({ verdict }) => verdict),
      ['skipped', 'skipped'],
    );
    assert.ok(isHeld(result(checks)));
  });

  test('an index: none, one for a part of the platforms, one that is wrong', () => {
    const of = (index: Facts['index']) => judge({ index: 'verified' }, { size: 1, index })[0];
    assert.match(of({ digests: [], missing: [] })?.message ?? '', /has no SOCI index, so/);
    assert.match(
      of({ digests: ['a'], missing: ['linux/arm64'] })?.message ?? '',
      /no SOCI index for linux\/arm64/,
    );
    const wrong = of({ digests: ['a'], missing: [], problems: ['One.', 'Two.'] });
    assert.equal(wrong?.verdict, 'broken');
    assert.match(wrong.message, /does not hold: One\. \(and 1 more\)/);
  });

  test('a budget that was not measured is a defect, never a pass', () => {
    assert.throws(() => judge({ startBytes: 1 }, { size: 1 }), /startBytes was not measured/);
    assert.throws(() => judge({ index: 'present' }, { size: 1 }), /not looked for/);
  });
});

suite('reports', () => {
  const checks = judge(
    { startBytes: 1, startRequests: 1000, growthBytes: 1, index: 'present' },
    { ...FACTS, base: { reference: 'b', size: null }, index: { digests: [], missing: [] } },
  );

  test('SARIF keeps its schema, and points to the budget in the file', () => {
    const log = JSON.parse(sarifReport(result(checks))) as {
      runs: { results: { ruleId: string; locations: { physicalLocation: object }[] }[] }[];
    };
    const schema = JSON.parse(
      readFileSync('node_modules/@microsoft/jest-sarif/lib/schemas/sarif-2.1.0-rtm.5.json', 'utf8'),
    ) as object;
    const validate = new Ajv({ strict: false, validateFormats: false, unicodeRegExp: false }).compile(schema);
    assert.ok(validate(log), JSON.stringify(validate.errors));
    assert.deepEqual(
      log.runs[0]?.results.map(({ ruleId }) => ruleId),
      ['startBytes', 'index'],
    );
    assert.deepEqual(log.runs[0].results[0]?.locations[0]?.physicalLocation, {
      artifactLocation: { uri: 'services/the%20shop/soci-lens.json' },
      region: { startLine: 4 },
    });
  });

  test('JUnit counts right, and what is named cannot break the XML', () => {
    const xml = junitReport(result(checks));
    assert.match(xml, /<testsuites tests="4" failures="2" skipped="1">/);
    assert.equal(xml.match(/<testcase /g)?.length, 4);
    assert.equal(xml.match(/<failure /g)?.length, 2);
    assert.equal(xml.match(/<skipped /g)?.length, 1);
    assert.equal(xml.includes('<script>'), false);
    assert.match(xml, /classname="docker:\/\/host\.example\/a\|b&lt;script&gt;&amp;&quot;x&quot;"/);
  });

  test('Markdown has one row for each budget, and what is named cannot become markup', () => {
    const lines = markdownReport(result(checks)).split('\n');
    assert.match(lines[0] ?? '', /breaks its budget/);
    const rows = lines.filter((line) => line.startsWith('| '));
    assert.equal(rows.length, 2 + 4);
    for (const row of rows) assert.equal(row.match(/(?<!\\)\|/g)?.length, 5, row);
    assert.equal(lines.filter((line) => line.startsWith('- ')).length, 2);
  });
});
