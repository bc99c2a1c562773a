import { readFile } from 'node:fs/promises';
import { messageOf } from '../errors';
import { createLayout } from '../image/layout';
import { parseDestination } from '../image/reference';
import { formatPlatform, parsePlatform } from '../oci/platform';
import type { Descriptor } from '../oci/types';
import { formatBytes, formatCount, formatSize } from '../plan/format';
import { createPlanner, type Planner, type PlanOptions } from '../plan/plan';
import type { LayerSpans } from '../plan/types';
import { attachLayout, convertLayout, type ConvertResult } from '../soci/convert';
import { DEFAULT_MIN_LAYER_SIZE, DEFAULT_SPAN_SIZE } from '../soci/layers';
import type { SpanRange } from '../soci/prefetch';
import { defineCommand, EXIT, parseBytes, required, typed, UsageError } from './command';
import { writeTo } from './destination';
import { CIRCUMSTANCE_FLAGS, planInput, readCircumstances } from './plan';
import { REGISTRY_FLAGS } from './registry-flags';
import type { Session } from './session';
import { indexBySoci } from './soci-indexer';
import { withSource } from './source';

export const indexCommand = defineCommand({
  name: 'index',
  summary: 'Makes the SOCI index of an image and writes or pushes the image with it.',
  usage: 'index IMAGE --output DEST [flags]',
  positionals: 1,
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
    'span-size': { type: 'string', value: 'BYTES', help: 'Bytes per span, or auto with --trace (4M).' },
    trace: {
      type: 'string',
      multiple: true,
      value: 'FILE',
      help: 'The recorded start, for --span-size auto and --prefetch-from-trace.',
    },
    'prefetch-from-trace': {
      type: 'boolean',
      help: 'Have the runtime fetch exactly the spans that the start touches.',
    },
    ...CIRCUMSTANCE_FLAGS,
    'min-layer-size': { type: 'string', value: 'BYTES', help: 'Smaller layers stay out of the index (10M).' },
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
    force: { type: 'boolean', help: 'With --indexer soci: make ztocs anew that it made before.' },
    ...REGISTRY_FLAGS,
  },
  async run(session, { flags, positionals: [reference = ''] }) {
    const { terminal, signal } = session;
    const output = required(flags.output, 'output');
    const destination = typed(() => parseDestination(output));
    const minLayerSize =
      flags['min-layer-size'] === undefined
        ? DEFAULT_MIN_LAYER_SIZE
        : parseBytes(flags['min-layer-size'], 'min-layer-size');
    const platforms = flags['all-platforms']
      ? ('all' as const)
      : flags.platform?.map((platform) => typed(() => parsePlatform(platform)));
    if (flags['all-platforms'] && flags.platform)
      throw new UsageError('--platform and --all-platforms exclude each other.');
    const wrong = flags.optimizations?.find((one) => one !== 'xattr');
    if (wrong !== undefined)
      throw new UsageError(`There is no optimization "${wrong}"; xattr is the only one.`);
    const { format = 'v2', indexer = 'built-in' } = flags;
    if (indexer !== 'built-in' && indexer !== 'soci')
      throw new UsageError(`--indexer takes built-in or soci, not "${indexer}".`);
    if (indexer === 'soci' && flags['prefetch-from-trace'])
      throw new UsageError('--prefetch-from-trace needs the built-in indexer: soci takes whole files only.');
    if (format !== 'v2' && format !== 'v1') throw new UsageError(`--format takes v2 or v1, not "${format}".`);
    const fixedSpanSize = readSpanSize(flags);
    const planOptions = { ...readCircumstances(flags), minLayerSize };
    const prefetchFiles = [
      ...(flags['prefetch-file'] ?? []),
      ...(flags['prefetch-files-json'] === undefined ? [] : await readList(flags['prefetch-files-json'])),
    ];

    const planner = flags.trace === undefined ? undefined : await readPlanner(session, reference, flags);
    const spanSize = fixedSpanSize ?? tunedSpanSize(session, planner, planOptions);
    const touched = flags['prefetch-from-trace'] ? planner?.prefetch(spanSize, minLayerSize) : undefined;
    if (indexer === 'soci') {
      const asked = { format, spanSize, minLayerSize, platforms, prefetchFiles, force: flags.force } as const;
      const optimizations = flags.optimizations && (['xattr'] as const);
      await indexBySoci(session, reference, output, { ...asked, optimizations }, flags);
      return EXIT.done;
    }
    const make = format === 'v1' ? attachLayout : convertLayout;
    const result = await withSource(session, reference, destination, flags, (store, tag) => {
      const convert = async (folder: string, copy: boolean): Promise<ConvertResult> =>
        make(store, await createLayout(folder), {
          spanSize,
          minLayerSize,
          prefetchFiles,
          ...(touched && { prefetchSpans: (layer: Descriptor) => spansOf(touched, layer) }),
          copy,
          signal,
          onProgress: terminal.progress,
          onLine: (line) => {
            terminal.debug(line);
          },
          scan: session.scanLayer,
          ...(platforms && { platforms }),
          ...(tag !== undefined && { tag }),
          ...(flags.optimizations && { optimizations: ['xattr'] as const }),
        });
      return writeTo(session, destination, convert, flags, store);
    });

    for (const { missingFiles } of result.perPlatform) {
      for (const file of missingFiles) terminal.info(`No indexed layer has ${file}; it is not prefetched.`);
    }
    if (flags.json) terminal.json(indexDocument(output, result));
    else terminal.result(describe(output, result));
    return EXIT.done;
  },
});

