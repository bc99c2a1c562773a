import { type Engine, inspectEngineImage, removeImage } from '../image/engine';
import { findLeftovers, leftoverSizes, removeLeftovers } from '../trace/leftovers';
import type { MadeItem } from './types';

/**
 * What recordings that were cut off left in the engine.
 *
 * @throws LensError `trace/engine-gone`
 */
export async function findLeft(engine: Engine): Promise<MadeItem[]> {
  const left = await findLeftovers(engine);
  const sizes = await leftoverSizes(engine, left);
  return [
    ...left.containers.map((id): MadeItem => {
      const remove = () => removeLeftovers(engine, { containers: [id], volumes: [] });
      return { id: `container/${id.slice(0, 12)}`, kind: 'container', size: sizes.get(id), remove };
    }),
    ...left.volumes.map((name): MadeItem => {
      const remove = () => removeLeftovers(engine, { containers: [], volumes: [name] });
      return { id: `volume/${name}`, kind: 'volume', size: sizes.get(name), remove };
    }),
  ];
}

/**
 * An image on the engine. Where it has other names too, only this one goes.
 *
 * @throws LensError `image/not-found`, `image/engine-gone`
 */
export async function findBuilt(engine: Engine, name: string): Promise<MadeItem> {
  const { size } = await inspectEngineImage(engine, name);
  return { id: `docker-daemon:${name}`, kind: 'image', size, remove: () => removeImage(engine, name) };
}
