/** How fast a registry is from here, by a few ranged requests. */
import type { Descriptor } from '../oci/types';
import type { RegistryClient } from './client';

const MIB = 1024 * 1024;
/** Requests for one byte: the median of so many stands against a hiccup. */
const SMALL = 7;
/** What is fetched at once to find the rate, until a round takes long enough to say something. */
const ROUNDS = [4 * MIB, 16 * MIB, 64 * MIB];
const LONG_ENOUGH = 1000;
/** Downloads side by side: what nodes do, and what fills a link that one connection cannot. */
const PARALLEL = 4;
/** Less than this says nothing of a rate. */
const LEAST = 256 * 1024;

export interface RegistryPace {
  /** Milliseconds from a request for one byte to its answer over a connection that stands; the median. */
  readonly answerMs: number;
  /** Bytes per second over several connections; null where the blob is too small to tell. */
  readonly bytesPerSecond: number | null;
  readonly requests: number;
  readonly bytes: number;
}

/**
 * Measures with parts of one blob, the larger the better. Nothing is kept. Connections and sign-in are set up before the
 * first that counts.
 *
 * @throws LensError `registry/…` as any download
 */
export async function measurePace(
  client: Pick<RegistryClient, 'getBlob'>,
  blob: Pick<Descriptor, 'digest' | 'size'>,
  signal?: AbortSignal,
): Promise<RegistryPace> {
  let [requests, bytes] = [0, 0];
  const fetch = async (start: number, end: number): Promise<number> => {
    const before = performance.now();
    for await (const chunk of client.getBlob(blob, { start, end }, signal)) bytes += chunk.length;
    requests++;
    return performance.now() - before;
  };
  await fetch(0, 1);
  const times: number[] = [];
  for (let i = 0; i < SMALL; i++) times.push(await fetch(0, 1));
  const answerMs = times.sort((a, b) => a - b)[SMALL >> 1] ?? 0;

  let bytesPerSecond: number | null = null;
  for (const size of ROUNDS) {
    const part = Math.floor(Math.min(size, blob.size) / PARALLEL);
    if (part * PARALLEL < LEAST) break;
    const before = performance.now();
    await Promise.all(Array.from({ length: PARALLEL }, (_, i) => fetch(i * part, (i + 1) * part)));
    const took = performance.now() - before;
    bytesPerSecond = (part * PARALLEL * 1000) / Math.max(1, took - answerMs);
    if (took >= LONG_ENOUGH || size >= blob.size) break;
  }
  return { answerMs, bytesPerSecond, requests, bytes };
}
