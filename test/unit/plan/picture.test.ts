import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { spanTable } from '../../../src/layer/spans';
import { formatBytes, formatCount } from '../../../src/plan/format';
import { createPlanner } from '../../../src/plan/plan';
import { createPicture } from '../../../src/plan/picture';
import type { EntriesQuery } from '../../../src/plan/picture/types';
import { escapeXml } from '../../../src/plan/picture/svg';
import { renderReport } from '../../../src/plan/report';
import { ALL_FILES, empty, hostile, manyLayers, service, untraced } from '../../support/pictures';

const MIB = 1024 * 1024;
const ALL: EntriesQuery = { ...ALL_FILES, offset: 0, limit: 50 };

describe('the picture of a service', () => {
  const input = service();
  const picture = createPicture(input);
  const scan = input.layers[1]!.scan!;
  const size = scan.compressedSize;
  const table = spanTable(scan, MIB);

  test('cells are the spans where there is room for them', () => {
    const { cells, spans, touched, fetchedBytes } = picture.cells({
      layer: 1,
      spanSize: MIB,
      start: 0,
      end: size,
      limit: 4096,
      axis: 'compressed',
    });
    assert.equal(spans, table.length);
    assert.equal(
      cells.reduce((sum, cell) => sum + cell.touched, 0),
      touched,
    );
    const fetched = cells
      .filter((cell) => cell.touched > 0)
      .reduce((sum, { start, end }) => sum + end - start, 0);
    assert.equal(fetchedBytes, fetched);
    assert.equal(cells.length, table.length);
    cells.forEach((cell, span) => {
      assert.deepEqual([cell.first, cell.last], [span, span]);
      assert.deepEqual({ start: cell.start, end: cell.end }, table.compressed(span));
    });
    assert.ok(cells.some((cell) => cell.touched === 1 && cell.at !== null));
    assert.ok(cells.some((cell) => cell.touched === 0 && cell.at === null));
  });

  test('fewer cells lose no span and no touch', () => {
    const all = picture.cells({
      layer: 1,
      axis: 'compressed',
      spanSize: MIB,
      start: 0,
      end: size,
      limit: 4096,
    }).cells;
    for (const limit of [1, 7, 50, 200]) {
      const { cells } = picture.cells({
        layer: 1,
        axis: 'compressed',
        spanSize: MIB,
        start: 0,
        end: size,
        limit,
      });
      assert.ok(cells.length <= limit + 1, `${cells.length} of ${limit}`);
      assert.equal(cells[0]?.first, 0);
      assert.equal(cells.at(-1)?.last, table.length - 1);
      cells.slice(1).forEach((cell, i) => {
        assert.equal(cell.first, (cells[i]?.last ?? NaN) + 1);
      });
      const touched = (list: typeof cells): number => list.reduce((sum, cell) => sum + cell.touched, 0);
      assert.equal(touched(cells), touched(all));
      for (const cell of cells) {
        const inside = all.filter(
          (one) => one.touched > 0 && cell.first <= one.first && one.first <= cell.last,
        );
        assert.equal(cell.firstTouched, inside[0]?.first ?? null);
      }
    }
  });

  test('a zoomed range gives the spans that lie in it', () => {
    const start = Math.floor(size * 0.4);
    const { cells } = picture.cells({
      layer: 1,
      axis: 'compressed',
      spanSize: MIB,
      start,
      end: start + 2_000_000,
      limit: 500,
    });
    assert.ok(cells.length > 1 && cells.length < 12);
    assert.ok(cells[0]!.start <= start && cells[0]!.end > start);
    assert.ok(cells.at(-1)!.end >= start + 2_000_000 - 1);
  });

  test('a span knows its bytes, its files and what of them was read', () => {
    const detail = picture.span({ layer: 1, spanSize: MIB, span: 3 });
    assert.deepEqual(detail.uncompressed, Object.values(table.uncompressed(3)));
    assert.ok(detail.fileCount >= detail.files.length && detail.files.length > 0);
    const inside = detail.files.reduce((sum, file) => sum + file.inside, 0);
    assert.ok(inside <= detail.uncompressed[1] - detail.uncompressed[0]);
    for (const file of detail.files) assert.ok(file.touched <= file.inside && file.inside <= file.size);
  });

  test('the files’ bytes within spans add up to the files', () => {
    const sums = new Map<number, number>();
    for (let span = 0; span < 6; span++) {
      const { files, fileCount } = picture.span({ layer: 1, spanSize: MIB, span });
      assert.equal(files.length, Math.min(60, fileCount));
      for (const file of files) sums.set(file.entry, (sums.get(file.entry) ?? 0) + file.inside);
    }
    for (const [entry, sum] of sums) assert.ok(sum <= scan.entries.size(entry));
  });

  test('pages of rows, all and filtered', () => {
    const query = { ...ALL, layer: 1, limit: 50 };
    const all = picture.entries(query);
    assert.equal(all.total, scan.entries.length);
    assert.equal(all.rows.length, 50);
    assert.equal(picture.entries({ ...query, offset: all.total - 3 }).rows.length, 3);
    assert.deepEqual(picture.entries({ ...query, offset: all.total + 9 }).rows, []);
    const touched = picture.entries({ ...query, touchedOnly: true });
    assert.ok(touched.total < all.total && touched.rows.every((row) => row.at !== null));
    const named = picture.entries({ ...query, filter: 'PART7/' });
    assert.ok(named.total > 0 && named.rows.every((row) => row.path.includes('part7/')));
    const both = picture.entries({ ...query, filter: 'part7/', touchedOnly: true });
    assert.ok(both.total > 0 && both.total < named.total);
  });

  test('shows the span size that is set, also one that no row had', () => {
    const { network, node } = picture.overview(null).plan;
    assert.equal(picture.overview(null).spanSize, picture.overview(null).plan.choice.spanSize);
    const own = picture.overview({
      spanSize: 3_000_000,
      minLayerSize: 0,
      network,
      node,
      prefetch: false,
      extra: [],
    });
    assert.equal(own.spanSize, 3_000_000);
    assert.ok(own.plan.rows.some((row) => row.spanSize === 3_000_000));
    assert.equal(own.plan.minLayerSize, 0);
  });

  test('what is not there is an error, not a crash', () => {
    assert.throws(() => picture.span({ layer: 1, spanSize: MIB, span: 1e6 }), { code: 'plan/no-such-span' });
    assert.throws(
      () => picture.cells({ layer: 99, axis: 'compressed', spanSize: MIB, start: 0, end: 1, limit: 1 }),
      {
        code: 'plan/no-such-layer',
      },
    );
    assert.throws(() => picture.entries({ ...ALL, layer: -1 }), {
      code: 'plan/no-such-layer',
    });
  });
});

