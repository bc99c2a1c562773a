import assert from 'node:assert/strict';
import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, suite, test } from 'node:test';
import Ajv from 'ajv-draft-04';
import { runInProcess } from '../../support/cli';

suite('soci-lens lint-config and config', () => {
  let folder = '';
  before(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'soci-lens-config-'));
  });
  after(() => rm(folder, { recursive: true, force: true }));

  const fixture = (name: string) => path.join('test/fixtures/walkthrough', name);
  async function file(name: string, text: string): Promise<string> {
    const target = path.join(folder, name);
    await writeFile(target, text);
    return target;
  }

  test('ends with 3 when there are faults, and says where, why and how to fix them', async () => {
    const { code, stdout } = await runInProcess(['lint-config', fixture('daemonset.yaml')]);
    assert.equal(code, 3);
    assert.match(
      stdout,
      /daemonset\.yaml:23:15: error: max_concurrent_downloads_per_image is read under \[pull_modes\.parallel_pull_unpack\], not under \[blob\]\. \[wrong-table\]\n {2}Published walkthroughs/,
    );
    assert.match(stdout, /Fix: Move these 2 keys under/);
    assert.match(stdout, /^2 errors\.$/m);
  });

  test('ends with 0 when there are none, or notes alone', async () => {
    const good = await runInProcess(['lint-config', fixture('config-parallel.toml')]);
    assert.equal(good.code, 0);
    assert.match(good.stdout, /nothing found/);
    const note = await runInProcess(['lint-config', await file('note.toml', 'http_cache_type = "memory"\n')]);
    assert.equal(note.code, 0);
    assert.match(note.stdout, /note: http_cache_type has no effect/);
  });

  test('prints JSON and SARIF of the same findings; the log keeps its schema and carries the fixes', async () => {
    const json = JSON.parse(
      (await runInProcess(['lint-config', fixture('config-blob.toml'), '--json'])).stdout,
    ) as {
      version: number;
      findings: { rule: string; line: number; fix: { edits: unknown[] } }[];
    };
    assert.equal(json.version, 1);
    assert.deepEqual(
      json.findings.map(({ line }) => line),
      [3, 4, 5, 6, 7, 8],
    );
    const { stdout } = await runInProcess(['lint-config', fixture('config-blob.toml'), '--format', 'sarif']);
    const log = JSON.parse(stdout) as {
      runs: { results: { fixes: { artifactChanges: { replacements: unknown[] }[] }[] }[] }[];
    };
    const schema = JSON.parse(
      await readFile('node_modules/@microsoft/jest-sarif/lib/schemas/sarif-2.1.0-rtm.5.json', 'utf8'),
    ) as object;
    const validate = new Ajv({ strict: false, validateFormats: false, unicodeRegExp: false }).compile(schema);
    assert.ok(validate(log), JSON.stringify(validate.errors));
    assert.equal(log.runs[0]?.results.length, 6);
    assert.ok((log.runs[0].results[0]?.fixes[0]?.artifactChanges[0]?.replacements.length ?? 0) > 0);
  });

  test('--fix writes the file, and what is left is told', async () => {
    const target = path.join(folder, 'daemonset.yaml');
    await copyFile(fixture('daemonset.yaml'), target);
    const { code, stdout, stderr } = await runInProcess(['lint-config', target, '--fix']);
    assert.equal(code, 0, stdout);
    assert.match(stderr, /2 fixes made/);
    assert.match(await readFile(target, 'utf8'), /^ {14}\[pull_modes\.parallel_pull_unpack\]$/m);
  });

  test('a release is asked for, or named in the file', async () => {
    const target = await file('prefetch.toml', '[prefetch]\nenable = true\n');
    assert.equal((await runInProcess(['lint-config', target])).code, 0);
    assert.equal((await runInProcess(['lint-config', target, '--soci-version', '0.12.1'])).code, 3);
  });

  test('what is no config, or not there, is said so', async () => {
    const other = await runInProcess(['lint-config', await file('list.yaml', '- 1\n- 2\n')]);
    assert.equal(other.code, 1);
    assert.match(other.stderr, /holds no config of the snapshotter/);
    const none = await runInProcess(['lint-config', path.join(folder, 'none.toml')]);
    assert.equal(none.code, 1);
    assert.match(none.stderr, /cannot be read/);
  });

  test('config writes what lint-config finds nothing in', async () => {
    const target = path.join(folder, 'made.toml');
    const args = [
      '--node',
      'g5.4xlarge,iops=16000,disk=1000',
      '--mode',
      'parallel',
      '--soci-version',
      '0.13.0',
    ];
    assert.equal((await runInProcess(['config', ...args, '-o', target])).code, 0);
    assert.equal((await runInProcess(['lint-config', target])).code, 0);
    const { stdout } = await runInProcess(['config', ...args, '--json']);
    const { release, settings } = JSON.parse(stdout) as {
      release: string;
      settings: { path: string; value: unknown; why: string }[];
    };
    assert.equal(release, '0.13');
    assert.ok(settings.every(({ why }) => why.length > 10));
    for (const form of ['containerd', 'nodeadm', 'user-data', 'bottlerocket']) {
      const made = await runInProcess(['config', ...args, '--form', form]);
      assert.equal(made.code, 0, made.stderr);
      assert.match(made.stdout, /soci/);
    }
  });
});
