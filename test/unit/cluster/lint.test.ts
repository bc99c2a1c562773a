import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { applyEdits } from '../../../src/cluster/edits';
import { RULES } from '../../../src/cluster/findings';
import { fixAll, lintFile } from '../../../src/cluster/lint';
import { RELEASES } from '../../../src/cluster/releases';
import { FAULTS } from './faults';
import { GOOD } from './good';

describe('the linter finds each planted fault', () => {
  it('has a fault for every rule, and forty at least', () => {
    assert.ok(FAULTS.length >= 40, String(FAULTS.length));
    assert.deepEqual(new Set(FAULTS.map(({ rule }) => rule)), new Set(Object.keys(RULES)));
  });

  for (const { rule, text, at, fixed, file = 'config.toml', ...options } of FAULTS) {
    it(`${rule}: ${JSON.stringify(text).slice(0, 90)}`, () => {
      const { findings } = lintFile(text, file, options);
      const [finding, ...others] = findings.filter((one) => one.rule === rule);
      assert.ok(
        finding,
        `found only ${findings.map((one) => `${one.rule}: ${one.message}`).join('; ') || 'nothing'}`,
      );
      assert.deepEqual(
        findings.filter((one) => one.rule !== rule),
        [],
        'and nothing else',
      );
      // Misplaced keys are told one by one, and moved together.
      if (rule !== 'wrong-table') assert.deepEqual(others, []);
      if (at !== '') assert.equal(text.slice(finding.at.start, finding.at.end), at);
      assert.ok(finding.message.endsWith('.') && finding.reason.endsWith('.'));
      if (fixed === undefined) return;
      assert.ok(finding.fix);
      assert.equal(applyEdits(text, finding.fix.edits), fixed);
      assert.deepEqual(lintFile(fixed, file, options).findings, [], 'the fix leaves nothing behind');
    });
  }

  it('fixes all that has a fix, one after the other', () => {
    for (const { text, fixed, file = 'config.toml', ...options } of FAULTS) {
      if (fixed !== undefined) assert.equal(fixAll(text, file, options).text, fixed);
    }
  });
});

describe('the linter finds nothing in good files', () => {
  it('has twenty of them at least', () => {
    assert.ok(GOOD.length >= 20);
  });

  for (const { about, text, release } of GOOD) {
    it(about, () => {
      assert.deepEqual(lintFile(text, 'config.toml', { release }).findings, []);
    });
  }
});

/**
 * What the config reader of each release itself says to these texts, recorded with the released code
 * (test/fixtures/snapshotter/README.md).
 */
describe("the linter and the snapshotter's own reader agree", () => {
  const recorded = JSON.parse(readFileSync('test/fixtures/snapshotter/verdicts.json', 'utf8')) as Record<
    string,
    Record<string, string>
  >;
  const texts = [
    ...FAULTS.flatMap(({ text, fixed }) => [text, fixed ?? '']),
    ...GOOD.map(({ text }) => text),
  ];

  for (const release of RELEASES) {
    it(`release ${release}`, () => {
      const refused = recorded[release];
      assert.ok(refused);
      for (const text of texts) {
        // Settings of Bottlerocket are for another reader.
        if (text.includes('[settings.')) continue;
        const errors = lintFile(text, 'config.toml', { release }).findings.filter(
          ({ severity }) => severity === 'error',
        );
        const saysRefused = errors.some(({ reason }) => reason.includes('refuses the'));
        assert.equal(
          saysRefused,
          refused[text] !== undefined,
          `${JSON.stringify(text)}: ${refused[text] ?? 'is taken'}`,
        );
      }
    });
  }
});
