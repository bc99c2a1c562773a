/** Checks of the plan, and of what it is asked with. */
import type { EntryRef, Settings } from '../plan/picture/types';
import type {
  Advice,
  Best,
  BestRow,
  BuildAdvice,
  Flip,
  Forecast,
  IndexVersion,
  LayerSpans,
  Network,
  Node,
  Plan,
  PlanLayer,
  PlanTrace,
  PullMode,
  Rule,
  SpanSizeRow,
} from '../plan/types';
import {
  amount,
  count,
  flag,
  list,
  longText,
  number,
  object,
  oneOf,
  optional,
  orNull,
  pair,
  ProtocolError,
  text,
} from './checks';
import type { Check } from './checks';

export const spanSize = number(1, 2 ** 40, true);
export const share = number(0, 1, false);
export const entryRef = object<EntryRef>({ layer: count, entry: count });
const rate = number(1, 1e15, false);
export const network = object<Network>({
  rttMs: number(0, 60_000, false),
  bytesPerSecond: rate,
  registryMs: optional(number(0, 60_000, false)),
  connections: optional(oneOf(['kept', 'tcp', 'tls'])),
});
export const node = object<Node>({
  name: optional(text),
  cores: number(1, 4096, true),
  unpackBytesPerSecond: rate,
  diskBytesPerSecond: rate,
  workers: optional(number(1, 4096, true)),
  memoryBytes: optional(amount),
  networkBytesPerSecond: optional(rate),
});

export const settings = object<Settings>({
  spanSize: orNull(spanSize),
  minLayerSize: count,
  network,
  node,
  prefetch: flag,
  extra: list(entryRef),
});

const pullMode = oneOf<PullMode>(['docker-pull', 'parallel-pull', 'lazy', 'lazy-prefetch']);
const indexVersion: Check<IndexVersion> = (value, where) => (number(1, 2, true)(value, where) === 1 ? 1 : 2);

const forecast = object<Forecast>({
  mode: pullMode,
  pullSeconds: amount,
  startSeconds: amount,
  totalSeconds: amount,
  requests: count,
  bytes: count,
});

const planLayer = object<PlanLayer>({
  index: count,
  digest: text,
  mediaType: text,
  size: count,
  uncompressedSize: orNull(count),
  files: orNull(count),
  instruction: orNull(text),
  indexed: flag,
  notIndexed: orNull(text),
  touchedFiles: count,
  touchedBytes: count,
});

const row = object<SpanSizeRow>({
  spanSize,
  spans: count,
  touchedSpans: count,
  spanBytes: count,
  inflatedBytes: count,
  waste: share,
  ztocBytes: count,
  serialFetches: count,
  lazy: forecast,
  prefetch: forecast,
});

const planTrace = object<PlanTrace>({
  files: count,
  readyMs: orNull(amount),
  mapped: count,
  excluded: count,
  unmapped: count,
  examples: list(object<PlanTrace['examples'][number]>({ path: text, reason: text })),
});

export const version: Check<1> = (value, where) => {
  if (value !== 1) throw new ProtocolError(where, 'version 1');
  return value;
};

export const layerSpans = list(object<LayerSpans>({ layer: count, digest: text, spans: list(pair(count)) }));

const sizes = list(orNull(spanSize));

const advice = object<Advice>({
  mode: pullMode,
  reason: longText,
  rules: list(object<Rule>({ text: longText, evidence: longText })),
});

export const best = object<Best>({
  spanSizes: sizes,
  minLayerSize: count,
  prefetch: layerSpans,
  indexVersion,
  spans: count,
  indexBytes: count,
  forecast,
  withoutPrefetch: forecast,
  usual: forecast,
  reason: longText,
  flips: list(
    object<Flip>({
      axis: oneOf(['rttMs', 'bytesPerSecond']),
      value: amount,
      side: oneOf(['below', 'above']),
      spanSizes: sizes,
      prefetch: flag,
    }),
  ),
  evidence: longText,
  table: list(
    object<BestRow>({
      name: text,
      spanSizes: sizes,
      prefetch: flag,
      indexVersion,
      totalSeconds: amount,
      bytes: count,
      requests: count,
      indexBytes: count,
      best: flag,
      undominated: flag,
    }),
  ),
});

export const buildAdvice = object<BuildAdvice>({
  kind: oneOf(['split', 'squash', 'reorder']),
  layers: list(count),
  text: longText,
  evidence: longText,
  mode: pullMode,
  before: forecast,
  after: forecast,
});

export const plan = object<Plan>({
  version,
  image: object<Plan['image']>({ reference: text, digest: text, platform: text }),
  network,
  node,
  minLayerSize: count,
  layers: list(planLayer),
  trace: orNull(planTrace),
  rows: list(row),
  choice: object<Plan['choice']>({ spanSize, reason: text }),
  modes: list(forecast),
  advice,
  best: orNull(best),
  build: orNull(list(buildAdvice)),
  prefetch: layerSpans,
  notes: list(text),
});
