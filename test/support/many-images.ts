import path from 'node:path';
import { openLayout } from '../../src/image/layout';
import { connectRegistry } from '../../src/registry/client';
import { pushLayout } from '../../src/soci/push';
import { layerOf, writeImage } from './images';
import { Random } from './random';

/**
 * Puts small images into a registry, as `team/app-R:T`: each has a layer of its own and one that all share. `dir` holds them
 * on the way. @returns their names
 */
export async function pushManyImages(
  host: string,
  dir: string,
  { repositories, tags }: { readonly repositories: number; readonly tags: number },
): Promise<string[]> {
  const shared = await layerOf([{ name: 'runtime', data: new Random(1).bytes(60_000) }]);
  const fillOne = async (_: unknown, repository: number) => {
    const names: string[] = [];
    const client = connectRegistry(host, `team/app-${repository}`);
    for (let tag = 0; tag < tags; tag++) {
      const own = Buffer.from(`image ${repository} ${tag} `.repeat(400));
      const layout = path.join(dir, `${repository}-${tag}`);
      await writeImage(layout, [shared, await layerOf([{ name: 'app', data: own }])]);
      await pushLayout(await openLayout(layout), client, String(tag));
      names.push(`${host}/team/app-${repository}:${tag}`);
    }
    await client.close();
    return names;
  };
  // The registry takes them beside each other.
  return (await Promise.all(Array.from({ length: repositories }, fillOne))).flat();
}
