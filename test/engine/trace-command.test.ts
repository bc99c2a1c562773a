/** `soci-lens trace` as a person types it. */
import assert from 'node:assert/strict';
import path from 'node:path';
import { before, test } from 'node:test';
import { readTrace } from '../../src/trace/file';
import { runProgram } from '../support/cli';
import { ensureImage } from '../support/engine';
import { temporaryFolder } from '../support/folders';

before(() => ensureImage('fx-scratch'));

test('several runs: a file for each, compared, after telling how the image is run', async (t) => {
  const output = path.join(await temporaryFolder(t), 'app.soci-trace.jsonl');
  const flags = ['--runs', '2', '--time-untraced', '--memory', '256M', '--env', 'A=b c', '--output', output];
  const { code, stdout, stderr } = await runProgram([
    'trace',
    'docker-daemon:fx-scratch',
    ...flags,
    '--json',
  ]);
  assert.equal(code, 0, stderr);
  for (const told of [
    /command: +\/app\n/,
    /user: +65532:65532/,
    /environment: +A=b c/,
    /256 MiB/,
    /never privileged/,
  ]) {
    assert.match(stderr, told);
  }
  // What docs/cli.md describes.
  const document = JSON.parse(stdout) as {
    runs: {
      file: string;
      readyMs: number;
      untracedReadyMs: number;
      files: number;
      processes: unknown[];
      coverage: object;
    }[];
    compared: { stability: { files: number[]; spans: number[] } };
  };
  assert.deepEqual(
    document.runs.map(({ file }) => path.basename(file)),
    ['app.1.soci-trace.jsonl', 'app.2.soci-trace.jsonl'],
  );
  for (const { file, files, untracedReadyMs, processes } of document.runs) {
    assert.equal(files, 4);
    assert.equal(processes.length, 2);
    const { header } = await readTrace(file);
    assert.equal(header.untraced_ready, untracedReadyMs * 1000);
  }
  assert.deepEqual(document.compared.stability.files, [0, 4]);
  for (const { coverage } of document.runs) {
    // /etc/app/missing.conf is asked for and is nowhere: a failed call is no path of the start.
    assert.deepEqual(coverage, { mapped: 4, excluded: 0, unmapped: 0, examples: [] });
  }
  const [one = 0, both = 0] = document.compared.stability.spans;
  assert.ok(both >= 4 && one <= 1);
});

test('a guess runs nothing, and says that it is one', async (t) => {
  const output = path.join(await temporaryFolder(t), 'guess.soci-trace.jsonl');
  const { code, stdout, stderr } = await runProgram([
    ...['trace', 'docker-daemon:fx-scratch', '--guess', '--output', output],
  ]);
  assert.equal(code, 0, stderr);
  assert.match(stdout, /a guess of 1 file,.*nothing was run/);
  assert.match(stdout, /Of the 1 paths of the trace 1 lead into the image/);
  const { header, events, footer } = await readTrace(output);
  assert.deepEqual([header.mode, footer?.reason], ['guess', 'guessed']);
  assert.deepEqual(
    events.flatMap((event) => (event.op === 'open' ? [event.path] : [])),
    ['/app'],
  );
});
