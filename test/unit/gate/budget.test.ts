import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { suite, test } from 'node:test';
import Ajv from 'ajv';
import { BUDGETS, parseBudget, SETTINGS } from '../../../src/gate/budget';
import { isLens } from '../../support/errors';
import { repoRoot } from '../../support/paths';

interface Schema {
  readonly properties: { readonly budget: { readonly properties: object } };
}
const schema = JSON.parse(
  readFileSync(path.join(repoRoot, 'schemas/soci-lens.schema.json'), 'utf8'),
) as Schema;
// `enumDescriptions` and `defaultSnippets` are VS Code's own.
const validate = new Ajv({ strict: false }).compile(schema);

const GOOD = [
  '{"version":1,"budget":{"index":"present"}}',
  '{"version":1,"budget":{"index":"verified","startBytes":0}}',
  '{"version":1,"budget":{"startBytes":"64M","startRequests":200,"readySeconds":7.5},"trace":"a.jsonl"}',
  '{"version":1,"budget":{"growthShare":0.05,"growthBytes":"1GiB"},"base":"docker://host.example/a:main"}',
  '{"version":1,"budget":{"wasteShare":1,"wasteBytes":1}}',
  '{"$schema":"x","version":1,"budget":{"startBytes":1},"trace":["a","b"],"mode":"lazy-prefetch","spanSize":"1M","minLayerSize":0,"network":"rtt=5,bw=100","node":"cores=4,disk=200"}',
];

const BAD: readonly [text: string, place: string, why: RegExp][] = [
  ['', ':1:1', /not JSON/],
  ['[]', ':1:1', /must be a JSON object/],
  ['{"version":1}', ':1:1', /has no "budget"/],
  ['{"budget":{"startBytes":1}}', ':1:1', /has no "version"; it must be 1/],
  ['{"version":2,"budget":{"startBytes":1}}', ':1:12', /"version" must be 1/],
  ['{"version":1,"budget":{}}', ':1:23', /names nothing/],
  ['{"version":1,\n "budget":{"startByte":1}}', ':2:12', /unknown key "startByte"; known are startBytes/],
  ['{"version":1,"budget":{"startBytes":1},"tracee":"x"}', ':1:40', /unknown key "tracee"/],
  ['{"version":1,"budget":{"startBytes":-1}}', ':1:37', /number of bytes/],
  ['{"version":1,"budget":{"startBytes":1.5}}', ':1:37', /number of bytes/],
  ['{"version":1,"budget":{"startBytes":"64MB"}}', ':1:37', /number of bytes/],
  ['{"version":1,"budget":{"startRequests":"9"}}', ':1:40', /whole number/],
  ['{"version":1,"budget":{"readySeconds":"9s"}}', ':1:39', /number of seconds/],
  ['{"version":1,"budget":{"growthShare":"5 %"}}', ':1:38', /part of the whole/],
  ['{"version":1,"budget":{"index":true}}', ':1:32', /"present" or "verified"/],
  ['{"version":1,"budget":{"startBytes":1},"mode":"fast"}', ':1:47', /one of lazy/],
  ['{"version":1,"budget":{"startBytes":1},"trace":[1]}', ':1:48', /path or a list/],
  ['{"version":1,"budget":{"startBytes":1},"base":""}', ':1:47', /must be a text/],
  ['{"version":1,\n"budget":{"startBytes":1}\n"base":"x"}', ':3:1', /not JSON/],
];
/** What only our own reader refuses: these need more than a schema can say. */
const BEYOND_THE_SCHEMA = ['{"version":1,"budget":{"startBytes":1},"network":"fast"}'];

suite('soci-lens.json', () => {
  for (const text of GOOD) {
    test(`is taken, by us and by the schema: ${text.slice(0, 60)}`, () => {
      assert.ok(Object.keys(parseBudget(text, 'b.json').budget).length > 0);
      assert.ok(validate(JSON.parse(text)), JSON.stringify(validate.errors));
    });
  }

  for (const [text, place, why] of BAD) {
    test(`is refused, with its place: ${text.slice(0, 60).replaceAll('\n', ' ')}`, () => {
      assert.throws(
        () => parseBudget(text, 'b.json'),
        (error) => {
          assert.ok(isLens(error, 'gate/bad-budget'));
          assert.ok(error.message.startsWith(`b.json${place}`), error.message);
          assert.match(error.message, why);
          return true;
        },
      );
      if (why.source !== 'not JSON') assert.equal(validate(JSON.parse(text)), false);
    });
  }

  for (const text of BEYOND_THE_SCHEMA) {
    test(`is refused beyond the schema: ${text}`, () => {
      assert.throws(() => parseBudget(text, 'b.json'), /b\.json:1:50: "network" is not understood/);
    });
  }

  test('the schema knows the keys that the reader knows', () => {
    assert.deepEqual(Object.keys(schema.properties), SETTINGS);
    assert.deepEqual(Object.keys(schema.properties.budget.properties), Object.keys(BUDGETS));
  });

  test('a huge file is refused unread', () => {
    const text = `{"version":1,"budget":{"startBytes":1},"base":"${'x'.repeat(1 << 21)}"}`;
    assert.throws(() => parseBudget(text, 'b.json'), /too long/);
  });

  test('sizes, traces beside the file, and the line of each budget', () => {
    const text =
      '{ "version": 1, // ours\n "budget": {\n "startBytes": "2k",\n "index": "present", }, "trace": "t.jsonl" }';
    const { budget, traces, lines, mode } = parseBudget(text, 'services/shop/soci-lens.json');
    assert.deepEqual(budget, { startBytes: 2048, index: 'present' });
    assert.deepEqual(lines, { startBytes: 3, index: 4 });
    assert.deepEqual(traces, [path.join('services/shop', 't.jsonl')]);
    assert.equal(mode, 'lazy');
  });
});
