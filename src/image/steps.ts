import { matchLayers, type DockerfileModel } from './dockerfile';
import type { Image } from './types';

/**
 * The step of the build behind each layer, as one line: by the Dockerfile where one is given and fits, else what the builder
 * noted, without what it adds around it.
 */
export function layerSteps(
  { layers, config }: Pick<Image, 'layers' | 'config'>,
  dockerfile?: DockerfileModel,
): (string | undefined)[] {
  const matched = dockerfile ? matchLayers(dockerfile, config.history ?? []) : [];
  return layers.map(({ history }, index) => {
    const text = matched[index]?.text ?? history?.created_by;
    return stepText(text ?? '') || undefined;
  });
}

/** What a builder noted of a step, without what it adds around it: a shell, build arguments, its own name, a hash in the place of the sources. */
export function stepText(createdBy: string): string {
  return createdBy
    .replace(/^(?:\S+ ){1,5}#\(nop\)\s+/, '')
    .replace(/^(?:RUN )?(?:\|\d+ .*? )?\/bin\/sh -c /s, 'RUN ')
    .replace(/^((?:ADD|COPY)(?: --.*?)?) ?(?:file|dir|multi):[0-9a-f]+ in /, '$1 … ')
    .replace(/\s+# buildkit$/, '')
    .replace(/\s+/g, ' ')
    .trim();
}
