import { LensError } from '../../../src/errors';
import { fileBytes, memoryBytes, type Bytes } from '../../../src/layer/bytes';
import { packScan } from '../../../src/layer/packed';
import { createScanPool, startWorker, type ScanPool } from '../../../src/layer/pool';
import { scanLayer } from '../../../src/layer/scan';
import { fixture, repoRoot } from '../../support/paths';
import { lensError } from '../../support/errors';
import { eventually } from '../../support/eventually';
import { Random } from '../../support/random';
import { header, padded } from '../../support/tars';
import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, getPriority, tmpdir } from 'node:os';
import path from 'node:path';
import { after, afterEach, before, describe, it } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { deflateRawSync, gzipSync } from 'node:zlib';

const workerFile = path.join(repoRoot, 'dist', 'layer-worker.js');
const golden = (name: string): string => fixture('golden', 'layers', name);

describe('the scan pool', { timeout: 900_000 }, () => {
  let pool: ScanPool;
  let dir: string;

  before(async () => {
    dir = await mkdtemp(path.join(tmpdir(), 'soci-lens-pool-'));
  });
  after(() => rm(dir, { recursive: true, force: true }));
  afterEach(() => pool.close());

  /** A layer of `size` random bytes in a gzip, above the size from which a second thread hashes. */
  function bigLayer(size: number): Buffer {
    const data = Buffer.alloc(size);
    const random = new Random(7);
    for (let i = 0; i < size; i += 4) data.writeUInt32LE(Math.floor(random.next() * 2 ** 32), i);
    const tar = Buffer.concat([header({ name: 'big', size }), padded(data), Buffer.alloc(1024)]);
    return gzipSync(tar, { level: 1 });
  }

  /** Bytes of which the first come in many short chunks, as a registry may send them. */
  function dripping(data: Buffer): Bytes {
    return {
      size: data.length,
      ranged: false,
      // eslint-disable-next-line @typescript-eslint/require-await -- the interface is asynchronous, this source is not
      async *read() {
        const drops = 40 * 50;
        for (let at = 0; at < drops; at += 50) yield data.subarray(at, at + 50);
        yield data.subarray(drops);
      },
    };
  }

  it('finds what the same scan in this thread finds, from a file and from a stream', async () => {
    pool = createScanPool({ workers: 2, workerFile });
    const big = bigLayer(10 << 20);
    await writeFile(path.join(dir, 'big.tar.gz'), big);
    const options = { spanSize: 300_000, diffId: true };
    for (const blob of [
      await fileBytes(golden('mixed-gzip6.tar.gz')),
      await fileBytes(golden('members-3.tar.gz')),
      await fileBytes(path.join(dir, 'big.tar.gz')),
      memoryBytes(big),
      dripping(big),
    ]) {
      const here = packScan(await scanLayer(blob, 'gzip', options));
      // Alone a large one has two more threads for its digests, and one while another layer waits.
      const alone = await pool.scan(blob, 'gzip', options);
      const three = await Promise.all([1, 2, 3].map(() => pool.scan(blob, 'gzip', options)));
      for (const there of [alone, ...three]) assert.deepEqual(packScan(there), here);
    }
  });

  it('gives its first layer to a worker that was started before it, in two threads', async () => {
    const big = path.join(dir, 'first.tar.gz');
    await writeFile(big, bigLayer(9 << 20));
    const worker = startWorker(workerFile);
    pool = createScanPool({ workers: 1, workerFile: path.join(dir, 'no-worker.js'), worker });
    const blob = await fileBytes(big);
    assert.deepEqual(packScan(await pool.scan(blob, 'gzip')), packScan(await scanLayer(blob, 'gzip')));
    const again = await pool.scan(await fileBytes(golden('vector-B.tar.gz')), 'gzip');
    assert.equal(again.entries.length, 2);
  });

  it(
    'has its other workers step back behind that one, each by itself',
    { skip: process.platform !== 'linux' },
    async () => {
      const before = getPriority();
      pool = createScanPool({ workers: 2, workerFile, worker: startWorker(workerFile) });
      const blob = await fileBytes(golden('mixed-gzip6.tar.gz'));
      await Promise.all([pool.scan(blob, 'gzip'), pool.scan(blob, 'gzip')]);
      const priorities = async (): Promise<number[]> =>
        Promise.all(
          (await readdir('/proc/self/task')).map(async (thread) => {
            const stat = await readFile(`/proc/self/task/${thread}/stat`, 'latin1').catch(() => '');
            // proc(5): the name stands in parentheses, and the nice value is the 17th field behind it.
            return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[16]);
          }),
        );
      await eventually(async () => {
        assert.ok((await priorities()).includes(Math.min(before + 5, 19)));
      });
      assert.equal(getPriority(), before);
    },
  );

  it('gives a worker its next layer before anybody looks at the last one', async () => {
    const twice = path.join(dir, 'twice.js');
    await writeFile(
      twice,
      `const { parentPort } = require('node:worker_threads');
       parentPort.on('message', () => parentPort.postMessage({ kind: 'inflated', bytes: new Uint8Array(1) }));
       parentPort.postMessage({ kind: 'ready' });`,
    );
    pool = createScanPool({ workers: 1, workerFile: twice });
    const span = { compressed: new Uint8Array(), window: new Uint8Array(), bits: 0, length: 1 };
    // The worker says once that it is ready, and never again.
    const all = await Promise.all([1, 2, 3].map(() => pool.inflate(span)));
    assert.equal(all.length, 3);
  });

  it('finds the member whose CRC-32 is wrong also where another thread takes it', async () => {
    pool = createScanPool({ workers: 1, workerFile });
    const member = bigLayer(3 << 20);
    const sound = gzipSync(Buffer.from('a member of its own'));
    const damaged = Buffer.from(member);
    damaged.writeUInt32LE(1, damaged.length - 8);
    // Of two wrong ones the first, and before a wrong length and a block that does not decode.
    const short = Buffer.from(sound);
    short.writeUInt32LE(1, short.length - 4);
    for (const members of [
      [member, sound, damaged, damaged, member],
      [member, sound, damaged, short, member],
      [member, member, damaged, sound.subarray(0, 10), Buffer.alloc(100, 0xff)],
      [member, member, short, damaged],
    ]) {
      const file = path.join(dir, 'members.tar.gz');
      await writeFile(file, Buffer.concat(members));
      const blob = await fileBytes(file);
      const here = await scanLayer(blob, 'gzip').catch((error: unknown) => error);
      // Alone it has two more threads, and one while another layer waits.
      const alone = await pool.scan(blob, 'gzip').catch((error: unknown) => error);
      const both = await Promise.allSettled([pool.scan(blob, 'gzip'), pool.scan(blob, 'gzip')]);
      assert.ok(here instanceof LensError);
      for (const there of [alone, ...both.map((one) => 'reason' in one && (one.reason as unknown))]) {
        assert.ok(there instanceof LensError);
        assert.equal(there.message, here.message);
      }
      const isSize = members[2] === short;
      assert.match(here.message, isSize ? /ISIZE/ : /CRC-32/);
      const end = members.slice(0, 3).reduce((sum, { length }) => sum + length, 0);
      assert.ok(here.message.includes(`at byte ${end} of the blob`), here.message);
    }
  });

  it('begins the next layer with the same threads after one that ended too early', async () => {
    pool = createScanPool({ workers: 1, workerFile });
    const big = bigLayer(10 << 20);
    const file = path.join(dir, 'shrunk.tar.gz');
    await writeFile(file, big);
    const whole = await fileBytes(file);
    await writeFile(file, big.subarray(0, 9 << 20));
    for (let i = 0; i < 2; i++) await assert.rejects(pool.scan(whole, 'gzip'), { code: 'layer/short-read' });
    await writeFile(file, big);
    assert.deepEqual(packScan(await pool.scan(whole, 'gzip')), packScan(await scanLayer(whole, 'gzip')));
  });

  it('reads spans back in its workers, and says which one does not decode', async () => {
    pool = createScanPool({ workers: 2, workerFile });
    const tar = Buffer.concat([header({ name: 'a', size: 3000 }), padded(Buffer.alloc(3000, 'ab'))]);
    const compressed = deflateRawSync(tar);
    const span = { compressed, window: new Uint8Array(32768), bits: 0, length: tar.length };
    const all = await Promise.all([1, 2, 3].map(() => pool.inflate(span)));
    for (const bytes of all) assert.deepEqual(Buffer.from(bytes), tar);
    const broken = { ...span, compressed: compressed.subarray(1) };
    await assert.rejects(pool.inflate(broken), lensError('layer/bad-span'));
    assert.deepEqual(Buffer.from(await pool.inflate(span)), tar);
    await assert.rejects(pool.inflate(span, AbortSignal.abort()), { name: 'AbortError' });
  });

  it('begins the largest of the waiting layers first', async () => {
    pool = createScanPool({ workers: 1, workerFile });
    const order: string[] = [];
    const names = ['vector-B.tar.gz', 'mixed-stored.tar.gz', 'tar-xattrs.tar.gz', 'mixed-gzip6.tar.gz'];
    const blobs = await Promise.all(names.map((name) => fileBytes(golden(name))));
    await Promise.all(blobs.map((blob, i) => pool.scan(blob, 'gzip').then(() => order.push(names[i] ?? ''))));
    assert.deepEqual(order, [
      'mixed-gzip6.tar.gz',
      'mixed-stored.tar.gz',
      'vector-B.tar.gz',
      'tar-xattrs.tar.gz',
    ]);
  });

  it('gives the digests of the largest layer to other threads, of others only where there are cores for it', async () => {
    const telling = path.join(dir, 'telling.js');
    await writeFile(
      telling,
      `const { parentPort } = require('node:worker_threads');
       parentPort.on('message', ({ kind, digestThreads }) => {
         if (kind === 'scan') parentPort.postMessage({ kind: 'progress', bytes: digestThreads });
       });
       parentPort.postMessage({ kind: 'ready' });`,
    );
    pool = createScanPool({ workers: 3, workerFile: telling });
    const MiB = 1 << 20;
    const found = await Promise.all(
      [9 * MiB, 10 * MiB, MiB].map(
        async (size) =>
          new Promise((resolve, reject) => {
            const blob = { ...memoryBytes(new Uint8Array()), size, file: 'a layer' };
            // The worker never ends: closing the pool rejects what was resolved before.
            pool.scan(blob, 'gzip', { onProgress: resolve }).catch(reject);
          }),
      ),
    );
    const cores = availableParallelism();
    // Three layers; the largest has one thread more, or two where a core is left, and then the next one.
    assert.deepEqual(found, [cores >= 6 ? 1 : 0, cores >= 4 ? 2 : cores >= 2 ? 1 : 0, 0]);
  });

  it('gives the typed error of a broken layer, and goes on with the others', async () => {
    pool = createScanPool({ workers: 1, workerFile });
    const broken = pool.scan(await fileBytes(golden('bad-crc.tar.gz')), 'gzip');
    const sound = pool.scan(await fileBytes(golden('vector-B.tar.gz')), 'gzip');
    await assert.rejects(
      broken,
      (error: unknown) => error instanceof LensError && error.code === 'layer/bad-gzip',
    );
    assert.equal((await sound).entries.length, 2);
  });

  it('gives the typed error of a file that is gone, or that the system does not let be read', async () => {
    pool = createScanPool({ workers: 1, workerFile });
    const refused = async (file: string, code: LensError['code']): Promise<void> =>
      assert.rejects(pool.scan(await fileBytes(file, 10), 'gzip'), lensError(code));
    await refused(`${workerFile}.gone`, 'layer/gone');
    // A folder can be opened, but not read; and a file holds no other one.
    await refused(path.dirname(workerFile), 'layer/cannot-read');
    await refused(path.join(workerFile, 'blob'), 'layer/cannot-read');
  });

  it('stops reading a stream whose layer turned out broken', async () => {
    pool = createScanPool({ workers: 1, workerFile });
    let sent = 0;
    const endless: Bytes = {
      size: undefined,
      ranged: false,
      async *read() {
        for (;;) {
          sent++;
          yield new Uint8Array(1 << 20).fill(1);
          await new Promise(setImmediate);
        }
      },
    };
    await assert.rejects(pool.scan(endless, 'gzip'), { code: 'layer/bad-gzip' });
    assert.ok(sent < 20, `${sent} MiB were read of a stream whose first byte is wrong`);
  });

  it('does not read ahead of a worker that is busy', async () => {
    const busy = path.join(dir, 'busy.js');
    await writeFile(
      busy,
      `const { parentPort } = require('node:worker_threads');
       parentPort.on('message', () => {});
       parentPort.postMessage({ kind: 'ready' });`,
    );
    pool = createScanPool({ workers: 1, workerFile: busy });
    let given = 0;
    const blob: Bytes = {
      size: undefined,
      ranged: false,
      // eslint-disable-next-line @typescript-eslint/require-await -- this source is at hand
      async *read() {
        for (;;) {
          given++;
          yield new Uint8Array(1 << 20);
        }
      },
    };
    const scan = assert.rejects(pool.scan(blob, 'tar'), { code: 'layer/pool-closed' });
    while (given === 0) await setTimeout(10);
    await setTimeout(100);
    assert.ok(given <= 8, `${given} MiB were read for a worker that took none`);
    await pool.close();
    await scan;
  });

  it('ends a worker at once on an abort, with the reason given', async () => {
    pool = createScanPool({ workers: 1, workerFile });
    // A bomb of 13 GB of zeros.
    const member = gzipSync(Buffer.alloc(64 << 20));
    const bomb = Buffer.concat(Array.from({ length: 200 }, () => member));
    await writeFile(path.join(dir, 'bomb.gz'), bomb);
    const abort = new AbortController();
    let aborted: NodeJS.CpuUsage | undefined;
    const reason = new Error('enough');
    const scan = pool.scan(await fileBytes(path.join(dir, 'bomb.gz')), 'gzip', {
      signal: abort.signal,
      onProgress: () => {
        aborted ??= process.cpuUsage();
        abort.abort(reason);
      },
    });
    await assert.rejects(scan, (error: unknown) => error === reason);
    const next = await pool.scan(await fileBytes(golden('vector-B.tar.gz')), 'gzip');
    assert.equal(next.entries.length, 2);
    // 13 GB of zeros take many seconds of the processor; what others do on this machine does not count.
    const { user, system } = process.cpuUsage(aborted);
    assert.ok(user + system < 3e6, `${user + system} µs`);
  });

  it('never begins a layer that is aborted while it waits', async () => {
    pool = createScanPool({ workers: 1, workerFile });
    const abort = new AbortController();
    const first = pool.scan(await fileBytes(golden('mixed-gzip6.tar.gz')), 'gzip');
    const second = pool.scan(await fileBytes(golden('vector-B.tar.gz')), 'gzip', { signal: abort.signal });
    abort.abort();
    await assert.rejects(second, { name: 'AbortError' });
    await first;
    await assert.rejects(pool.scan(memoryBytes(new Uint8Array()), 'gzip', { signal: abort.signal }), {
      name: 'AbortError',
    });
  });

  it('fails a layer whose worker crashes, and only that one', async () => {
    const crashing = path.join(dir, 'crash.js');
    await writeFile(
      crashing,
      `const { parentPort } = require('node:worker_threads');
       parentPort.on('message', (m) => { if (m.kind === 'scan') throw new Error('out of luck'); });
       parentPort.postMessage({ kind: 'ready' });`,
    );
    pool = createScanPool({ workers: 1, workerFile: crashing });
    const blob = memoryBytes(new Uint8Array(10));
    for (let i = 0; i < 2; i++) {
      await assert.rejects(pool.scan(blob, 'gzip'), (error: unknown) => {
        assert.ok(error instanceof LensError);
        assert.equal(error.code, 'layer/worker-crashed');
        assert.match(error.message, /out of luck/);
        return true;
      });
    }
  });

  it('fails a layer whose digests crash, though its own thread waits for them', async () => {
    const crashing = path.join(dir, 'no-digests.js');
    await writeFile(
      crashing,
      `const { workerData } = require('node:worker_threads');
       if (workerData) throw new Error('no digests');
       require(${JSON.stringify(workerFile)});`,
    );
    pool = createScanPool({ workers: 1, workerFile: crashing });
    const big = memoryBytes(bigLayer(20 << 20));
    await assert.rejects(pool.scan(big, 'gzip'), (error: unknown) => {
      assert.ok(error instanceof LensError);
      assert.equal(error.code, 'layer/worker-crashed');
      assert.match(error.message, /no digests/);
      return true;
    });
  });

  it('says so when there is no worker to start', async () => {
    pool = createScanPool({ workerFile: path.join(dir, 'missing.js') });
    await assert.rejects(pool.scan(memoryBytes(new Uint8Array(10)), 'gzip'), {
      code: 'layer/worker-crashed',
    });
  });

  it('passes on the error of a stream that breaks off', async () => {
    pool = createScanPool({ workers: 1, workerFile });
    const reset = new Error('connection reset');
    const blob: Bytes = {
      size: 100,
      ranged: false,
      // eslint-disable-next-line @typescript-eslint/require-await -- this source is at hand
      async *read() {
        yield Uint8Array.of(0x1f, 0x8b);
        throw reset;
      },
    };
    await assert.rejects(pool.scan(blob, 'gzip'), (error: unknown) => error === reset);
  });

  it('fails what is not finished when it is closed', async () => {
    pool = createScanPool({ workers: 1, workerFile });
    const scan = pool.scan(await fileBytes(golden('mixed-gzip6.tar.gz')), 'gzip');
    const failed = assert.rejects(scan, { code: 'layer/pool-closed' });
    await pool.close();
    await failed;
    await assert.rejects(pool.scan(memoryBytes(new Uint8Array()), 'gzip'), { code: 'layer/pool-closed' });
  });
});
