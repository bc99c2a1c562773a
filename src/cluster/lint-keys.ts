import { closest, distance } from 'fastest-levenshtein';
import { CONFIG_KEYS, CONFIG_TABLES, findKey, isReadBy, isTable, type ConfigKey } from './config-keys';
import { addKeys, applyEdits, quoteKey, removeEntry, replace, samePath, type Fix } from './edits';
import type { Finding } from './findings';
import { isAtLeast, type Release } from './releases';
import type { TomlDocument, TomlEntry, TomlTable } from './toml';

const PARALLEL = ['pull_modes', 'parallel_pull_unpack'] as const;
const EMPTY: TomlDocument = { text: '', entries: [], tables: [] };

/** What the table of keys alone can tell: whether each key is read where it stands, and has a value that it can have. */
export function lintKeys(document: TomlDocument, release: Release): Finding[] {
  const findings: Finding[] = [];
  const strange: TomlTable[] = [];
  for (const table of document.tables) {
    const finding = lintTable(table, release);
    if (!finding) continue;
    findings.push(finding);
    strange.push(table);
  }
  for (const entry of document.entries) {
    // A table that nobody reads was told once, at its header.
    if (strange.some(({ path }) => path.every((part, index) => part === entry.path[index]))) continue;
    const key = findKey(entry.path);
    findings.push(...(key ? lintValue(document, entry, key, release) : [unread(document, entry)]));
  }
  return findings;
}

function lintTable(table: TomlTable, release: Release): Finding | undefined {
  const { path, header, isArray } = table;
  const shown = path.map(quoteKey).join('.');
  if (findKey(path)) {
    return {
      rule: 'table-or-value',
      severity: 'error',
      at: header,
      message: `${shown} is a value, not a table.`,
      reason: 'The snapshotter refuses the file and does not start.',
    };
  }
  if (!isTable(path)) return unknownTable(path, shown, table);
  const wantsArray = path[0] === 'resolver' && path.length === 4;
  // Since 0.15 a single table is taken as a list of one (go-toml 2.4); measured with the config readers of each release.
  if (wantsArray === isArray || (wantsArray && isAtLeast(release, '0.15'))) return undefined;
  return {
    rule: 'table-or-value',
    severity: 'error',
    at: header,
    message: isArray
      ? `${shown} is one table, not a list of them.`
      : `${shown} is a list: each one begins with double brackets.`,
    reason: 'The snapshotter refuses the file and does not start.',
    fix: {
      title: isArray ? 'Use single brackets' : 'Use double brackets',
      edits: [replace(header, isArray ? `[${shown}]` : `[[${shown}]]`)],
    },
  };
}

function unknownTable(path: readonly string[], shown: string, { header, name }: TomlTable): Finding {
  const meant = likeliestTable(path);
  const unknown = {
    severity: 'warning' as const,
    at: header,
    reason: 'Unknown tables are ignored without a word, in every release: nothing in it has an effect.',
  };
  if (meant === undefined) {
    return { ...unknown, rule: 'unknown-table', message: `No release reads the table ${shown}.` };
  }
  return {
    ...unknown,
    rule: 'unknown-table',
    message: `No release reads the table ${shown}; ${meant} is read.`,
    fix: { title: `Rename the table to ${meant}`, edits: [replace(name, meant)] },
  };
}

/** A table of the same last name elsewhere, or one that differs by a few letters. */
function likeliestTable(path: readonly string[]): string | undefined {
  const tables = [...CONFIG_TABLES].filter((table) => !table.includes('*'));
  const name = path.join('.').toLowerCase().replaceAll('-', '_');
  const same = tables.filter(
    (table) => table === name || table.endsWith(`.${path.at(-1)?.toLowerCase() ?? ''}`),
  );
  if (same.length === 1) return same[0];
  const near = closest(name, tables);
  return distance(name, near) <= Math.max(2, name.length / 5) ? near : undefined;
}

/** A key that no release reads where it stands. */
function unread(document: TomlDocument, entry: TomlEntry): Finding {
  const table = entry.path.slice(0, -1);
  const leaf = entry.path.at(-1) ?? '';
  if (isTable(entry.path)) {
    return {
      rule: 'table-or-value',
      severity: 'error',
      at: entry.key,
      message: `${leaf} is a table, not a value.`,
      reason: 'The snapshotter refuses the file and does not start.',
    };
  }
  const meant = likeliestKey(table, leaf);
  const home = homeOf(table, leaf);
  // `max_retries` under [http] is its MaxRetries, not the key of that name under [blob].
  const isOtherSpelling = meant !== undefined && plain(meant) === plain(leaf);
  if (home !== undefined && !isOtherSpelling) return misplaced(document, entry, table, home);
  return {
    rule: 'unknown-key',
    severity: 'warning',
    at: entry.key,
    message:
      meant === undefined
        ? `No release reads ${entry.path.map(quoteKey).join('.')}.`
        : `No release reads ${leaf}; ${meant} is read here.`,
    reason: 'Unknown keys are ignored without a word, in every release.',
    fix:
      meant === undefined
        ? { title: `Remove ${leaf}`, edits: [removeEntry(document, entry)] }
        : {
            title: `Rename ${leaf} to ${meant}`,
            edits: [
              replace({ start: entry.key.end - lastPartLength(document, entry), end: entry.key.end }, meant),
            ],
          },
  };
}

