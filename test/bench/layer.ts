// One measurement of the layer room in a process of its own; scripts/bench.mjs runs them and prints the table.
// node layer.js MEASURE FILE WORKER → one line of JSON.

import { gzip } from '../../src/image/gzip';
import { writeAndScan } from '../../src/image/indexing';
import { createLayout } from '../../src/image/layout-writer';
import type { Scanner } from '../../src/image/scan';
import { fileBytes, type Bytes } from '../../src/layer/bytes';
import { openScanCache } from '../../src/layer/cache';
import { createScanPool } from '../../src/layer/pool';
import { InlineDigester } from '../../src/layer/digests';
import { plainMemory } from '../../src/layer/memory';
import { scanLayer, type ScanOptions } from '../../src/layer/scan';
import { checkpoints, spanTable } from '../../src/layer/spans';
import { Random } from '../support/random';
import { header, padded } from '../support/tars';
import { createReadStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { Writable } from 'node:stream';
import { createGunzip, gzipSync } from 'node:zlib';

const [measure = '', file = '', workerFile = ''] = process.argv.slice(2);

/** Seconds that `run` takes. */
async function seconds(run: () => Promise<unknown>): Promise<number> {
  const start = process.hrtime.bigint();
  await run();
  return Number(process.hrtime.bigint() - start) / 1e9;
}

/** A gzip layer that never exists as a whole: one member over and over, then the end of the archive. */
function generated(member: Uint8Array, times: number): Bytes {
  const end = gzipSync(Buffer.alloc(1024));
  return {
    size: member.length * times + end.length,
    ranged: false,
    async *read() {
      for (let i = 0; i < times; i++) {
        for (let at = 0; at < member.length; at += 1 << 18) yield member.slice(at, at + (1 << 18));
        await new Promise(setImmediate);
      }
      yield end;
    },
  };
}

/** A gzip member with files of text that compresses about 3 : 1. */
function member(entries: number, size: number): Buffer {
  const random = new Random(1);
  const words = Array.from({ length: 2000 }, () =>
    Buffer.from(random.bytes(random.int(2, 9))).toString('hex'),
  );
  const parts: Buffer[] = [];
  for (let i = 0; i < entries; i++) {
    const data = Buffer.alloc(size);
    for (let at = 0; at < size;) at += data.write(`${words[random.int(0, 1999)] ?? ''} `, at);
    parts.push(
      header({ name: `usr/share/package-${i}/file-${i}`, size, uname: 'root', gname: 'root' }),
      padded(data),
    );
  }
  return gzipSync(Buffer.concat(parts));
}

async function scanned(blob: Bytes, options: ScanOptions = {}): Promise<object> {
  let scan: Awaited<ReturnType<typeof scanLayer>> | undefined;
  const time = await seconds(async () => (scan = await scanLayer(blob, 'gzip', options)));
  return { seconds: time, bytes: scan?.streamSize, entries: scan?.entries.length };
}

/** The same layer in each of so many workers side by side. */
async function pooled(blob: Bytes, workers = 1): Promise<object> {
  const pool = createScanPool({ workers, workerFile });
  let scans: Awaited<ReturnType<typeof scanLayer>>[] = [];
  const time = await seconds(async () => {
    scans = await Promise.all(Array.from({ length: workers }, () => pool.scan(blob, 'gzip')));
  });
  await pool.close();
  return { seconds: time, bytes: scans[0]?.streamSize, entries: scans[0]?.entries.length };
}

/** Compresses a plain tar into a layout, as an export from the engine does; with `pool`, and indexes it on the way. */
async function compressed(pool?: Scanner): Promise<object> {
  const dir = await mkdtemp(path.join(tmpdir(), 'soci-lens-bench-'));
  try {
    const writer = await createLayout(dir);
    const tar = await fileBytes(file);
    const write = (bytes: AsyncIterable<Uint8Array>) => writer.addBlob(bytes);
    const cache = openScanCache(path.join(dir, 'scans'));
    const time = await seconds(() =>
      pool
        ? writeAndScan({ packed: gzip(tar.read()), isFresh: true }, write, { pool, cache }, undefined)
        : write(gzip(tar.read())),
    );
    return { seconds: time };
  } finally {
    await rm(dir, { recursive: true });
  }
}

const measures: Record<string, () => Promise<object>> = {
  gunzip: async () => ({
    seconds: await seconds(() =>
      pipeline(
        createReadStream(file, { highWaterMark: 1 << 18 }),
        createGunzip({ chunkSize: 1 << 18 }),
        new Writable({
          write: (_chunk, _encoding, done) => {
            done();
          },
        }),
      ),
    ),
  }),
  scan: async () => scanned(await fileBytes(file)),
  'scan-diff': async () => scanned(await fileBytes(file), { diffId: true }),
  /** The digests of the blob and of its spans alone: what no decoder takes off the whole pass. */
  digests: async () => {
    const hasher = new InlineDigester(plainMemory(), { blob: true, spans: true, diffId: false });
    const blob = await fileBytes(file);
    const time = await seconds(async () => {
      let at = 0;
      for await (const chunk of blob.read(undefined, undefined, (length) => hasher.allocate(length))) {
        hasher.add(chunk, [{ at, shared: false }]);
        at += chunk.length;
      }
      hasher.finish([]);
    });
    return { seconds: time };
  },
  pool: async () => pooled(await fileBytes(file)),
  'pool-2': async () => pooled(await fileBytes(file), 2),
  compress: () => compressed(),
  'compress-index': async () => {
    const pool = createScanPool({ workerFile });
    const result = await compressed(pool);
    await pool.close();
    return result;
  },
  /** From the abort in the middle of a scan until its thread is gone. */
  abort: async () => {
    const pool = createScanPool({ workerFile });
    const blob = await fileBytes(file);
    const abort = new AbortController();
    let aborted = 0n;
    const onProgress = (): void => {
      if (abort.signal.aborted) return;
      aborted = process.hrtime.bigint();
      abort.abort();
    };
    await pool.scan(blob, 'gzip', { signal: abort.signal, onProgress }).catch(() => undefined);
    await pool.close();
    return { seconds: Number(process.hrtime.bigint() - aborted) / 1e9 };
  },
  spans: async () => {
    const scan = await scanLayer(await fileBytes(file), 'gzip');
    let spans = 0;
    const time = await seconds(async () => {
      for (let exponent = 16; exponent < 28; exponent++) {
        const table = spanTable(scan, 2 ** exponent);
        for (let i = 0; i < scan.entries.length; i++) spans += table.at(scan.entries.offset(i));
        spans += checkpoints(scan, 2 ** exponent).in.length;
      }
      await Promise.resolve();
    });
    return { seconds: time, spans };
  },
  cache: async () => {
    const dir = await mkdtemp(path.join(tmpdir(), 'soci-lens-bench-'));
    try {
      const scan = await scanLayer(await fileBytes(file), 'gzip');
      const cache = openScanCache(dir);
      await cache.put('layer', scan);
      return { seconds: await seconds(() => cache.get('layer')) };
    } finally {
      await rm(dir, { recursive: true });
    }
  },
  'grow-0.1': () => scanned(generated(member(16, 1_000_000), 6)),
  'grow-1': () => scanned(generated(member(16, 1_000_000), 61)),
  'grow-5': () => scanned(generated(member(16, 1_000_000), 304)),
  'grow-20': () => scanned(generated(member(16, 1_000_000), 1216)),
  'grow-20-worker': () => pooled(generated(member(16, 1_000_000), 1216)),
  'entries-500k': () => scanned(generated(member(5000, 100), 100)),
};

void (async () => {
  const run = measures[measure];
  if (!run) throw new Error(`There is no measure ${measure}.`);
  const result = await run();
  const cpu = process.cpuUsage();
  console.log(
    JSON.stringify({
      ...result,
      cpu: (cpu.user + cpu.system) / 1e6,
      rss: process.resourceUsage().maxRSS * 1024,
    }),
  );
})();
