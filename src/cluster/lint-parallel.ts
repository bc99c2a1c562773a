import type { ConfigView } from './config-view';
import { removeEntry, replace, setKey } from './edits';
import type { Finding } from './findings';
import { isAtLeast } from './releases';

const TABLE = 'pull_modes.parallel_pull_unpack';
const MIB = 1024 * 1024;
/** config/parallel.go sizeRegex. */
const SIZE = /^\s*(\d+(?:\.\d+)?)\s*(gb|mb|kb|b)?\s*$/i;
const UNITS: Readonly<Record<string, number>> = { '': 1, b: 1, kb: 1024, mb: MIB, gb: 1024 * MIB };
/** config/defaults.go Unbounded. */
const UNLIMITED = -1;

/** The bytes that a chunk size stands for; `undefined` where the snapshotter does not read it. */
export function parseChunkSize(text: string): number | undefined {
  const [, digits, unit = ''] = SIZE.exec(text) ?? [];
  return digits === undefined
    ? undefined
    : Math.floor(Number(digits) * (UNITS[unit.toLowerCase()] ?? Number.NaN));
}

/** The parallel pull: fs/adaptive_fetch_image_layers.go checkParallelPullUnpack, fs/fs.go NewFilesystem, docs/parallel-mode.md. */
export function lintParallel(view: ConfigView): Finding[] {
  if (!isAtLeast(view.release, '0.11')) return [];
  const isOn = view.flag(`${TABLE}.enable`);
  const isFallback = view.flag(`${TABLE}.experimental_parallel_pull_as_fallback`);
  return [
    ...chunkSize(view),
    ...limits(view, 'downloads'),
    ...limits(view, 'unpacks'),
    ...decompressors(view),
    ...(isOn || isFallback
      ? [...store(view), ...unlimited(view), ...(isOn ? [...lazyOff(view), ...fallbackIgnored(view)] : [])]
      : switchedOff(view)),
  ];
}

function chunkSize(view: ConfigView): Finding[] {
  const entry = view.entry(`${TABLE}.concurrent_download_chunk_size`);
  if (entry?.content.kind !== 'string' || entry.content.value === '') return [];
  const written = entry.content.value;
  const bytes = parseChunkSize(written);
  if (bytes === undefined) {
    const [, number = '16', letter = 'm'] = /^\s*(\d+(?:\.\d+)?)\s*([kmg])?/i.exec(written) ?? [];
    const meant = JSON.stringify(`${number}${letter.toLowerCase()}b`);
    return [
      {
        rule: 'chunk-size-unit',
        severity: 'error',
        at: entry.value,
        message: `"${written}" is no size for the snapshotter: it reads a number with b, kb, mb or gb.`,
        reason: isAtLeast(view.release, '0.12')
          ? 'It refuses the file and does not start. Its mb is 1024 × 1024 bytes already; mib is a spelling of Bottlerocket only.'
          : 'This release drops the value without a word and fetches each layer with one request.',
        fix: { title: `Write ${meant}`, edits: [replace(entry.value, meant)] },
      },
    ];
  }
  if (bytes > 0 && (bytes < MIB || bytes > 1024 * MIB)) {
    return [
      {
        rule: 'chunk-size',
        severity: 'warning',
        at: entry.value,
        message:
          bytes < MIB
            ? `Chunks of ${written} are so small that a layer of 1 GB takes ${Math.ceil(1e9 / bytes)} requests.`
            : `Chunks of ${written} are larger than most layers, so nothing is fetched side by side.`,
        reason:
          'docs/parallel-mode.md of the snapshotter advises 8 to 16 MB for registries on object storage.',
        fix: { title: 'Write "16mb"', edits: [replace(entry.value, '"16mb"')] },
      },
    ];
  }
  return [];
}

function limits(view: ConfigView, what: 'downloads' | 'unpacks'): Finding[] {
  const global = view.number(`${TABLE}.max_concurrent_${what}`);
  const perImagePath = `${TABLE}.max_concurrent_${what}_per_image`;
  const perImage = view.number(perImagePath);
  const entry = view.entry(perImagePath) ?? view.entry(`${TABLE}.max_concurrent_${what}`);
  const isUnknown = view.isUnknown(perImagePath) || view.isUnknown(`${TABLE}.max_concurrent_${what}`);
  if (!entry || isUnknown || global <= 0 || perImage <= global) return [];
  return [
    {
      rule: 'per-image-above-global',
      severity: 'error',
      at: entry.value,
      message: `One image may do ${perImage} ${what} at once, but the whole node only ${global}.`,
      reason: `The snapshotter does not start: "global ${what.slice(0, -1)} limit less than per-image ${what.slice(0, -1)} limit".`,
      fix: {
        title: `Allow one image ${global}`,
        edits: [setKey(view.document, perImagePath.split('.'), String(global))],
      },
    },
  ];
}

