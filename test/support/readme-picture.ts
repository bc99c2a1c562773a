/** The picture that the README opens with: the map of a start that was recorded on the real snapshotter. */
import path from 'node:path';
import { stepText } from '../../src/image/steps';
import { createPicture } from '../../src/plan/picture';
import { fixture, repoRoot } from './paths';
import { readTruth, truthInput } from './truth';

export const README_PICTURE = path.join(repoRoot, 'docs/span-map.svg');

export async function drawReadmePicture(): Promise<string> {
  const app = readTruth(fixture('truth', 'fx-py'));
  const input = await truthInput(app);
  const steps = (app.config.history ?? []).filter((step) => step.empty_layer !== true);
  const picture = createPicture({
    ...input,
    layers: input.layers.map((layer, index) => ({
      ...layer,
      // What the base image is made of is not noted.
      instruction: stepText(steps[index]?.created_by ?? 'FROM debian'),
    })),
  });
  return picture.svg(null, 'compressed', 'What a Python service reads of its image while it starts');
}
