/** Which way to pull suits the image and the node, and what has to be watched with it. */
import type { PlanInputLayer } from './plan';
import { COSTS } from './costs';
import { formatBytes, formatCount, formatSeconds, formatShare } from './format';
import type { LayerTouches } from './touches';
import type { Advice, Forecast, Node, PlanLayer, Rule } from './types';
import { MODE_NAMES } from './words';

/** Above this share of its files' bytes read at start, a layer is as good as read in full. */
const READ_IN_FULL = 0.5;
/** Bytes from which on that matters: models, not libraries. */
const LARGE = 500e6;
/** Layers outside the index are fetched one after the other: from so many on it is worth a word. */
const MANY_SMALL = 8;
/** Start-up checks need more room than the forecast: equal runs differ, and nodes are busy. */
const ROOM = 2;

export interface AdviceQuestion {
  readonly layers: readonly PlanLayer[];
  readonly input: readonly PlanInputLayer[];
  readonly touches: readonly LayerTouches[];
  /** Every way to pull, forecast for this node. */
  readonly modes: readonly Forecast[];
  readonly node: Node;
  /** Spans of the index in all; what the background fetcher has to go through. */
  readonly spans: number;
}

export function advise(question: AdviceQuestion): Advice {
  const { modes, node } = question;
  const [fastest, ...others] = [...modes].sort((a, b) => a.totalSeconds - b.totalSeconds);
  const mode = fastest?.mode ?? 'docker-pull';
  const next = others[0];
  const lazy = mode === 'lazy' || mode === 'lazy-prefetch';
  return {
    mode,
    reason: reasonOf(fastest, next, node),
    rules: [...imageRules(question), ...(lazy ? lazyRules(question) : wholeRules(question))],
  };
}

function reasonOf(fastest: Forecast | undefined, next: Forecast | undefined, node: Node): string {
  if (fastest === undefined) return 'There is nothing to pull.';
  const where = `${node.name ?? 'this node'} (${formatCount(node.cores)} processors, disk ${formatBytes(node.diskBytesPerSecond)}/s)`;
  const first = `${MODE_NAMES[fastest.mode]}, ready after ${formatSeconds(fastest.totalSeconds)}`;
  return next === undefined
    ? `Fastest on ${where}: ${first}.`
    : `Fastest on ${where}: ${first}; next: ${MODE_NAMES[next.mode]}, ready after ${formatSeconds(next.totalSeconds)}.`;
}

/** What the image itself brings with it, however it is pulled. */
function imageRules({ layers, input, touches }: AdviceQuestion): Rule[] {
  const rules: Rule[] = [];
  const zstd = layers.filter(({ mediaType }) => mediaType.includes('zstd'));
  if (zstd.length > 0) {
    rules.push({
      text: `${formatCount(zstd.length)} of the layers are compressed with zstd and cannot be loaded lazily: build them with gzip.`,
      evidence: 'soci-format: a ztoc knows gzip and plain tar only',
    });
  }
  const full = layers.filter(
    ({ touchedBytes, uncompressedSize }) =>
      touchedBytes > LARGE && touchedBytes > (uncompressedSize ?? Infinity) * READ_IN_FULL,
  );
  for (const { index, touchedBytes, uncompressedSize } of full) {
    rules.push({
      text: `The start reads ${formatShare(touchedBytes / (uncompressedSize ?? touchedBytes))} of layer ${index} (${formatBytes(touchedBytes)}), as of a model that is loaded: nothing is won by loading it lazily. Keep it out of the image or pull it in parallel.`,
      evidence: 'the trace',
    });
  }
  if (input.some(({ scan }, layer) => runsJvm(scan?.entries, touches[layer]))) {
    rules.push({
      text: 'A Java virtual machine starts: it reads large archives in many parts, and its own time is a large share of the start. Class data sharing helps more than any span size.',
      evidence: 'the trace opens libjvm.so',
    });
  }
  const small = layers.filter(({ indexed }) => !indexed);
  if (small.length >= MANY_SMALL && layers.some(({ indexed }) => indexed)) {
    rules.push({
      text: `${formatCount(small.length)} layers outside the index are fetched one after the other before the start: join them in one step of the build, or index smaller layers.`,
      evidence: 'measured: a round trip and 20 ms for each',
    });
  }
  return rules;
}

/** A start touches up to 100 000 files, and every step of a what-if asks again. */
const jvmKnown = new WeakMap<LayerTouches, boolean>();

function runsJvm(
  entries: { readonly name: (index: number) => string } | undefined,
  touched: LayerTouches | undefined,
): boolean {
  if (entries === undefined || touched === undefined) return false;
  const runs =
    jvmKnown.get(touched) ?? touched.entries.some((entry) => entries.name(entry).endsWith('/libjvm.so'));
  jvmKnown.set(touched, runs);
  return runs;
}

function lazyRules({ modes, spans }: AdviceQuestion): Rule[] {
  const slowest = Math.max(
    ...modes.filter(({ mode }) => mode.startsWith('lazy')).map((mode) => mode.startSeconds),
  );
  const whole = (COSTS.backgroundSilence + spans * COSTS.backgroundStep) / 1000;
  return [
    {
      text: `Files arrive while the service starts: let start-up probes wait at least ${formatSeconds(Math.ceil(slowest * ROOM))}.`,
      evidence: 'the forecast of the start alone, twice',
    },
    {
      text: `For about ${formatCount(Math.ceil(whole / 60))} min after the start the container still needs the registry: the background fetcher takes one span each half second. Credentials have to stay valid, and the registry reachable, until then.`,
      evidence: 'measured: first background fetch 30 s after the mount, then 500 ms apart',
    },
    {
      text: 'Published figures of lazy loading often end when the container is created; this forecast ends when the service is ready. The 21 s of a vLLM image leave out loading its libraries and everything until it answers.',
      evidence: 'docs/model.md, "Published figures"',
    },
  ];
}

function wholeRules({ node, modes }: AdviceQuestion): Rule[] {
  const parallel = modes.find(({ mode }) => mode === 'parallel-pull');
  const plain = modes.find(({ mode }) => mode === 'docker-pull');
  if (parallel === undefined || plain === undefined || parallel.totalSeconds >= plain.totalSeconds) return [];
  const gain = 1 - parallel.totalSeconds / plain.totalSeconds;
  return [
    {
      text: `Parallel pull needs no index; here it saves ${formatShare(gain)}. It pays the more processors (${formatCount(node.cores)}) and the faster the disk, and a single huge layer is still unpacked by one stream: split it.`,
      evidence: 'simulated; a layer is unpacked as one stream (soci-format §6.7)',
    },
  ];
}
