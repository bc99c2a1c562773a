import { readFile } from 'node:fs/promises';
import { messageOf } from '../errors';
import { parseDestination } from '../image/reference';
import { formatPlatform, parsePlatform } from '../oci/platform';
import type { Descriptor } from '../oci/types';
import { formatBytes, formatMany, formatSize } from '../plan/format';
import { orderOf } from '../plan/order';
import type { Best } from '../plan/types';
import type { ConvertResult } from '../soci/convert';
import { DEFAULT_MIN_LAYER_SIZE, DEFAULT_SPAN_SIZE } from '../soci/layers';
import { defineCommand, EXIT, parseBytes, required, typed, UsageError } from './command';
import { makeIndex, type IndexSettings } from './indexing';
import { indexMany, MANY_FLAGS, MANY_ONLY } from './many/index-many';
import { CIRCUMSTANCE_FLAGS, LIST_FLAGS } from './plan-input';
import { REGISTRY_FLAGS } from './registry-flags';
import { indexBySoci } from './soci-indexer';
import { findBytes } from './source';
import { readWish, tuneIndex } from './tuned-index';

const USAGE = 'index IMAGE|--from-list LIST --output DEST [flags]';

export const indexCommand = defineCommand({
  name: 'index',
  summary: 'Makes the SOCI index of an image and writes or pushes the image with it.',
  usage: USAGE,
  positionals: [0, 1],
  flags: {
    output: {
      type: 'string',
      short: 'o',
      value: 'DEST',
      help: 'oci:FOLDER, oci-archive:FILE or docker://HOST/NAME:TAG.',
    },
    format: {
      type: 'string',
      value: 'v2|v1',
      help: 'v2: the image carries its index (default). v1: the index refers to the image.',
    },
    trace: {
      type: 'string',
      multiple: true,
      value: 'FILE',
      help: 'The recorded start: it decides what no flag says.',
    },
    'span-size': { type: 'string', value: 'BYTES', help: 'Bytes per span (4M; with --trace by layer).' },
    'min-layer-size': {
      type: 'string',
      value: 'BYTES',
      help: 'Smaller layers stay out of the index (10M), or auto with --trace.',
    },
    'prefetch-from-trace': {
      type: 'boolean',
      help: 'Have the runtime fetch exactly the spans that the start touches, whatever the forecast says.',
    },
    ...LIST_FLAGS,
    ...CIRCUMSTANCE_FLAGS,
    platform: { type: 'string', multiple: true, value: 'OS/ARCH', help: 'Index this platform only.' },
    'all-platforms': { type: 'boolean', help: 'Index every platform of the image.' },
    'prefetch-file': {
      type: 'string',
      multiple: true,
      value: 'PATH',
      help: 'Have the runtime fetch this file before the start.',
    },
    'prefetch-files-json': { type: 'string', value: 'FILE', help: 'The same for a JSON list of paths.' },
    optimizations: {
      type: 'string',
      multiple: true,
      value: 'xattr',
      help: 'Mark layers without extended attributes.',
    },
    indexer: {
      type: 'string',
      value: 'built-in|soci',
      help: 'soci: have the soci program on the PATH make it.',
    },
    'gzip-level': {
      type: 'string',
      value: '0-9',
      help: 'How hard to compress the plain tars of an engine or a docker save (6).',
    },
    force: {
      type: 'boolean',
      help: 'Make anew what was made before; of one image, with --indexer soci only.',
    },
    ...MANY_FLAGS,
    ...REGISTRY_FLAGS,
  },
  async run(session, { flags, positionals: [reference] }) {
    const { indexer = 'built-in' } = flags;
    if (indexer !== 'built-in' && indexer !== 'soci')
      throw new UsageError(`--indexer takes built-in or soci, not "${indexer}".`);
    const wish = readWish(flags);
    if (flags['from-list'] !== undefined) {
      if (indexer === 'soci') throw new UsageError('--from-list needs the built-in indexer.');
      if (reference !== undefined) throw new UsageError('index takes an IMAGE or --from-list, not both.');
      return indexMany(session, { ...flags, 'from-list': flags['from-list'] }, await readSettings(flags));
    }
    if (reference === undefined) throw new UsageError(`Usage: soci-lens ${USAGE}`);
    const many = MANY_ONLY.find((flag) => flags[flag] !== undefined);
    if (many !== undefined) throw new UsageError(`--${many} is for --from-list.`);
    const { terminal } = session;
    session.gzipLevel = readLevel(flags['gzip-level']);
    const output = required(flags.output, 'output');
    const destination = typed(() => parseDestination(output));
    const fixed = await readSettings(flags);
    // The spans of other bytes are others, so it is planned on those that are indexed; soci takes no registry's.
    const bytes =
      indexer === 'soci'
        ? { reference, note: undefined }
        : await findBytes(session, reference, destination, flags);
    const tuned = wish && (await tuneIndex(session, bytes.reference, wish, flags));
    const best = tuned?.best ?? null;
    if (best) terminal.info(best.reason);
    if (indexer === 'soci') {
      const { force } = flags;
      const { minLayerSize = fixed.minLayerSize, spanSizes = [] } = best ?? {};
      const spanSize = spanSizes.find((size) => size !== null) ?? fixed.spanSize;
      await indexBySoci(session, reference, output, { ...fixed, spanSize, minLayerSize, force }, flags);
      return EXIT.done;
    }
    const digests = tuned?.digests ?? [];
    const settings = { ...fixed, ...(best && orderOf(best, digests, fixed.spanSize)) };
    const result = await makeIndex(session, bytes, destination, settings, flags);

    for (const { platform, ztocs, warnings, missingFiles } of result.perPlatform) {
      if (best && !ztocs.every(({ layer }) => digests.includes(layer.digest))) {
        const [name, size] = [formatPlatform(platform), formatSize(fixed.spanSize)];
        terminal.info(
          `The recorded start says nothing of ${name}: its other layers get spans of ${size}, and no list of them.`,
        );
      }
      for (const { layer, message } of warnings) terminal.info(`About layer ${layer.digest}: ${message}`);
      for (const file of missingFiles) terminal.info(`No indexed layer has ${file}; it is not prefetched.`);
    }
    if (flags.json) terminal.json(indexDocument(output, result, best));
    else terminal.result(describe(output, result));
    return EXIT.done;
  },
});