test('a growing image: layers that are not scanned yet have no spans and no files', () => {
  const input = service();
  const layers = input.layers.map((layer, index) => (index > 1 ? { ...layer, scan: undefined } : layer));
  const picture = createPicture({ ...input, layers, mapping: undefined }, {}, 4);
  assert.equal(picture.overview(null).pending, 4);
  assert.deepEqual(
    picture.cells({ layer: 2, axis: 'compressed', spanSize: MIB, start: 0, end: 9, limit: 9 }).cells,
    [],
  );
  assert.deepEqual(picture.entries({ ...ALL, layer: 2 }), {
    total: 0,
    rows: [],
  });
});

test('the best index is looked for once, and again for another question', () => {
  const picture = createPicture(service());
  const best = picture.best(null);
  assert.ok(best);
  assert.equal(picture.best(null), best);
  assert.equal(picture.overview(null).plan.best, null, 'an overview looks for none');
  assert.equal(picture.best(null, { version: 1 })?.indexVersion, 1);
});

test('pictures of one growing image share the span tables of its layers', () => {
  const { layers } = service();
  const tables = () => createPlanner({ ...service(), layers }).laid(65_536).tables;
  const [first, second] = [tables(), tables()];
  assert.ok(first[0]);
  first.forEach((table, layer) => {
    assert.equal(second[layer], table);
  });
});

