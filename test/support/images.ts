/** Small images from lists of files, packed and scanned like real ones. */
import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { createLayout, type OciLayout, openLayout } from '../../src/image/layout';
import { type Bytes, memoryBytes } from '../../src/layer/bytes';
import { scanLayer } from '../../src/layer/scan';
import type { LayerScan } from '../../src/layer/types';
import { encodeManifest } from '../../src/oci/json';
import { OCI_CONFIG, OCI_LAYER_GZIP, OCI_MANIFEST } from '../../src/oci/media-types';
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

/** Writes an image for linux/amd64 of these layers, the lowest first, as an OCI layout. */
export async function writeImage(dir: string, layers: readonly (readonly TestFile[])[]): Promise<OciLayout> {
  const writer = await createLayout(dir);
  const tars = layers.map(tarOf);
  const blobs = [];
  for (const tar of tars) blobs.push(await writer.addBlob(gzipSync(tar)));
  const config = {
    architecture: 'amd64',
    os: 'linux',
    config: {},
    rootfs: {
      type: 'layers',
      diff_ids: tars.map((tar) => `sha256:${createHash('sha256').update(tar).digest('hex')}`),
    },
  };
  const manifest = encodeManifest({
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    config: { mediaType: OCI_CONFIG, ...(await writer.addBlob(Buffer.from(JSON.stringify(config)))) },
    layers: blobs.map((blob) => ({ mediaType: OCI_LAYER_GZIP, ...blob })),
  });
  await writer.finish([{ mediaType: OCI_MANIFEST, ...(await writer.addBlob(manifest)) }]);
  return openLayout(dir);
}
