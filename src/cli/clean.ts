import { findCached } from '../cleanup/cache';
import { findBuilt, findLeft } from '../cleanup/engine';
import { findIndexes } from '../cleanup/registry';
import { parseReference } from '../image/reference';
import { clusterPlace } from './cluster-clean';
import { CLUSTER_FLAGS } from './cluster-flags';
import { CLEANING_FLAGS, type CleaningPlace, cleanUp } from './cleaning';
import { defineCommand, typed, UsageError } from './command';
import { withRegistry } from './push';
import { REGISTRY_FLAGS, type RegistryFlagValues } from './registry-flags';
import type { Session } from './session';

export const cleanCommand = defineCommand({
  name: 'clean',
  summary:
    'Removes what was made: indexes in registries, images and leftovers on the engine, cache, cluster.',
  usage: 'clean [IMAGE …] [--engine] [--cache] [--cluster] [--dry-run] [--only ID …] [flags]',
  positionals: [0, Number.POSITIVE_INFINITY],
  flags: {
    engine: { type: 'boolean', help: 'What recordings that were cut off left in the engine.' },
    cache: { type: 'boolean', help: 'Saved images and scans of layers on this machine.' },
    cluster: { type: 'boolean', help: 'What `cluster clean` finds.' },
    all: { type: 'boolean', help: 'All of these three.' },
    ...CLEANING_FLAGS,
    ...CLUSTER_FLAGS,
    ...REGISTRY_FLAGS,
  },
  async run(session, { flags, positionals }) {
    const places = positionals.map((reference) => imagePlace(session, reference, flags));
    if (flags.engine ?? flags.all) places.push(enginePlace(session));
    if (flags.cache ?? flags.all) places.push(cachePlace(session));
    if (flags.cluster ?? flags.all) places.push(await clusterPlace(flags, session.signal));
    if (places.length === 0)
      throw new UsageError('Say where to look: an IMAGE, --engine, --cache, --cluster, or --all of them.');
    return cleanUp(session, places, flags);
  },
});

/** Of an image in a registry its indexes can go, of one on the engine the image. */
function imagePlace(session: Session, reference: string, flags: RegistryFlagValues): CleaningPlace {
  const source = typed(() => parseReference(reference));
  if (source.transport === 'docker-daemon') {
    const find = async () => ({ items: [await findBuilt(await session.engine(), source.name)] });
    return { name: reference, find };
  }
  if (source.transport !== 'docker' || source.registry.digest !== undefined)
    throw new UsageError(
      `clean takes a tag in a registry as docker://HOST/NAME:TAG or an image of the engine as docker-daemon:NAME, not ${reference}.`,
    );
  const options = { signal: session.signal, onProgress: session.terminal.progress };
  return {
    name: reference,
    find: () =>
      findIndexes(source.registry, (name, work) => withRegistry(session, name, flags, work), options),
  };
}

function enginePlace({ engine }: Session): CleaningPlace {
  return { name: 'Left in the engine', find: async () => ({ items: await findLeft(await engine()) }) };
}

function cachePlace({ cacheDir }: Session): CleaningPlace {
  return { name: `Cache ${cacheDir}`, find: async () => ({ items: await findCached(cacheDir) }) };
}
