/**
 * What Linux asks a file system for when a program reads a file or touches a mapping of it: whole pages, those that it holds
 * already left out, and those that it guesses will be wanted next. The rules are those of mm/readahead.c and mm/filemap.c
 * (6.18) for a file system without large folios and with a window of 128 KiB, as FUSE has it.
 */

/** Bytes. */
export const PAGE = 4096;
/** The most that is read ahead at once, in pages (`ra_pages`). */
const WINDOW = 32;
/** A fault maps so many pages around it where the cache has them (`fault_around_bytes`, 64 KiB), in pages. */
const AROUND = 16;
/** A read looks for this many pages at once (`PAGEVEC_SIZE`). */
const BATCH = 31;

/** All mappings of a file share how they were read, apart from what is read through descriptors. */
const MAPPED = -2;

const CACHED = 1;
/** The first touch of this page sets the next window off (`PG_readahead`). */
const MARKED = 2;

/** How one opened file has been read so far (`struct file_ra_state`); in pages. */
interface Stream {
  readonly handle: number;
  /** The file's other streams: few at a time. */
  readonly next: Stream | undefined;
  start: number;
  size: number;
  /** How much of the window lies behind its mark. */
  ahead: number;
  /** The page in which the last read ended; −2 before the first. */
  last: number;
}

const UNREAD = { start: 0, size: 0, ahead: 0, last: -2 } as const;

/** The state of the pages of very many files, side by side: most files are small, and an array each would cost more than they. */
export class PageStates {
  bytes = new Uint8Array(1 << 16);
  #used = 0;

