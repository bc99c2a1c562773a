/** From a recorded start to the bytes of the layers' entries. */
import type { TarEntries } from '../layer/types';
import type { ImageConfig } from '../oci/types';
import { Pace } from './pace';
import { PageCache, PageStates } from './page-cache';
import { decodePath } from './paths';
import { ProcessLog } from './processes';
import { TouchLog, type LogFile, type NewTouch, type Way } from './touch-log';
import { ImageTree } from './tree';
import type {
  Coverage,
  StartupTrace,
  TraceEvent,
  TraceFooter,
  TraceHeader,
  TraceMapping,
  Unmapped,
} from './types';

/** Linux's open flags (asm-generic/fcntl.h; the same on amd64 and arm64). */
const O_ACCMODE = 0o3;
const O_TRUNC = 0o1000;
/** mmap(2). */
const PROT_EXEC = 4;
/** The kernel reads this much of a program, or of a script, to find out what it is; pages follow. */
const EXEC_HEAD = 4096;
/** A mapping of a file that no page was ever seen of counts as touched whole up to this size, in bytes. */
const SMALL_MAPPING = 4 << 20;

/** Never the image's, in any container: the kernel's and the engine's own. */
const OUTSIDE = ['/proc', '/sys', '/dev', '/.trc', '/etc/resolv.conf', '/etc/hosts', '/etc/hostname'];

export interface TraceTarget {
  /** Lowest first; `undefined` for a layer that could not be read. */
  readonly layers: readonly (TarEntries | undefined)[];
  readonly config: ImageConfig;
}

/** Lays a trace onto an image; see `TraceMapper`. */
export function mapTrace(trace: StartupTrace, target: TraceTarget): TraceMapping {
  const mapper = new TraceMapper(trace.header, target);
  for (const event of trace.events) mapper.add(event);
  return mapper.finish(trace.footer);
}

type PathFields = Extract<TraceEvent, { path: string }>;
/** What the start did with one entry, under whatever names. */
interface FileUse {
  readonly layer: number;
  readonly entry: number;
  readonly size: number;
  readonly log: LogFile;
  touched: boolean;
  /** When it was first mapped or executed: the date of its pages, which are seen only later. */
  mappedAt: number | undefined;
  executed: boolean;
  hasPages: boolean;
  /** From here on its content is the container's own. */
  replaced: boolean;
  /** No two in a row alike: a file that is opened again and again is mapped alike. */
  mappings: Mapping[] | undefined;
  /** Where the program said that it reads at random, the kernel reads nothing ahead. */
  randomReads: boolean;
  randomPages: boolean;
  /** What a file system that keeps nothing would be asked for; made at the first byte that is touched. */
  cache: PageCache | undefined;
  asked: LogFile;
}

interface Mapping extends Toucher {
  readonly off: number;
  readonly len: number;
  readonly way: Way;
}

/** Who touched bytes, when, and through what. */
interface Toucher {
  readonly t: number;
  readonly pid: number;
  /** The descriptor of a read. */
  readonly fd?: number;
  /** Where the executable mapping of touched pages ends in the file. */
  readonly programEnd?: number | undefined;
}

/** Where a path leads: to a file's bytes, or to what has none or is not the image's. */
type Goal = FileUse | 'folder or link' | 'excluded' | Unmapped['reason'];

/**
 * Takes the events of a start in their order and gives the touched bytes of the image at the end.
 *
 * A failed call touches nothing, and neither does metadata (it is in the index). An opened file gives one touch without
 * bytes; reads, pages and the heads of programs give ranges, clipped to the file; what makes an overlay file system copy a
 * file up (opened for writing without truncation, chmod, rename …) gives the whole file.
 */
