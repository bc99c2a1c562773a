/** docs/walkthrough.md names commands, verbs and flags; each of them has to be there. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { lintFile } from '../../src/cluster/lint';
import { runInProcess } from '../support/cli';
import { repoRoot } from '../support/paths';

const read = (...name: string[]) => readFileSync(path.join(repoRoot, ...name), 'utf8');
const text = read('docs', 'walkthrough.md');

test('every command of the palette that the walkthrough names is one, by that name', () => {
  const titles = new Set(Object.values(JSON.parse(read('package.nls.json')) as Record<string, string>));
  const named = [...text.matchAll(/_SOCI: ([^_]+)_/g)].map(([, title = '']) => title);
  assert.ok(named.length >= 12, String(named.length));
  assert.deepEqual(
    named.filter((title) => !titles.has(title)),
    [],
  );
});

test('every verb that it names is one, and takes the flags that it gives', async () => {
  const lines = [...text.matchAll(/`soci-lens ([^`]+)`/g)].map(([, line = '']) => line);
  assert.ok(lines.length >= 12, String(lines.length));
  for (const line of lines) {
    const words = line.split(' ');
    const verb = words[0] === 'cluster' ? words.slice(0, 2) : words.slice(0, 1);
    const { code, stdout, stderr } = await runInProcess([...verb, '--help']);
    assert.equal(code, 0, `${line}: ${stderr}`);
    for (const flag of words.filter((word) => /^--?\w/.test(word)))
      assert.match(stdout, new RegExp(`(?:^|[ ,])${flag}\\b`, 'm'), line);
  }
});

test('what it says is wrong in published files is found in them', () => {
  const file = (name: string) => lintFile(read('test/fixtures/walkthrough', name), name);
  for (const name of ['config-blob.toml', 'daemonset.yaml']) {
    const { findings } = file(name);
    const rules = findings.map(({ rule }) => rule);
    assert.ok(rules.includes('wrong-table'), `${name}: ${rules.join()}`);
  }
  assert.deepEqual(
    file('config-parallel.toml').findings.filter(({ severity }) => severity === 'error'),
    [],
  );
});