/** `undefined` stands for `auto`. */
function readSpanSize(flags: {
  readonly 'span-size'?: string | undefined;
  readonly trace?: readonly string[] | undefined;
  readonly 'prefetch-from-trace'?: boolean | undefined;
}): number | undefined {
  const { 'span-size': text, trace } = flags;
  if (flags['prefetch-from-trace'] && trace === undefined)
    throw new UsageError('--prefetch-from-trace needs --trace: the start tells which spans it touches.');
  if (text === 'auto') {
    if (trace === undefined)
      throw new UsageError('--span-size auto needs --trace: the start tells which size serves it.');
    return undefined;
  }
  if (trace !== undefined && !flags['prefetch-from-trace'])
    throw new UsageError('--trace is for --span-size auto and --prefetch-from-trace.');
  if (text === undefined) return DEFAULT_SPAN_SIZE;
  const bytes = parseBytes(text, 'span-size');
  if (bytes === 0) throw new UsageError('--span-size takes at least one byte.');
  return bytes;
}

async function readPlanner(
  session: Session,
  reference: string,
  flags: {
    readonly trace?: readonly string[] | undefined;
    readonly platform?: readonly string[] | undefined;
  },
): Promise<Planner> {
  const image = await session.open(reference, flags.platform?.[0]);
  return createPlanner(await planInput(image, await session.scan(image), { traceFiles: flags.trace }));
}

function tunedSpanSize(session: Session, planner: Planner | undefined, options: PlanOptions): number {
  if (planner === undefined) return DEFAULT_SPAN_SIZE;
  const { choice } = planner.plan(options);
  session.terminal.info(choice.reason);
  return choice.spanSize;
}

function spansOf(touched: readonly LayerSpans[], { digest }: Descriptor): SpanRange[] {
  const spans = touched.find((layer) => layer.digest === digest)?.spans ?? [];
  return spans.map(([start, end]) => ({ start, end }));
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
function indexDocument(output: string, { index, perPlatform }: ConvertResult) {
  const short = ({ digest, size }: Descriptor): { digest: string; size: number } => ({ digest, size });
  return {
    version: 1 as const,
    output,
    index: { ...short(index), mediaType: index.mediaType },
    platforms: perPlatform.map(
      ({ platform, manifest, sociIndex, ztocs, prefetch, skipped, missingFiles }) => ({
        platform: formatPlatform(platform),
        manifest: short(manifest),
        sociIndex: short(sociIndex),
        ztocs: ztocs.map(({ layer, ztoc, spanSize }) => ({ layer: layer.digest, ...short(ztoc), spanSize })),
        prefetch: prefetch.map(({ layer, artifact }) => ({ layer: layer.digest, ...short(artifact) })),
        skipped: skipped.map(({ layer, reason }) => ({ layer: layer.digest, reason })),
        missingFiles,
      }),
    ),
  };
}

function describe(output: string, { index, perPlatform }: ConvertResult): string {
  const lines = perPlatform.map(({ platform, sociIndex, ztocs, skipped }) => {
    const bytes = ztocs.reduce((sum, { ztoc }) => sum + ztoc.size, 0);
    const sizes = [...new Set(ztocs.map(({ spanSize }) => formatSize(spanSize)))].join(', ');
    const rest = skipped.length > 0 ? `, ${formatCount(skipped.length)} layers left out` : '';
    return `${formatPlatform(platform)}: ${formatCount(ztocs.length)} layers indexed at ${sizes} (${formatBytes(bytes)} of ztocs${rest}), SOCI index ${sociIndex.digest}`;
  });
  return [...lines, `${output}: ${index.digest}`].join('\n');
}