export class TraceMapper {
  readonly #tree: ImageTree;
  readonly #outside: readonly string[];
  readonly #paths = new Map<string, Goal>();
  /** Paths whose last step was meant as it is, even where it is a link. */
  readonly #unfollowed = new Map<string, Goal>();
  /** By layer, then by entry. */
  readonly #files: Map<number, FileUse>[];
  /** In the order in which the start came to them, so that what it did is nearly in order already. */
  readonly #inOrder: FileUse[] = [];
  readonly #log = new TouchLog();
  readonly #untracedReadyAt: number | undefined;
  readonly #wholeFiles: boolean;
  readonly #processes = new ProcessLog();
  readonly #pageStates = new PageStates();
  /** What the page cache at work asks for, for which file, when, and by whom. */
  readonly #ask = (start: number, end: number): void => {
    this.#log.add(this.#asked, 'read', start, end, this.#asking.t, this.#asking.pid);
  };
  #asked: LogFile = 0;
  #asking: Toucher = { t: 0, pid: 0 };
  readonly #pace: Pace;
  /** How the tracer's first versions told readiness: they wrote no last line. */
  #markedReady: number | undefined;
  #lastPath: string | undefined;
  #lastFile: FileUse | undefined;
  #ended = false;

  constructor(header: TraceHeader, { layers, config }: TraceTarget) {
    this.#tree = new ImageTree(layers);
    this.#untracedReadyAt = header.untraced_ready;
    this.#pace = new Pace(header.mode);
    this.#wholeFiles = header.level < 2 && header.mode.startsWith('import:');
    this.#files = layers.map(() => new Map<number, FileUse>());
    const volumes = Object.keys(config.config?.Volumes ?? {});
    this.#outside = [...OUTSIDE, ...(header.excluded_mounts ?? []), ...volumes].map((path) =>
      path.replace(/\/+$/, ''),
    );
  }

  add(event: TraceEvent): void {
    // What comes after the snapshot belongs to the end of the container, not to its start.
    if (this.#ended) return;
    this.#pace.add(event);
    this.#processes.add(event);
    if (event.op === 'mark') {
      this.#ended = event.what === 'snapshot-done';
      if (event.what === 'ready') this.#markedReady ??= event.t;
    }
    if (!('path' in event) || (event.ret ?? 0) < 0) return;
    switch (event.op) {
      case 'open':
        this.#open(event);
        break;
      case 'exec':
        this.#exec(event);
        break;
      case 'interp':
        this.#load(this.#reached(event), event);
        break;
      case 'read':
        this.#touch(this.#reached(event), 'read', event.off, event.len, event);
        break;
      case 'mmap': {
        const file = this.#reached(event);
        if (!file || file.replaced) break;
        file.mappedAt ??= event.t;
        const way = ((event.prot ?? 0) & PROT_EXEC) === 0 ? 'page' : 'page of a program';
        const { off, len, t, pid } = event;
        const last = file.mappings?.at(-1);
        if (last?.off === off && last.len === len && last.way === way) break;
        const mapping: Mapping = { off, len, way, t, pid, programEnd: off + len };
        // Made with one element, an array has room for one; most files are mapped once.
        if (file.mappings) file.mappings.push(mapping);
        else file.mappings = [mapping];
        break;
      }
      case 'advise': {
        const file = this.#reached(event);
        if (!file) break;
        // One descriptor's advice counts for all: few programs open a file twice to read it differently.
        if (event.fd === undefined) file.randomPages = true;
        else file.randomReads = true;
        break;
      }
      case 'pages':
        this.#pages(event);
        break;
      case 'meta':
        this.#touch(
          event.nofollow === 1
            ? this.#lookUp(event.path, event.path_b64, this.#unfollowed)
            : this.#reached(event),
          'copy-up',
          0,
          -1,
          event,
        );
        break;
      case 'stat':
      case 'list':
      case 'readlink':
        break;
    }
  }

  finish(footer: TraceFooter | undefined): TraceMapping {
    const touches: NewTouch[] = [];
    const requests: NewTouch[] = [];
    let files = 0;
    for (const file of this.#inOrder) {
      if (!file.hasPages && file.mappings) {
        for (const one of file.mappings) {
          if (one.len <= SMALL_MAPPING) this.#touch(file, one.way, one.off, one.len, one);
        }
      }
      if (file.touched || file.mappings) files++;
      this.#log.giveTouches(touches, file.log, file.layer, file.entry);
      if (file.cache) this.#log.giveTouches(requests, file.asked, file.layer, file.entry);
    }
    const readyAt = footer?.t_ready ?? this.#markedReady;
    return {
      touches: touches.sort((a, b) => a.at - b.at),
      requests: requests.sort((a, b) => a.at - b.at),
      files,
      coverage: this.#coverage(),
      readyAt,
      untracedReadyAt: this.#untracedReadyAt,
      processes: this.#processes.finish(),
      wholeFiles: this.#wholeFiles,
      ownReadyAt: readyAt === undefined ? undefined : this.#pace.untraced(readyAt),
    };
  }

  #coverage(): Coverage {
    let mapped = 0;
    let excluded = 0;
    const unmapped: Unmapped[] = [];
    for (const paths of [this.#paths, this.#unfollowed]) {
      for (const [path, goal] of paths) {
        if (typeof goal !== 'string' || goal === 'folder or link') mapped++;
        else if (goal === 'excluded') excluded++;
        else unmapped.push({ path, reason: goal });
      }
    }
    return { mapped, excluded, unmapped };
  }

  #open(event: PathFields & { op: 'open' }): void {
    const file = this.#reached(event);
    const flags = event.fl ?? 0;
    // The tracer mostly does not know the number that an open is going to give: then it may be any of the process's.
    const first = handleOf(event);
    file?.cache?.close(first, event.fd === undefined ? first + DESCRIPTORS - 1 : first);
    if (file && (flags & O_TRUNC) !== 0) {
      file.replaced = true;
      return;
    }
    this.#touch(file, 'open', 0, 0, event);
    if ((flags & O_ACCMODE) !== 0) this.#touch(file, 'copy-up', 0, -1, event);
  }

  #exec(event: PathFields): void {
    const asked = this.#lookUp(event.path, event.path_b64);
    const real = event.real === undefined ? asked : this.#lookUp(event.real, event.real_b64);
    // Under an emulator the program that runs is the emulator, which is not in the image.
    this.#load(real ?? asked, event);
    // A script's own head is read as well: its interpreter is what runs.
    if (real && asked && asked !== real) this.#touch(asked, 'exec', 0, EXEC_HEAD, event);
  }

  #load(file: FileUse | undefined, event: PathFields): void {
    if (!file) return;
    file.mappedAt ??= event.t;
    file.executed = true;
    this.#touch(file, 'exec', 0, EXEC_HEAD, event);
  }

  #pages(event: PathFields & { op: 'pages' }): void {
    const file = this.#reached(event);
    if (!file) return;
    file.hasPages = true;
    const t = Math.min(file.mappedAt ?? event.t, event.t);
    for (const [off, len] of event.r) {
      const program = file.mappings?.find(
        (one) => one.way === 'page of a program' && one.off < off + len && off < one.off + one.len,
      );
      const ofProgram =
        event.prot === undefined ? file.executed || program !== undefined : (event.prot & PROT_EXEC) !== 0;
      const way = ofProgram ? 'page of a program' : 'page';
      const programEnd = event.map ? event.map[0] + event.map[1] : program?.programEnd;
      this.#touch(file, way, off, len, { t, pid: event.pid, programEnd });
    }
  }

  /** The file of an event: by its real path where links have been followed for us. */
  #reached(event: PathFields): FileUse | undefined {
    return event.real === undefined
      ? this.#lookUp(event.path, event.path_b64)
      : this.#lookUp(event.real, event.real_b64);
  }

  #lookUp(lossy: string, base64: string | undefined, known = this.#paths): FileUse | undefined {
    const path = base64 === undefined ? lossy : decodePath(Buffer.from(base64, 'base64'));
    // Events of one file come in a row: this spares most of the hashing.
    if (path === this.#lastPath && known === this.#paths) return this.#lastFile;
    let goal = known.get(path);
    if (goal === undefined) {
      goal = this.#isOutside(path) ? 'excluded' : this.#find(path, known !== this.#unfollowed);
      known.set(path, goal);
    }
    const file = typeof goal === 'string' ? undefined : goal;
    if (known === this.#paths) {
      this.#lastPath = path;
      this.#lastFile = file;
    }
    return file;
  }

  #isOutside(path: string): boolean {
    return (
      !path.startsWith('/') ||
      path.startsWith('/memfd:') ||
      path.endsWith(' (deleted)') ||
      this.#outside.some(
        (one) => path.startsWith(one) && (path.length === one.length || path[one.length] === '/'),
      )
    );
  }

  #find(path: string, follow: boolean): Goal {
    const found = this.#tree.resolve(path, follow);
    switch (found.found) {
      case 'file':
        return this.#fileOf(found);
      case 'folder':
      case 'symlink':
        return 'folder or link';
      case 'not-in-image':
      case 'symlink-loop':
      case 'not-a-file':
        return found.found;
    }
  }

  #fileOf({ layer, entry, size }: { layer: number; entry: number; size: number }): FileUse {
    const known = this.#files[layer]?.get(entry);
    if (known) return known;
    const file: FileUse = {
      layer,
      entry,
      size,
      log: this.#log.newFile(),
      touched: false,
      mappedAt: undefined,
      executed: false,
      hasPages: false,
      replaced: false,
      mappings: undefined,
      randomReads: false,
      randomPages: false,
      cache: undefined,
      asked: 0,
    };
    this.#files[layer]?.set(entry, file);
    this.#inOrder.push(file);
    return file;
  }

  /** Notes bytes of a file, `len` −1 for all from `off` on; clipped to the file. */
  #touch(file: FileUse | undefined, way: Way, off: number, len: number, by: Toucher): void {
    if (!file || file.replaced) return;
    const start = Math.min(off, file.size);
    const end = len < 0 ? file.size : Math.min(off + len, file.size);
    if (end <= start && way !== 'open') return;
    file.touched = true;
    this.#log.add(file.log, way, start, end, by.t, by.pid);
    if (end > start) this.#readThrough(file, way, start, end, len < 0, by);
  }

  /** What this touch makes the kernel ask a file system for. */
  #readThrough(file: FileUse, way: Way, start: number, end: number, whole: boolean, by: Toucher): void {
    if (!file.cache) {
      file.cache = new PageCache(file.size, this.#pageStates, this.#ask);
      file.asked = this.#log.newFile();
    }
    const { cache } = file;
    this.#asked = file.asked;
    this.#asking = by;
    if (way === 'exec') cache.read(KERNEL, start, start + 1);
    else if (way === 'page' || way === 'page of a program') {
      if (file.randomPages) cache.readExactly(start, end);
      else cache.fault(start, end, way === 'page' ? undefined : (by.programEnd ?? file.size));
    } else if (way === 'copy-up' || whole || file.randomReads) cache.readExactly(start, end);
    else cache.read(handleOf(by), start, end);
  }
}

/** An opened file of the kernel's own, by which it looks at what is executed. */
const KERNEL = -1;

/** More than a process can have open (`/proc/sys/fs/nr_open`). */
const DESCRIPTORS = 2 ** 20;

/** One number for each descriptor of each process. */
function handleOf({ pid, fd = 0 }: { readonly pid: number; readonly fd?: number }): number {
  return pid * DESCRIPTORS + fd;
}
