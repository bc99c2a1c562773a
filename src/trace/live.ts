/** What a start has done so far, for whoever watches it being recorded. */
import type { Progress } from '../progress';
import type { TraceEvent } from './types';

export class LiveView {
  readonly #files = new Set<string>();
  readonly #ports = new Set<number>();
  #bytes = 0;
  #now = 0;

  /** @returns whether it brought something new: a file that was not touched before, or a port */
  add(event: TraceEvent): boolean {
    this.#now = event.t;
    if (event.op === 'listen') {
      const known = this.#ports.has(event.port);
      this.#ports.add(event.port);
      return !known;
    }
    if (!('path' in event) || (event.ret ?? 0) < 0) return false;
    if (event.op === 'read') this.#bytes += Math.max(0, event.len);
    const before = this.#files.size;
    return this.#files.add(event.real ?? event.path).size > before;
  }

  /** Files per second of the start so far, megabytes that its reads asked for, and where it listens. */
  progress(): Progress {
    const rate = Math.round(this.#files.size / Math.max(this.#now / 1e6, 0.1));
    const ports = this.#ports.size > 0 ? `, listens on ${[...this.#ports].join(', ')}` : '';
    return {
      step: `Recording the start (${rate} files/s, ${(this.#bytes / 1e6).toFixed(1)} MB${ports})`,
      done: this.#files.size,
      unit: 'files',
    };
  }
}
