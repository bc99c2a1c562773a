import { LensError } from '../errors';
import { isDigest } from '../oci/digest';
import { formatPlatform, parsePlatform } from '../oci/platform';
import type { Digest } from '../oci/types';
import { formatBytes, formatCount, formatMany, formatSize } from '../plan/format';
import {
  checkIsIndex,
  indexDetails,
  summarize,
  ZTOC_LIMIT,
  ztocFiles,
  type LayerDetails,
} from '../soci/details';
import { indexedLayers, listIndexes, type FoundIndex, type ImageIndexes } from '../soci/discover';
import type { BlobStore } from '../soci/store';
import { parseZtoc } from '../soci/ztoc';
import { defineCommand, EXIT, typed, UsageError } from './command';
import { withStore } from './push';
import { REGISTRY_FLAGS } from './registry-flags';
import { formatTable, type Terminal } from './terminal';

export const showCommand = defineCommand({
  name: 'show',
  summary: 'Shows one SOCI index of an image in detail, or one ztoc with its files.',
  usage: 'show oci:FOLDER[:TAG]|docker://HOST/NAME:TAG [DIGEST] [flags]',
  positionals: [1, 2],
  flags: {
    ztoc: { type: 'string', value: 'DIGEST', help: 'Show this ztoc of one of the indexes, file by file.' },
    platform: { type: 'string', value: 'OS/ARCH', help: 'The index of this platform.' },
    ...REGISTRY_FLAGS,
  },
  async run(session, { flags, positionals: [reference = '', digest] }) {
    const wanted = flags.ztoc ?? digest;
    if (wanted !== undefined && !isDigest(wanted))
      throw new UsageError(`"${wanted}" is not a digest: sha256: and 64 hexadecimal digits.`);
    if (flags.ztoc !== undefined && digest !== undefined)
      throw new UsageError('show takes the digest of an index or --ztoc, not both.');
    const { platform: name } = flags;
    const platform = name === undefined ? undefined : typed(() => parsePlatform(name));
    await withStore(session, reference, flags, async (store, tag) => {
      const images = await listIndexes(store, {
        signal: session.signal,
        ...(tag !== undefined && { reference: tag }),
        ...(platform && { platform }),
      });
      const { terminal, signal } = session;
      if (flags.ztoc !== undefined)
        return showZtoc(store, reference, images, flags.ztoc, terminal, flags.json);
      const { image, index } = chooseIndex(reference, images, digest);
      const version = checkIsIndex(index);
      const layers = await indexDetails(store, image.manifest, index, signal);
      if (flags.json) terminal.json(indexDocument(reference, image, { ...index, version }, layers));
      else terminal.result(describeIndex(image, { ...index, version }, layers));
    });
    return EXIT.done;
  },
});

/** That index, else the first that there is: the one that a runtime takes. */
function chooseIndex(
  reference: string,
  images: readonly ImageIndexes[],
  digest: Digest | undefined,
): { image: ImageIndexes; index: FoundIndex } {
  for (const image of images) {
    const index = image.indexes.find((found) => digest === undefined || found.digest === digest);
    if (index) return { image, index };
  }
  throw new LensError(
    'cli/no-index',
    digest === undefined ? `${reference} has no SOCI index.` : `${reference} has no SOCI index ${digest}.`,
    digest === undefined
      ? `Make one with "soci-lens index ${reference} --output DEST".`
      : `"soci-lens list ${reference}" lists those that it has.`,
  );
}

async function showZtoc(
  store: BlobStore,
  reference: string,
  images: readonly ImageIndexes[],
  digest: Digest,
  terminal: Terminal,
  json: boolean | undefined,
): Promise<void> {
  const known = images.flatMap(({ indexes }) => indexes.flatMap(({ manifest }) => indexedLayers(manifest)));
  const found = known.find(({ ztoc }) => ztoc.digest === digest);
  if (!found) {
    throw new LensError(
      'cli/no-ztoc',
      `No SOCI index of ${reference} has a ztoc ${digest}.`,
      `"soci-lens show ${reference}" lists the ztocs of an index.`,
    );
  }
  const ztoc = parseZtoc(await store.readBlob(found.ztoc, ZTOC_LIMIT));
  const files = ztocFiles(ztoc);
  const summary = summarize(found.ztoc, ztoc);
  const document = { version: 1 as const, reference, layer: found.layer, ztoc: { ...summary, files } };
  if (json) {
    terminal.json(document);
    return;
  }
  terminal.result(
    `${digest}\nof layer ${found.layer}\n${formatBytes(summary.size)}, made by ${summary.buildTool}: ${formatMany(files.length, 'file')}, ${formatMany(summary.spans, 'span')} of ${formatSize(summary.spanSize)}\n`,
  );
  terminal.result(
    formatTable(
      ['size', 'spans', 'type', 'path'],
      files.map(({ name, type, size, startSpan, endSpan }) => [
        formatBytes(size),
        startSpan === endSpan ? String(startSpan) : `${startSpan}–${endSpan}`,
        type,
        name,
      ]),
    ),
  );
}

/** The shape of `--json` (docs/cli.md). */
function indexDocument(
  reference: string,
  { platform, entry }: ImageIndexes,
  index: FoundIndex,
  layers: readonly LayerDetails[],
) {
  return {
    version: 1 as const,
    reference,
    platform: platform ? formatPlatform(platform) : null,
    manifest: entry.digest,
    index: { version: index.version, digest: index.digest, size: index.bytes.length },
    layers: layers.map(({ layer, ztoc, disableXattrs, prefetch }) => ({
      layer: layer.digest,
      mediaType: layer.mediaType,
      size: layer.size,
      ztoc: ztoc ?? null,
      disableXattrs,
      prefetch,
    })),
  };
}

function describeIndex(
  { platform, entry }: ImageIndexes,
  index: FoundIndex,
  layers: readonly LayerDetails[],
): string {
  const head = [
    `${index.digest}  SOCI index v${index.version}`,
    `of ${entry.digest}${platform ? `  ${formatPlatform(platform)}` : ''}`,
    '',
  ];
  const rows = layers.map(({ layer, ztoc, prefetch }, at) => [
    String(at),
    formatBytes(layer.size),
    ztoc ? formatSize(ztoc.spanSize) : '',
    ztoc ? formatCount(ztoc.spans) : '',
    ztoc ? formatCount(ztoc.files) : '',
    prefetch.length === 0
      ? ''
      : formatCount(prefetch.reduce((sum, { start, end }) => sum + end - start + 1, 0)),
    ztoc ? formatBytes(ztoc.size) : '',
    ztoc ? ztoc.digest : 'not indexed: pulled whole',
  ]);
  const table = formatTable(['', 'layer', 'span size', 'spans', 'files', 'prefetched', 'ztoc', ''], rows);
  return [...head, table].join('\n');
}