/** How long the last part of a key is as it is written, quotes and all. */
function lastPartLength({ text }: TomlDocument, { key, path }: TomlEntry): number {
  const leaf = path.at(-1) ?? '';
  const isQuoted = /["']$/.test(text.slice(key.start, key.end));
  return leaf.length + (isQuoted ? 2 : 0);
}

function misplaced(
  document: TomlDocument,
  entry: TomlEntry,
  table: readonly string[],
  home: readonly string[],
): Finding {
  const leaf = entry.path.at(-1) ?? '';
  const from = table.length === 0 ? 'above the first table' : `under [${table.map(quoteKey).join('.')}]`;
  const to = home.length === 0 ? 'above the first table' : `under [${home.join('.')}]`;
  const isParallel = samePath(home, PARALLEL);
  return {
    rule: 'wrong-table',
    severity: 'error',
    at: entry.key,
    message: `${leaf} is read ${to}, not ${from}.`,
    reason: `${
      isParallel && table[0] === 'blob'
        ? 'Published walkthroughs show these keys under [blob], but no release ever read them there.'
        : 'A misplaced key is ignored without a word, in every release.'
    } The value has no effect where it stands.`,
    ...(entry.line && { fix: moveAll(document, table, home, to) }),
  };
}

/** Moves every key of a table that belongs into the same other one, so that one step puts all of them right. */
function moveAll(document: TomlDocument, table: readonly string[], home: readonly string[], to: string): Fix {
  const moved = document.entries.filter(
    (one) =>
      one.line &&
      samePath(one.path.slice(0, -1), table) &&
      !findKey(one.path) &&
      samePath(homeOf(table, one.path.at(-1) ?? '') ?? ['?'], home) &&
      !document.entries.some(({ path }) => samePath(path, [...home, one.path.at(-1) ?? ''])),
  );
  const lines = moved.map(
    ({ path, value }) => `${path.at(-1) ?? ''} = ${document.text.slice(value.start, value.end)}`,
  );
  // Without the switch the keys would have no effect in their right place either.
  const needsSwitch =
    samePath(home, PARALLEL) && !document.entries.some(({ path }) => samePath(path, [...PARALLEL, 'enable']));
  if (needsSwitch && !lines.some((line) => line.startsWith('enable ='))) lines.unshift('enable = true');
  const names = moved.map(({ path }) => path.at(-1) ?? '');
  const removals = moved.map((one) => removeEntry(document, one));
  const isAll = applyEdits(document.text, mergeTouching(removals)).trim() === '';
  return {
    title:
      names.length === 1 ? `Move the key ${names[0] ?? ''} ${to}` : `Move these ${names.length} keys ${to}`,
    edits: isAll
      ? [{ ...addKeys(EMPTY, home, lines), end: document.text.trimEnd().length }]
      : mergeTouching([...removals, addKeys(document, home, lines)]),
  };
}

/** Edits in order; one that begins where another ends, or within it, is joined to it. */
function mergeTouching(edits: readonly Fix['edits'][number][]): Fix['edits'] {
  const result: Fix['edits'][number][] = [];
  for (const edit of [...edits].sort((a, b) => a.start - b.start || a.end - b.end)) {
    const last = result.at(-1);
    if (last && edit.start <= last.end) {
      result[result.length - 1] = {
        start: last.start,
        end: Math.max(last.end, edit.end),
        text: last.text + edit.text,
      };
    } else {
      result.push(edit);
    }
  }
  return result;
}

/** The only other table that has a key of that name. `enable` and the like are in many. */
function homeOf(table: readonly string[], leaf: string): string[] | undefined {
  const name = leaf.toLowerCase().replaceAll('-', '_');
  const homes = CONFIG_KEYS.map(({ path }) => path.split('.')).filter(
    (path) =>
      !path.includes('*') && path.at(-1)?.toLowerCase() === name && !samePath(path.slice(0, -1), table),
  );
  const root = homes.find((path) => path.length === 1);
  // A key of the root below a header is the commonest slip of all: TOML gives it to the table above it.
  const home = homes.length === 1 ? homes[0] : root;
  return home?.slice(0, -1);
}

/** A key of that table that differs by letter case, underscores or a slip of the pen. */
function likeliestKey(table: readonly string[], leaf: string): string | undefined {
  const here = CONFIG_KEYS.map(({ path }) => path.split('.')).filter((path) =>
    samePath(path.slice(0, -1), patternFor(table)),
  );
  const names = here.map((path) => path.at(-1) ?? '');
  if (names.length === 0) return undefined;
  const near = closest(plain(leaf), names.map(plain));
  const name = names.find((one) => plain(one) === near);
  return distance(plain(leaf), near) <= Math.max(1, Math.floor(leaf.length / 5)) ? name : undefined;
}

/** A name without what people spell in different ways. */
function plain(name: string): string {
  return name.toLowerCase().replaceAll(/[-_]/g, '');
}

function patternFor(table: readonly string[]): readonly string[] {
  if (table[0] === 'resolver' && table.length > 2) return ['resolver', 'host', '*', ...table.slice(3)];
  if (table[2] === 'decompress_streams') return [...table.slice(0, 3), '*', ...table.slice(4)];
  return table;
}

function lintValue(document: TomlDocument, entry: TomlEntry, key: ConfigKey, release: Release): Finding[] {
  const leaf = entry.path.at(-1) ?? '';
  if (!isReadBy(key, release)) return [notInRelease(document, entry, key, release)];
  const { content } = entry;
  if (content.kind === 'unknown') return [];
  if (content.kind !== key.kind) return [wrongType(document, entry, key)];
  if (key.dead !== undefined && content.value !== '') {
    return [
      {
        rule: 'no-effect',
        severity: 'note',
        at: entry.key,
        message: `${leaf} has no effect.`,
        reason: `The snapshotter takes the key, but ${key.dead}.`,
        fix: { title: `Remove ${leaf}`, edits: [removeEntry(document, entry)] },
      },
    ];
  }
  if (content.kind === 'integer' && key.min !== undefined && content.value < key.min) {
    return [
      {
        rule: 'out-of-range',
        severity: 'warning',
        at: entry.value,
        message: `${leaf} begins at ${key.min}.`,
        reason: `${key.about} A value of ${content.value} means nothing here.`,
        fix: { title: `Remove ${leaf}: the default holds`, edits: [removeEntry(document, entry)] },
      },
    ];
  }
  if (content.kind === 'string' && key.values && !key.values.includes(content.value)) {
    return [badValue(entry, content.value, key)];
  }
  return [];
}

function notInRelease(document: TomlDocument, entry: TomlEntry, key: ConfigKey, release: Release): Finding {
  const leaf = entry.path.at(-1) ?? '';
  const isGone = key.until !== undefined && !isAtLeast(key.until, release);
  return {
    rule: 'not-in-release',
    severity: 'warning',
    at: entry.key,
    message: isGone
      ? `${leaf} was read up to release ${key.until ?? ''}; release ${release} ignores it.`
      : `${leaf} is read since release ${key.since ?? ''}; release ${release} ignores it.`,
    reason: isGone ? key.about : `${key.about} Update the snapshotter, or leave the key out.`,
    fix: { title: `Remove ${leaf}`, edits: [removeEntry(document, entry)] },
  };
}

const TYPE_NAMES = {
  boolean: 'true or false',
  integer: 'a whole number',
  string: 'a text in quotes',
  strings: 'a list of texts',
} as const;

function wrongType(document: TomlDocument, entry: TomlEntry, key: ConfigKey): Finding {
  const written = document.text.slice(entry.value.start, entry.value.end);
  const meant = converted(entry, key, written);
  return {
    rule: 'wrong-type',
    severity: 'error',
    at: entry.value,
    message: `${entry.path.at(-1) ?? ''} takes ${TYPE_NAMES[key.kind]}, not ${written}.`,
    reason: 'The snapshotter refuses the whole file and does not start.',
    ...(meant !== undefined && { fix: { title: `Write ${meant}`, edits: [replace(entry.value, meant)] } }),
  };
}

/** The same value in the type of the key, where there is no doubt about it. */
function converted({ content }: TomlEntry, { kind }: ConfigKey, written: string): string | undefined {
  if (kind === 'strings' && content.kind === 'string') {
    return JSON.stringify(content.value.split(' ').filter((part) => part !== '')).replaceAll('","', '", "');
  }
  const plain = content.kind === 'string' ? content.value.trim() : written;
  if (kind === 'integer' && /^[+-]?\d+(?:\.0*)?$/.test(plain)) return String(Math.trunc(Number(plain)));
  if (kind === 'boolean' && /^(?:true|false|0|1)$/i.test(plain)) {
    return /^(?:true|1)$/i.test(plain) ? 'true' : 'false';
  }
  if (kind === 'string' && (content.kind === 'integer' || content.kind === 'boolean')) {
    return JSON.stringify(written);
  }
  return undefined;
}

const REFUSALS = {
  reading: 'The snapshotter refuses the file and does not start.',
  starting: 'The snapshotter does not start with any other value.',
  never: 'The snapshotter does not know the value and takes the default.',
} as const;

function badValue(entry: TomlEntry, value: string, { values = [], refusesOthers }: ConfigKey): Finding {
  const known = values.filter((one) => one !== '');
  const near = JSON.stringify(closest(value.toLowerCase(), known));
  const listed = known.map((one) => JSON.stringify(one)).join(', ');
  return {
    rule: 'bad-value',
    severity: refusesOthers ? 'error' : 'warning',
    at: entry.value,
    message: `${entry.path.at(-1) ?? ''} takes ${listed}, not ${JSON.stringify(value)}.`,
    reason: REFUSALS[refusesOthers ?? 'never'],
    fix: { title: `Write ${near}`, edits: [replace(entry.value, near)] },
  };
}
