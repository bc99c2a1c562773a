/** The shapes of a trace file's lines, checked where they come in: a trace may be anybody's file. */
import { END_REASONS, type EndReason, type TraceEvent, type TraceFooter, type TraceHeader } from './types';

/** What is wrong with a line; `version` where it is of a format that we do not know. */
export class Malformed extends Error {
  constructor(
    message: string,
    readonly version?: number,
  ) {
    super(message);
  }
}

type Fields = Record<string, unknown>;

/**
 * The first line. Traces of the tracer's first versions wrote `unix_ns` and `seccomp` instead of `t0_unix_ns` and `mode`.
 *
 * @throws Malformed
 */
export function checkHeader(value: unknown): TraceHeader {
  const fields = record(value);
  if (fields['op'] !== 'start') throw new Malformed('it does not begin with a "start" line');
  if (fields['v'] !== 1) {
    if (typeof fields['v'] === 'number') throw new Malformed(`its version is ${fields['v']}`, fields['v']);
    throw new Malformed('its version is missing');
  }
  const started = fields['t0_unix_ns'] ?? fields['unix_ns'];
  const image = fields['image'] === undefined ? undefined : checkImage(record(fields['image']));
  return {
    v: 1,
    op: 'start',
    t0_unix_ns:
      typeof started === 'string' && /^\d+$/.test(started)
        ? started
        : String(count(started ?? 0, 't0_unix_ns')),
    clock: 'monotonic',
    unit: 'us',
    mode: text(fields['mode'] ?? (fields['seccomp'] === 0 ? 'ptrace' : 'ptrace-seccomp'), 'mode'),
    level: count(fields['level'] ?? 2, 'level'),
    ...(image && { image }),
    ...(fields['excluded_mounts'] !== undefined && {
      excluded_mounts: texts(fields['excluded_mounts'], 'excluded_mounts'),
    }),
    ...(fields['command'] !== undefined && { command: texts(fields['command'], 'command') }),
    ...(fields['warm_up'] !== undefined && { warm_up: texts(fields['warm_up'], 'warm_up') }),
    ...(fields['untraced_ready'] !== undefined && {
      untraced_ready: count(fields['untraced_ready'], 'untraced_ready'),
    }),
  };
}

function checkImage(fields: Fields): NonNullable<TraceHeader['image']> {
  return {
    ref: text(fields['ref'], 'image.ref'),
    ...(fields['manifest'] !== undefined && { manifest: text(fields['manifest'], 'image.manifest') }),
    ...(fields['config'] !== undefined && { config: text(fields['config'], 'image.config') }),
    platform: text(fields['platform'], 'image.platform'),
    diff_ids: texts(fields['diff_ids'], 'image.diff_ids'),
  };
}

/**
 * An event, the parsed object itself once its fields are found right; `undefined` for an operation that is not known.
 *
 * @throws Malformed
 */
export function checkEvent(value: unknown): TraceEvent | undefined {
  const fields = record(value);
  switch (fields['op']) {
    case 'open':
      checkPath(fields);
      optional(fields, 'fd', 'fl');
      break;
    case 'exec':
    case 'interp':
    case 'stat':
    case 'list':
    case 'readlink':
      checkPath(fields);
      break;
    case 'meta':
      checkPath(fields);
      optional(fields, 'nofollow');
      break;
    case 'read':
    case 'mmap':
      checkPath(fields);
      count(fields['off'], 'off');
      integer(fields['len'], 'len');
      optional(fields, 'fd', 'prot');
      break;
    case 'advise':
      checkPath(fields);
      optional(fields, 'fd');
      if (fields['how'] !== 'random') return undefined;
      break;
    case 'pages':
      checkPath(fields);
      optional(fields, 'prot');
      fields['why'] ??= 'exit';
      text(fields['why'], 'why');
      if (fields['map'] !== undefined) checkRange(fields['map']);
      if (!Array.isArray(fields['r'])) throw new Malformed('"r" is no list');
      fields['r'].forEach(checkRange);
      break;
    case 'fork':
      count(fields['child'], 'child');
      break;
    case 'exit':
      optional(fields, 'code', 'sig');
      break;
    case 'bind':
    case 'listen':
      // The tracer's first versions wrote the descriptor of a listen.
      fields['port'] ??= 0;
      count(fields['port'], 'port');
      break;
    case 'mark':
      text(fields['what'], 'what');
      break;
    default:
      return undefined;
  }
  count(fields['t'], 't');
  integer(fields['pid'], 'pid');
  // Every field of this operation's type has been looked at above.
  return fields as unknown as TraceEvent;
}

/** @throws Malformed */
export function checkFooter(value: unknown): TraceFooter | undefined {
  const fields = record(value);
  if (fields['op'] !== 'end' || fields['reason'] === undefined) return undefined;
  const reason = END_REASONS.find((known): known is EndReason => known === fields['reason']);
  if (!reason) throw new Malformed(`it ends for an unknown reason ${JSON.stringify(fields['reason'])}`);
  return {
    op: 'end',
    reason,
    ...(fields['t_ready'] !== undefined && { t_ready: count(fields['t_ready'], 't_ready') }),
    ...(fields['exit_code'] !== undefined && { exit_code: integer(fields['exit_code'], 'exit_code') }),
    ...(fields['log'] !== undefined && { log: texts(fields['log'], 'log') }),
  };
}

function checkPath(fields: Fields): void {
  text(fields['path'], 'path');
  if (fields['path_b64'] !== undefined) text(fields['path_b64'], 'path_b64');
  if (fields['real'] !== undefined) text(fields['real'], 'real');
  if (fields['real_b64'] !== undefined) text(fields['real_b64'], 'real_b64');
  optional(fields, 'ret');
}

function checkRange(value: unknown): void {
  if (!Array.isArray(value) || value.length !== 2) throw new Malformed('a range is no pair');
  count(value[0], 'offset');
  count(value[1], 'length');
}

function record(value: unknown): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new Malformed('it is no JSON object');
  return value as Fields;
}

function optional(fields: Fields, ...names: string[]): void {
  for (const name of names) if (fields[name] !== undefined) integer(fields[name], name);
}

function integer(value: unknown, name: string): number {
  if (typeof value === 'number' && Number.isInteger(value)) return value;
  throw new Malformed(`"${name}" is no whole number`);
}

function count(value: unknown, name: string): number {
  const number = integer(value, name);
  if (number < 0) throw new Malformed(`"${name}" is negative`);
  return number;
}

function text(value: unknown, name: string): string {
  if (typeof value === 'string') return value;
  throw new Malformed(`"${name}" is no text`);
}

function texts(value: unknown, name: string): string[] {
  if (!Array.isArray(value)) throw new Malformed(`"${name}" is no list`);
  return value.map((one) => text(one, name));
}
