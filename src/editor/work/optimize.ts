/** Making an image better for its start, with its index. */
import * as path from 'node:path';
import type { Image } from '../../image/types';
import type { Candidate } from '../../optimize/forecast';
import type { ScanLayer } from '../../soci/layers';
import type { Services } from '../services';
import { readSettings } from '../settings';
import type { Opened } from '../store';
import type { Task } from '../tasks';
import { readDestination } from './indexes';
import { withRegistry } from './reach';

/**
 * Makes the image of a candidate, proves that its files are the same, indexes it, and puts it where it shall go. What is made
 * on the way does not stay.
 *
 * @returns the digest of what the destination names now
 */
export async function optimize(
  services: Services,
  { image, input, plan }: Opened,
  candidate: Candidate,
  destination: string,
  task: Task,
): Promise<string> {
  const line = await services.line();
  const target = readDestination(line, destination);
  const pool = line.createScanPool();
  const cache = line.openScanCache(path.join(services.folders.cache, 'scans'), readSettings().cacheSize);
  try {
    const options = {
      scratch: path.join(services.folders.cache, 'made'),
      output: target.transport === 'oci' ? path.resolve(target.path) : undefined,
      circumstances: { network: plan.network, node: plan.node },
      minLayerSize: plan.minLayerSize,
      scan: (one: Image) => line.scanImage(one, { pool, cache, ...task }),
      scanLayer: ((layer, blob, compression, options) =>
        pool.scan(blob, compression, { ...options, expectedDigest: layer.digest })) satisfies ScanLayer,
      onLine: (text: string) => {
        services.log.info(text);
      },
      ...task,
    };
    return await line.withOptimized(image, input, candidate, options, async ({ index, folder }) => {
      if (target.transport === 'docker') {
        const { registry } = target;
        await withRegistry(services, registry, task.signal, async (client) =>
          line.pushLayout(await line.openLayout(folder), client, registry.tag ?? 'latest', task),
        );
      }
      return index.digest;
    });
  } finally {
    await pool.close();
  }
}
