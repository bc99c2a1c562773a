import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { spanTable } from '../../../src/layer/spans';
import type { LayerScan } from '../../../src/layer/types';
import { clientReads } from '../../../src/plan/client-reads';
import { spanColumns } from '../../../src/plan/span-columns';
import { inOrder, layerFetches, spanRuns, startReads } from '../../../src/plan/spans';
import { layerTouches } from '../../../src/plan/touches';
import type { Touch } from '../../../src/trace/types';
import { fakeEntries, fakeScan, scanOf, seeded } from '../../support/scans';

const KIB = 1024;

function touch(part: Partial<Touch>): Touch {
  return { layer: 0, entry: 0, start: 0, end: 0, at: 0, pid: 1, kind: 'read', executable: false, ...part };
}

/** A plain tar, whose spans lie at exact multiples of their size. */
function plainTar(sizes: readonly number[]): LayerScan {
  return fakeScan({
    compression: 'tar',
    entries: sizes.map((size, index) => ({ name: `file${index}`, size })),
  });
}

/** The groups of fetches as span numbers, in order. */
function groupsOf(scan: LayerScan, spanSize: number, touches: readonly Touch[]): number[][] {
  const groups: number[][] = [];
  inOrder(
    [layerFetches(startReads(touches, [scan]), 0, spanTable(scan, spanSize))],
    (_, { span }, from, to) => {
      groups.push([...span.subarray(from, to)]);
    },
  );
  return groups;
}

describe('fetches of a start', () => {
  // One file of 1 MiB: header in [0, 512), data in [512, 512 + 1 MiB).
  const one = plainTar([1024 * KIB]);

  test('the header is fetched first, then the data', () => {
    assert.deepEqual(groupsOf(one, 64 * KIB, [touch({ start: 512 * KIB, end: 513 * KIB })]), [[0], [8]]);
  });

  test('a second read of the same file checks no header again', () => {
    const touches = [
      touch({ start: 512 * KIB, end: 513 * KIB }),
      touch({ start: 256 * KIB, end: 257 * KIB, at: 5 }),
    ];
    assert.deepEqual(groupsOf(one, 64 * KIB, touches), [[0], [8], [4]]);
  });

  test('the end of a range counts as a byte of it', () => {
    // Pages [60 KiB, 64 KiB − 512 …) of the file end 512 bytes behind the border of the tar’s spans; this one ends on it.
    const aligned = plainTar([512, 1024 * KIB]);
    const data = aligned.entries.offset(1);
    const size = 4096 + data;
    const reads = startReads([touch({ entry: 1, start: 0, end: 4096 })], [aligned]);
    const { span } = layerFetches(reads, 0, spanTable(aligned, size));
    assert.deepEqual([...span], [0, 1]);
  });

  test('ranges are rounded to whole pages and cut at the end of the file', () => {
    const reads = startReads(
      [touch({ start: 5000, end: 5001 }), touch({ start: 1024 * KIB - 1, end: 1024 * KIB })],
      [one],
    );
    assert.deepEqual([reads.start[0], reads.end[0]], [512 + 4096, 512 + 8192]);
    assert.equal(reads.end[1], 512 + 1024 * KIB);
  });

  test('spans of one request are fetched together, requests of 128 KiB after one another', () => {
    assert.deepEqual(groupsOf(one, 32 * KIB, [touch({ start: 0, end: 256 * KIB })]), [
      [0],
      [1, 2, 3, 4],
      [5, 6, 7, 8],
    ]);
  });

  test('opening alone fetches nothing, nor does a file without bytes', () => {
    assert.deepEqual(groupsOf(one, 64 * KIB, [touch({ kind: 'open' })]), []);
    const empty = plainTar([0]);
    assert.deepEqual(groupsOf(empty, 64 * KIB, [touch({ start: 0, end: 0 })]), []);
  });

  test('layers are gone through in the order of the start; one outside the index fetches nothing', () => {
    const touches = [
      touch({ layer: 1, end: 10 }),
      touch({ end: 10, at: 1 }),
      touch({ layer: 1, start: 512 * KIB, end: 513 * KIB, at: 2 }),
    ];
    const reads = startReads(touches, [one, one]);
    const fetches = [0, 1].map((layer) => layerFetches(reads, layer, spanTable(one, 64 * KIB)));
    const visited = (layers: readonly ((typeof fetches)[number] | undefined)[]): number[][] => {
      const list: number[][] = [];
      inOrder(layers, (layer, { span }, from) => list.push([layer, span[from] ?? -1]));
      return list;
    };
    assert.deepEqual(visited(fetches), [
      [1, 0],
      [0, 0],
      [1, 8],
    ]);
    assert.deepEqual(visited([undefined, fetches[1]]), [
      [1, 0],
      [1, 8],
    ]);
  });

  test('a layer without a scan, and one that does not exist, are passed over', () => {
    const touches = [touch({ end: 10 }), touch({ layer: 7, end: 10 })];
    assert.equal(startReads(touches, [undefined]).length, 0);
  });

  test('every byte that was read lies in a fetched span, whatever the span size (seeded)', () => {
    const random = seeded(7);
    for (let round = 0; round < 60; round++) {
      const entries = Array.from({ length: 30 }, (_, i) => ({
        name: `f${i}`,
        size: Math.floor(random() * 400_000),
      }));
      const scan = fakeScan({ entries, blockEvery: 1000 + Math.floor(random() * 90_000) });
      const touches = Array.from({ length: 12 }, (_, at) => {
        const entry = Math.floor(random() * entries.length);
        const start = Math.floor(random() * scan.entries.size(entry));
        const end = Math.min(scan.entries.size(entry), start + Math.floor(random() * 300_000));
        return touch({ entry, start, end, at, executable: random() < 0.3 });
      });
      const table = spanTable(scan, 20_000 + Math.floor(random() * 500_000));
      const fetches = layerFetches(startReads(touches, [scan]), 0, table);
      const { first } = fetches;
      for (const { entry, start, end } of touches) {
        if (end <= start) continue;
        const data = scan.entries.offset(entry);
        for (let span = table.at(data + start); span <= table.at(data + end); span++) {
          assert.notEqual(first[span], Infinity, `span ${span} of round ${round}`);
        }
      }
      assert.equal(new Set(fetches.span).size, fetches.span.length, 'no span twice');
    }
  });
});

