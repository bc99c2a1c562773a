import type { LensError } from '../errors';

/** A transfer that moves less than this in one `stallTimeout` of waiting stands still for all that it is worth, in bytes. */
export const LEAST = 64 * 1024;

/**
 * Passes a body on and breaks it off when the other side is so slow that it might as well stand still: a peer that sends a
 * byte now and then would hold a transfer for ever, since each byte ends the silence (slow loris). Only the time spent waiting
 * for it counts.
 *
 * @param timeout milliseconds
 */
export async function* notTooSlow(
  body: AsyncIterable<Uint8Array>,
  timeout: number,
  tooSlow: () => LensError,
): AsyncGenerator<Uint8Array> {
  let [moved, waited] = [0, 0];
  let asked = performance.now();
  for await (const chunk of body) {
    waited += performance.now() - asked;
    moved += chunk.length;
    if (waited > timeout) {
      if (moved < LEAST) throw tooSlow();
      [moved, waited] = [0, 0];
    }
    yield chunk;
    asked = performance.now();
  }
}

/**
 * The bytes of an upload in pieces of at most `LEAST`. `stop` is called when one of them has not been taken within `timeout`
 * milliseconds: the same measure in the other direction.
 */
export async function* watched(
  body: AsyncIterable<Uint8Array>,
  timeout: number,
  stop: () => void,
): AsyncGenerator<Uint8Array> {
  let timer: NodeJS.Timeout | undefined;
  try {
    for await (const chunk of body) {
      for (let at = 0; at < chunk.length; at += LEAST) {
        timer = setTimeout(stop, timeout);
        yield chunk.subarray(at, at + LEAST);
        clearTimeout(timer);
      }
    }
  } finally {
    clearTimeout(timer);
  }
}
