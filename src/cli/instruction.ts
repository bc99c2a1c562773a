import { readFile } from 'node:fs/promises';
import { messageOf } from '../errors';
import { parseDockerfile } from '../image/dockerfile';
import { layerSteps } from '../image/steps';
import type { Image } from '../image/types';
import { UsageError } from './command';

/** The flag of the verbs that name the layers by their steps. */
export const DOCKERFILE_FLAG = {
  dockerfile: {
    type: 'string',
    value: 'FILE',
    help: 'Name the layers by the instructions of this Dockerfile.',
  },
} as const;

/** The step of the build behind each layer, as one line; by the builder's notes where no Dockerfile is given. */
export async function readSteps(image: Image, file: string | undefined): Promise<(string | undefined)[]> {
  if (file === undefined) return layerSteps(image);
  try {
    return layerSteps(image, parseDockerfile(await readFile(file, 'utf8')));
  } catch (error) {
    throw new UsageError(`The Dockerfile cannot be read: ${messageOf(error)}.`);
  }
}
