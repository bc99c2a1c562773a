import { layerType } from '../../oci/layer-type';
import type { ConfigView } from '../config-view';
import { isAtLeast, type Release } from '../releases';
import { green, red, unknown, type Check } from './checks';
import type { ImageEvidence, IndexEvidence } from './evidence';

/** A layer of this size costs more by waiting for its turn than lazy loading saves elsewhere. */
const LARGE_LAYER = 10 * 1024 * 1024;

/** The index that the node would take: the first of a kind that it looks for. */
export function chosenIndex(image: ImageEvidence, config: ConfigView | undefined): IndexEvidence | undefined {
  return config ? image.indexes.find(({ version }) => looksFor(config, version)) : image.indexes[0];
}

export function looksFor(config: ConfigView, version: 1 | 2): boolean {
  // Before 0.10 there was v1 alone, and no switch for it.
  if (!isAtLeast(config.release, '0.10')) return version === 1;
  return config.flag(`pull_modes.soci_v${version}.enable`);
}

/** What the registry tells by itself, and with the node's config. */
export function checkImage(image: ImageEvidence, config: ConfigView | undefined): Check[] {
  const index = chosenIndex(image, config) ?? image.indexes[0];
  return [
    indexThere(image),
    discoverable(image, config),
    indexTypes(index),
    ztocsLoad(index),
    layersIndexed(image, index),
    zstd(image),
    ranges(image),
    credentials(image, config),
    minLayerSize(image, index, config),
    prefetch(index, config),
  ];
}

function indexThere({ indexes, reference, manifestDigest }: ImageEvidence): Check {
  if (indexes.length === 0) {
    return red(
      'index-there',
      `${reference} (${manifestDigest}) names no v2 index, and no v1 index refers to it.`,
      'Make one and push it: soci-lens index IMAGE --output docker://….',
    );
  }
  return green('index-there', indexes.map(({ version, digest }) => `v${version} ${digest}`).join(', '));
}

function discoverable(image: ImageEvidence, config: ConfigView | undefined): Check {
  const index = chosenIndex(image, config);
  const [first] = image.indexes;
  if (!first) return red('discoverable', 'There is no index to be found.', 'Push an index first.');
  if (!index) {
    return red(
      'discoverable',
      `The node looks for ${
        [1, 2]
          .filter((one) => config && looksFor(config, one === 1 ? 1 : 2))
          .map((one) => `v${one}`)
          .join(' and ') || 'no kind of index'
      }, and the image has v${first.version} only.`,
      `Set [pull_modes.soci_v${first.version}] enable = true.`,
    );
  }
  if (index.version === 2) return green('discoverable', 'The annotation of the image manifest names it.');
  return green(
    'discoverable',
    image.referrersApi
      ? 'The referrers API of the registry lists it.'
      : 'The registry has no referrers API; the tag that stands for it lists the index.',
  );
}

function indexTypes(index: IndexEvidence | undefined): Check {
  if (!index) return red('index-types', 'There is no index.', 'Push an index first.');
  if (index.problem !== undefined) {
    return red('index-types', `${index.digest}: ${index.problem}`, 'Make the index anew and push it.');
  }
  return green('index-types', `${index.digest} with ${index.ztocs.length} ztocs, canonical JSON.`);
}

function ztocsLoad(index: IndexEvidence | undefined): Check {
  if (!index) return red('ztocs-load', 'There is no index.', 'Push an index first.');
  const bad = index.ztocs.filter(({ problems }) => problems.length > 0);
  const [first] = bad;
  if (first) {
    return red(
      'ztocs-load',
      `${bad.length} of ${index.ztocs.length}: layer ${first.layer}: ${first.problems[0] ?? ''}`,
      'Such a layer is pulled whole. Make it anew, or push the ztoc again when it is missing.',
    );
  }
  if (index.problem !== undefined) {
    return unknown('ztocs-load', 'The index itself cannot be used.', 'Make the index anew.');
  }
  return green('ztocs-load', `All ${index.ztocs.length} were read and keep the rules of the loader.`);
}

function layersIndexed({ manifest }: ImageEvidence, index: IndexEvidence | undefined): Check {
  if (!index) return red('layers-indexed', 'There is no index.', 'Push an index first.');
  const indexed = new Set(index.ztocs.map(({ layer }) => layer));
  const left = manifest.layers.filter(({ digest }) => !indexed.has(digest));
  const large = left.filter(({ size }) => size >= LARGE_LAYER);
  const bytes = left.reduce((sum, { size }) => sum + size, 0);
  const evidence = `${indexed.size} of ${manifest.layers.length} layers; the other ${left.length} (${megabytes(bytes)}) are pulled whole, one after the other, before the start.`;
  if (large.length > 0) {
    return red(
      'layers-indexed',
      evidence,
      `${large.length} of them are above 10 MiB: make the index with a lower --min-layer-size, and layers of zstd with gzip.`,
    );
  }
  return green('layers-indexed', evidence);
}