/** What the flags say without looking at an image; the defaults for what is left to the recorded start. */
async function readSettings(flags: {
  readonly format?: string | undefined;
  readonly 'span-size'?: string | undefined;
  readonly 'min-layer-size'?: string | undefined;
  readonly platform?: readonly string[] | undefined;
  readonly 'all-platforms'?: boolean | undefined;
  readonly optimizations?: readonly string[] | undefined;
  readonly 'prefetch-file'?: readonly string[] | undefined;
  readonly 'prefetch-files-json'?: string | undefined;
}): Promise<IndexSettings> {
  const { format = 'v2', 'min-layer-size': minimum, 'prefetch-files-json': listFile } = flags;
  if (format !== 'v2' && format !== 'v1') throw new UsageError(`--format takes v2 or v1, not "${format}".`);
  if (flags['all-platforms'] && flags.platform)
    throw new UsageError('--platform and --all-platforms exclude each other.');
  const wrong = flags.optimizations?.find((one) => one !== 'xattr');
  if (wrong !== undefined)
    throw new UsageError(`There is no optimization "${wrong}"; xattr is the only one.`);
  return {
    format,
    spanSize: readSpanSize(flags['span-size']),
    minLayerSize:
      minimum === undefined || minimum === 'auto'
        ? DEFAULT_MIN_LAYER_SIZE
        : parseBytes(minimum, 'min-layer-size'),
    platforms: flags['all-platforms']
      ? 'all'
      : flags.platform?.map((platform) => typed(() => parsePlatform(platform))),
    prefetchFiles: [
      ...(flags['prefetch-file'] ?? []),
      ...(listFile === undefined ? [] : await readList(listFile)),
    ],
    optimizations: flags.optimizations ? ['xattr'] : [],
  };
}

function readSpanSize(text: string | undefined): number {
  if (text === undefined || text === 'auto') return DEFAULT_SPAN_SIZE;
  const bytes = parseBytes(text, 'span-size');
  if (bytes === 0) throw new UsageError('--span-size takes at least one byte.');
  return bytes;
}

function readLevel(text: string | undefined): number | undefined {
  if (text === undefined || /^[0-9]$/.test(text)) return text === undefined ? undefined : Number(text);
  throw new UsageError(`--gzip-level takes a level from 0 to 9, not "${text}".`);
}

async function readList(file: string): Promise<string[]> {
  try {
    const list: unknown = JSON.parse(await readFile(file, 'utf8'));
    if (Array.isArray(list) && list.every((item) => typeof item === 'string')) return list;
  } catch (error) {
    throw new UsageError(`--prefetch-files-json cannot be read: ${messageOf(error)}.`);
  }
  throw new UsageError(`--prefetch-files-json takes a JSON list of paths; ${file} is something else.`);
}

/** The shape of `--json` (docs/cli.md). */
function indexDocument(output: string, { index, perPlatform }: ConvertResult, best: Best | null) {
  const short = ({ digest, size }: Descriptor): { digest: string; size: number } => ({ digest, size });
  return {
    version: 1 as const,
    output,
    index: { ...short(index), mediaType: index.mediaType },
    reason: best?.reason ?? null,
    forecast: best?.forecast ?? null,
    platforms: perPlatform.map(
      ({ platform, manifest, sociIndex, ztocs, prefetch, skipped, warnings, missingFiles }) => ({
        platform: formatPlatform(platform),
        manifest: short(manifest),
        sociIndex: short(sociIndex),
        ztocs: ztocs.map(({ layer, ztoc, spanSize }) => ({ layer: layer.digest, ...short(ztoc), spanSize })),
        prefetch: prefetch.map(({ layer, artifact }) => ({ layer: layer.digest, ...short(artifact) })),
        skipped: skipped.map(({ layer, reason }) => ({ layer: layer.digest, reason })),
        warnings: warnings.map(({ layer, message }) => ({ layer: layer.digest, message })),
        missingFiles,
      }),
    ),
  };
}

function describe(output: string, { index, perPlatform }: ConvertResult): string {
  const lines = perPlatform.map(({ platform, sociIndex, ztocs, skipped }) => {
    const bytes = ztocs.reduce((sum, { ztoc }) => sum + ztoc.size, 0);
    const sizes = [...new Set(ztocs.map(({ spanSize }) => formatSize(spanSize)))].join(', ');
    const rest = skipped.length > 0 ? `, ${formatMany(skipped.length, 'layer')} left out` : '';
    return `${formatPlatform(platform)}: ${formatMany(ztocs.length, 'layer')} indexed at ${sizes} (${formatBytes(bytes)} of ztocs${rest}), SOCI index ${sociIndex.digest}`;
  });
  return [...lines, `${output}: ${index.digest}`].join('\n');
}
