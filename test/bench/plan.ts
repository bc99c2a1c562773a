/**
 * How fast forecasts are where they are slowest: one step of the what-if controls and the first table for 500 000 files and a
 * start of some 100 000 events, and the best index of 127 layers. In a process of its own; `npm run bench` prints the table.
 */
import { createHash } from 'node:crypto';
import { DEFAULT_MIN_LAYER_SIZES } from '../../src/plan/tune';
import { createPlanner } from '../../src/plan/plan';
import { huge, manyLayers } from '../support/pictures';
import { seeded } from '../support/scans';

const ROUNDS = 15;
/** Twelve sizes, 64 KiB to 128 MiB. */
const spanSizes = Array.from({ length: 12 }, (_, step) => 2 ** (16 + step));
const hash = createHash('sha256');

/** Milliseconds of processor time: what others do on this machine does not count. */
function worked(run: () => unknown): number {
  const { user, system } = process.cpuUsage();
  // What was found goes into the sum that tells whether two versions agree.
  hash.update(JSON.stringify(run()));
  const after = process.cpuUsage();
  return (after.user + after.system - user - system) / 1000;
}

function median(times: readonly number[]): number {
  return [...times].sort((a, b) => a - b)[times.length >> 1] ?? 0;
}

const numbers = Float64Array.from({ length: 500_000 }, seeded(1));
const reference = median(Array.from({ length: ROUNDS }, () => worked(() => numbers.slice().sort()[0])));

const input = huge(0.2);
const events = input.mapping?.touches.length ?? 0;
const first = worked(() => {
  const planner = createPlanner(input);
  return DEFAULT_MIN_LAYER_SIZES.map((minLayerSize) => planner.plan({ spanSizes, minLayerSize }).rows);
});
const planner = createPlanner(input);
const steps = Array.from({ length: ROUNDS }, (_, round) =>
  worked(() => planner.plan({ spanSizes, minLayerSize: round })),
);
const many = createPlanner(manyLayers());
const best = worked(() => many.plan({ best: {} }).best);

console.log(
  JSON.stringify({ events, reference, first, step: median(steps), best, results: hash.digest('hex') }),
);
