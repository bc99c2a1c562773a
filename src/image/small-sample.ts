import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
// Plain JavaScript, since the scripts that record its start have to run before anything is built.
import { smallConfig, smallLayers } from '../../scripts/sample/small.mjs';
import { sha256 } from '../oci/digest';
import { encodeManifest } from '../oci/json';
import { OCI_CONFIG, OCI_MANIFEST } from '../oci/media-types';
import type { Descriptor } from '../oci/types';
import type { OnProgress } from '../progress';
import { cachedLayout } from './cached-layout';

const LAYER = 'application/vnd.oci.image.layer.v1.tar+gzip';
const DATE = '2026-11-01T00:00:00Z';

/**
 * Makes the small sample image as an OCI layout in `folder`, unless it is there. Nothing is fetched and no engine is asked. Its
 * layers are the same everywhere; how well they are packed depends on the zlib of this Node.
 */
export function makeSmallSample(
  folder: string,
  { signal, onProgress }: { readonly signal?: AbortSignal; readonly onProgress?: OnProgress } = {},
): Promise<string> {
  return cachedLayout(folder, async (writer) => {
    onProgress?.({ step: 'Making the sample image' });
    const layers: Descriptor[] = [];
    const made = await smallLayers();
    for (const { tar } of made) {
      signal?.throwIfAborted();
      const packed = await promisify(gzip)(tar);
      layers.push({ mediaType: LAYER, ...(await writer.addBlob(packed)) });
    }
    const config = {
      created: DATE,
      architecture: 'amd64',
      os: 'linux',
      config: smallConfig,
      rootfs: { type: 'layers', diff_ids: made.map(({ tar }) => sha256(tar)) },
      history: made.map(({ step }) => ({ created: DATE, created_by: step })),
    };
    const manifest = encodeManifest({
      schemaVersion: 2,
      mediaType: OCI_MANIFEST,
      config: { mediaType: OCI_CONFIG, ...(await writer.addBlob(Buffer.from(JSON.stringify(config)))) },
      layers,
    });
    const platform = { architecture: 'amd64', os: 'linux' };
    return [{ mediaType: OCI_MANIFEST, ...(await writer.addBlob(manifest)), platform }];
  });
}
