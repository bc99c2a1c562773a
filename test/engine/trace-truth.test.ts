/**
 * The tracer against an independent judge, made anew: the same start on a FUSE file system that writes down what it is asked
 * for (test/support/fuse-truth.ts). The numbers stand in docs/tracing.md.
 */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import type { LayerScan } from '../../src/layer/types';
import { startReads } from '../../src/plan/spans';
import { mapTrace } from '../../src/trace/map';
import { ImageTree } from '../../src/trace/tree';
import type { Touch } from '../../src/trace/types';
import { ensureImage, isAskedFor } from '../support/engine';
import { fuseTruth, overlayLayers, whyNoFuse, type FuseTruth } from '../support/fuse-truth';
import { fakeScan } from '../support/scans';
import { filesOf, record, subject } from '../support/tracing';

const MIB = 1 << 20;
const KIB = 1 << 10;

/** What the engine binds over the image. */
const BOUND = ['/etc/hosts', '/etc/resolv.conf', '/etc/hostname'];

/** Recall and precision that fixed windows of the tars must reach, by their size. */
type Bounds = Readonly<Record<number, readonly [recall: number, precision: number]>>;
const MAPPED: Bounds = { [4 * MIB]: [0.97, 0.98], [MIB]: [0.95, 0.98], [64 * KIB]: [0.85, 0.93] };
/** With the read-ahead of executable mappings that the plan adds. */
const PLANNED: Bounds = { [4 * MIB]: [1, 0.98], [MIB]: [0.97, 0.98], [64 * KIB]: [0.85, 0.93] };

const FIXTURES = (
  [
    { name: 'fx-scratch', ready: /^ready / },
    { name: 'fx-py', ready: /^ready / },
    { name: 'fx-node', ready: /^listening / },
    { name: 'fx-jvm', ready: /ready/ },
  ] as const
).filter(({ name }) => isAskedFor(name));

before(async () => {
  assert.equal(whyNoFuse(), undefined);
  for (const { name } of FIXTURES) await ensureImage(name);
});

for (const { name, ready } of FIXTURES) {
  test(
    `${name}: every file and span of an independent log, and none more`,
    { timeout: 180_000 },
    async (t) => {
      const truth = await fuseTruth(name, ready);
      const recorded = await record(name, { ready: `log=${ready.source}` });
      const scans = (await overlayLayers(name)).map((entries) => fakeScan({ entries }));
      const layers = scans.map(({ entries }) => entries);
      // Programs open folders too, not always by the flag for it.
      const tree = new ImageTree(layers);
      const ofImage = (files: ReadonlySet<string>) =>
        [...files].filter((file) => !BOUND.includes(file) && tree.resolve(file).found === 'file').sort();
      assert.deepEqual(ofImage(filesOf(recorded)), ofImage(truth.files));
      const { config } = await subject(name);
      const { touches, coverage } = mapTrace(recorded.trace, { layers, config });
      assert.deepEqual(
        coverage.unmapped.filter(({ path }) => truth.files.has(path)),
        [],
      );
      const wanted = truthRanges(truth, tree, scans);
      const report = [
        ...judge(wanted, touchedRanges(touches, scans), MAPPED, 'as mapped'),
        ...judge(wanted, plannedRanges(touches, scans), PLANNED, 'as planned'),
      ];
      for (const line of report) t.diagnostic(`${name} ${line}`);
    },
  );
}

type Ranges = readonly (readonly [layer: number, start: number, end: number])[];

function truthRanges({ reads }: FuseTruth, tree: ImageTree, scans: readonly LayerScan[]): Ranges {
  return [...reads].flatMap(([file, list]) => {
    const found = tree.resolve(file);
    if (found.found !== 'file') assert.fail(`${file} is no file of the image`);
    const data = scans[found.layer]?.entries.offset(found.entry) ?? 0;
    return list.map(([start, end]) => [found.layer, data + start, data + end] as const);
  });
}

function touchedRanges(touches: readonly Touch[], scans: readonly LayerScan[]): Ranges {
  return touches.map(({ layer, entry, start, end }) => {
    const data = scans[layer]?.entries.offset(entry) ?? 0;
    return [layer, data + start, data + end];
  });
}

function plannedRanges(touches: readonly Touch[], scans: readonly LayerScan[]): Ranges {
  const { length, layer, start, end } = startReads(touches, scans);
  return Array.from({ length }, (_, index) => [layer[index] ?? 0, start[index] ?? 0, end[index] ?? 0]);
}

/** Checks the bounds, and gives a line for each size of window. */
function judge(wanted: Ranges, found: Ranges, bounds: Bounds, what: string): string[] {
  return Object.entries(bounds).map(([size, [recallFloor, precisionFloor]]: [string, Bounds[number]]) => {
    const [truth, guess] = [windows(wanted, Number(size)), windows(found, Number(size))];
    const hits = [...truth].filter((one) => guess.has(one)).length;
    const [recall, precision] = [hits / truth.size, hits / guess.size];
    const line = `${what}, ${Number(size) / KIB} KiB: ${recall.toFixed(4)} / ${precision.toFixed(4)} of ${truth.size}`;
    // One window may be too many, however few there are: a warm page cache maps up to 64 KiB around a fault.
    const extra = guess.size - hits;
    assert.ok(recall >= recallFloor && extra <= Math.max(1, (1 - precisionFloor) * guess.size), line);
    return line;
  });
}

function windows(ranges: Ranges, size: number): Set<string> {
  const found = new Set<string>();
  for (const [layer, start, end] of ranges) {
    for (let window = Math.floor(start / size); window * size < end; window++) {
      if (end > start) found.add(`${layer}/${window}`);
    }
  }
  return found;
}
