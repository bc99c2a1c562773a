/** The parts of the simulator, each against what it has to come to by hand. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Background } from '../../../src/plan/background';
import { forecast } from '../../../src/plan/forecast';
import type { ForecastInput, ForecastLayer } from '../../../src/plan/forecast';
import { parseNode } from '../../../src/plan/node';
import { createPlanner } from '../../../src/plan/plan';
import { stableSpans, touchedSpans } from '../../../src/plan/prefetch';
import type { IndexVersion, Network, PullMode } from '../../../src/plan/types';
import { Wire } from '../../../src/plan/wire';
import { empty, manyLayers, service, untraced } from '../../support/pictures';
import { fakeScan, seeded } from '../../support/scans';
import { spanTable } from '../../../src/layer/spans';
import { layerFetches, startReads } from '../../../src/plan/spans';
import type { Touch } from '../../../src/trace/types';

const near = (actual: number, expected: number): void => {
  assert.ok(Math.abs(actual - expected) < 1e-6 * Math.max(1, expected), `${actual}, not ${expected}`);
};

describe('the wire', () => {
  const network: Network = { rttMs: 10, bytesPerSecond: 1e6, registryMs: 5 };

  test('a request waits a round trip and the registry, then its bytes', () => {
    near(new Wire(network).get(0, 1000), 16);
    near(new Wire(network).ask(100, 3), 145);
  });

  test('what begins together ends as if it shared the link', () => {
    const wire = new Wire(network);
    wire.get(0, 1000);
    near(wire.get(0, 1000), 17);
    assert.deepEqual([wire.requests, wire.bytes], [2, 2000]);
  });

  test('a new connection costs a round trip for TCP and another for TLS; one that is idle is used again', () => {
    near(new Wire({ ...network, connections: 'tcp' }).get(0, 0), 25);
    const wire = new Wire({ ...network, connections: 'tls' });
    near(wire.get(0, 0), 35);
    near(wire.get(0, 0), 35);
    near(wire.get(40, 0), 55);
  });

  test('slow start: the window doubles each round trip until it fills the link', () => {
    const fast: Network = { rttMs: 100, bytesPerSecond: 1e9, registryMs: 0, connections: 'tcp' };
    // 14 600 and 29 200 bytes in two round trips, the rest in the third.
    const bytes = 100_000;
    const time = new Wire(fast).get(0, bytes);
    assert.ok(time > 400 && time < 401, String(time));
    // A connection that found its speed needs no more round trips for as much.
    const wire = new Wire(fast);
    const first = wire.get(0, 10_000_000);
    assert.ok(wire.get(first, bytes) - first < 101);
  });
});

describe('whole pulls', () => {
  const layer = (size: number, unpackedSize: number, files = 0): ForecastLayer => ({
    size,
    unpackedSize,
    files,
    opened: 0,
    indexed: undefined,
  });
  const input = (node: string, layers: readonly ForecastLayer[], bytesPerSecond = 1e12): ForecastInput => ({
    layers,
    start: { ownMs: 0, readyAt: undefined },
    network: { rttMs: 0, bytesPerSecond, registryMs: 0 },
    node: parseNode(node),
  });
  const seconds = (mode: PullMode, from: ForecastInput): number => forecast(mode, from).pullSeconds;

  test('a slow link decides', () => {
    const slow = input('cores=8', [layer(1e9, 1e6)], 1e7);
    assert.ok(Math.abs(seconds('docker-pull', slow) - 100) < 1);
  });

  test('a slow disk decides: the blob and the files are written', () => {
    near(Math.round(seconds('parallel-pull', input('cores=64,disk=100', [layer(1e9, 3e9)]))), 40);
  });

  test('a plain pull unpacks one layer after the other, a parallel one several at a time', () => {
    const four = input('cores=16,disk=100000', new Array<ForecastLayer>(4).fill(layer(1e6, 199e6)));
    assert.ok(Math.abs(seconds('docker-pull', four) - 4) < 0.2);
    assert.ok(Math.abs(seconds('parallel-pull', four) - 1) < 0.2);
  });

  test('an image that does not fit into the memory is read back from the disk', () => {
    const layers = [layer(1e9, 3e9)];
    const small = seconds('docker-pull', input('cores=64,disk=100,memory=1', layers));
    assert.ok(small > seconds('docker-pull', input('cores=64,disk=100,memory=64', layers)) + 9);
  });
});

describe('lazy starts', () => {
  const { evaluator } = createPlanner(service());
  const node = parseNode('cores=2');
  const network: Network = { rttMs: 20, bytesPerSecond: 1e8 };
  const exact = { ...evaluator.usual, prefetch: 'touched' as const };

  test('a v1 index takes one round trip more to be found', () => {
    const time = (version: IndexVersion): number =>
      evaluator.forecast({ ...evaluator.usual, version }, { network, node }).totalSeconds;
    near((time(1) - time(2)) * 1000, 25);
  });

  test('a list that includes all spans leaves nothing to be fetched on demand', () => {
    const [lazy, listed] = [evaluator.usual, exact].map((one) => evaluator.forecast(one, { network, node }));
    assert.equal(lazy?.requests, listed?.requests);
    assert.equal(lazy?.bytes, listed?.bytes);
    assert.ok((listed?.startSeconds ?? 0) < (lazy?.startSeconds ?? 0));
  });

  test('a mount that takes longer than 30 s is given up, and its layer pulled whole', () => {
    const crawling = { network: { rttMs: 20, bytesPerSecond: 1e5 }, node };
    const whole = evaluator.layers.reduce((sum, { size }) => sum + size, 0);
    assert.ok(
      evaluator.forecast(exact, crawling).bytes > evaluator.forecast(evaluator.usual, crawling).bytes,
    );
    assert.ok(evaluator.forecast(exact, crawling).bytes <= 2 * whole);
  });

  test('one connection after the other has to be set up: tls is slower than tcp, tcp than what stands', () => {
    const times = (['kept', 'tcp', 'tls'] as const).map(
      (connections) =>
        evaluator.forecast(evaluator.usual, { network: { ...network, connections }, node }).totalSeconds,
    );
    assert.deepEqual(
      times,
      [...times].sort((a, b) => a - b),
    );
    assert.equal(new Set(times).size, 3);
  });

  test('the background fetcher is silent for 30 s, then takes one span of each layer in turn', () => {
    const spanSize = 1024 * 1024;
    const planner = createPlanner(service());
    const tables = planner.laid(spanSize).tables;
    const table = tables.find((one) => (one?.length ?? 0) > 2);
    assert.ok(table);
    const none = new Float64Array();
    const fetches = { table, first: none, span: new Uint32Array(), bytes: none, inflated: none, order: none };
    const wire = new Wire({ rttMs: 0, bytesPerSecond: 1e9, registryMs: 0 });
    const background = new Background(0, [{ fetches, ztocBytes: 0, prefetch: [] }], wire);
    assert.equal(background.fetched(0, 0, 29_999), undefined);
    assert.equal(wire.requests, 0);
    // Span 0 was fetched on demand: its step makes no request. Span 1 is the step after.
    assert.equal(background.fetched(0, 1, 30_400), undefined);
    assert.equal(wire.requests, 0);
    assert.equal(background.fetched(0, 2, 31_400), 31_400);
    assert.equal(wire.requests, 1);
  });
});

test('a prefetch list keeps to its budget and its time, in the order of the start', () => {
  const scan = fakeScan({ compression: 'tar', entries: [{ name: 'a', size: 10 * 65536 }] });
  const touch = (start: number, at: number): Touch => ({
    ...{ layer: 0, entry: 0, start, end: start + 1, at },
    ...{ pid: 1, kind: 'read', executable: false },
  });
  const reads = startReads([touch(5 * 65536, 10), touch(2 * 65536, 20)], [scan]);
  const fetches = [layerFetches(reads, 0, spanTable(scan, 65536))];
  // The header's span 0 first, then 5, then 2.
  assert.deepEqual(touchedSpans(fetches), [[0, 2, 5]]);
  assert.deepEqual(touchedSpans(fetches, { until: 10 }), [[0, 5]]);
  assert.deepEqual(touchedSpans(fetches, { budget: 2 * 65536 }), [[0, 5]]);
  assert.deepEqual(touchedSpans([undefined]), [[]]);
  assert.deepEqual(stableSpans([[[1, 2, 5]], [[2, 5, 7]]]), [[2, 5]]);
  assert.deepEqual(stableSpans([]), []);
});

test('no forecast is ever NaN, negative or endless, whatever is asked (seeded)', () => {
  const random = seeded(11);
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;
  const planners = [service(), untraced(), empty(), manyLayers()].map((input) => createPlanner(input));
  for (let round = 0; round < 60; round++) {
    const plan = pick(planners).plan({
      network: {
        rttMs: pick([0, 0.01, 1, 300, 60_000]),
        bytesPerSecond: pick([1e4, 1e6, 1e9, 1e12]),
        connections: pick(['kept', 'tcp', 'tls']),
        registryMs: pick([0, 5, 60_000]),
      },
      node: parseNode(
        pick([
          'cores=1,disk=1,memory=0.1',
          'cores=1024,workers=4096',
          'g5.4xlarge',
          't3.large,network=0.001',
        ]),
      ),
      minLayerSize: pick([0, 1, 10e6, 1e15]),
      spanSizes: [pick([1 << 16, 1 << 20, 1 << 24, 2 ** 40])],
      best: round % 20 === 0 ? {} : undefined,
    });
    const check = (value: unknown, where: string): void => {
      if (typeof value === 'number') assert.ok(Number.isFinite(value) && value >= 0, `${where} is ${value}`);
      else if (typeof value === 'string') assert.doesNotMatch(value, /NaN|Infinity|undefined/, where);
      else if (typeof value === 'object' && value !== null)
        for (const [key, one] of Object.entries(value)) check(one, `${where}.${key}`);
    };
    check(plan, 'plan');
  }
});