test('the span of a byte is looked up as the table itself finds it (seeded)', () => {
  const random = seeded(3);
  for (let round = 0; round < 40; round++) {
    // From spans of one length to a few long ones among many short ones, some of them empty at the very beginning.
    let out = 0;
    const outs = Array.from({ length: 1 + Math.floor(random() * 60) }, (_, i) =>
      i < round % 4 ? 0 : (out += Math.floor(1000 * random() ** -(round % 3))),
    );
    const scan = scanOf({
      digest: '',
      compression: 'gzip',
      compressedSize: outs.length * 10,
      tarSize: out + 5000,
      entries: fakeEntries([]),
      boundaries: outs.map((one, i) => [i * 10, one, 0]),
    });
    const table = spanTable(scan, Math.floor(random() * 3000));
    const { at } = spanColumns(table);
    const offsets = [...outs.flatMap((one) => [one - 1, one, one + 1]), 0, scan.tarSize, scan.tarSize + 9];
    for (const offset of offsets.filter((one) => one >= 0)) assert.equal(at(offset), table.at(offset));
  }
});

test('runs join spans that follow one another', () => {
  assert.deepEqual(spanRuns(Float64Array.of(1, 2, Infinity, 3, Infinity, Infinity, 4, 5)), [
    [0, 1],
    [3, 3],
    [6, 7],
  ]);
  assert.deepEqual(spanRuns(new Float64Array()), []);
});

describe('touched bytes', () => {
  const scan = plainTar([10_000, 10_000]);

  test('count once, however often they were read', () => {
    const touches = [
      touch({ start: 0, end: 6000 }),
      touch({ start: 4000, end: 8000, at: 4 }),
      touch({ entry: 1, start: 100, end: 200, at: 2 }),
      touch({ entry: 1, kind: 'open', at: 1 }),
    ];
    const [layer] = layerTouches(touches, [scan]);
    assert.equal(layer?.bytes, 8100);
    assert.equal(layer.files, 2);
    assert.deepEqual(layer.entries, [0, 1]);
    assert.equal(layer.at(1), 1);
    assert.equal(layer.at(2), undefined);
    assert.equal(layer.within(512, 512 + 5000), 5000);
    assert.equal(layer.within(512 + 7000, scan.entries.offset(1) + 150), 1050);
  });

  test('are none without a touch', () => {
    const [layer] = layerTouches([], [scan]);
    assert.equal(layer?.bytes, 0);
    assert.equal(layer.within(0, 1e9), 0);
  });
});

describe('the client’s reads', () => {
  const layer = (...names: string[]): LayerScan =>
    fakeScan({ entries: names.map((name) => ({ name, size: 100 })) });
  const places = (...scans: (LayerScan | undefined)[]): number[] =>
    clientReads(scans).map((one) => one.layer);

  test('come from the topmost layer that has the file', () => {
    assert.deepEqual(places(layer('etc/passwd', './etc/group'), layer('app/x'), layer('etc/passwd')), [2, 0]);
  });

  test('end at a whiteout, an opaque folder and a link', () => {
    assert.deepEqual(places(layer('etc/passwd', 'etc/group'), layer('etc/.wh.passwd')), [0]);
    assert.deepEqual(places(layer('etc/passwd', 'etc/group'), layer('etc/.wh..wh..opq')), []);
    const link = fakeScan({ entries: [{ name: 'etc/passwd', type: 'symlink', linkname: 'x' }] });
    assert.deepEqual(places(layer('etc/passwd'), link), []);
  });

  test('a whiteout hides the layers below, not its own', () => {
    assert.deepEqual(places(layer('etc/passwd'), layer('etc/.wh.passwd', 'etc/passwd')), [1]);
  });

  test('a layer without a scan is passed over', () => {
    assert.deepEqual(places(layer('etc/passwd'), undefined), [0]);
  });
});
