/**
 * An image of another machine where the kernel starts an emulator for its programs (Documentation/admin-guide/binfmt-misc.rst):
 * the tracer is the engine's own kind, and sees through it. The emulator stands in for qemu, which needs 300 MB.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtemp, rmdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { test } from 'node:test';
import { promisify } from 'node:util';
import type { Engine } from '../../src/image/engine';
import { mapTrace } from '../../src/trace/map';
import type { EngineSubject } from '../../src/trace/subject';
import { summariseRun } from '../../src/trace/summary';
import { testEngine } from '../support/engine';
import { temporaryFolder } from '../support/folders';
import { layerOf, tarOf, type TestFile } from '../support/images';
import { fixture } from '../support/paths';
import { events, record, subject } from '../support/tracing';

const run = promisify(execFile);

/** elf(5): 64 bits, little endian, an executable for EM_RISCV. */
const HEAD = [0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0xf3, 0];

/** Lets the kernel start `emulator` for such programs, as long as `action` runs; `undefined` where it may not be asked to. */
async function registered<T>(emulator: string, action: () => Promise<T>): Promise<T | undefined> {
  const folder = await mkdtemp(path.join(tmpdir(), 'soci-lens-binfmt-'));
  const name = `soci-lens-test-${process.pid}`;
  const magic = HEAD.map((byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('');
  try {
    await run('mount', ['-t', 'binfmt_misc', 'none', folder]);
  } catch {
    await rmdir(folder);
    return undefined;
  }
  try {
    // F: the emulator is opened now, since no container has it.
    await writeFile(path.join(folder, 'register'), `:${name}:M::${magic}::${emulator}:F`);
    try {
      return await action();
    } finally {
      await writeFile(path.join(folder, name), '-1');
    }
  } finally {
    await run('umount', [folder]);
    await rmdir(folder);
  }
}

const TAG = 'fx-emulated:latest';

/** Gives the engine an image of one layer as `docker save` would write it: builders only make images of their own machine. */
async function load(engine: Engine, files: readonly TestFile[]): Promise<EngineSubject> {
  const layer = tarOf(files);
  const config = {
    architecture: 'riscv64',
    os: 'linux',
    config: { Entrypoint: ['/app', 'well'] },
    rootfs: { type: 'layers', diff_ids: [`sha256:${createHash('sha256').update(layer).digest('hex')}`] },
  };
  const manifest = [{ Config: 'config.json', RepoTags: [TAG], Layers: ['layer.tar'] }];
  const archive = tarOf([
    { name: 'manifest.json', data: JSON.stringify(manifest) },
    { name: 'config.json', data: JSON.stringify(config) },
    { name: 'layer.tar', data: layer },
  ]);
  await buffer(await engine.docker.loadImage(Readable.from([archive])));
  return subject(TAG);
}

test('an image of another machine, under an emulator', { timeout: 60_000 }, async (t) => {
  const engine = await testEngine();
  const folder = await temporaryFolder(t);
  const emulator = path.join(folder, 'emulator');
  await run('gcc', ['-O2', '-static', '-o', emulator, fixture('images/emulator/emulator.c')]);
  const layer = [
    { name: 'app', data: Buffer.from([...HEAD, ...Buffer.alloc(9000)]), mode: 0o755 },
    { name: 'data', data: Buffer.alloc(1 << 20, 'x') },
  ];
  const image = await load(engine, layer);
  const { emulated } = await summariseRun(engine, image, { timeoutMs: 1000 });
  assert.ok(emulated, 'and the person is told so');

  const recorded = await registered(emulator, () => record(TAG));
  if (!recorded) {
    t.diagnostic('this machine lets no emulator be registered');
    return;
  }
  assert.deepEqual(recorded.output, ['ran well']);
  assert.equal(recorded.trace.footer?.exit_code, 3);
  const programs = recorded.trace.events.flatMap((event) => (event.op === 'exec' ? [event.path] : []));
  assert.deepEqual(programs, ['/app']);
  assert.deepEqual(
    events(recorded, 'read', '/data').map(({ off, len }) => [off, len]),
    [[4096, 10]],
  );
  const { scan } = await layerOf(layer);
  const target = { layers: [scan.entries], config: image.config };
  const { files, touches, coverage } = mapTrace(recorded.trace, target);
  assert.equal(files, 2);
  assert.deepEqual(
    touches.filter(({ kind }) => kind !== 'open').map(({ start, end, kind }) => [start, end, kind]),
    [
      [0, 4096, 'exec'],
      [0, 64, 'read'],
      [4096, 4106, 'read'],
    ],
  );
  assert.deepEqual(coverage.unmapped, [{ path: emulator, reason: 'not-in-image' }]);
});
