/** Tools that tell which files were opened, and no more: one line, one file, taken as read whole. */
import type { ImportedEvent, LineReader, Outcome } from './import';

function whole(path: string, pid: number, t?: number): ImportedEvent[] {
  const at = { pid, path, ...(t !== undefined && { t }) };
  return [
    { op: 'open', ...at },
    { op: 'read', ...at, off: 0, len: -1 },
  ];
}

/** `fatrace -tt`: `1795296277.284464 sleep(11829): RO  /usr/bin/sleep`; also without a time. Paths are the host's. */
export function readFatrace(line: string): Outcome {
  const [, time, pid = '0', types = '', path = ''] =
    /^(?:(\d+\.\d+|[\d:.]+) )?.*?\((\d+)\): ([A-Z<>+]+)\s+(.*)$/.exec(line) ?? [];
  if (types === '') return 'not-understood';
  if (!path.startsWith('/')) return 'relative';
  // fatrace(8): O opened, R read; W written, C closed, + created, D deleted, < > moved.
  if (!/[OR]/.test(types)) return 'no-content';
  const t = time !== undefined && /^\d+\.\d+$/.test(time) ? Math.round(Number(time) * 1e6) : undefined;
  return whole(path, Number(pid), t);
}

/**
 * BCC's, libbpf-tools' and bpftrace's opensnoop: `PID COMM FD ERR PATH`, with a time before it, and more columns where the
 * heading tells of them.
 */
export function opensnoopReader(): LineReader {
  let form = opensnoopForm(false, false);
  return (line) => {
    const [heading, user, flags] =
      /^(?:TIME(?:\(s\))?\s+)?(UID\s+)?PID\s+COMM\s+FD\s+ERR\s+(FLAGS\s+)?PATH\s*$/.exec(line) ?? [];
    if (heading !== undefined) {
      form = opensnoopForm(user !== undefined, flags !== undefined);
      return 'not-understood';
    }
    const { time, pid = '', error, path = '' } = form.exec(line)?.groups ?? {};
    if (pid === '') return 'not-understood';
    if (error !== '0') return 'failed';
    if (!path.startsWith('/')) return 'relative';
    const events = whole(path, Number(pid), time === undefined ? undefined : Math.round(Number(time) * 1e6));
    // A command may be named so that descriptor, error and path seem to come twice.
    return /\s-?\d+\s+\d+\s\//.test(path) ? { likely: events } : events;
  };
}

/** Seconds since the tool began, as BCC has them, are a time; those of a wall clock without a date are none. */
function opensnoopForm(hasUser: boolean, hasFlags: boolean): RegExp {
  const user = hasUser ? String.raw`\d+\s+` : '';
  const flags = hasFlags ? String.raw`[0-7]+\s` : '';
  return new RegExp(
    String.raw`^\s*(?:(?<time>\d+\.\d+)\s+|\d\d:\d\d:\d\d\s+)?${user}(?<pid>\d+)\s+.+?\s+-?\d+\s+(?<error>\d+)\s${flags}(?<path>.*)$`,
  );
}

/** A bpftrace program that prints `comm path` or `pid comm path`, as text or by `-f json`. */
export function readBpftrace(line: string): Outcome {
  const text = line.startsWith('{') ? jsonField(line, 'data') : line;
  if (text === undefined || /^Attach(ing|ed) /.test(text)) return 'not-understood';
  const [, pid = '0', path] = /^\s*(?:(\d+)\s+)?(?:[^/]*\s)?(\/.*?)\s*$/.exec(text) ?? [];
  if (path === undefined) return 'relative';
  const events = whole(path, Number(pid));
  // A path with a blank before a slash, or a command with a slash in its name.
  return path.includes(' /') ? { likely: events } : events;
}

/** `ctr-remote image optimize --record-out` (stargz-snapshotter, recorder.Entry): `{"path":"usr/bin/x","layerIndex":3}`. */
export function readStargz(line: string): Outcome {
  const path = jsonField(line, 'path');
  return path === undefined ? 'not-understood' : whole(rooted(path), 0);
}

/** One path in a line, as nydus takes for its prefetch; a `#` begins a remark. */
export function readPaths(line: string): Outcome {
  const path = line.trim();
  return path.startsWith('#') ? 'no-content' : whole(rooted(path), 0);
}

/**
 * The SOCI snapshotter's log with `[fuse] log_fuse_operations` and level debug (fs/layer/node.go, `logAndIncrementOpCounter`): JSON,
 * or logrus' text. It names the path within the layer and no range; a `node.Lookup` names the folder that is looked into.
 */
export function readSociLog(line: string): Outcome {
  const from = line.indexOf('{"');
  const field = (name: string) => (from >= 0 ? jsonField(line.slice(from), name) : logrusField(line, name));
  const operation = field('operation');
  const path = field('path');
  if (field('msg') !== 'FUSE operation' || operation === undefined || path === undefined)
    return 'not-understood';
  const time = Date.parse(field('time') ?? '');
  const at = { pid: 0, path: rooted(path), ...(!Number.isNaN(time) && { t: time * 1000 }) };
  // Releases of 2023 wrote `Open`.
  if (operation === 'node.Open' || operation === 'Open') return [{ op: 'open', ...at }];
  return operation === 'file.Read' ? [{ op: 'read', ...at, off: 0, len: -1 }] : 'no-content';
}

function rooted(path: string): string {
  return path.startsWith('/') ? path : `/${path.replace(/^\.\//, '')}`;
}

function jsonField(line: string, name: string): string | undefined {
  try {
    const value: unknown = JSON.parse(line);
    if (typeof value !== 'object' || value === null) return undefined;
    const field: unknown = (value as Record<string, unknown>)[name];
    return typeof field === 'string' ? field.replace(/\n$/, '') : undefined;
  } catch {
    return undefined;
  }
}

function logrusField(line: string, name: string): string | undefined {
  const [, quoted, plain] =
    new RegExp(`(?:^|\\s)${name}=(?:"((?:[^"\\\\]|\\\\.)*)"|(\\S*))`).exec(line) ?? [];
  return quoted === undefined ? plain : quoted.replace(/\\(.)/g, '$1');
}