function zstd({ manifest }: ImageEvidence): Check {
  const layers = manifest.layers.filter(({ mediaType }) => !canIndex(mediaType));
  const [first] = layers;
  if (!first) return green('zstd', 'All layers are of a kind that can be indexed.');
  return red(
    'zstd',
    `${layers.length} layers such as ${first.digest} (${first.mediaType}) cannot be indexed.`,
    'Compress them with gzip: no zinfo for zstd exists (upstream issue 519).',
  );
}

/** Artifacts that are no image can have layers of any type. */
function canIndex(mediaType: string): boolean {
  try {
    return layerType(mediaType).compression !== undefined;
  } catch {
    return false;
  }
}

function ranges({ ranges: answer }: ImageEvidence): Check {
  if (answer === 'answered') return green('ranges', 'bytes=0-1 of a layer was answered with 206.');
  if (answer === undefined) return unknown('ranges', 'The image has no layer to ask for.', 'Nothing to do.');
  return red(
    'ranges',
    'bytes=0-1 of a layer was not answered with 206.',
    'Let range requests through every proxy and mirror on the way; without them nothing is loaded lazily.',
  );
}

function credentials({ isPublic }: ImageEvidence, config: ConfigView | undefined): Check {
  if (isPublic) return green('credentials', 'Anyone may read the image.');
  if (!config) {
    return unknown(
      'credentials',
      'The image is private, and whether the snapshotter has credentials is not known.',
      'Give the config of the snapshotter with --config.',
    );
  }
  const keychains = ['cri_keychain', 'kubeconfig_keychain'].filter((name) =>
    config.flag(`${name}.enable_keychain`),
  );
  if (keychains.length > 0) {
    return green(
      'credentials',
      `The image is private; ${keychains.join(' and ')} is on. Credentials are not renewed for what a pod reads later.`,
    );
  }
  return red(
    'credentials',
    'The image is private, and no keychain is on: only a Docker config of root on the node would do.',
    'Set [cri_keychain] enable_keychain = true, and give the kubelet the image service of the snapshotter.',
  );
}

function minLayerSize(
  { manifest }: ImageEvidence,
  index: IndexEvidence | undefined,
  config: ConfigView | undefined,
): Check {
  if (!config) return unknown('min-layer-size', 'The config is not known.', 'Give it with --config.');
  const minimum = config.number('snapshotter.min_layer_size');
  if (minimum <= 0) return green('min-layer-size', 'It is not set.');
  const indexed = new Set(index?.ztocs.map(({ layer }) => layer));
  const below = manifest.layers.filter(({ digest, size }) => indexed.has(digest) && size < minimum);
  if (below.length === 0)
    return green('min-layer-size', `All indexed layers have ${minimum} bytes at least.`);
  return red(
    'min-layer-size',
    `${below.length} indexed layers are below ${minimum} bytes, and are pulled whole for clients that tell sizes (nerdctl does, the kubelet does not).`,
    'Take [snapshotter] min_layer_size out.',
  );
}

function prefetch(index: IndexEvidence | undefined, config: ConfigView | undefined): Check {
  const listed = index?.ztocs.filter((one) => one.prefetch).length ?? 0;
  const dotted = index?.ztocs.filter(({ dotSlash }) => dotSlash).length ?? 0;
  const hint =
    dotted > 0
      ? [`${dotted} layers have names that begin with ./, which the soci command cannot list for prefetch.`]
      : [];
  const withHint = (sentence: string) => [sentence, ...hint].join(' ');
  if (listed === 0) return green('prefetch', withHint('The index has no prefetch artifacts.'));
  if (!config)
    return unknown(
      'prefetch',
      withHint(`${listed} layers have artifacts; the config is not known.`),
      'Give it with --config.',
    );
  if (config.flag('prefetch.enable'))
    return green('prefetch', withHint(`${listed} layers have artifacts, and prefetch is on.`));
  return red(
    'prefetch',
    withHint(
      `${listed} layers have artifacts, and prefetch is ${isAtLeast(config.release, '0.13') ? 'off' : `not in release ${config.release}`}: they are downloaded and not used.`,
    ),
    isAtLeast(config.release, '0.13')
      ? 'Set [prefetch] enable = true.'
      : 'Update the snapshotter to 0.13 or newer.',
  );
}

/** What the image needs of the snapshotter's version. */
export function neededRelease(image: ImageEvidence): Release {
  const index = image.indexes[0];
  if (index?.ztocs.some((one) => one.prefetch)) return '0.13';
  return index?.version === 2 ? '0.10' : '0.9';
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
