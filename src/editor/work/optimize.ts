/** Making an image better for its start, with its index. */
import { randomUUID } from 'node:crypto';
import { mkdir, rm } from 'node:fs/promises';
import * as path from 'node:path';
import type { Candidate } from '../../optimize/forecast';
import type { Services } from '../services';
import { readSettings } from '../settings';
import type { Opened } from '../store';
import type { Task } from '../tasks';
import { readDestination } from './indexes';
import { registryOptions } from './reach';

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
  const scratch = path.join(services.folders.cache, 'made', randomUUID());
  const output = target.transport === 'oci' ? path.resolve(target.path) : path.join(scratch, 'indexed');
  const pool = line.createScanPool();
  try {
    await mkdir(scratch, { recursive: true });
    const cache = line.openScanCache(path.join(services.folders.cache, 'scans'), readSettings().cacheSize);
    const made = await line.makeOptimized(image, input, candidate, {
      folder: path.join(scratch, 'image'),
      circumstances: { network: plan.network, node: plan.node },
      minLayerSize: plan.minLayerSize,
      scan: (one) => line.scanImage(one, { pool, cache, ...task }),
      ...task,
    });
    const layout = await line.openLayout(path.join(scratch, 'image'));
    const { index } = await line.convertLayout(layout, await line.createLayout(output), {
      spanSize: made.spanSize,
      minLayerSize: plan.minLayerSize,
      prefetchSpans: made.prefetchSpans,
      platforms: 'all',
      scan: (layer, blob, compression, options) =>
        pool.scan(blob, compression, { ...options, expectedDigest: layer.digest }),
      onLine: (text: string) => {
        services.log.info(text);
      },
      ...task,
    });
    if (target.transport === 'docker') {
      const { host, repository, tag } = target.registry;
      const client = line.connectRegistry(host, repository, registryOptions(services, line));
      try {
        await line.pushLayout(await line.openLayout(output), client, tag ?? 'latest', task);
      } finally {
        await client.close();
      }
    }
    return index.digest;
  } finally {
    await pool.close();
    await rm(scratch, { recursive: true, force: true });
  }
}
