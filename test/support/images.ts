/** Small images from lists of files, packed and scanned like real ones. */
import { gzipSync } from 'node:zlib';
import { createLayout } from '../../src/image/layout-writer';
import { openImage } from '../../src/image/open';
import type { Image, ImageLayer } from '../../src/image/types';
import { type Bytes, memoryBytes } from '../../src/layer/bytes';
import { scanLayer } from '../../src/layer/scan';
import type { LayerScan } from '../../src/layer/types';
import { encodeManifest } from '../../src/oci/json';
import { layerType } from '../../src/oci/layer-type';
import { OCI_CONFIG, OCI_LAYER_GZIP, OCI_MANIFEST } from '../../src/oci/media-types';
import { parsePlatform } from '../../src/oci/platform';
import type { Descriptor } from '../../src/oci/types';
import { header, padded, paxHeader, type HeaderFields } from './tars';

export interface TestFile extends Omit<HeaderFields, 'flag' | 'size'> {
  readonly type?: keyof typeof FLAGS;
  readonly data?: string | Uint8Array;
  readonly pax?: readonly (readonly [string, string])[];
}

const FLAGS = { reg: '0', hardlink: '1', symlink: '2', char: '3', block: '4', dir: '5', fifo: '6' };

export function tarOf(files: readonly TestFile[]): Buffer {
  const blocks = files.flatMap(({ type = 'reg', data = '', pax, ...fields }) => {
    const bytes = Buffer.from(data);
    return [
      ...(pax ? [paxHeader(pax)] : []),
      header({ mode: type === 'dir' ? 0o755 : 0o644, ...fields, flag: FLAGS[type], size: bytes.length }),
      padded(bytes),
    ];
  });
  return Buffer.concat([...blocks, Buffer.alloc(1024)]);
}

export interface TestLayer {
  readonly descriptor: Descriptor;
  readonly blob: Bytes;
  readonly scan: LayerScan;
}

export async function layerOf(files: readonly TestFile[]): Promise<TestLayer> {
  const blob = memoryBytes(gzipSync(tarOf(files)));
  const scan = await scanLayer(blob, 'gzip', { diffId: true });
  return {
    descriptor: { mediaType: OCI_LAYER_GZIP, digest: scan.digest, size: scan.compressedSize },
    blob,
    scan,
  };
}

/** Writes an image of these layers to a new OCI layout in `dir`, and opens it. */
export async function writeImage(
  dir: string,
  layers: readonly TestLayer[],
  config: object = {},
): Promise<Image> {
  const writer = await createLayout(dir);
  for (const { blob } of layers) await writer.addBlob(blob.read());
  const image = {
    architecture: 'amd64',
    os: 'linux',
    created: '2026-01-02T03:04:05Z',
    config: { Cmd: ['/app'] },
    rootfs: { type: 'layers', diff_ids: layers.map(({ scan }) => scan.diffId) },
    history: layers.map((_, index) => ({ created_by: `step ${index}` })),
    ...config,
  };
  const manifest = encodeManifest({
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    config: { mediaType: OCI_CONFIG, ...(await writer.addBlob(Buffer.from(JSON.stringify(image)))) },
    layers: layers.map(({ descriptor }) => descriptor),
  });
  await writer.finish([{ mediaType: OCI_MANIFEST, ...(await writer.addBlob(manifest)) }]);
  return openFolder(dir);
}

/** The image of a layout, for the platform of the tests. */
export function openFolder(dir: string, platform = 'linux/amd64'): Promise<Image> {
  return openImage(`oci:${dir}`, { cacheDir: dir, platform: parsePlatform(platform) });
}

/** The layers of an image with their scans; without one where a layer cannot be indexed or is damaged. */
export function scannedLayers(image: Image): Promise<(ImageLayer & { scan: LayerScan | undefined })[]> {
  return Promise.all(
    image.layers.map(async (layer) => {
      const { compression } = layerType(layer.descriptor.mediaType);
      const scan = compression && (await scanLayer(layer.blob, compression).catch(() => undefined));
      return { ...layer, scan };
    }),
  );
}
