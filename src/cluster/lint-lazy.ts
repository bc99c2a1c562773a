import type { ConfigView } from './config-view';
import { removeEntry, replace, setKey } from './edits';
import type { Finding } from './findings';
import { isAtLeast } from './releases';

/** What a config has to fit: the image as the registry has it. */
export interface LintImage {
  readonly reference: string;
  /** Of the indexes that were found. */
  readonly indexVersions: readonly (1 | 2)[];
  /** True when an index lists spans to prefetch. */
  readonly prefetch: boolean;
  /** Bytes, of each layer that an index covers. */
  readonly indexedLayerSizes: readonly number[];
  /** Of all indexed layers. */
  readonly spans: number;
}

/** What a person waits for at most before a pod no longer needs its registry. */
const PATIENCE_MINUTES = 60;
const DEFAULT_PERIOD = 500;

/** Lazy loading: fs/fs.go findSociIndexDesc, fs/backgroundfetcher, fs/layer/layer.go Resolve. */
export function lintLazy(view: ConfigView, image: LintImage | undefined): Finding[] {
  // Parallel pulling needs no index and leaves nothing for later.
  if (view.flag('pull_modes.parallel_pull_unpack.enable')) return [];
  return [
    ...modes(view, image),
    ...prefetch(view, image),
    ...smallLayers(view, image),
    ...backgroundOff(view),
    ...backgroundPace(view, image),
    ...backgroundQueue(view, image),
  ];
}

function modes(view: ConfigView, image: LintImage | undefined): Finding[] {
  if (!isAtLeast(view.release, '0.10')) return [];
  const v1 = view.flag('pull_modes.soci_v1.enable');
  const v2 = view.flag('pull_modes.soci_v2.enable');
  if (['soci_v1', 'soci_v2'].some((mode) => view.isUnknown(`pull_modes.${mode}.enable`))) return [];
  const entry = view.entry('pull_modes.soci_v2.enable');
  if (!v1 && !v2 && !view.flag('pull_modes.parallel_pull_unpack.experimental_parallel_pull_as_fallback')) {
    return [
      {
        rule: 'no-mode',
        severity: 'error',
        at: entry?.value ?? { start: 0, end: 0 },
        message: 'Neither kind of index is looked for, and images are not pulled in parallel.',
        reason:
          'The snapshotter logs "all lazy pull modes are disabled" and leaves every image to the container runtime, which is slower than without the snapshotter.',
        ...(entry && { fix: { title: 'Switch v2 on', edits: [replace(entry.value, 'true')] } }),
      },
    ];
  }
  if (!image || image.indexVersions.length === 0) return [];
  const looksFor = [...(v1 ? [1] : []), ...(v2 ? [2] : [])];
  if (image.indexVersions.some((version) => looksFor.includes(version))) return [];
  const version = image.indexVersions.includes(2) ? 2 : 1;
  const path = `pull_modes.soci_v${version}.enable`;
  return [
    {
      rule: 'v1-off',
      severity: 'error',
      at: view.entry(path)?.value ?? { start: 0, end: 0 },
      message: `${image.reference} has only a v${version} index, and v${version} is switched off.`,
      reason:
        version === 1
          ? 'Since release 0.10 v1 is off unless it is switched on. The image is pulled whole.'
          : 'The image is pulled whole.',
      fix: { title: `Switch v${version} on`, edits: [setKey(view.document, path.split('.'), 'true')] },
    },
  ];
}

function prefetch(view: ConfigView, image: LintImage | undefined): Finding[] {
  const entry = view.entry('prefetch.enable');
  if (!image?.prefetch || view.flag('prefetch.enable') || view.isUnknown('prefetch.enable')) return [];
  const isKnown = isAtLeast(view.release, '0.13');
  return [
    {
      rule: 'prefetch-off',
      severity: 'warning',
      at: entry?.value ?? { start: 0, end: 0 },
      message: `${image.reference} lists spans to prefetch, but prefetch is ${isKnown ? 'off' : `not in release ${view.release}`}.`,
      reason: isKnown
        ? 'It is off unless it is switched on. The artifacts are downloaded with the ztocs all the same, and then not used.'
        : 'Prefetch came with release 0.13. Update the snapshotter.',
      ...(isKnown && {
        fix: {
          title: 'Switch prefetch on',
          edits: [setKey(view.document, ['prefetch', 'enable'], 'true')],
        },
      }),
    },
  ];
}

