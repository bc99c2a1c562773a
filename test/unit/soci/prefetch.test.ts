import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { openLayout } from '../../../src/image/layout';
import { createLayout } from '../../../src/image/layout-writer';
import { memoryBytes } from '../../../src/layer/bytes';
import { scanLayer } from '../../../src/layer/scan';
import { spanTable } from '../../../src/layer/spans';
import { convertLayout } from '../../../src/soci/convert';
import { cleanPath, encodePrefetch, findSpans, mergeRanges, parsePrefetch } from '../../../src/soci/prefetch';
import { lensError } from '../../support/errors';
import { temporaryFolder } from '../../support/folders';
import { goldenImage, scanHere, writeGoldenLayout } from '../../support/golden';
import { fixture } from '../../support/paths';
import { Random } from '../../support/random';

const layer = { mediaType: 'm', digest: `sha256:${'a'.repeat(64)}`, size: 1 };

test('paths are cleaned as Go cleans them', () => {
  const table: Record<string, string> = {
    '/a//b/../c': 'a/c',
    ' /x ': 'x',
    './x': 'x',
    'a/': 'a',
    '/../x': 'x',
    '': '',
    '  ': '',
  };
  for (const [given, expected] of Object.entries(table)) assert.equal(cleanPath(given), expected, given);
});

test('ranges that overlap or touch become one, and nothing else changes', () => {
  for (let seed = 0; seed < 500; seed++) {
    const random = new Random(seed);
    const ranges = random.list(0, 12, () => {
      const start = random.int(0, 40);
      return { start, end: start + random.int(0, 5) };
    });
    const spans = (list: typeof ranges) =>
      new Set(list.flatMap(({ start, end }) => Array.from({ length: end - start + 1 }, (_, i) => start + i)));
    const merged = mergeRanges(ranges);
    assert.deepEqual([...spans(merged)].sort(), [...spans(ranges)].sort(), `seed ${seed}`);
    merged.forEach(({ start }, at) => {
      assert.ok(at === 0 || start > (merged[at - 1]?.end ?? 0) + 1, `seed ${seed}`);
    });
    if (merged.length > 0) assert.deepEqual(parsePrefetch(encodePrefetch(layer, ranges).bytes), merged);
  }
});

test('an artifact that the snapshotter would refuse is refused', () => {
  const spans = '"prefetch_spans":[{"start_span":0,"end_span":1}]';
  assert.deepEqual(parsePrefetch(Buffer.from(`{"version":"1.0",${spans}}`)), [{ start: 0, end: 1 }]);
  for (const text of [
    `{"version":"2.0",${spans}}`,
    '{"version":"1.0","prefetch_spans":[]}',
    '{"version":"1.0"}',
    '{"version":"1.0","prefetch_spans":[{"start_span":2,"end_span":1}]}',
    '{"version":"1.0","prefetch_spans":[{"start_span":-1,"end_span":1}]}',
    '{"version":"1.0","prefetch_spans":[7]}',
  ]) {
    assert.throws(() => parsePrefetch(Buffer.from(text)), lensError('soci/bad-prefetch'), text);
  }
});

describe('finding files in a layer', () => {
  test('a raw name first, then one that is the same file', async () => {
    const blob = memoryBytes(readFileSync(fixture('golden/layers/tar-names.tar.gz')));
    const scan = await scanLayer(blob, 'gzip');
    const found = findSpans(scan, spanTable(scan, 1 << 20), new Set(['x', 'abs', 'a/b', 'missing']));
    assert.deepEqual([...found.keys()].sort(), ['a/b', 'abs', 'x']);
    assert.equal(findSpans(scan, spanTable(scan, 1 << 20), new Set()).size, 0);
  });

  test('a file that ends where a span ends takes the next span too', async () => {
    const blob = memoryBytes(readFileSync(fixture('golden/layers/vector-C.tar')));
    const scan = await scanLayer(blob, 'tar');
    const entry = scan.entries.length - 1;
    const end = scan.entries.offset(entry) + scan.entries.size(entry);
    const found = findSpans(scan, spanTable(scan, end), new Set([scan.entries.name(entry)]));
    assert.deepEqual([...found.values()], [{ start: 0, end: 1 }]);
  });
});

test('spans that a plan names are prefetched as they are, together with the files', async (t) => {
  const dir = await temporaryFolder(t);
  const source = await writeGoldenLayout(path.join(dir, 'in'), goldenImage('prefetch-one'));
  const { perPlatform } = await convertLayout(source, await createLayout(path.join(dir, 'out')), {
    spanSize: 65536,
    minLayerSize: 0,
    platforms: 'all',
    scan: scanHere,
    prefetchFiles: ['/app/main.py'],
    prefetchSpans: ({ size }) =>
      size > 100_000
        ? [
            { start: 2, end: 2 },
            { start: 3, end: 4 },
          ]
        : [],
  });
  const layout = await openLayout(path.join(dir, 'out'));
  const ranges = await Promise.all(
    (perPlatform[0]?.prefetch ?? []).map(async ({ artifact }) =>
      parsePrefetch(await layout.readBlob(artifact)),
    ),
  );
  const all = ranges.flat();
  assert.ok(
    all.some(({ start, end }) => start <= 2 && end >= 4),
    JSON.stringify(all),
  );
});
