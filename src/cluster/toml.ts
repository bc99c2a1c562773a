import { type AST, ParseError, parseTOML } from 'toml-eslint-parser';

/** Where something stands: offsets in UTF-16 units, the end not included. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

export type TomlValue =
  | { readonly kind: 'string'; readonly value: string }
  | { readonly kind: 'integer'; readonly value: number }
  | { readonly kind: 'boolean'; readonly value: boolean }
  | { readonly kind: 'strings'; readonly value: readonly string[] }
  /** A template's place: what will stand there is not known. */
  | { readonly kind: 'unknown'; readonly value: undefined }
  /** Floats, dates, mixed arrays: nothing that a config of the snapshotter takes. */
  | { readonly kind: 'other'; readonly value: undefined };

/** One key with a value, wherever it was written: below a header, with dots, or in an inline table. */
export interface TomlEntry {
  /** The whole path from the root; indexes of array tables are left out. */
  readonly path: readonly string[];
  readonly key: Span;
  readonly value: Span;
  readonly content: TomlValue;
  /** The key with its value, on lines of their own; `undefined` within an inline table. */
  readonly line: Span | undefined;
}

/** One `[header]` or `[[header]]`. */
export interface TomlTable {
  readonly path: readonly string[];
  /** The header line. */
  readonly header: Span;
  /** The name between the brackets. */
  readonly name: Span;
  readonly isArray: boolean;
}

export interface TomlDocument {
  readonly text: string;
  readonly entries: readonly TomlEntry[];
  readonly tables: readonly TomlTable[];
}

export interface TomlFault {
  readonly message: string;
  readonly at: number;
}

/**
 * Reads TOML 1.0 with the position of each key; a text that is none gives where and why.
 *
 * @param masked the same text with stand-ins of the same length at `unknown`, where templates are
 */
export function readToml(
  text: string,
  masked = text,
  unknown: readonly Span[] = [],
): TomlDocument | TomlFault {
  let program: AST.TOMLProgram;
  try {
    // The mark is told by a rule of its own.
    program = parseTOML(masked.replace(/^\uFEFF/, ' '), { tomlVersion: '1.0' });
  } catch (error) {
    if (error instanceof ParseError)
      return { message: error.message, at: Math.min(error.index, text.length) };
    throw error;
  }
  const found: TomlEntry[] = [];
  const tables: TomlTable[] = [];
  for (const node of program.body[0].body) {
    if (node.type === 'TOMLKeyValue') {
      addEntry(found, node, [], true);
    } else {
      const path = node.resolvedKey.filter((part) => typeof part === 'string');
      const header = { start: node.range[0], end: headerEnd(text, node) };
      tables.push({ path, header, name: spanOf(node.key), isArray: node.kind === 'array' });
      for (const pair of node.body) addEntry(found, pair, path, true);
    }
  }
  const isUnknown = (value: Span) => unknown.some(({ start, end }) => start < value.end && value.start < end);
  const entries = found.map((entry) =>
    isUnknown(entry.value) ? { ...entry, content: { kind: 'unknown' as const, value: undefined } } : entry,
  );
  return { text, entries, tables };
}

function addEntry(
  into: TomlEntry[],
  pair: AST.TOMLKeyValue,
  above: readonly string[],
  isOnLine: boolean,
): void {
  const path = [
    ...above,
    ...pair.key.keys.map((part) => (part.type === 'TOMLBare' ? part.name : part.value)),
  ];
  const inline = inlineTables(pair.value);
  if (inline) {
    for (const { body } of inline) for (const inner of body) addEntry(into, inner, path, false);
    return;
  }
  into.push({
    path,
    key: spanOf(pair.key),
    value: spanOf(pair.value),
    content: contentOf(pair.value),
    line: isOnLine ? spanOf(pair) : undefined,
  });
}

/** `{ … }`, or `[{ … }, { … }]`. */
function inlineTables(node: AST.TOMLContentNode): AST.TOMLInlineTable[] | undefined {
  if (node.type === 'TOMLInlineTable') return [node];
  if (node.type !== 'TOMLArray' || node.elements.length === 0) return undefined;
  const tables = node.elements.filter((one) => one.type === 'TOMLInlineTable');
  return tables.length === node.elements.length ? tables : undefined;
}

function contentOf(node: AST.TOMLContentNode): TomlValue {
  if (node.type === 'TOMLInlineTable') return { kind: 'other', value: undefined };
  if (node.type === 'TOMLArray') {
    const strings = node.elements.map((one) =>
      one.type === 'TOMLValue' && one.kind === 'string' ? one.value : undefined,
    );
    return strings.every((one) => one !== undefined)
      ? { kind: 'strings', value: strings }
      : { kind: 'other', value: undefined };
  }
  if (node.kind === 'string') return { kind: 'string', value: node.value };
  if (node.kind === 'boolean') return { kind: 'boolean', value: node.value };
  // Go's reader refuses what does not fit into 64 bits.
  if (node.kind === 'integer' && node.bigint === BigInt.asIntN(64, node.bigint)) {
    return { kind: 'integer', value: node.value };
  }
  return { kind: 'other', value: undefined };
}

function spanOf({ range }: AST.HasLocs): Span {
  return { start: range[0], end: range[1] };
}

/** The closing bracket of the header, which the tree does not keep. */
function headerEnd(text: string, node: AST.TOMLTable): number {
  const closing = node.kind === 'array' ? ']]' : ']';
  return text.indexOf(closing, node.key.range[1]) + closing.length;
}
