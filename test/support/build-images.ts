/** Builds the fixture images that the engine at `DOCKER_HOST` has not yet, ahead of the tests that need them. */
import { ensureImage } from './engine';

async function buildImages(): Promise<void> {
  for (const name of ['fx-scratch', 'fx-edge', 'fx-py'] as const) {
    await ensureImage(name);
    console.log(`${name} is there.`);
  }
}

void buildImages();
