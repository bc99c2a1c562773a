import { setTimeout } from 'node:timers/promises';

/** Milliseconds: only what never comes about waits so long. */
const PATIENCE = 30_000;

/**
 * Asks again until no assertion fails: for what comes about after an act, however loaded the machine is. What never does
 * fails with its last assertion.
 */
export async function eventually<T>(ask: () => T | Promise<T>): Promise<T> {
  const began = performance.now();
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (performance.now() - began > PATIENCE) throw error;
    }
    await setTimeout(25);
  }
}
