import type { Span, TomlDocument, TomlEntry } from './toml';

/** A piece of text to put in place of another. */
export interface Edit extends Span {
  readonly text: string;
}

/** What makes a finding go away. */
export interface Fix {
  /** In the imperative: what a menu shows. */
  readonly title: string;
  /** In order, without overlap. */
  readonly edits: readonly Edit[];
}

/** The text with the edits made. */
export function applyEdits(text: string, edits: readonly Edit[]): string {
  let result = '';
  let at = 0;
  for (const { start, end, text: put } of [...edits].sort((a, b) => a.start - b.start)) {
    result += text.slice(at, start) + put;
    at = end;
  }
  return result + text.slice(at);
}

export function replace({ start, end }: Span, text: string): Edit {
  return { start, end, text };
}

/** Takes a key with its value away, and the line when nothing else is on it. */
export function removeEntry({ text }: TomlDocument, { line, key, value }: TomlEntry): Edit {
  const { start, end } = line ?? { start: key.start, end: value.end };
  const lineStart = text.lastIndexOf('\n', start - 1) + 1;
  const newline = text.indexOf('\n', end);
  const lineEnd = newline === -1 ? text.length : newline;
  const isAlone =
    text.slice(lineStart, start).trim() === '' && /^\s*(?:#.*)?$/.test(text.slice(end, lineEnd));
  if (!isAlone) return { start, end, text: '' };
  // The break before the line, not the one behind it: text around the TOML may indent each line.
  if (lineStart > 0) return { start: lineStart - 1, end: lineEnd, text: '' };
  return { start, end: newline === -1 ? lineEnd : lineEnd + 1, text: '' };
}

/** Gives a key of the document that value, as TOML: in its place, below its table's header, or in a new table at the end. */
export function setKey(document: TomlDocument, path: readonly string[], toml: string): Edit {
  const entry = document.entries.find((one) => samePath(one.path, path));
  if (entry) return replace(entry.value, toml);
  return addKeys(document, path.slice(0, -1), [`${path.at(-1) ?? ''} = ${toml}`]);
}

/** Puts lines into a table: below its header, above the first header for the root, or in a new table at the end. */
export function addKeys(document: TomlDocument, table: readonly string[], lines: readonly string[]): Edit {
  const { text, tables, entries } = document;
  if (table.length === 0) {
    const last = entries.filter(({ path, line }) => line && path.length === 1).at(-1);
    const at = last?.line?.end ?? 0;
    return last
      ? { start: at, end: at, text: `\n${lines.join('\n')}` }
      : { start: 0, end: 0, text: `${lines.join('\n')}\n` };
  }
  const header = tables.find(({ path, isArray }) => !isArray && samePath(path, table));
  if (header) {
    const newline = text.indexOf('\n', header.header.end);
    const at = newline === -1 ? text.length : newline;
    const indent = /[ \t]*$/.exec(text.slice(0, header.header.start))?.[0] ?? '';
    return { start: at, end: at, text: lines.map((line) => `\n${indent}${line}`).join('') };
  }
  const end = text.trimEnd().length;
  const name = table.map(quoteKey).join('.');
  return { start: end, end, text: `${end === 0 ? '' : '\n\n'}[${name}]\n${lines.join('\n')}` };
}

export function samePath(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((part, index) => part.toLowerCase() === b[index]?.toLowerCase());
}

/** A part of a path as TOML writes it. */
export function quoteKey(part: string): string {
  return /^[\w-]+$/.test(part) ? part : JSON.stringify(part);
}
