import { setTimeout as sleep } from 'node:timers/promises';

/** Waits until the next request to a host may go out. Rejects with the abort of the signal. */
export type Limit = (host: string, signal?: AbortSignal) => Promise<void>;

/** Lets at most `perSecond` requests begin per second and host, evenly spaced, however many ask at once. */
export function rateLimit(perSecond: number): Limit {
  const gap = 1000 / perSecond;
  const free = new Map<string, number>();
  return async (host, signal) => {
    const now = performance.now();
    const at = Math.max(now, free.get(host) ?? 0);
    free.set(host, at + gap);
    if (at > now) await sleep(at - now, undefined, { signal });
  };
}
