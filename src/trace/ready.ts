/** When a start counts as done: the rules that a person may choose, and what decides when none is chosen. */
import { LensError } from '../errors';
import { parsePort } from '../ports';

export type ReadyRule =
  /** What the image offers: a healthy check, a port that listens; else a pause in its reading, else its end. */
  | { readonly kind: 'auto' }
  /** A line of its output matches. */
  | { readonly kind: 'log'; readonly pattern: RegExp }
  /** Its HEALTHCHECK succeeds. */
  | { readonly kind: 'health' }
  /** It listens on this TCP port, or on any. */
  | { readonly kind: 'listen'; readonly port: number | undefined }
  /** A GET of this path inside the container is answered with 2xx or 3xx. */
  | ({ readonly kind: 'http' } & HttpTarget)
  /** It has touched no new file for so long. */
  | { readonly kind: 'quiet'; readonly seconds: number }
  /** Its first process ends: a batch job. */
  | { readonly kind: 'exit' };

/** A GET over plain HTTP inside the container. */
export interface HttpTarget {
  readonly port: number;
  /** Without the slash that it begins with. */
  readonly path: string;
}

/** The pause that `auto` takes for the end of a start, in seconds, where an image says nothing about being ready. */
const QUIET = 3;
/** The same where the image exposes a port or has a health check, which should come first. */
const QUIET_SERVICE = 10;

/**
 * `auto`, `log=REGEXP`, `health`, `listen`, `listen=PORT`, `http=PORT/PATH`, `quiet=SECONDS` or `exit`.
 *
 * @throws LensError `trace/bad-rule`
 */
export function parseReadyRule(text: string): ReadyRule {
  const [, kind = '', value] = /^([a-z]*)(?:=([\s\S]*))?$/.exec(text) ?? [];
  const bad = (why: string) =>
    new LensError(
      'trace/bad-rule',
      `"${text}" is no rule for being ready: ${why}.`,
      'Use auto, log=REGEXP, health, listen, listen=PORT, http=PORT/PATH, quiet=SECONDS or exit.',
    );
  if (value === undefined) {
    switch (kind) {
      case 'auto':
      case 'health':
      case 'exit':
        return { kind };
      case 'listen':
        return { kind, port: undefined };
      case 'log':
      case 'http':
      case 'quiet':
        throw bad(`${kind} needs a value`);
      default:
        throw bad('it is unknown');
    }
  }
  switch (kind) {
    case 'log':
      if (value === '') throw bad('the pattern is empty');
      try {
        return { kind, pattern: new RegExp(value) };
      } catch {
        throw bad('the pattern is no regular expression');
      }
    case 'listen':
      return { kind, port: parsePort(value) ?? fail(bad('the port is no number from 1 to 65535')) };
    case 'http': {
      const target = parseTarget(value);
      if (typeof target === 'string') throw bad(target);
      return { kind, ...target };
    }
    case 'quiet': {
      const seconds = Number(value);
      if (!/^\d+(\.\d+)?$/.test(value) || seconds <= 0) throw bad('the seconds are no positive number');
      return { kind, seconds };
    }
    default:
      throw bad(
        kind === 'auto' || kind === 'health' || kind === 'exit' ? `${kind} takes no value` : 'it is unknown',
      );
  }
}

/**
 * `PORT` or `PORT/PATH`, as for a request that warms up.
 *
 * @throws LensError `trace/bad-rule`
 */
export function parseHttpTarget(text: string): HttpTarget {
  const target = parseTarget(text);
  if (typeof target !== 'string') return target;
  throw new LensError(
    'trace/bad-rule',
    `"${text}" is nothing to ask for: ${target}.`,
    'Write PORT/PATH, such as 8080/index.html.',
  );
}

/** What is wrong, where something is. */
function parseTarget(text: string): HttpTarget | string {
  const [, digits = '', path = ''] = /^(\d+)(?:\/(.*))?$/s.exec(text) ?? [];
  if (/[\s\0]/.test(path)) return 'the path has a space in it';
  const port = parsePort(digits);
  return port === undefined ? 'the port is no number from 1 to 65535' : { port, path };
}

function fail(error: Error): never {
  throw error;
}

/** What a rule waits for, once the image is known. `exit` is always waited for. */
export interface ReadySigns {
  readonly log?: RegExp;
  readonly health?: boolean;
  /** `any`, or these ports. */
  readonly listen?: 'any' | readonly number[];
  readonly http?: HttpTarget;
  readonly quietSeconds?: number | undefined;
}

/** @throws LensError `trace/bad-rule` when the image has no HEALTHCHECK to wait for */
export function readySigns(
  rule: ReadyRule,
  image: { readonly healthcheck: readonly string[] | undefined; readonly exposedPorts: readonly number[] },
): ReadySigns {
  switch (rule.kind) {
    case 'log':
      return { log: rule.pattern };
    case 'health':
      if (image.healthcheck) return { health: true };
      throw new LensError(
        'trace/bad-rule',
        'The image has no HEALTHCHECK, so it never becomes healthy.',
        'Choose another rule, for example listen or log=REGEXP, or add a HEALTHCHECK to the Dockerfile.',
      );
    case 'listen':
      return { listen: rule.port === undefined ? 'any' : [rule.port] };
    case 'http':
      return { http: { port: rule.port, path: rule.path } };
    case 'quiet':
      return { quietSeconds: rule.seconds };
    case 'exit':
      return {};
    case 'auto': {
      const service = image.healthcheck !== undefined || image.exposedPorts.length > 0;
      return {
        health: image.healthcheck !== undefined,
        listen: image.exposedPorts.length > 0 ? image.exposedPorts : 'any',
        quietSeconds: service ? QUIET_SERVICE : QUIET,
      };
    }
  }
}
