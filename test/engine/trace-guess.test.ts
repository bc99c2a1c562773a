/** How much of a real start the static guess finds, on images whose start is recorded beside it; docs/tracing.md has the figures. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import type { ImageConfig } from '../../src/oci/types';
import { guessStart } from '../../src/trace/guess/guess';
import { ImageTree } from '../../src/trace/tree';
import { ensureImage, isAskedFor, testEngine } from '../support/engine';
import { overlayFolders, overlayLayers } from '../support/fuse-truth';
import { fakeEntries } from '../support/scans';
import { filesOf, record, subject } from '../support/tracing';

const FIXTURES = (
  [
    { name: 'fx-scratch', recall: 0.25, precision: 1 },
    { name: 'fx-py', recall: 0.55, precision: 0.9 },
    { name: 'fx-node', recall: 0.95, precision: 0.9 },
    { name: 'fx-jvm', recall: 0.75, precision: 0.9 },
  ] as const
).filter(({ name }) => isAskedFor(name));

for (const { name, ...floor } of FIXTURES) {
  test(`${name}: the guess against a real start`, { timeout: 900_000 }, async (t) => {
    await ensureImage(name);
    const folders = (await overlayFolders(name)).reverse();
    const lists = await overlayLayers(name);
    const layers = lists.map(fakeEntries);
    const { docker } = await testEngine();
    const { Config: own } = await docker.getImage(name).inspect();
    const { config } = await subject(name);
    const guess = await guessStart({
      reference: name,
      // Docker's own config has the same fields.
      config: { ...config, config: own as NonNullable<ImageConfig['config']> },
      layers,
      read: (layer, entry) => readFile(path.join(folders[layer] ?? '', layers[layer]?.name(entry) ?? '')),
    });
    assert.equal(guess.header.mode, 'guess');
    const tree = new ImageTree(layers);
    const ofImage = (files: ReadonlySet<string>) =>
      new Set([...files].filter((file) => tree.resolve(file).found === 'file'));
    const guessed = ofImage(filesOf({ trace: guess, output: [] }));
    const real = ofImage(filesOf(await record(name, { ready: 'listen' })));
    const hits = [...real].filter((file) => guessed.has(file)).length;
    const [recall, precision] = [hits / real.size, hits / guessed.size];
    t.diagnostic(
      `${name}: recall ${recall.toFixed(3)}, precision ${precision.toFixed(3)}; ${real.size} files, ${guessed.size} guessed`,
    );
    assert.ok(recall >= floor.recall && precision >= floor.precision);
  });
}
