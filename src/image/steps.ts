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
    const text = matched[index]?.text ?? history?.created_by?.trim();
    if (!text) return undefined;
    return text
      .replace(/^\/bin\/sh -c #\(nop\)\s+/, '')
      .replace(/^(?:RUN )?\/bin\/sh -c /, 'RUN ')
      .replace(/\s+# buildkit$/, '')
      .replace(/\s+/g, ' ');
  });
}
