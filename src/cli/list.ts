import { formatPlatform, parsePlatform } from '../oci/platform';
import { formatBytes, formatCount, formatSize } from '../plan/format';
import { indexedLayers, listIndexes, type ImageIndexes } from '../soci/discover';
import { defineCommand, EXIT, typed } from './command';
import { withStore } from './push';
import { REGISTRY_FLAGS } from './registry-flags';

export const listCommand = defineCommand({
  name: 'list',
  summary: 'Lists the SOCI indexes of an image in a registry or an OCI layout, as a runtime finds them.',
  usage: 'list oci:FOLDER[:TAG]|docker://HOST/NAME:TAG [flags]',
  positionals: 1,
  flags: {
    platform: { type: 'string', value: 'OS/ARCH', help: 'Of this platform only.' },
    ...REGISTRY_FLAGS,
  },
  async run(session, { flags, positionals: [reference = ''] }) {
    const { platform: wanted } = flags;
    const platform = wanted === undefined ? undefined : typed(() => parsePlatform(wanted));
    const images = await withStore(session, reference, flags, (store, tag) =>
      listIndexes(store, {
        signal: session.signal,
        ...(tag !== undefined && { reference: tag }),
        ...(platform && { platform }),
      }),
    );
    const document = { version: 1 as const, reference, images: images.map(imageDocument) };
    if (flags.json) session.terminal.json(document);
    else session.terminal.result(images.map(describe).join('\n'));
    return EXIT.done;
  },
});

/** The shape of one image in `--json` (docs/cli.md). */
function imageDocument({ platform, entry, indexes }: ImageIndexes) {
  return {
    platform: platform ? formatPlatform(platform) : null,
    manifest: entry.digest,
    indexes: indexes.map(({ version, digest, manifest }) => ({
      version,
      digest,
      layers: indexedLayers(manifest).map(({ layer, ztoc, spanSize, prefetch }) => ({
        layer,
        ztoc: ztoc.digest,
        size: ztoc.size,
        spanSize: spanSize ?? null,
        prefetch,
      })),
    })),
  };
}

function describe(image: ImageIndexes): string {
  const name = image.platform ? formatPlatform(image.platform) : image.entry.digest;
  if (image.indexes.length === 0) return `${name}: no SOCI index`;
  return image.indexes
    .map(({ version, digest, manifest }) => {
      const layers = indexedLayers(manifest);
      const bytes = layers.reduce((sum, { ztoc }) => sum + ztoc.size, 0);
      const sizes = [...new Set(layers.flatMap(({ spanSize }) => spanSize ?? []))].map(formatSize).join(', ');
      return `${name}: v${version} ${digest}, ${formatCount(layers.length)} of ${formatCount(image.manifest.layers.length)} layers${sizes === '' ? '' : ` at ${sizes}`}, ${formatBytes(bytes)} of ztocs`;
    })
    .join('\n');
}
