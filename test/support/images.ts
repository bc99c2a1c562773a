/** Small images from lists of files, packed and scanned like real ones. */
import { gzipSync } from 'node:zlib';
import { type Bytes, memoryBytes } from '../../src/layer/bytes';
import { scanLayer } from '../../src/layer/scan';
import type { LayerScan } from '../../src/layer/types';
import { OCI_LAYER_GZIP } from '../../src/oci/media-types';
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
