/** The way to the registry in the simulator: connections to be set up, and one link that they share. */
import { COSTS, FIRST_WINDOW, SETUP_ROUND_TRIPS } from './costs';
import type { Network } from './types';

interface Connection {
  /** Milliseconds until it can carry the next request. */
  free: number;
  /** Bytes that TCP sends before it waits for an answer. */
  window: number;
}

/**
 * Times are milliseconds since the pull began. Requests are to be made in the order of their time. Bytes of different
 * requests go over the link after one another: the last of several that begin together ends as if they shared it.
 */
export class Wire {
  requests = 0;
  bytes = 0;
  #linkFree = 0;
  readonly #connections: Connection[] = [];
  /** Of all connections one with the largest window. */
  #widest: Connection | undefined;
  readonly #rtt: number;
  readonly #answer: number;
  readonly #setup: number;
  readonly #bytesPerMs: number;
  /** Connections that were in use before have found the link's speed. */
  readonly #kept: boolean;

  constructor({ rttMs, bytesPerSecond, registryMs = COSTS.request, connections = 'kept' }: Network) {
    this.#rtt = rttMs;
    this.#answer = rttMs + registryMs;
    this.#setup = SETUP_ROUND_TRIPS[connections] * rttMs;
    this.#bytesPerMs = bytesPerSecond / 1000;
    this.#kept = connections === 'kept';
  }

  /** `count` requests after one another that carry next to nothing; returns when the last is answered. */
  ask(at: number, count: number): number {
    let done = at;
    for (let i = 0; i < count; i++) done = this.get(done, 0);
    return done;
  }

  /** One request for `bytes`, of which the receiver takes at most `intake` per second; returns when the last is there. */
  get(at: number, bytes: number, intake = Infinity): number {
    this.requests++;
    this.bytes += bytes;
    const rate = Math.min(this.#bytesPerMs, intake / 1000);
    if (this.#kept) {
      this.#linkFree = Math.max(at + this.#answer, this.#linkFree) + bytes / rate;
      return this.#linkFree;
    }
    const connection = this.#connect(at);
    const begin = Math.max(Math.max(at, connection.free) + this.#answer, this.#linkFree);
    // While TCP waits for answers others may use the link: only the bytes themselves take it.
    this.#linkFree = begin + bytes / rate;
    connection.free = this.#linkFree + this.#slowStart(connection, bytes, rate);
    if (connection.window > (this.#widest?.window ?? 0)) this.#widest = connection;
    return connection.free;
  }

  /** The idle connection that is fastest, or a new one. */
  #connect(at: number): Connection {
    // Mostly it is the widest of all, and no other has to be looked at.
    if (this.#widest && this.#widest.free <= at) return this.#widest;
    let best: Connection | undefined;
    for (const one of this.#connections) if (one.free <= at && one.window > (best?.window ?? 0)) best = one;
    if (best) return best;
    const fresh = { free: at + this.#setup, window: FIRST_WINDOW };
    this.#connections.push(fresh);
    return fresh;
  }

  /** Milliseconds spent waiting for answers until the window holds what the link carries in a round trip. */
  #slowStart(connection: Connection, bytes: number, rate: number): number {
    const full = rate * this.#rtt;
    let waited = 0;
    let rest = bytes;
    while (rest > connection.window && connection.window < full) {
      // Sending the window takes its part of the round trip; the rest of it is spent idle.
      waited += this.#rtt - connection.window / rate;
      rest -= connection.window;
      connection.window *= 2;
    }
    return waited;
  }
}
