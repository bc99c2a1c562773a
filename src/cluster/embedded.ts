import { isMap, isScalar, parseAllDocuments, visit, type Pair, type Scalar } from 'yaml';
import type { Edit } from './edits';
import { type Settings, yamlSettings } from './settings';
import type { Span } from './toml';

/** Whose settings a TOML text holds. */
export type Dialect = 'snapshotter' | 'bottlerocket' | 'containerd';

/** A config within a file: all of it, a block of YAML, or a here-document of a script. */
export interface Region {
  readonly dialect: Dialect;
  readonly text: string;
  /** Where settings stand as maps of YAML, there is no TOML to read. */
  readonly settings?: Settings;
  /** The same length, with stand-ins where templates are. */
  readonly masked: string;
  /** Where the templates are, from the start of `text`. */
  readonly unknown: readonly Span[];
  /** Where a span of `text` is in the file. */
  toFile(span: Span): Span;
  /** The edits for the file; `undefined` where the text is quoted, so that an edit of it would have to be quoted too. */
  toFileEdits(edits: readonly Edit[]): Edit[] | undefined;
}

/** Tables that only the config of the snapshotter has. */
const SNAPSHOTTER_TABLE =
  /^[ \t]*\[{1,2}(?:pull_modes|background_fetch|content_store|cri_keychain|kubeconfig_keychain|directory_cache|parallel_pull_unpack|soci_v[12]|blob|prefetch|snapshotter)\b/m;
const CONTAINERD = /^[ \t]*\[(?:plugins|proxy_plugins|grpc)\b|^\s*plugins\s*=/m;
const BOTTLEROCKET = /^[ \t]*\[?settings\.container-runtime(?:-plugins)?\b/m;
/** A quick look, before a file is taken apart. */
const WORTH_A_LOOK = /soci|pull_modes|container-runtime-plugins/i;
/** YAML that holds TOML has a name that says so, or a header on a line of its own. */
const HOLDS_TOML = /\.toml\b|^[ \t]*\[[\w."'-]+\][ \t]*\r?$/m;

/** Settings of Bottlerocket as maps of YAML. */
const HOLDS_SETTINGS = /\bcontainer-runtime-plugins["']?[ \t]*:/;

/** Whose config a TOML text is; `undefined` when there is no sign of the snapshotter in it. */
export function dialectOf(text: string, name = ''): Dialect | undefined {
  if (BOTTLEROCKET.test(text)) return 'bottlerocket';
  if (CONTAINERD.test(text)) return 'containerd';
  return SNAPSHOTTER_TABLE.test(text) || /soci/i.test(name) ? 'snapshotter' : undefined;
}

/**
 * The configs in a file. A TOML file is one; YAML and scripts can hold several: in blocks of YAML (a ConfigMap, the user data
 * of a node class) and in here-documents, wherever those stand.
 *
 * @param name of the file: a TOML file is taken for the snapshotter's unless it says otherwise
 */
export function findConfigs(text: string, name: string): Region[] {
  if (/\.toml$/i.test(name)) {
    const region = plainRegion(text, 0, text.length, dialectOf(text, name) ?? 'snapshotter', false);
    return region.dialect === 'containerd' ? [] : [region];
  }
  if (!WORTH_A_LOOK.test(text)) return [];
  const hereDocuments = findHereDocuments(text);
  const isWorthReading = HOLDS_TOML.test(text) || HOLDS_SETTINGS.test(text);
  const blocks = /\.ya?ml$/i.test(name) && isWorthReading ? findBlocks(text) : [];
  const isWithin = ({ start, end }: Span) =>
    hereDocuments.some((here) => here.start < end && start < here.end);
  return [...hereDocuments, ...blocks.filter((block) => !isWithin(block))]
    .sort((a, b) => a.start - b.start)
    .map(({ region }) => region)
    .filter(({ dialect }) => dialect !== 'containerd');
}

interface Found extends Span {
  readonly region: Region;
}

const HERE_DOCUMENT = /^(.*?)<<-?[ \t]*(["']?)([A-Za-z_]\w*)\2(.*)$/;

function findHereDocuments(text: string): Found[] {
  const found: Found[] = [];
  const lines = [...text.matchAll(/[^\n]*(?:\n|$)/g)];
  for (let index = 0; index < lines.length; index++) {
    const [, before = '', quote = '', delimiter = '', after = ''] =
      HERE_DOCUMENT.exec(lines[index]?.[0].trimEnd() ?? '') ?? [];
    if (delimiter === '') continue;
    const end = lines.findIndex((line, at) => at > index && line[0].trim() === delimiter);
    const first = lines[index + 1];
    const last = lines[end];
    if (end === -1 || !first || !last) continue;
    const target = /(?:>|\btee\b(?:\s+-\S+)*)\s*["']?([^\s"'|;&<>]+)/.exec(`${before} ${after}`)?.[1] ?? '';
    const body = text.slice(first.index, last.index);
    const dialect = dialectOf(body, target.endsWith('.toml') ? target : '');
    if (dialect) {
      const region = plainRegion(text, first.index, last.index, dialect, quote === '');
      found.push({ start: first.index, end: last.index, region });
      index = end;
    }
  }
  return found;
}

/** Literal blocks (`|`) are the text itself, line by line; other scalars are read, and pointed at as a whole. */
function findBlocks(text: string): Found[] {
  // Templates are no YAML: lines that hold nothing else would end the block they stand in.
  const { masked, unknown } = maskTemplates(text, false);
  const found: Found[] = [];
  const documents = parseAllDocuments(masked, {
    strict: false,
    uniqueKeys: false,
    logLevel: 'silent',
  });
  if (!Array.isArray(documents)) return [];
  for (const document of documents) {
    visit(document, {
      Pair: (_, pair: Pair) => {
        const at =
          isMap(pair.value) && isMap(pair.value.get('container-runtime-plugins')) && pair.value.range;
        if (isMap(pair.value) && at && isScalar(pair.key) && pair.key.value === 'settings') {
          const [start, , end] = at;
          const settings = yamlSettings(text, pair.value, unknown);
          found.push({ start, end, region: settingsRegion(text, settings) });
          return visit.SKIP;
        }
        if (!isScalar(pair.value) || typeof pair.value.value !== 'string' || !pair.value.range)
          return undefined;
        const name = isScalar(pair.key) ? String(pair.key.value) : '';
        const scalar = scalarRegion(text, pair.value as Scalar<string>, name);
        if (scalar) found.push(scalar);
        return undefined;
      },
    });
  }
  return found;
}

function scalarRegion(text: string, scalar: Scalar<string>, name: string): Found | undefined {
  const [start = 0, end = 0] = scalar.range ?? [];
  if (scalar.type === 'BLOCK_LITERAL') {
    const body = text.indexOf('\n', start) + 1;
    const dialect = body === 0 ? undefined : dialectOfScalar(text.slice(body, end), name);
    return dialect && { start, end, region: plainRegion(text, body, end, dialect, false) };
  }
  const dialect = dialectOfScalar(scalar.value, name);
  return dialect && { start, end, region: quotedRegion(scalar.value, { start, end }, dialect) };
}

/** A block is a config when its name says so, or when it begins as one; a script that writes one is found by its here-document. */
function dialectOfScalar(text: string, name: string): Dialect | undefined {
  const isNamed = /\.toml$/i.test(name);
  const begin = text.split('\n').find((line) => line.trim() !== '' && !line.trim().startsWith('#')) ?? '';
  const isToml = /^\s*(?:\[|[\w."'-]+\s*=|\{\{|%\{)/.test(begin);
  return isNamed || isToml ? dialectOf(text, isNamed ? name : '') : undefined;
}

/** Leading blanks mean nothing in TOML, so an indented block is TOML as it stands. */
function plainRegion(
  file: string,
  from: number,
  to: number,
  dialect: Dialect,
  expandsVariables: boolean,
): Region {
  const body = file.slice(from, to);
  const indent = /^(?:[ \t]*\n)*([ \t]*)/.exec(body)?.[1] ?? '';
  // Past the first line's indentation, so that what is put before it is indented too.
  const start = from + (/^[ \t\r\n]*/.exec(body)?.[0].length ?? 0);
  const text = file.slice(start, to);
  return {
    dialect,
    text,
    ...maskTemplates(text, expandsVariables),
    toFile: (span) => ({ start: start + span.start, end: start + span.end }),
    toFileEdits: (edits) =>
      edits.map((edit) => ({
        start: start + edit.start,
        end: start + edit.end,
        text: edit.text.replaceAll(/\n(?!\n)([ \t]*)/g, (_, own: string) =>
          own.startsWith(indent) ? `\n${own}` : `\n${indent}${own}`,
        ),
      })),
  };
}

function quotedRegion(text: string, at: Span, dialect: Dialect): Region {
  return {
    dialect,
    text,
    ...maskTemplates(text, false),
    toFile: () => at,
    toFileEdits: () => undefined,
  };
}

function settingsRegion(text: string, settings: Settings): Region {
  return {
    ...{ dialect: 'bottlerocket', text, masked: text, unknown: [], settings },
    toFile: (span) => span,
    toFileEdits: (edits) => [...edits],
  };
}

/** Helm and Go (`{{ }}`), Terraform (`${ }`, `%{ }`). */
const TEMPLATE = /\{\{.*?\}\}|\$\{[^}\n]*\}|%\{[^}\n]*\}/g;
/** What a shell puts in as well, unless the delimiter of the here-document is quoted. */
const TEMPLATE_OR_VARIABLE = /\{\{.*?\}\}|\$\{[^}\n]*\}|%\{[^}\n]*\}|\$\([^)\n]*\)|\$[A-Za-z_]\w*/g;

/**
 * Puts something of the same length in place of each template: a line of nothing else becomes blank, a place within quotes
 * becomes letters, and a value becomes a text.
 */
function maskTemplates(text: string, expandsVariables: boolean): { masked: string; unknown: Span[] } {
  const unknown: Span[] = [];
  const masked = text.replaceAll(
    expandsVariables ? TEMPLATE_OR_VARIABLE : TEMPLATE,
    (match: string, offset: number) => {
      const lineStart = text.lastIndexOf('\n', offset - 1) + 1;
      const newline = text.indexOf('\n', offset);
      const after = text.slice(offset + match.length, newline === -1 ? undefined : newline);
      const before = text.slice(lineStart, offset);
      if (before.trim() === '' && after.trim() === '') return ' '.repeat(match.length);
      unknown.push({ start: offset, end: offset + match.length });
      const isQuoted = (before.match(/["']/g)?.length ?? 0) % 2 === 1;
      return isQuoted || match.length < 2 ? 'x'.repeat(match.length) : `"${'x'.repeat(match.length - 2)}"`;
    },
  );
  return { masked, unknown };
}
