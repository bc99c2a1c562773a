/** Every kind of call that reads a file, from 64-bit and from 32-bit programs, however the tracer looks at it. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { cp, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { buildImage } from '../../src/image/build';
import { testEngine } from '../support/engine';
import { temporaryFolder } from '../support/folders';
import { fixture, repoRoot } from '../support/paths';
import { assertPages, events, record, tracerDir } from '../support/tracing';

const run = promisify(execFile);

for (const [machine, bytes, compiler, flags] of [
  ['x86_64', '8', 'gcc', []],
  ['x86', '4', 'i686-linux-gnu-gcc', []],
  // Programs for files over 2 GiB use other calls.
  ['x86-large', '4', 'i686-linux-gnu-gcc', ['-D_FILE_OFFSET_BITS=64']],
] as const) {
  test(`${machine}: reads, mappings, advice, copies and listening`, async (t) => {
    const engine = await testEngine();
    const contextDir = await temporaryFolder(t);
    const program = path.join(contextDir, 'calls');
    await run(compiler, [...flags, '-O2', '-static', '-o', program, fixture('images/calls/calls.c')]);
    await writeFile(path.join(contextDir, 'data'), Buffer.alloc(4 << 20, 'x'));
    await writeFile(
      path.join(contextDir, 'Dockerfile'),
      'FROM scratch\nCOPY calls data /\nENTRYPOINT ["/calls"]\n',
    );
    const tag = `fx-calls-${machine}`;
    await buildImage(engine, { contextDir, dockerfile: 'Dockerfile', tag });

    for (const tracerFlags of [[], ['-R'], ['-N']]) {
      const recorded = await record(tag, { tracerFlags });
      const followed = !tracerFlags.some((flag) => flag === '-N');
      assert.deepEqual(recorded.output, [`${bytes} ${followed ? 'no ring' : 'ring'}`]);
      assert.equal(
        recorded.trace.events.some((event) => event.op === 'mark' && event.what === 'io_uring'),
        !followed,
        'without a filter a ring is told of and not refused',
      );
      assert.deepEqual(
        events(recorded, 'open').map(({ path, real, ret }) => [path, real, ret].filter(Boolean).join(' ')),
        [
          '/data',
          '/link /data',
          '/link -40',
          '/nothing -2',
          '/data/below -20',
          '/ -2',
          '/data -20',
          '/',
          '/data',
          '/proc/self/root/data /data',
          '/made',
          '/made -17',
        ],
        `${tracerFlags.join()}: opens, however the tracer learns how they end`,
      );
      assert.deepEqual(
        events(recorded, 'read', '/data').map(({ off, len }) => [off, len]),
        [
          [0, 10],
          [5, 20],
          [10, 70],
          [3, 70],
          [7, 11],
          [80, 12],
          [100, 200],
        ],
        `${tracerFlags.join()}: read, pread, readv, preadv, sendfile twice, fadvise`,
      );
      assert.deepEqual(
        events(recorded, 'mmap', '/data').map(({ off, len, prot }) => [off, len, prot]),
        [
          [0, 4096, 1],
          [1 << 20, 2 << 20, 1],
        ],
      );
      assertPages(recorded, '/data', [0, 2 << 20]);
      assert.ok(events(recorded, 'pages', '/data').some(({ why }) => why === 'munmap'));
      assert.deepEqual(
        events(recorded, 'advise', '/data').map(({ how, fd }) => [how, fd !== undefined]),
        [
          ['random', true],
          ['random', false],
        ],
        'of a descriptor, and of a mapping',
      );
      assert.deepEqual(
        recorded.trace.events.flatMap((event) =>
          event.op === 'bind' || event.op === 'listen' ? [[event.op, event.port]] : [],
        ),
        [
          ['bind', 4321],
          ['listen', 4321],
        ],
      );
    }
  });
}

test('the same source gives the same tracers, wherever it lies', { timeout: 900_000 }, async (t) => {
  const built = await tracerDir();
  const elsewhere = await temporaryFolder(t);
  for (const part of ['scripts', 'src/trace/tracer']) {
    await cp(path.join(repoRoot, part), path.join(elsewhere, part), { recursive: true });
  }
  // The compiler with its C library; what it makes of the source is kept elsewhere, so it is compiled anew.
  const compiler = readdirSync(path.join(repoRoot, '.cache')).filter((name) => name.startsWith('zig-'));
  await mkdir(path.join(elsewhere, '.cache'));
  for (const name of compiler) {
    await symlink(path.join(repoRoot, '.cache', name), path.join(elsewhere, '.cache', name));
  }
  const { stderr } = await run(process.execPath, [path.join(elsewhere, 'scripts/build-tracer.mjs')]);
  assert.match(stderr, /Building the tracer for amd64 .*\nBuilding the tracer for arm64/);
  for (const name of ['tracer-amd64', 'tracer-arm64']) {
    const [one, other] = await Promise.all(
      [built, path.join(elsewhere, 'dist/tracer')].map((folder) => readFile(path.join(folder, name))),
    );
    assert.ok(one && other && one.equals(other), name);
  }
});

test('the tracers are static programs of less than 120 kB', async () => {
  for (const name of ['tracer-amd64', 'tracer-arm64']) {
    const program = await readFile(path.join(await tracerDir(), name));
    assert.ok(program.length < 120_000, `${name}: ${program.length}`);
    // elf(5): e_phoff at 32, e_phentsize at 54, e_phnum at 56; PT_INTERP is 3.
    const [from, size, count] = [
      Number(program.readBigUInt64LE(32)),
      program.readUInt16LE(54),
      program.readUInt16LE(56),
    ];
    const types = Array.from({ length: count }, (_, index) => program.readUInt32LE(from + index * size));
    assert.ok(types.length > 0 && !types.includes(3), `${name} needs no loader`);
  }
});
