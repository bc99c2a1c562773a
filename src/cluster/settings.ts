import { isMap, isScalar, isSeq, type Node, type Pair, type YAMLMap } from 'yaml';
import { type Edit, removeEntry, samePath, setKey } from './edits';
import type { Span, TomlDocument, TomlEntry, TomlValue } from './toml';

export interface SettingsEntry extends Pick<TomlEntry, 'path' | 'key' | 'value' | 'content'> {
  /** Takes the setting away; undefined where that cannot be done by one edit. */
  readonly remove: () => Edit | undefined;
}

/** Bottlerocket's settings in either of their notations, as a linter reads and mends them. */
export interface Settings {
  /** What the positions are of. */
  readonly text: string;
  readonly entries: readonly SettingsEntry[];
  /** Gives a setting a value, which both notations write alike; undefined as for `remove`. */
  readonly set: (path: readonly string[], value: string) => Edit | undefined;
}

/** As TOML, the notation of user data. */
export function tomlSettings(document: TomlDocument): Settings {
  return {
    text: document.text,
    entries: document.entries.map((entry) => ({ ...entry, remove: () => removeEntry(document, entry) })),
    set: (path, value) => setKey(document, path, value),
  };
}

/** As maps of YAML, the notation of eksctl (`bottlerocket.settings`). @param map what stands below `settings` */
export function yamlSettings(text: string, map: YAMLMap, unknown: readonly Span[]): Settings {
  const isUnknown = ({ start, end }: Span) => unknown.some((one) => one.start < end && start < one.end);
  const entriesOf = (node: YAMLMap, above: readonly string[]): SettingsEntry[] =>
    pairsOf(node).flatMap(({ key, value }): SettingsEntry[] => {
      const path = [...above, text.slice(key.start, key.end).replace(/^(["'])(.*)\1$/, '$2')];
      if (isMap(value)) return entriesOf(value, path);
      const at = spanOf(value);
      // A key without a value is a table without settings.
      if (!at || (isScalar(value) && value.value === null)) return [];
      const content = isUnknown(at) ? ({ kind: 'unknown', value: undefined } as const) : contentOf(value);
      const line = {
        start: lineEnd(text, text.lastIndexOf('\n', key.start)),
        end: lineEnd(text, at.end),
        text: '',
      };
      // The break before the line, as `removeEntry` of TOML does.
      return [{ path, key, value: at, content, remove: () => (node.flow === true ? undefined : line) }];
    });
  const entries = entriesOf(map, ['settings']);
  return {
    text,
    entries,
    set: (path, value) => {
      const entry = entries.find((one) => samePath(one.path, path));
      if (entry) return { ...entry.value, text: value };
      return addTo(text, map, path.slice(1), value);
    },
  };
}

/** Below the last setting of the deepest map that is there already. */
function addTo(text: string, map: YAMLMap, path: readonly string[], value: string): Edit | undefined {
  const [name = '', ...rest] = path;
  const pairs = pairsOf(map);
  const below = pairs.find(({ key }) => text.slice(key.start, key.end) === name)?.value;
  if (rest.length > 0 && isMap(below)) return addTo(text, below, rest, value);
  const [first] = pairs;
  const last = spanOf(map);
  if (map.flow === true || !first || !last || below) return undefined;
  const indent = ' '.repeat(first.key.start - text.lastIndexOf('\n', first.key.start) - 1);
  const lines = path.map(
    (part, depth) =>
      `\n${indent}${'  '.repeat(depth)}${part}:${depth === path.length - 1 ? ` ${value}` : ''}`,
  );
  const at = lineEnd(text, last.end);
  return { start: at, end: at, text: lines.join('') };
}

function lineEnd(text: string, from: number): number {
  const newline = text.indexOf('\n', from);
  const end = newline === -1 ? text.length : newline;
  return text[end - 1] === '\r' ? end - 1 : end;
}

function pairsOf({ items }: YAMLMap): { readonly key: Span; readonly value: Node | null }[] {
  return (items as Pair<Node, Node | null>[]).flatMap(({ key, value }) => {
    const at = spanOf(key);
    return at ? [{ key: at, value }] : [];
  });
}

/** Without the line breaks behind it. */
function spanOf(node: Node | null): Span | undefined {
  if (isMap(node) && node.flow !== true) {
    const pairs = pairsOf(node);
    const [start, end] = [
      pairs[0]?.key.start,
      spanOf(pairs.at(-1)?.value ?? null)?.end ?? pairs.at(-1)?.key.end,
    ];
    return start === undefined || end === undefined ? undefined : { start, end };
  }
  return node?.range ? { start: node.range[0], end: node.range[1] } : undefined;
}

function contentOf(node: Node | null): TomlValue {
  if (isSeq(node)) {
    const strings = node.items.map((item) =>
      isScalar(item) && typeof item.value === 'string' ? item.value : undefined,
    );
    if (strings.every((one) => one !== undefined)) return { kind: 'strings', value: strings };
  }
  const value = isScalar(node) ? node.value : undefined;
  if (typeof value === 'string') return { kind: 'string', value };
  if (typeof value === 'boolean') return { kind: 'boolean', value };
  if (typeof value === 'number' && Number.isInteger(value)) return { kind: 'integer', value };
  return { kind: 'other', value: undefined };
}
