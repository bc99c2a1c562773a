import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findWaste } from '../../../../src/plan/blame/waste';
import { fakeEntries } from '../../../support/scans';

test('counts what later layers replace and remove, each file once', () => {
  const waste = findWaste([
    fakeEntries([
      { name: 'app/', type: 'dir' },
      { name: 'app/kept', size: 1 },
      { name: './app/replaced', size: 10 },
      { name: 'app/removed', size: 100 },
      { name: 'old/a', size: 1000 },
      { name: 'old/b/c', size: 1000 },
    ]),
    fakeEntries([
      { name: 'app/replaced', size: 20 },
      { name: 'app/.wh.removed' },
      { name: 'old/.wh..wh..opq' },
      { name: 'old/new', size: 5 },
    ]),
    fakeEntries([{ name: '/app/replaced', size: 40 }]),
  ]);
  assert.equal(waste.fileBytes, 2176);
  assert.equal(waste.replacedBytes, 30);
  assert.equal(waste.removedBytes, 2100);
  assert.deepEqual(
    waste.files.map(({ path, layer, reason }) => `${path} ${layer} ${reason}`),
    [
      'old/a 0 removed',
      'old/b/c 0 removed',
      'app/removed 0 removed',
      'app/replaced 1 replaced',
      'app/replaced 0 replaced',
    ],
  );
});

test('a whiteout hides what is below it and not what its own layer adds', () => {
  const waste = findWaste([
    fakeEntries([{ name: 'a/x', size: 7 }]),
    fakeEntries([{ name: '.wh.a' }, { name: 'a/y', size: 3 }]),
  ]);
  assert.deepEqual([waste.removedBytes, waste.replacedBytes], [7, 0]);
});

test('a file in the place of a folder hides what was in the folder', () => {
  const waste = findWaste([
    fakeEntries([
      { name: 'lib/x', size: 7 },
      { name: 'library', size: 2 },
    ]),
    fakeEntries([{ name: 'lib', type: 'symlink' }]),
  ]);
  assert.deepEqual(waste.files, [{ path: 'lib/x', layer: 0, bytes: 7, reason: 'replaced' }]);
});

test('a layer that was not scanned neither hides nor counts', () => {
  const waste = findWaste([fakeEntries([{ name: 'a', size: 7 }]), undefined]);
  assert.deepEqual([waste.fileBytes, waste.removedBytes + waste.replacedBytes], [7, 0]);
});

test('what is removed by one name and kept by another, a hard link, is no waste', () => {
  const below = fakeEntries([
    { name: 'a', size: 7 },
    { name: 'b', type: 'hardlink', linkname: './a' },
    { name: 'c', type: 'hardlink', linkname: 'b' },
  ]);
  assert.equal(findWaste([below, fakeEntries([{ name: '.wh.a' }, { name: '.wh.b' }])]).removedBytes, 0);
  const all = fakeEntries([{ name: '.wh.a' }, { name: '.wh.b' }, { name: 'c', size: 1 }]);
  assert.deepEqual(findWaste([below, all]).files, [{ path: 'a', layer: 0, bytes: 7, reason: 'removed' }]);
});

test('of a name that a layer has twice the last counts, unless a hard link kept the first', () => {
  const twice = [
    { name: 'a', size: 7 },
    { name: './a', size: 2 },
  ];
  assert.deepEqual(findWaste([fakeEntries(twice)]).files, [
    { path: 'a', layer: 0, bytes: 7, reason: 'replaced' },
  ]);
  const [first, last] = twice;
  assert.ok(first && last);
  const linked = [first, { name: 'b', type: 'hardlink', linkname: 'a' } as const, last];
  assert.deepEqual(findWaste([fakeEntries(linked)]).files, []);
});
