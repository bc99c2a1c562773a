import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { PAGE, PageCache, PageStates } from '../../../src/trace/page-cache';
import { Random } from '../../support/random';

const KIB = 1024;

/** A cache of a file of so many pages, and the runs of pages `[first, last]` that it asked for. */
function cacheOf(pages: number): { cache: PageCache; asked: () => [number, number][] } {
  const asked: [number, number][] = [];
  const cache = new PageCache(pages * PAGE, new PageStates(), (start, end) =>
    asked.push([start / PAGE, end / PAGE - 1]),
  );
  return { cache, asked: () => asked.splice(0) };
}

/** What a kernel 6.18 was seen to ask FUSE for, with a window of 128 KiB. */
describe('what the kernel asks for when a program reads', () => {
  test('a lone read in the middle brings its pages and nothing ahead', () => {
    const { cache, asked } = cacheOf(1000);
    cache.read(3, 100 * PAGE + 5, 102 * PAGE);
    cache.read(3, 500 * PAGE, 500 * PAGE + 1);
    assert.deepEqual(asked(), [
      [100, 101],
      [500, 500],
    ]);
  });

  test('a read at the beginning brings a first window by its size', () => {
    for (const [size, last] of [
      [1, 3],
      [4 * KIB, 3],
      [8 * KIB, 3],
      [32 * KIB, 15],
    ] as const) {
      const { cache, asked } = cacheOf(1000);
      cache.read(3, 0, size);
      assert.deepEqual(asked()[0], [0, last], `${size} bytes`);
    }
    const { cache, asked } = cacheOf(1000);
    cache.read(3, 0, 64 * KIB);
    assert.deepEqual(asked(), [[0, 31]], '64 KiB brought 128');
  });

  test('reads that follow one another are run ahead of, by windows that grow to 128 KiB', () => {
    const { cache, asked } = cacheOf(1000);
    for (let page = 0; page < 64; page++) cache.read(3, page * PAGE, (page + 1) * PAGE);
    const runs = asked();
    assert.deepEqual(
      runs.map(([first, last]) => last - first + 1),
      [4, 8, 16, 32, 32, 32],
    );
    assert.equal(runs.at(-1)?.[1], 123);
  });

  test('a read of 1 MiB brings one window more, and nothing twice', () => {
    const { cache, asked } = cacheOf(1000);
    cache.read(3, 0, 256 * PAGE);
    const pages = asked().flatMap(([first, last]) =>
      Array.from({ length: last - first + 1 }, (_, index) => first + index),
    );
    assert.deepEqual(
      pages,
      Array.from({ length: 288 }, (_, index) => index),
    );
    cache.read(4, 0, 256 * PAGE);
    assert.deepEqual(asked(), []);
  });

  test('each descriptor is read by itself, and a closed one is forgotten', () => {
    const { cache, asked } = cacheOf(1000);
    for (const [handle, page] of [
      [3, 100],
      [4, 200],
      [9, 300],
    ] as const) {
      cache.read(handle, page * PAGE, (page + 1) * PAGE);
      cache.close(3, 4);
      cache.read(handle, (page + 1) * PAGE, (page + 2) * PAGE);
    }
    assert.deepEqual(asked(), [
      [100, 100],
      [101, 101],
      [200, 200],
      [201, 201],
      [300, 300],
      [301, 304],
    ]);
  });

  test('a program that reads at random gets what it reads', () => {
    const { cache, asked } = cacheOf(1000);
    cache.readExactly(0, 3 * PAGE);
    assert.deepEqual(asked(), [[0, 2]]);
  });
});

describe('what the kernel asks for when a mapping is touched', () => {
  test('data: 64 KiB before the page and 64 KiB from it on, within the file', () => {
    const { cache, asked } = cacheOf(1000);
    cache.fault(500 * PAGE, 501 * PAGE, undefined);
    cache.fault(2 * PAGE, 3 * PAGE, undefined);
    cache.fault(999 * PAGE, 1000 * PAGE, undefined);
    assert.deepEqual(asked(), [
      [484, 515],
      [0, 17],
      [983, 999],
    ]);
  });

  test('a program: 128 KiB from the page on, within its mapping', () => {
    const { cache, asked } = cacheOf(1000);
    cache.fault(500 * PAGE, 501 * PAGE, 1000 * PAGE);
    cache.fault(100 * PAGE, 101 * PAGE, 110 * PAGE);
    assert.deepEqual(asked(), [
      [500, 531],
      [100, 109],
    ]);
  });

  test('of sixteen pages that came at once any may have been the one: all that it may have brought counts', () => {
    const { cache, asked } = cacheOf(1000);
    cache.fault(496 * PAGE, 512 * PAGE, undefined);
    assert.deepEqual(asked(), [[480, 526]]);
    cache.fault(96 * PAGE, 112 * PAGE, 1000 * PAGE);
    assert.deepEqual(asked(), [[96, 142]]);
  });
});

test('whatever is touched is asked for once, within the file, in pieces that do not meet', () => {
  const random = new Random(6);
  for (let round = 0; round < 100; round++) {
    const pages = 1 + random.int(0, 299);
    const { cache, asked } = cacheOf(pages);
    const touched = new Set<number>();
    for (let step = 0; step < 30; step++) {
      const first = random.int(0, pages - 1);
      const last = Math.min(pages, first + 1 + random.int(0, 39));
      for (let page = first; page < last; page++) touched.add(page);
      if (random.int(0, 1) === 0) cache.read(random.int(0, 2), first * PAGE, last * PAGE);
      else cache.fault(first * PAGE, last * PAGE, random.int(0, 1) === 0 ? undefined : last * PAGE);
    }
    const seen = new Set<number>();
    for (const [first, last] of asked()) {
      assert.ok(first <= last && last < pages);
      for (let page = first; page <= last; page++) {
        assert.ok(!seen.has(page), `page ${page} was asked for twice`);
        seen.add(page);
      }
    }
    assert.deepEqual(
      [...touched].filter((page) => !seen.has(page)),
      [],
    );
  }
});
