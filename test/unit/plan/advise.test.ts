/** The advice, and the published figures that a forecast has to stand beside (docs/model.md, "Published figures"). */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { forecast } from '../../../src/plan/forecast';
import type { ForecastInput } from '../../../src/plan/forecast';
import { networkOf, parseNode } from '../../../src/plan/node';
import { planImage } from '../../../src/plan/plan';
import { service } from '../../support/pictures';

/**
 * An image of which only the sums are published: its layers are not. Taken are one of 15 % and seventeen of 5 %, and files of
 * half a megabyte.
 */
function published(compressed: number, unpacked: number, node: string): ForecastInput {
  const shares = [0.15, ...new Array<number>(17).fill(0.05)];
  const machine = parseNode(node);
  return {
    layers: shares.map((share) => ({
      size: compressed * share,
      unpackedSize: unpacked * share,
      files: (unpacked * share) / 500_000,
      opened: 0,
      indexed: undefined,
    })),
    start: { ownMs: 500, readyAt: undefined },
    network: networkOf({ rttMs: 5, bytesPerSecond: 1e12 }, machine),
    node: machine,
  };
}

describe('published figures, within 25 %', () => {
  const vllm = published(9.72e9, 32.7e9, 'g5.2xlarge,disk=125');
  const sglang = published(19.32e9, 60.4e9, 'g5.4xlarge,disk=1000');
  for (const [name, mode, input, measured] of [
    ['vLLM, docker run', 'docker-pull', vllm, 419.1],
    ['SGLang, docker pull', 'docker-pull', sglang, 284.2],
    ['SGLang, parallel pull', 'parallel-pull', sglang, 132.8],
  ] as const) {
    test(`${name}: ${measured} s`, () => {
      const { totalSeconds } = forecast(mode, input);
      assert.ok(Math.abs(totalSeconds / measured - 1) <= 0.25, String(totalSeconds));
    });
  }
});

describe('advice', () => {
  const plan = planImage({ ...service(), network: { rttMs: 20, bytesPerSecond: 2e7 } });

  test('takes the way that is forecast to be ready first, and says the times', () => {
    const fastest = plan.modes.reduce((a, b) => (b.totalSeconds < a.totalSeconds ? b : a));
    assert.equal(plan.advice.mode, fastest.mode);
    assert.match(
      plan.advice.reason,
      /^Fastest on this node \(2 processors, .*ready after \d.* s; next: .* after \d.* s\.$/,
    );
  });

  test('each rule names what it rests on', () => {
    assert.ok(plan.advice.rules.length > 0);
    for (const { text, evidence } of plan.advice.rules) assert.ok(text.endsWith('.') && evidence.length > 5);
  });

  test('lazily: probes, the registry’s part until all is there, and what published figures leave out', () => {
    const texts = plan.advice.rules.map(({ text }) => text).join('\n');
    assert.match(texts, /start-up probes wait at least \d/);
    assert.match(texts, /background fetcher/);
    assert.match(texts, /21 s of a vLLM image leave out/);
  });

  test('layers in zstd, and a model that is read in full, are named', () => {
    const input = service();
    const zstd = input.layers.map((layer, index) =>
      index === 0
        ? {
            ...layer,
            descriptor: { ...layer.descriptor, mediaType: 'application/vnd.oci.image.layer.v1.tar+zstd' },
          }
        : layer,
    );
    const { advice } = planImage({ ...input, layers: zstd });
    assert.ok(advice.rules.some(({ text }) => text.includes('zstd')));
    assert.ok(!plan.advice.rules.some(({ text }) => text.includes('zstd')));
  });

  test('a fast link and a fast disk make a whole pull the better one', () => {
    const { advice } = planImage({
      ...service(),
      network: { rttMs: 200, bytesPerSecond: 1e10, registryMs: 200 },
      node: parseNode('cores=64,disk=10000'),
    });
    assert.ok(['docker-pull', 'parallel-pull'].includes(advice.mode), advice.mode);
  });
});
