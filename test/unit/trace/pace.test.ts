/** How much of a traced start's time is the application's own: the tracer's part, and a page cache that was cold. */
import assert from 'node:assert/strict';
import { createReadStream, readdirSync } from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { createGunzip } from 'node:zlib';
import { readTrace } from '../../../src/trace/file';
import { mapTrace } from '../../../src/trace/map';
import { Pace } from '../../../src/trace/pace';
import type { TraceEvent } from '../../../src/trace/types';
import { fixture } from '../../support/paths';

const SECOND = 1_000_000;

/** Libraries as a loader takes them: the head is read, then the file is mapped, `wait` microseconds later. */
function loads(count: number, wait: number, pid = 1): TraceEvent[] {
  return Array.from({ length: count }, (_, i): TraceEvent[] => {
    const file = { pid, path: `/usr/lib/lib${i}.so` };
    const t = i * 1000;
    return [
      { op: 'open', ...file, t: t - 1 },
      { op: 'read', ...file, t, off: 0, len: 832 },
      { op: 'mmap', ...file, t: t + wait, off: 0, len: 4096, prot: 1 },
    ];
  }).flat();
}

function own(events: readonly TraceEvent[], readyAt: number, mode = 'ptrace-seccomp'): number {
  const pace = new Pace(mode);
  for (const event of events) pace.add(event);
  return pace.untraced(readyAt);
}

describe('the own time of a start', () => {
  test('from the page cache: less 30 µs for each event', () => {
    assert.equal(own(loads(100, 20), SECOND), SECOND - 300 * 30);
  });

  test('where calls were announced, less 10 µs', () => {
    assert.equal(own(loads(100, 20), SECOND, 'seccomp-notify'), SECOND - 300 * 10);
  });

  test('at least half of it is the application’s, however many events there are', () => {
    assert.equal(own(loads(20_000, 20), SECOND), SECOND / 2);
  });

  test('from a cold page cache: a third, told by the median wait for the head of a library', () => {
    assert.equal(own(loads(9, 125), SECOND), SECOND / 3);
    // One slow library among many is a busy machine, not a cold cache.
    const mixed = [...loads(9, 20), ...loads(1, 5000, 2)];
    assert.equal(own(mixed, SECOND), SECOND - 30 * 30);
  });

  test('a read and a mapping that do not belong together say nothing', () => {
    const file = { pid: 1, path: '/a' };
    const events: TraceEvent[] = [
      { op: 'read', ...file, t: 0, off: 0, len: 1 },
      { op: 'mmap', pid: 1, path: '/b', t: 900, off: 0, len: 1, prot: 1 },
      { op: 'read', ...file, t: 1000, off: 0, len: 1 },
      { op: 'mmap', pid: 2, path: '/a', t: 1900, off: 0, len: 1, prot: 1 },
    ];
    assert.equal(own(events, SECOND), SECOND - 4 * 30);
  });

  test('nothing recorded: the clock as it is', () => {
    assert.equal(own([], SECOND), SECOND);
  });

  for (const [app, measured] of [
    ['fx-py', 0.45],
    ['fx-node', 1.43],
  ] as const) {
    test(`${app}: ${measured} s on a local file system, told by its trace within 15 %`, async () => {
      const folder = fixture('truth', app);
      const file = readdirSync(folder).find((name) => name.startsWith('trace-')) ?? '';
      const trace = await readTrace(createReadStream(path.join(folder, file)).pipe(createGunzip()));
      const pace = new Pace(trace.header.mode);
      for (const event of trace.events) pace.add(event);
      const target = {
        layers: [],
        config: { architecture: 'amd64', os: 'linux', rootfs: { type: 'layers', diff_ids: [] } },
      };
      const { readyAt = NaN } = mapTrace(trace, target);
      const seconds = pace.untraced(readyAt) / SECOND;
      assert.ok(Math.abs(seconds / measured - 1) < 0.15, `${seconds} s`);
    });
  }
});
