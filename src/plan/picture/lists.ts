/** The files of an image as a table to take away. */
import type { EntryRow } from './types';

const COLUMNS = ['layer', 'path', 'type', 'size', 'bytes_read', 'first_touch_ms'] as const;

/** RFC 4180, with a header. Paths begin with a slash, so that no spreadsheet takes one for a formula. */
export function* csvLines(rows: Iterable<EntryRow>): Generator<string> {
  yield `${COLUMNS.join(',')}\r\n`;
  for (const row of rows) yield `${valuesOf(row).map(quote).join(',')}\r\n`;
}

/** One JSON document: a list of objects. */
export function* jsonLines(rows: Iterable<EntryRow>): Generator<string> {
  let before = '[\n';
  for (const row of rows) {
    const values = valuesOf(row);
    yield before + JSON.stringify(Object.fromEntries(COLUMNS.map((name, at) => [name, values[at]])));
    before = ',\n';
  }
  yield before === '[\n' ? '[]\n' : '\n]\n';
}

function valuesOf({ layer, path, type, size, touched, at }: EntryRow): (string | number | null)[] {
  return [layer, `/${path.replace(/^(\.?\/)+/, '')}`, type, size, touched, at];
}

function quote(value: string | number | null): string {
  const text = value === null ? '' : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
