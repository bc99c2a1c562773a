import { LensError } from '../errors';
import { checkpointIndexes, lastAtMost } from './boundaries';
import type { ByteRange, Bytes } from './bytes';
import { Event, Inflater, WINDOW_SIZE } from './inflate/inflater';
import { changedBlob, SpanCheck } from './span-hasher';
import type { Boundaries, LayerScan } from './types';

/** The last boundary at or before output position `out`. */
export function boundaryAt(boundaries: Boundaries, out: number): number {
  return lastAtMost(boundaries.out, boundaries.length, out);
}

/** A boundary to begin decoding from, and the 32 KiB before it. */
interface Start {
  readonly boundary: number;
  readonly window: Uint8Array;
}

/** The last boundary at or before `boundary` whose window the scan kept; the first one, else, which needs none. */
function nearestStart(scan: LayerScan, boundary: number): Start {
  const { kept } = scan;
  const index = lastAtMost(kept.boundary, kept.boundary.length, boundary);
  const found = kept.boundary[index];
  if (found === undefined) return { boundary: 0, window: new Uint8Array(WINDOW_SIZE) };
  return { boundary: found, window: kept.windows.subarray(index * WINDOW_SIZE, (index + 1) * WINDOW_SIZE) };
}

/**
 * The windows (soci-format §2.3) of `targets`, ascending boundaries: kept ones as they are, others made again by
 * decoding from the nearest kept one. Positions at output 0 have a window of zeros. What is read again is checked: fails
 * with `layer/changed-blob` when the blob is not the one that was scanned.
 */
export async function windowsAt(
  scan: LayerScan,
  targets: Uint32Array,
  blob: Bytes | undefined,
  signal?: AbortSignal,
): Promise<Uint8Array[]> {
  const { boundaries } = scan;
  const windows: Uint8Array[] = [];
  // Mostly all of them are kept.
  let inflater: Inflater | undefined;
  const points = checkpointIndexes(boundaries, scan.kept.spanSize);
  for (let i = 0; i < targets.length;) {
    const target = targets[i] ?? 0;
    const start = nearestStart(scan, target);
    if (boundaries.out[target] === 0 || start.boundary === target) {
      windows.push(boundaries.out[target] === 0 ? new Uint8Array(WINDOW_SIZE) : start.window);
      i++;
      continue;
    }
    // All targets up to the next kept window come from one run.
    let last = i;
    while (
      last + 1 < targets.length &&
      nearestStart(scan, targets[last + 1] ?? 0).boundary === start.boundary
    )
      last++;
    const end = targets[last] ?? 0;
    const check = new SpanCheck(scan, points, start.boundary, end);
    inflater ??= new Inflater(0);
    for await (const event of decode(inflater, scan, start, end, blob, signal, check)) {
      if (event === Event.Output) inflater.slide();
      else if (
        event === Event.Boundary &&
        inflater.engine.outputTotal() === boundaries.out[targets[i] ?? 0]
      ) {
        windows.push(inflater.window());
        i++;
      }
    }
  }
  return windows;
}

/**
 * Bytes of a layer's tar, decoded from the nearest kept window on and no further than needed. Reads only that part of
 * `blob`. Fails with `layer/changed-blob` when the blob is not the one that was scanned.
 */
export async function* readTar(
  scan: LayerScan,
  blob: Bytes,
  range: ByteRange,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const begin = Math.max(0, range.start);
  const end = Math.min(range.end, scan.streamSize);
  if (begin >= end) return;
  if (scan.compression === 'tar') {
    yield* blob.read({ start: begin, end }, signal);
    return;
  }
  const { boundaries } = scan;
  const start = nearestStart(scan, boundaryAt(boundaries, begin));
  let stop = boundaryAt(boundaries, end);
  if (boundaries.out[stop] !== end) stop++;
  const inflater = new Inflater(0);
  let position = boundaries.out[start.boundary] ?? 0;
  for await (const event of decode(inflater, scan, start, stop, blob, signal)) {
    const { from, to } = inflater.takeOutput();
    const skip = Math.max(0, begin - position);
    const length = Math.min(to - from, end - position);
    position += to - from;
    if (skip < length) yield inflater.memory.slice(from + skip, from + length);
    if (position >= end) return;
    if (event === Event.Output) inflater.slide();
  }
}

/**
 * Decodes from a kept window to boundary `to`, or to the end of the blob, and yields what the engine asks for. With `check`,
 * its bytes are read, up to the end of the last span, and it fails before it ends unless they are those that were scanned.
 */
async function* decode(
  inflater: Inflater,
  scan: LayerScan,
  from: Start,
  to: number,
  blob: Bytes | undefined,
  signal?: AbortSignal,
  check?: SpanCheck,
): AsyncGenerator<Event> {
  if (!blob) {
    throw new LensError(
      'layer/needs-blob',
      'The layer’s bytes are needed for this span size, because the scan kept windows for another one.',
      'Open the image again from a source that still has the layer.',
    );
  }
  const { boundaries, compressedSize } = scan;
  const input = boundaries.in[from.boundary] ?? 0;
  const bits = boundaries.bits[from.boundary] ?? 0;
  const output = boundaries.out[from.boundary] ?? 0;
  const endOut = boundaries.out[to];
  const shared = bits > 0 ? 1 : 0;
  const range = check?.range ?? { start: input - shared, end: boundaries.in[to] ?? compressedSize };

  /** Tells whether boundary `to`, or the end, was among the events. */
  function* follow(events: Iterable<Event>): Generator<Event, boolean> {
    for (const event of events) {
      if (event === Event.Fault) throw changedBlob(range);
      yield event;
      if (event === Event.Done) return true;
      if (event === Event.Boundary && inflater.engine.outputTotal() === endOut) return true;
    }
    return false;
  }

  let isFirst = true;
  let isThere = false;
  for await (const chunk of blob.read(range, signal)) {
    signal?.throwIfAborted();
    check?.add(chunk);
    if (isFirst) inflater.resume(input, output, bits, shared ? (chunk[0] ?? 0) : 0, from.window);
    // Once there, the rest of the span is read for the check alone.
    if (!isThere) isThere = yield* follow(inflater.decode(isFirst ? chunk.subarray(shared) : chunk));
    if (isThere && !check) return;
    isFirst = false;
  }
  if (!isThere && !isFirst) isThere = yield* follow(inflater.decodeEnd());
  if (!isThere) throw changedBlob(range);
  check?.finish();
}
