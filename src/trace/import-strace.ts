/**
 * `strace -f -ttt -y` (also without -ttt or -y): opens, reads with their offsets, mappings, programs. What a call returned
 * is what was read; positions follow from replaying each descriptor.
 */
import type { Ambiguous, DropReason, ImportedEvent, LineReader } from './import';
import { decodePath } from './paths';

/** An open file; descriptors that were duplicated share one. */
interface OpenFile {
  readonly path: Named;
  position: number;
  /** It was open before the recording, or how it came to be is not in it: nobody knows where reads go on. */
  isPositionGuessed?: boolean;
}
type Descriptors = Map<number, OpenFile>;

interface Named {
  readonly path: string;
  readonly path_b64?: string;
}

interface Process {
  files: Descriptors;
  folder: string | undefined;
}

/** One finished call. */
interface Call {
  readonly name: string;
  readonly args: readonly string[];
  /** The number it returned; −1 for an error. */
  readonly result: number;
  /** The path that -y shows behind a returned descriptor. */
  readonly resultPath: string | undefined;
}

/** Linux on amd64 and arm64, as far as a mapping asks (asm-generic/fcntl.h). */
const OPEN_FLAGS: Record<string, number> = { O_WRONLY: 1, O_RDWR: 2, O_CREAT: 0o100, O_TRUNC: 0o1000 };
const PROTECTIONS: Record<string, number> = { PROT_READ: 1, PROT_WRITE: 2, PROT_EXEC: 4 };
const CHANGES =
  /^(chmod|chown|lchown|rename|link|truncate|utimes?|l?setxattr|fchmodat2?|fchownat|renameat2?|linkat|utimensat)$/;

export function straceReader(): LineReader {
  const processes = new Map<number, Process>();
  const unfinished = new Map<number, { text: string; t: number | undefined }>();

  const processOf = (pid: number): Process => {
    let process = processes.get(pid);
    if (!process) processes.set(pid, (process = { files: new Map(), folder: undefined }));
    return process;
  };

  return (line) => {
    const head =
      /^(?:\[pid\s+(\d+)\]\s*|(\d+)\s+)?(?:(\d+\.\d+)\s+|(?:\d\d:){2}\d\d(?:\.\d+)?\s+)?(.*)$/.exec(line);
    const pid = Number(head?.[1] ?? head?.[2] ?? 0);
    let t = head?.[3] === undefined ? undefined : Math.round(Number(head[3]) * 1e6);
    let text = head?.[4] ?? '';
    if (/^(\+\+\+|---) /.test(text)) return 'no-content';
    if (text.endsWith('<unfinished ...>')) {
      unfinished.set(pid, { text: text.slice(0, -'<unfinished ...>'.length), t });
      return 'no-content';
    }
    const resumed = /^<\.\.\. \w+ resumed>/.exec(text);
    if (resumed) {
      const before = unfinished.get(pid);
      unfinished.delete(pid);
      if (!before) return 'not-understood';
      text = before.text.replace(/\s+$/, '') + text.slice(resumed[0].length).replace(/^\s+/, '');
      t = before.t;
    }
    const call = parseCall(text);
    if (!call) return 'not-understood';
    const events = replay(call, processOf(pid), (child, shared) => {
      const { files, folder } = processOf(pid);
      processes.set(child, { files: shared ? files : new Map(files), folder });
    });
    if (typeof events === 'string') return events;
    const dated = (event: Bare): ImportedEvent => ({ ...event, pid, ...(t !== undefined && { t }) });
    return 'likely' in events ? { likely: events.likely.map(dated) } : events.map(dated);
  };
}

type Bare = ImportedEvent extends infer Event
  ? Event extends ImportedEvent
    ? Omit<Event, 'pid' | 't'>
    : never
  : never;

type Replayed = readonly Bare[] | Ambiguous<Bare> | DropReason;