function smallLayers(view: ConfigView, image: LintImage | undefined): Finding[] {
  const entry = view.entry('snapshotter.min_layer_size');
  if (entry?.content.kind !== 'integer') return [];
  const minimum = entry.content.value;
  if (minimum > 0 && minimum <= 4096) {
    return [
      {
        rule: 'wrong-unit',
        severity: 'warning',
        at: entry.value,
        message: `min_layer_size is in bytes: ${minimum} bytes is below every layer.`,
        reason: 'With such a value the key does nothing.',
        fix: {
          title: `Write ${minimum * 1024 * 1024} (${minimum} MiB)`,
          edits: [replace(entry.value, String(minimum * 1024 * 1024))],
        },
      },
    ];
  }
  const below = image?.indexedLayerSizes.filter((size) => size < minimum) ?? [];
  if (below.length === 0) return [];
  return [
    {
      rule: 'layer-below-minimum',
      severity: 'warning',
      at: entry.value,
      message: `${below.length} of ${image?.indexedLayerSizes.length ?? 0} indexed layers are below min_layer_size.`,
      reason:
        'They are pulled whole although the index has them, by clients that tell the size of a layer; the kubelet does not.',
      fix: { title: 'Remove min_layer_size', edits: [removeEntry(view.document, entry)] },
    },
  ];
}

function backgroundOff(view: ConfigView): Finding[] {
  const entry = view.entry('background_fetch.disable');
  if (!entry || !view.flag('background_fetch.disable')) return [];
  return [
    {
      rule: 'background-off',
      severity: 'warning',
      at: entry.key,
      message: 'Without the background fetch a pod needs its registry for as long as it runs.',
      reason:
        'What it has not read yet is fetched on demand. When the registry or its credentials are gone by then, the read fails with EIO.',
      fix: { title: 'Switch the background fetch on', edits: [replace(entry.value, 'false')] },
    },
  ];
}

function backgroundPace(view: ConfigView, image: LintImage | undefined): Finding[] {
  if (view.flag('background_fetch.disable')) return [];
  const path = 'background_fetch.fetch_period_msec';
  const entry = view.entry(path);
  const period = view.number(path);
  const minutes =
    ((image?.spans ?? 0) * period + view.number('background_fetch.silence_period_msec')) / 60_000;
  if (!entry || period <= DEFAULT_PERIOD || (period <= 10 * DEFAULT_PERIOD && minutes < PATIENCE_MINUTES)) {
    return [];
  }
  return [
    {
      rule: 'background-slow',
      severity: 'warning',
      at: entry.value,
      message:
        image && image.spans > 0
          ? `One span in ${period} ms takes ${Math.round(minutes)} minutes for the ${image.spans} spans of ${image.reference}.`
          : `One span in ${period} ms, for all images of the node together: 1000 spans (about 4 GB) take ${Math.round(period / 60)} minutes.`,
      reason:
        'Until the last span is there a pod depends on its registry and on credentials that still hold.',
      fix: { title: 'Remove fetch_period_msec: 500 holds', edits: [removeEntry(view.document, entry)] },
    },
  ];
}

function backgroundQueue(view: ConfigView, image: LintImage | undefined): Finding[] {
  const entry = view.entry('background_fetch.max_queue_size');
  if (entry?.content.kind !== 'integer' || entry.content.value === 0) return [];
  const size = entry.content.value;
  if (size < 0) {
    if (isAtLeast(view.release, '0.15')) return [];
    return [
      {
        rule: 'background-queue',
        severity: 'error',
        at: entry.value,
        message: `A queue of ${size} is not possible before release 0.15.`,
        reason: 'The snapshotter ends with a panic when it makes the queue. Since 0.15, −1 is no limit.',
        fix: { title: 'Remove max_queue_size', edits: [removeEntry(view.document, entry)] },
      },
    ];
  }
  const layers = image?.indexedLayerSizes.length ?? 10;
  if (size >= layers) return [];
  return [
    {
      rule: 'background-queue',
      severity: 'warning',
      at: entry.value,
      message: image
        ? `The queue has room for ${size} layers, and ${image.reference} alone has ${layers} indexed ones.`
        : `The queue has room for ${size} layers.`,
      reason: isAtLeast(view.release, '0.15')
        ? 'Layers that find no room are never fetched in the background, so their pods stay tied to the registry.'
        : 'Mounting a layer waits until there is room.',
      fix: { title: 'Remove max_queue_size', edits: [removeEntry(view.document, entry)] },
    },
  ];
}
