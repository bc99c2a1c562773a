import path from 'node:path';
import type { LayerScan, SpanTable } from '../layer/types';
import { sha256 } from '../oci/digest';
import { encodeJson } from '../oci/json';
import { parseObject } from '../oci/parse';
import type { Descriptor } from '../oci/types';
import { LensError } from '../errors';
import { ANNOTATIONS, PREFETCH_TYPE } from './index';

/** Spans `start` to `end` of one layer, both included (soci-format §3.6). */
export interface SpanRange {
  readonly start: number;
  readonly end: number;
}

/** A path as the soci CLI looks it up: trimmed, cleaned, without a leading slash; empty for nothing. */
export function cleanPath(name: string): string {
  const trimmed = name.trim();
  return trimmed === '' ? '' : path.posix.normalize(trimmed).replace(/\/+$/, '').replace(/^\/+/, '');
}

/**
 * The spans that hold each of the clean `paths` found in one layer. As in the CLI the end is the span of the offset after
 * the last byte, so a file that ends where a span ends takes the next one too. The CLI wants the raw name to be equal;
 * where no name is, `./app/x` or `/app/x` in the tar is found as well.
 */
export function findSpans(
  scan: LayerScan,
  spans: SpanTable,
  paths: ReadonlySet<string>,
): Map<string, SpanRange> {
  if (paths.size === 0) return new Map();
  const exact = new Map<string, number>();
  const cleaned = new Map<string, number>();
  for (let entry = 0; entry < scan.entries.length; entry++) {
    const name = scan.entries.name(entry);
    remember(exact, name, entry);
    if (scan.entries.type(entry) === 'reg') remember(cleaned, cleanPath(name), entry);
  }
  return new Map(
    [...paths].flatMap((wanted) => {
      const entry = exact.get(wanted) ?? cleaned.get(wanted);
      if (entry === undefined) return [];
      const offset = scan.entries.offset(entry);
      return [[wanted, { start: spans.at(offset), end: spans.at(offset + scan.entries.size(entry)) }]];
    }),
  );

  function remember(found: Map<string, number>, name: string, entry: number): void {
    if (paths.has(name) && !found.has(name)) found.set(name, entry);
  }
}

/** Sorts, and joins ranges that overlap or touch. */
export function mergeRanges(ranges: readonly SpanRange[]): SpanRange[] {
  const merged: SpanRange[] = [];
  for (const next of [...ranges].sort((a, b) => a.start - b.start || a.end - b.end)) {
    const last = merged.at(-1);
    if (last && next.start <= last.end + 1) {
      merged[merged.length - 1] = { start: last.start, end: Math.max(last.end, next.end) };
    } else {
      merged.push(next);
    }
  }
  return merged;
}

/** The prefetch artifact for a layer: its bytes, and how an index refers to it (soci-format §3.6). */
export function encodePrefetch(
  layer: Descriptor,
  ranges: readonly SpanRange[],
): { bytes: Uint8Array; descriptor: Descriptor } {
  const bytes = encodeJson({
    version: '1.0',
    prefetch_spans: mergeRanges(ranges).map(({ start, end }) => ({ start_span: start, end_span: end })),
  });
  return {
    bytes,
    descriptor: {
      mediaType: PREFETCH_TYPE,
      digest: sha256(bytes),
      size: bytes.length,
      annotations: { [ANNOTATIONS.layerDigest]: layer.digest },
    },
  };
}

/** Reads a prefetch artifact as strictly as the snapshotter does. Throws `soci/bad-prefetch`. */
export function parsePrefetch(bytes: Uint8Array): SpanRange[] {
  const { version, prefetch_spans: spans } = parseObject(bytes, 'The prefetch artifact');
  if (version !== '1.0' || !Array.isArray(spans) || spans.length === 0) throw badPrefetch();
  return spans.map((span: unknown) => {
    if (typeof span !== 'object' || span === null || !('start_span' in span) || !('end_span' in span))
      throw badPrefetch();
    const { start_span: start, end_span: end } = span;
    if (!isSpan(start) || !isSpan(end) || start > end) throw badPrefetch();
    return { start, end };
  });
}

function isSpan(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}

function badPrefetch(): LensError {
  return new LensError(
    'soci/bad-prefetch',
    'The prefetch artifact lists no valid spans.',
    'Make the SOCI index again.',
  );
}
