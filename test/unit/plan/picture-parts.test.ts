/** The parts of the picture by themselves: names, orders, places, time, comparisons, lists and drawings. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createPicture, comparePictures } from '../../../src/plan/picture';
import { fromTar, toTar } from '../../../src/plan/picture/axis';
import { csvLines, jsonLines } from '../../../src/plan/picture/lists';
import { nameTable } from '../../../src/plan/picture/names';
import { placesInOrder } from '../../../src/plan/picture/order';
import { Prepared } from '../../../src/plan/picture/prepared';
import type { EntriesQuery, EntryRow } from '../../../src/plan/picture/types';
import { spanTable } from '../../../src/layer/spans';
import { ALL_FILES, hostile, service } from '../../support/pictures';
import { fakeScan, seeded } from '../../support/scans';

const MIB = 1024 * 1024;
const ALL: EntriesQuery = { ...ALL_FILES, offset: 0, limit: 200 };
const input = service();
const picture = createPicture(input);

test('placesInOrder sorts as a stable comparator does, for keys of any size', () => {
  const random = seeded(7);
  for (const largest of [0, 5, 2 ** 16, 2 ** 40]) {
    const keys = Array.from({ length: 3000 }, () => Math.floor(random() * largest));
    const expected = keys.map((_, place) => place).sort((a, b) => keys[a]! - keys[b]!);
    assert.deepEqual([...placesInOrder(Float64Array.from(keys))], expected);
  }
});

describe('names', () => {
  const random = seeded(3);
  const letters = 'abÄßİ\n/.x';
  const names = Array.from({ length: 500 }, () =>
    Array.from(
      { length: 1 + Math.floor(random() * 12) },
      () => letters[Math.floor(random() * letters.length)],
    ).join(''),
  );
  const scan = fakeScan({ entries: names.map((name) => ({ name, size: 10 })) });

  test('a search finds what includes() finds, without regard to case', () => {
    const table = nameTable(scan).get();
    for (const wanted of ['a', 'AB', 'x', '/.', 'ä', 'zzz', 'a/']) {
      const expected = names.flatMap((name, index) =>
        name.toLowerCase().includes(wanted.toLowerCase()) ? [index] : [],
      );
      assert.deepEqual(table.search(wanted), expected, wanted);
    }
    assert.deepEqual(table.search('a\nb'), []);
  });

  test('ranks are those of sorted names', () => {
    const { rank } = nameTable(scan).get();
    const byRank = names.map((_, index) => index).sort((a, b) => rank[a]! - rank[b]!);
    const lower = (index: number): string => names[index]!.toLowerCase().replaceAll('\n', '\uFFFD');
    byRank.slice(1).forEach((index, at) => {
      assert.ok(lower(byRank[at]!) <= lower(index));
    });
    assert.equal(new Set(rank).size, names.length);
  });
});

test('what is prepared is made once, in slices or at once', async () => {
  let steps = 0;
  function* work(): Generator<void, string> {
    for (; steps < 5; steps++) yield;
    return 'made';
  }
  const prepared = new Prepared(work());
  const background = prepared.inBackground();
  assert.equal(prepared.get(), 'made');
  await background;
  assert.equal(prepared.get(), 'made');
  assert.equal(steps, 5);
});

test('places go from the tar to the blob and back', () => {
  const scan = input.layers[1]!.scan!;
  const table = spanTable(scan, MIB);
  for (let offset = 0; offset < scan.tarSize; offset += 7_654_321) {
    const place = fromTar(table, 'compressed', offset);
    assert.ok(place >= 0 && place <= scan.compressedSize);
    assert.ok(Math.abs(toTar(table, 'compressed', place) - offset) <= 4);
    assert.equal(fromTar(table, 'uncompressed', offset), offset);
  }
});

describe('lists', () => {
  test('every order is that of its column, both ways', () => {
    const columns = {
      size: (row: EntryRow) => row.size,
      touched: (row: EntryRow) => row.touched,
      at: (row: EntryRow) => row.at ?? Infinity,
    };
    for (const [sort, value] of Object.entries(columns) as [
      keyof typeof columns,
      (row: EntryRow) => number,
    ][]) {
      for (const descending of [false, true]) {
        const { rows, total } = picture.entries({ ...ALL, sort, descending, touchedOnly: true });
        assert.ok(total > 200);
        rows.slice(1).forEach((row, at) => {
          const [a, b] = [value(rows[at]!), value(row)];
          assert.ok(descending ? a >= b : a <= b, `${sort} ${a} ${b}`);
        });
      }
    }
  });

  test('types, times and texts let through what they say', () => {
    const dirs = picture.entries({ ...ALL, type: 'dir' });
    assert.equal(dirs.total, input.layers.length);
    const inTime = picture.entries({ ...ALL, time: [100, 200] });
    assert.ok(inTime.total > 0 && inTime.rows.every(({ at }) => at !== null && at >= 100 && at <= 200));
    const none = picture.entries({ ...ALL, package: 'dpkg none 1' });
    assert.equal(none.total, 0);
  });

  test('a search lists what the start reads first', () => {
    const hits = picture.search('part7/', 20);
    assert.equal(hits.length, 20);
    hits.slice(1).forEach((hit, at) => {
      assert.ok(hits[at]!.touched >= hit.touched);
    });
  });

  test('CSV and JSON carry every row; no spreadsheet finds a formula', () => {
    const filter = { ...ALL, layer: 0 };
    const hard: EntryRow = {
      layer: 0,
      entry: 0,
      path: '=1+"2",\n',
      type: 'reg',
      size: 1,
      touched: 0,
      at: null,
    };
    assert.equal(
      [...csvLines([hard])].join(''),
      'layer,path,type,size,bytes_read,first_touch_ms\r\n0,"/=1+""2"",\n",reg,1,0,\r\n',
    );
    const rows: unknown = JSON.parse([...jsonLines(picture.allEntries(filter))].join(''));
    assert.ok(Array.isArray(rows) && rows.length === input.layers[0]!.scan!.entries.length);
    assert.deepEqual(JSON.parse([...jsonLines([])].join('')), []);
  });
});

test('folders hold the sums of what lies below them', () => {
  const query = { layer: 1, offset: 0, limit: 500 };
  const [usr] = picture.listFolder({ ...query, path: '' }).rows;
  assert.ok(usr);
  const touched = picture.overview(null).plan.layers[1]!.touchedBytes;
  assert.deepEqual([usr.name, usr.files, usr.touched], ['usr', 14000, touched]);
  const parts = picture.listFolder({ ...query, path: 'usr/lib/python3' });
  assert.equal(parts.total, 40);
  assert.equal(
    parts.rows.reduce((sum, row) => sum + row.touched, 0),
    touched,
  );
  assert.deepEqual(picture.listFolder({ ...query, path: 'no/such' }), { total: 0, rows: [] });
});

describe('files on the map', () => {
  const view = { layer: 1, spanSize: MIB, axis: 'uncompressed', limit: 50 } as const;

  test('those in view, where they lie; none when they are too many', () => {
    const { entries } = input.layers[1]!.scan!;
    const start = entries.offset(5000);
    const { files, total } = picture.filesInView({ ...view, start, end: start + 400_000 });
    assert.equal(files.length, total);
    for (const file of files) assert.equal(file.start, entries.offset(file.entry));
    assert.ok(files.some(({ entry }) => entry === 5000));
    const all = picture.filesInView({ ...view, start: 0, end: 400_000_000 });
    assert.ok(all.total > 10_000 && all.files.length === 0);
  });

  test('a file is found in its first span', () => {
    const place = picture.place({ layer: 1, entry: 5000, spanSize: MIB, axis: 'compressed' });
    const detail = picture.span({ layer: 1, spanSize: MIB, span: place.span! });
    assert.ok(detail.compressed[0] <= place.start && place.start < detail.compressed[1]);
  });
});

test('a span says its bits and who read it', () => {
  const table = spanTable(input.layers[1]!.scan!, MIB);
  const { cells } = picture.cells({
    layer: 1,
    spanSize: MIB,
    axis: 'compressed',
    start: 0,
    end: 1e9,
    limit: 4096,
  });
  const touched = cells.find((cell) => cell.used > 0.2)!;
  const detail = picture.span({ layer: 1, spanSize: MIB, span: touched.first });
  assert.ok(
    detail.readers.length > 0 &&
      detail.readers.every((name) => /^\/usr\/bin\/python3 \(process (1|12)\)$/.test(name)),
  );
  const { boundaries } = input.layers[1]!.scan!;
  const at = boundaries.out.indexOf(table.uncompressed(touched.first).start);
  assert.equal(detail.bits, boundaries.bits[at]);
});

describe('prefetch', () => {
  const order = { spanSize: MIB, minLayerSize: 0, prefetch: false, extra: [] };

  test('a file alone brings exactly the spans of its header and data', () => {
    const { entries } = input.layers[2]!.scan!;
    const entry = entries.length - 1;
    const table = spanTable(input.layers[2]!.scan!, MIB);
    const [only] = picture.prefetch({ ...order, extra: [{ layer: 2, entry }] });
    const last = table.at(entries.offset(entry) + entries.size(entry) - 1);
    assert.deepEqual(only?.spans, [[table.at(entries.headerOffset(entry)), last]]);
  });

  test('runs never meet, and the touched ones are among them', () => {
    const touched = picture.prefetch({ ...order, prefetch: true });
    const more = picture.prefetch({
      ...order,
      prefetch: true,
      extra: [
        { layer: 1, entry: 5000 },
        { layer: 1, entry: 5001 },
      ],
    });
    for (const { spans } of more) {
      spans.slice(1).forEach(([first], at) => {
        assert.ok(first > spans[at]![1] + 1);
      });
    }
    const count = (list: typeof more): number =>
      list.flatMap(({ spans }) => spans).reduce((sum, [first, last]) => sum + last - first + 1, 0);
    assert.ok(count(more) >= count(touched));
  });
});

describe('time', () => {
  const { plan, spanSize } = picture.overview(null);

  test('the waterfall has every fetched span of the index and says which come ahead of time', () => {
    const { minLayerSize, network, node } = plan;
    const settings = { spanSize, minLayerSize, network, node, prefetch: true, extra: [] };
    const all = picture.timeline(settings);
    assert.equal(all.spanCount, plan.rows.find((row) => row.spanSize === spanSize)?.touchedSpans);
    assert.ok(all.spans.every((span) => span.prefetched));
    assert.ok(picture.timeline(null).spans.every((span) => !span.prefetched));
    all.spans.slice(1).forEach((span, at) => {
      assert.ok(all.spans[at]!.at <= span.at);
    });
  });

  test('processes have their programs and what they touched first', () => {
    const { processes, ready, length, fileCount } = picture.timeline(null);
    assert.equal(ready, 1330);
    assert.equal(length, 1330);
    assert.deepEqual(
      processes.map(({ program }) => program),
      ['/usr/bin/python3', '/usr/bin/uname', '/usr/bin/python3'],
    );
    assert.equal(
      processes.reduce((sum, { files }) => sum + files, 0),
      fileCount,
    );
  });
});

describe('comparisons', () => {
  const settingsOf = (spanSize: number) => {
    const { minLayerSize, network, node } = picture.overview(null).plan;
    return { spanSize, minLayerSize, network, node, prefetch: false, extra: [] };
  };

  test('two span sizes of one picture: the same files, other figures', () => {
    const result = comparePictures(
      picture.side('a', settingsOf(MIB)),
      picture.side('b', settingsOf(8 * MIB)),
    );
    assert.deepEqual(result.counts, { added: 0, gone: 0, moved: 0, changed: 0 });
    const spans = result.deltas.find(({ name }) => name === 'Spans fetched')!;
    assert.ok(spans.before > spans.after);
    assert.ok(result.layers.every(({ before, after }) => before === after));
  });

  test('another build: a layer less, files gone, one moved', () => {
    const [base, apt, , , pip, src] = input.layers;
    const mapping = input.mapping!;
    const kept = [0, 1, 4, 5];
    const touches = mapping.touches
      .filter(({ layer }) => kept.includes(layer))
      .map((touch) => ({ ...touch, layer: kept.indexOf(touch.layer) }));
    const other = createPicture({
      ...input,
      layers: [base!, apt!, pip!, src!],
      mapping: { ...mapping, touches },
    });
    const result = comparePictures(picture.side('a', settingsOf(MIB)), other.side('b', settingsOf(MIB)));
    assert.deepEqual(result.counts, { added: 0, gone: 1, moved: 0, changed: 0 });
    assert.match(result.files[0]?.path ?? '', /model\.bin/);
    assert.deepEqual(
      result.layers.filter(({ after }) => after === null).map(({ before }) => before),
      [2, 3],
    );
  });
});

describe('the map as SVG', () => {
  test('is well-formed, says what it shows, and names stay text', () => {
    for (const one of [picture, createPicture(hostile(), { minLayerSize: 0, spanSizes: [65536] })]) {
      const svg = one.svg(null, 'compressed');
      assert.match(svg, /^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg"/);
      assert.doesNotMatch(svg, /<script|<img|onerror="|href|url\(|NaN|undefined/i);
      const opened = svg.match(/<[a-z]/g)?.length;
      const closed = (svg.match(/<\/[a-z]/g)?.length ?? 0) + (svg.match(/\/>/g)?.length ?? 0);
      assert.equal(opened, closed);
      assert.ok(svg.length < 200_000);
    }
  });
});