  /** Makes room for the pages of one more file. @returns where it is */
  add(pages: number): number {
    const at = this.#used;
    this.#used += pages;
    if (this.#used > this.bytes.length) {
      const before = this.bytes;
      this.bytes = new Uint8Array(Math.max(this.#used, before.length * 2));
      this.bytes.set(before);
    }
    return at;
  }
}

/** The cached pages of one file. What has to be asked for is given as bytes of the file to `ask`, piece by piece. */
export class PageCache {
  readonly #pages: number;
  /** Where the first page's state is. */
  readonly #first: number;
  #streams: Stream | undefined;

  constructor(
    private readonly size: number,
    private readonly states: PageStates,
    private readonly ask: (start: number, end: number) => void,
  ) {
    this.#pages = Math.ceil(size / PAGE);
    this.#first = states.add(this.#pages);
  }

  /** Forgets how opened files of these numbers, first and last, were read: one of them is given to another. */
  close(first: number, last: number): void {
    for (let one = this.#streams; one; one = one.next) {
      if (one.handle >= first && one.handle <= last) Object.assign(one, UNREAD);
    }
  }

  /** Reads the bytes `[start, end)` through an opened file (`filemap_read`). */
  read(handle: number, start: number, end: number): void {
    const last = Math.min(this.#pages, Math.ceil(end / PAGE));
    let page = Math.floor(start / PAGE);
    if (page >= last) return;
    const stream = this.#stream(handle);
    while (page < last) {
      if (!this.#is(page, CACHED)) this.#readMissing(stream, page, last - page);
      const limit = Math.min(last, page + BATCH);
      let next = page + 1;
      while (next < limit && !this.#is(next - 1, MARKED) && this.#is(next, CACHED)) next++;
      if (this.#is(next - 1, MARKED)) this.#readNextWindow(stream, next - 1, last - next + 1);
      page = next;
    }
    stream.last = Math.floor(end / PAGE);
  }

  /** Reads these bytes and nothing ahead: where the program said that it reads at random, and where all of a file is wanted. */
  readExactly(start: number, end: number): void {
    const page = Math.floor(start / PAGE);
    this.#bring(page, Math.ceil(end / PAGE) - page, 0);
  }

  /**
   * A process was seen to have these bytes in its page table. Which of up to 16 pages was asked for, and which came with it
   * because this machine had them cached, cannot be seen: whatever any of them would have brought counts.
   *
   * @param programEnd where the executable mapping of these pages ends in the file; `undefined` for mappings of data
   */
  fault(start: number, end: number, programEnd: number | undefined): void {
    const last = Math.min(this.#pages, Math.ceil(end / PAGE));
    const stream = this.#stream(MAPPED);
    for (let page = Math.floor(start / PAGE); page < last; page++) {
      const latest = Math.min(page + AROUND, last) - 1;
      if (this.#is(page, MARKED)) {
        // Pages of programs come sixteen at a time, so few of those that were seen had to be asked for; data is gone through.
        if (programEnd === undefined) this.#readNextWindow(stream, page, WINDOW);
      } else if (this.#is(page, CACHED)) {
        continue;
      } else if (programEnd === undefined) {
        // Half of the window lies before the fault, and its last quarter waits for a touch to bring the next.
        stream.start = Math.max(0, page - WINDOW / 2);
        stream.size = latest + WINDOW / 2 - stream.start;
        stream.ahead = WINDOW / 4;
        this.#bring(stream.start, stream.size, stream.ahead);
      } else {
        // Since 6.16: forward from the fault, within the mapping.
        stream.start = page;
        stream.size = Math.min(latest + WINDOW, Math.ceil(programEnd / PAGE)) - page;
        stream.ahead = 0;
        this.#bring(stream.start, stream.size, stream.ahead);
      }
    }
  }

  #stream(handle: number): Stream {
    for (let one = this.#streams; one; one = one.next) if (one.handle === handle) return one;
    return (this.#streams = { handle, next: this.#streams, ...UNREAD });
  }

  /** `page_cache_sync_ra`: a read of `count` pages from `page` on, which is not there. */
  #readMissing(stream: Stream, page: number, count: number): void {
    const isNext = page === stream.last || page === stream.last + 1;
    if (page === 0 || count > WINDOW || isNext) {
      const size = firstWindow(count);
      const ahead = size > count ? size - count : size >> 1;
      stream.start = page;
      stream.size = size;
      stream.ahead = ahead;
    } else {
      // What a stream of reads would have left behind in the cache.
      let known = 0;
      while (known < WINDOW && this.#is(page - 1 - known, CACHED)) known++;
      if (known <= count) {
        this.#bring(page, count, 0);
        return;
      }
      if (known === page) known *= 2;
      stream.start = page;
      stream.size = Math.min(known + count, WINDOW);
      stream.ahead = 1;
    }
    this.#bring(stream.start, stream.size, stream.ahead);
    // A window that is smaller than the read leaves the rest to the next round.
    if (!this.#is(page, CACHED)) this.#bring(page, 1, 0);
  }

  /** `page_cache_async_ra`: the mark was reached. */
  #readNextWindow(stream: Stream, page: number, count: number): void {
    this.states.bytes[this.#first + page] = CACHED;
    if (page === stream.start + stream.size - stream.ahead) {
      stream.start += stream.size;
      stream.size = nextWindow(stream.size);
    } else {
      // Set by other reads than this stream's.
      let missing = page + 1;
      while (missing - page <= WINDOW && this.#is(missing, CACHED)) missing++;
      if (missing - page > WINDOW) return;
      stream.start = missing;
      stream.size = nextWindow(missing - page + count);
    }
    stream.ahead = stream.size;
    this.#bring(stream.start, stream.size, stream.ahead);
  }

  #is(page: number, flag: number): boolean {
    if (page < 0 || page >= this.#pages) return false;
    return ((this.states.bytes[this.#first + page] ?? 0) & flag) !== 0;
  }

  /** Asks for those of `count` pages that are missing, and sets the mark `ahead` pages before their end. */
  #bring(from: number, count: number, ahead: number): void {
    const end = Math.min(this.#pages, from + count);
    const { bytes } = this.states;
    const mark = ahead > 0 ? from + count - ahead : -1;
    let missing = -1;
    for (let page = from; page <= end; page++) {
      const at = this.#first + page;
      if (page < end && bytes[at] === 0) {
        if (missing < 0) missing = page;
        bytes[at] = page === mark ? CACHED | MARKED : CACHED;
      } else if (missing >= 0) {
        this.ask(missing * PAGE, Math.min(this.size, page * PAGE));
        missing = -1;
      }
    }
  }
}

/** `get_init_ra_size` */
function firstWindow(count: number): number {
  const size = 2 ** Math.ceil(Math.log2(count));
  if (size <= WINDOW / 32) return size * 4;
  return size <= WINDOW / 4 ? size * 2 : WINDOW;
}

/** `get_next_ra_size` */
function nextWindow(size: number): number {
  if (size < WINDOW / 16) return size * 4;
  return size <= WINDOW / 2 ? size * 2 : WINDOW;
}