function store(view: ConfigView): Finding[] {
  const discard = `${TABLE}.discard_unpacked_layers`;
  if (view.text('content_store.type') === 'containerd' || view.flag(discard)) return [];
  if (view.isUnknown(discard) || view.isUnknown('content_store.type')) return [];
  const entry =
    view.entry(`${TABLE}.enable`) ?? view.entry(`${TABLE}.experimental_parallel_pull_as_fallback`);
  if (!entry) return [];
  return [
    {
      rule: 'parallel-store',
      severity: 'error',
      at: entry.key,
      message: 'Parallel pulling needs the content store of containerd, or discard_unpacked_layers.',
      reason:
        'The snapshotter does not start without one of them. Discarding is also faster, since no compressed copy is written.',
      fix: {
        title: 'Set discard_unpacked_layers = true',
        edits: [setKey(view.document, discard.split('.'), 'true')],
      },
    },
  ];
}

function unlimited(view: ConfigView): Finding[] {
  const path = `${TABLE}.max_concurrent_downloads_per_image`;
  const entry = view.entry(path);
  if (entry?.content.kind !== 'integer' || entry.content.value !== UNLIMITED) return [];
  if (view.text(`${TABLE}.concurrent_download_chunk_size`) === '') return [];
  return [
    {
      rule: 'parallel-unlimited',
      severity: 'warning',
      at: entry.value,
      message: 'One image may send as many requests at once as it has chunks.',
      reason:
        'Registries answer such bursts with 429, and each refused request waits before it is tried again. Upstream advises 10 to 20.',
      fix: { title: 'Allow one image 20', edits: [replace(entry.value, '20')] },
    },
  ];
}

/** Lazy modes that are asked for by name beside a parallel pull. */
function lazyOff(view: ConfigView): Finding[] {
  const lazy = ['pull_modes.soci_v1.enable', 'pull_modes.soci_v2.enable'].find((path) => {
    const content = view.entry(path)?.content;
    return content?.kind === 'boolean' && content.value;
  });
  const entry = view.entry(`${TABLE}.enable`);
  if (lazy === undefined || !entry) return [];
  return [
    {
      rule: 'lazy-off',
      severity: 'warning',
      at: entry.key,
      message: `The parallel pull switches lazy loading off, so ${lazy} does nothing.`,
      reason: 'Every image is pulled whole before its container starts, with an index or without.',
      fix: isAtLeast(view.release, '0.14')
        ? {
            title: 'Pull in parallel only what has no index',
            edits: [
              replace(entry.value, 'false'),
              setKey(view.document, `${TABLE}.experimental_parallel_pull_as_fallback`.split('.'), 'true'),
            ].sort((a, b) => a.start - b.start),
          }
        : { title: 'Load lazily', edits: [replace(entry.value, 'false')] },
    },
  ];
}

function fallbackIgnored(view: ConfigView): Finding[] {
  const entry = view.entry(`${TABLE}.experimental_parallel_pull_as_fallback`);
  if (entry?.content.kind !== 'boolean' || !entry.content.value) return [];
  return [
    {
      rule: 'no-effect',
      severity: 'note',
      at: entry.key,
      message: 'experimental_parallel_pull_as_fallback does nothing while enable is true.',
      reason: 'The parallel pull is the first choice already; there is nothing to fall back from.',
      fix: {
        title: 'Remove experimental_parallel_pull_as_fallback',
        edits: [removeEntry(view.document, entry)],
      },
    },
  ];
}

function switchedOff(view: ConfigView): Finding[] {
  const meant = [
    'max_concurrent_downloads',
    'max_concurrent_downloads_per_image',
    'concurrent_download_chunk_size',
    'max_concurrent_unpacks',
    'max_concurrent_unpacks_per_image',
    'discard_unpacked_layers',
  ].flatMap((name) => view.entry(`${TABLE}.${name}`) ?? []);
  const [first] = meant;
  const enable = view.entry(`${TABLE}.enable`);
  // `enable = false` in so many words is a choice.
  if (!first || enable || view.isUnknown(`${TABLE}.enable`)) return [];
  return [
    {
      rule: 'parallel-off',
      severity: 'warning',
      at: first.key,
      message: 'The parallel pull is not switched on, so none of its settings has an effect.',
      reason: `[${TABLE}] enable is false unless it is set.`,
      fix: {
        title: 'Set enable = true',
        edits: [setKey(view.document, `${TABLE}.enable`.split('.'), 'true')],
      },
    },
  ];
}

function decompressors(view: ConfigView): Finding[] {
  return view.document.entries.flatMap((entry): Finding[] => {
    const [, , streams, algorithm = '', name] = entry.path;
    if (streams !== 'decompress_streams' || name !== 'path' || entry.content.kind !== 'string') return [];
    if (algorithm !== 'gzip' && algorithm !== 'zstd') {
      return [
        {
          rule: 'decompressor',
          severity: 'warning',
          at: entry.key,
          message: `A program for ${algorithm} is never used: the snapshotter knows gzip and zstd.`,
          reason: 'It logs "Unsupported compression algorithm" and goes on without.',
        },
      ];
    }
    if (entry.content.value.startsWith('/')) return [];
    return [
      {
        rule: 'decompressor',
        severity: 'error',
        at: entry.value,
        message: `"${entry.content.value}" is not an absolute path.`,
        reason:
          'The snapshotter takes no program from PATH and does not start: "decompressor path validation failed".',
        fix: {
          title: `Write "/usr/bin/${entry.content.value}"`,
          edits: [replace(entry.value, JSON.stringify(`/usr/bin/${entry.content.value}`))],
        },
      },
    ];
  });
}
