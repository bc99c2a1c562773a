/** The picture that the README opens with: the map of a start that was recorded on the real snapshotter. */
import path from 'node:path';
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
      instruction: stepOf(steps[index]?.created_by),
    })),
  });
  return picture.svg(null, 'compressed', 'What a Python service reads of its image while it starts');
}

/** A line of the history as it stands in a Dockerfile. */
function stepOf(createdBy = ''): string {
  const step = createdBy
    .replace(/\s*# buildkit$/, '')
    .replace(/^\/bin\/sh -c #\(nop\)\s*/, '')
    .replace(/^\/bin\/sh -c /, 'RUN ');
  return step === '' ? 'FROM debian' : step;
}