describe('the report', () => {
  const reportOf = (input: ReturnType<typeof service>): string => {
    const picture = createPicture(input);
    return renderReport(picture.overview(null).plan, picture);
  };

  test('is one file that asks for nothing', () => {
    const html = reportOf(service());
    assert.ok(html.startsWith('<!DOCTYPE html>'));
    assert.doesNotMatch(html, /(?:src|href|action|data)\s*=|url\(|@import|<script|<iframe|<link/i);
    assert.ok(html.length < 1_000_000, `${html.length} characters`);
    assert.match(html, /registry\.example\/team\/service:1\.4/);
    assert.match(html, /prefers-color-scheme/);
  });

  test('each recommendation stands there with what it rests on', () => {
    const picture = createPicture(service());
    const plan = { ...picture.overview(null).plan, best: picture.best(null) };
    const [before] = plan.modes;
    assert.ok(plan.best && before);
    const split = { kind: 'split' as const, layers: [0], text: 'Split it.', evidence: 'Read in parts.' };
    const html = renderReport(
      { ...plan, build: [{ ...split, mode: 'lazy', before, after: before }] },
      picture,
    );
    const said = [...plan.advice.rules.map(({ evidence }) => evidence), plan.best.evidence, 'Read in parts.'];
    for (const evidence of said) assert.ok(evidence !== '' && html.includes(escapeXml(evidence)), evidence);
  });

  test('its bars shrink with the window instead of losing their ends', () => {
    const bars = reportOf(service()).match(/<svg width="640"[^>]*>/g) ?? [];
    assert.ok(bars.length > 4);
    for (const bar of bars) assert.match(bar, /viewBox="0 0 640 \d+"/);
  });

  test('shows the start in time and who costs it what, drawn and as tables', () => {
    const input = service();
    const picture = createPicture(input);
    const { plan } = picture.overview(null);
    const owner = { manager: 'dpkg', name: 'libopenblas0', version: '0.3.21' } as const;
    const claims = input.layers.map(({ scan }, layer) =>
      new Uint32Array(scan?.entries.length ?? 0).fill(layer === 1 ? 1 : 0),
    );
    picture.learn({ packages: { packages: [owner], claims, notes: [] } });
    const html = renderReport(plan, picture);
    const timeline = /<svg[^>]*aria-label="Timeline of the start">.*?<\/svg>/s.exec(html)?.[0] ?? '';
    for (const word of ['python3 · ', 'uname', `${formatCount(plan.trace?.files ?? 0)} files`, '>ready<'])
      assert.ok(timeline.includes(word), word);
    const treemap = /<svg[^>]*aria-label="Treemap[^>]*>.*?<\/svg>/s.exec(html)?.[0] ?? '';
    assert.match(treemap, /usr\//);
    const { packages } = picture.blame({ spanSize: plan.choice.spanSize, minLayerSize: plan.minLayerSize });
    const mine = packages?.find((one) => one.package?.name === 'libopenblas0');
    assert.ok(mine && mine.fetchedBytes > 0);
    const row = new RegExp(`libopenblas0 0\\.3\\.21 \\(dpkg\\).*?${formatBytes(mine.fetchedBytes)}`);
    assert.match(html, row);
  });

  test('says what became of the trace’s paths', () => {
    const input = service();
    const coverage = input.mapping?.coverage;
    assert.ok(coverage);
    const found = `${formatCount(coverage.mapped)} lead into the image, 12 are not the image&#39;s`;
    const html = reportOf(input);
    assert.ok(html.includes(found), found);
    assert.ok(html.includes('and 1 lead to no file of it.'));
    assert.ok(html.includes('<bdi>/tmp/cache</bdi>: not in the image'));
  });

  test('names from the image never become markup', () => {
    const html = reportOf(hostile());
    assert.doesNotMatch(html, /<img|<script|onerror="/i);
    assert.match(html, /&#60;img src=x/);
  });

  test('stands for every kind of image, and stays small', () => {
    for (const input of [empty(), untraced(), manyLayers()]) {
      const html = reportOf(input);
      assert.ok(html.length < 1_000_000);
      assert.doesNotMatch(html, /NaN|undefined|Infinity/);
    }
  });
});

test('the picture answers for blame with the instructions that it shows', () => {
  const picture = createPicture(service());
  const { instructions, folders } = picture.blame({ spanSize: 4 << 20, minLayerSize: 10 << 20 });
  assert.equal(instructions[0]?.instruction, 'ADD base.tar /');
  const lib = picture.folder({ path: 'usr/lib', spanSize: 4 << 20, minLayerSize: 10 << 20, limit: 10 });
  const usr = folders.children.find(({ name }) => name === 'usr');
  assert.equal(lib?.packedBytes, usr?.children.find(({ name }) => name === 'lib')?.packedBytes);
});