function replay(call: Call, process: Process, fork: (child: number, sharesFiles: boolean) => void): Replayed {
  const { name, args, result, resultPath } = call;
  const { files } = process;
  if (result < 0) return 'failed';
  const file = (index: number): OpenFile | undefined => {
    const { fd, path } = descriptor(args[index]);
    if (fd === undefined) return undefined;
    let open = files.get(fd);
    if (path?.startsWith('/') && open?.path.path !== path)
      files.set(fd, (open = { path: { path }, position: 0, isPositionGuessed: true }));
    return open;
  };
  const read = (open: OpenFile | undefined, off: number | undefined): Replayed => {
    if (!open?.path.path.startsWith('/') || result === 0) return 'no-content';
    if (off === undefined) open.position += result;
    const events: Bare[] = [{ op: 'read', ...open.path, off: off ?? open.position - result, len: result }];
    return off === undefined && open.isPositionGuessed ? { likely: events } : events;
  };
  const at = (folder: number | undefined, index: number): Named | undefined =>
    named(
      args[index],
      folder === undefined ? process.folder : (descriptor(args[folder]).path ?? process.folder),
    );

  switch (name) {
    case 'open':
    case 'creat':
    case 'openat':
    case 'openat2': {
      const isAt = name.startsWith('openat');
      const asked = isAt ? at(0, 1) : at(undefined, 0);
      const path = asked ?? (resultPath?.startsWith('/') ? { path: resultPath } : undefined);
      if (!path) return 'relative';
      const real = resultPath?.startsWith('/') && resultPath !== path.path ? resultPath : undefined;
      files.set(result, { path: real === undefined ? path : { path: real }, position: 0 });
      const words = name === 'creat' ? 'O_WRONLY|O_CREAT|O_TRUNC' : (args[isAt ? 2 : 1] ?? '');
      const fl = flags(words, OPEN_FLAGS);
      return [
        { op: 'open', ...path, ...(real !== undefined && { real }), fd: result, ...(fl !== 0 && { fl }) },
      ];
    }
    case 'execve':
    case 'execveat': {
      const path = name === 'execve' ? at(undefined, 0) : at(0, 1);
      return path ? [{ op: 'exec', ...path }] : 'relative';
    }
    case 'read':
    case 'readv':
      return read(file(0), undefined);
    case 'pread64':
    case 'preadv':
    case 'preadv2':
      return read(file(0), Number(args[3]));
    case 'sendfile':
    case 'sendfile64': {
      const [, offset] = /^\[(\d+)/.exec(args[2] ?? '') ?? [];
      return read(file(1), offset === undefined ? undefined : Number(offset));
    }
    case 'copy_file_range':
    case 'splice': {
      const [, offset] = /^\[(\d+)/.exec(args[1] ?? '') ?? [];
      return read(file(0), offset === undefined ? undefined : Number(offset));
    }
    case 'readahead':
    case 'fadvise64':
    case 'fadvise64_64': {
      const open = file(0);
      const brings = name === 'readahead' || args[3] === 'POSIX_FADV_WILLNEED';
      if (!open?.path.path.startsWith('/') || !brings) return 'no-content';
      // posix_fadvise(2): a length of 0 is to the end.
      return [{ op: 'read', ...open.path, off: Number(args[1]), len: Number(args[2]) || -1 }];
    }
    case 'mmap':
    case 'mmap2': {
      const open = file(4);
      if (!open?.path.path.startsWith('/')) return 'no-content';
      const off = Number(args[5]) * (name === 'mmap2' ? 4096 : 1);
      return [
        { op: 'mmap', ...open.path, off, len: Number(args[1]), prot: flags(args[2] ?? '', PROTECTIONS) },
      ];
    }
    case 'lseek': {
      const open = file(0);
      if (open) Object.assign(open, { position: result, isPositionGuessed: false });
      return 'no-content';
    }
    case 'close':
      files.delete(descriptor(args[0]).fd ?? -1);
      return 'no-content';
    case 'dup':
    case 'dup2':
    case 'dup3':
    case 'fcntl': {
      const open = file(0);
      if (open && (name !== 'fcntl' || args[1]?.startsWith('F_DUPFD'))) files.set(result, open);
      return 'no-content';
    }
    case 'chdir':
      process.folder = at(undefined, 0)?.path ?? process.folder;
      return 'no-content';
    case 'fchdir':
      process.folder = file(0)?.path.path ?? process.folder;
      return 'no-content';
    case 'fork':
    case 'vfork':
    case 'clone':
    case 'clone3':
      fork(result, args.join().includes('CLONE_FILES'));
      return [{ op: 'fork', child: result }];
    default: {
      if (!CHANGES.test(name)) return 'no-content';
      const path = /at2?$/.test(name) ? at(0, 1) : at(undefined, 0);
      return path ? [{ op: 'meta', ...path }] : 'relative';
    }
  }
}

/** `name(args) = 3</path>` or `= -1 ENOENT (No such file)`. */
function parseCall(text: string): Call | undefined {
  const [, name, args = '', number = '', path] =
    /^(\w+)\((.*)\)\s+= (-?\d+|0x[0-9a-f]+|\?)(?:<(.*?)>)?(?:\(deleted\))?(?:\s.*)?$/.exec(text) ?? [];
  if (name === undefined) return undefined;
  const result = number === '?' ? 0 : Number(number);
  return { name, args: splitArguments(args), result, resultPath: path };
}

/** At the commas that stand in no string, structure or path. */
function splitArguments(text: string): string[] {
  const parts: string[] = [];
  let depth = 0;
  let quoted = false;
  let from = 0;
  for (let at = 0; at < text.length; at++) {
    const char = text[at];
    if (quoted) {
      if (char === '\\') at++;
      else if (char === '"') quoted = false;
    } else if (char === '"') quoted = true;
    else if (char === '{' || char === '[' || char === '(' || char === '<') depth++;
    else if (char === '}' || char === ']' || char === ')' || char === '>') depth--;
    else if (char === ',' && depth === 0) {
      parts.push(text.slice(from, at).trim());
      from = at + 1;
    }
  }
  parts.push(text.slice(from).trim());
  return parts;
}

/** `3</path>`, `AT_FDCWD</app>` or `3`. */
function descriptor(text = ''): { fd: number | undefined; path: string | undefined } {
  const [, fd = '', path] = /^(-?\d+|AT_FDCWD)(?:<(.*)>)?(?:\(deleted\))?$/.exec(text) ?? [];
  return { fd: /^\d+$/.test(fd) ? Number(fd) : undefined, path };
}

/** A quoted path, joined to the folder that it is relative to. */
function named(text = '', folder: string | undefined): Named | undefined {
  const [, quoted] = /^"((?:[^"\\]|\\.)*)"$/s.exec(text) ?? [];
  if (quoted === undefined || quoted === '') return undefined;
  const bytes = unescape(quoted);
  const plain = bytes.toString('utf8');
  if (!plain.startsWith('/') && folder === undefined) return undefined;
  const whole = plain.startsWith('/')
    ? bytes
    : Buffer.concat([Buffer.from(folder === '/' ? '/' : `${folder ?? ''}/`), bytes]);
  const path = whole.toString('utf8');
  return decodePath(whole) === path ? { path } : { path, path_b64: whole.toString('base64') };
}

/** strace(1) writes bytes as C does: `\n`, `\"`, `\33`, `\x1b`. */
function unescape(text: string): Buffer {
  const simple: Record<string, number> = { n: 10, t: 9, r: 13, v: 11, f: 12, a: 7, b: 8 };
  const parts: Buffer[] = [];
  for (const [, plain, octal, hex, char] of text.matchAll(
    /([^\\]+)|\\([0-7]{1,3})|\\x([0-9a-f]{2})|\\(.)/gs,
  )) {
    if (plain !== undefined) parts.push(Buffer.from(plain));
    else if (octal !== undefined) parts.push(Buffer.of(parseInt(octal, 8)));
    else if (hex !== undefined) parts.push(Buffer.of(parseInt(hex, 16)));
    else parts.push(Buffer.of(simple[char ?? ''] ?? (char ?? '').charCodeAt(0)));
  }
  return Buffer.concat(parts);
}

function flags(words: string, known: Record<string, number>): number {
  return (words.match(/\b[A-Z_]+\b/g) ?? []).reduce((sum, word) => sum | (known[word] ?? 0), 0);
}
