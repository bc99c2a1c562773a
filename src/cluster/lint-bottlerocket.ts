import { removeEntry, replace, samePath, setKey } from './edits';
import type { Finding } from './findings';
import type { TomlDocument, TomlEntry } from './toml';

const PLUGIN = ['settings', 'container-runtime-plugins', 'soci-snapshotter'] as const;
const PARALLEL = [...PLUGIN, 'parallel-pull-unpack'] as const;

/**
 * The settings that Bottlerocket has for the snapshotter: the structs of settings-extension-container-runtime-plugins in
 * bottlerocket-os/bottlerocket-settings-sdk, and "container-runtime-plugins" in the reference of its settings.
 */
const SETTINGS: Readonly<Record<string, 'integer' | 'boolean' | 'size' | 'mode'>> = {
  'pull-mode': 'mode',
  'parallel-pull-unpack.max-concurrent-downloads': 'integer',
  'parallel-pull-unpack.max-concurrent-downloads-per-image': 'integer',
  'parallel-pull-unpack.concurrent-download-chunk-size': 'size',
  'parallel-pull-unpack.max-concurrent-unpacks': 'integer',
  'parallel-pull-unpack.max-concurrent-unpacks-per-image': 'integer',
  'parallel-pull-unpack.discard-unpacked-layers': 'boolean',
};

const REFUSED =
  'Bottlerocket refuses settings that it does not know or cannot read, with all others of the user data: the node does not join.';

/** Bottlerocket's spelling of the parallel pull. Its lazy modes have no settings. */
export function lintBottlerocket(document: TomlDocument): Finding[] {
  const own = document.entries.filter(({ path }) => samePath(path.slice(0, 3), PLUGIN));
  return [
    ...own.flatMap((entry) => lintSetting(document, entry)),
    ...perImage(document),
    ...notUsed(document, own),
  ];
}

function lintSetting(document: TomlDocument, entry: TomlEntry): Finding[] {
  const name = entry.path.slice(3).join('.');
  const kind = SETTINGS[name];
  if (kind === undefined) return [unknownSetting(document, entry, name)];
  const { content } = entry;
  const isFine =
    content.kind === 'unknown' ||
    content.kind === kind ||
    (kind === 'mode' && content.kind === 'string' && content.value === 'parallel-pull-unpack') ||
    (kind === 'size' && isSize(content.value));
  if (isFine) return [];
  const meant = meantValue(kind, String(content.value ?? ''));
  return [
    {
      rule: 'bottlerocket-value',
      severity: 'error',
      at: entry.value,
      message: `${entry.path.at(-1) ?? ''} takes ${EXPECTED[kind]}, not ${document.text.slice(entry.value.start, entry.value.end)}.`,
      reason: REFUSED,
      ...(meant !== undefined && { fix: { title: `Write ${meant}`, edits: [replace(entry.value, meant)] } }),
    },
  ];
}

const EXPECTED = {
  integer: 'a whole number',
  boolean: 'true or false',
  size: 'a number of bytes, a size such as "16mb" or "16mib" without a blank, or "unlimited"',
  mode: '"parallel-pull-unpack"',
} as const;

function meantValue(kind: keyof typeof EXPECTED, written: string): string | undefined {
  if (kind === 'mode') return '"parallel-pull-unpack"';
  if (kind === 'integer') return /^-?\d+$/.test(written) ? written : undefined;
  if (kind === 'boolean') return /^(?:true|false)$/.test(written) ? written : undefined;
  const joined = written.replaceAll(' ', '');
  return isSize(joined) ? JSON.stringify(joined) : undefined;
}

function isSize(value: unknown): boolean {
  if (typeof value === 'number') return Number.isInteger(value) && value >= 0;
  return (
    typeof value === 'string' &&
    /^(?:unlimited|\d*\.?\d+(?:[kmgt]?i?b)?)$/i.test(value) &&
    !/^\d*\.\d+$/.test(value)
  );
}

function unknownSetting(document: TomlDocument, entry: TomlEntry, name: string): Finding {
  const leaf = entry.path.at(-1) ?? '';
  const kebab = leaf.replaceAll('_', '-');
  const path = Object.keys(SETTINGS).find((known) => known.split('.').at(-1) === kebab);
  const isMisspelled = path === [...name.split('.').slice(0, -1), kebab].join('.');
  const written = document.text.slice(entry.value.start, entry.value.end);
  return {
    rule: 'bottlerocket-key',
    severity: 'error',
    at: entry.key,
    message:
      path === undefined
        ? `Bottlerocket has no setting ${leaf} for the snapshotter.`
        : isMisspelled
          ? `Bottlerocket writes ${kebab}, with hyphens.`
          : `${kebab} belongs to ${path.includes('.') ? '[…soci-snapshotter.parallel-pull-unpack]' : '[…soci-snapshotter]'}.`,
    reason: REFUSED,
    fix:
      path === undefined
        ? { title: `Remove ${leaf}`, edits: [removeEntry(document, entry)] }
        : isMisspelled
          ? {
              title: `Rename ${leaf} to ${kebab}`,
              edits: [replace({ start: entry.key.end - leaf.length, end: entry.key.end }, kebab)],
            }
          : {
              title: `Move ${leaf} to its table`,
              edits: [
                removeEntry(document, entry),
                setKey(document, [...PLUGIN, ...path.split('.')], written),
              ].sort((a, b) => a.start - b.start),
            },
  };
}

function perImage(document: TomlDocument): Finding[] {
  return ['downloads', 'unpacks'].flatMap((what): Finding[] => {
    const at = (name: string) => document.entries.find(({ path }) => samePath(path, [...PARALLEL, name]));
    const global = at(`max-concurrent-${what}`);
    const one = at(`max-concurrent-${what}-per-image`);
    if (global?.content.kind !== 'integer' || one?.content.kind !== 'integer') return [];
    if (global.content.value <= 0 || one.content.value <= global.content.value) return [];
    return [
      {
        rule: 'per-image-above-global',
        severity: 'error',
        at: one.value,
        message: `One image may do ${one.content.value} ${what} at once, but the whole node only ${global.content.value}.`,
        reason: 'The snapshotter does not start with such limits.',
        fix: {
          title: `Allow one image ${global.content.value}`,
          edits: [replace(one.value, String(global.content.value))],
        },
      },
    ];
  });
}

/** Settings of a snapshotter that is not the one in use. */
function notUsed(document: TomlDocument, own: readonly TomlEntry[]): Finding[] {
  const [first] = own;
  const chosen = document.entries.find(({ path }) =>
    samePath(path, ['settings', 'container-runtime', 'snapshotter']),
  );
  if (!first || chosen?.content.kind === 'unknown') return [];
  if (chosen?.content.kind === 'string' && chosen.content.value === 'soci') return [];
  return [
    {
      rule: 'parallel-off',
      severity: 'warning',
      at: chosen?.value ?? first.key,
      message: 'The node does not use the snapshotter that is set up here.',
      reason: '[settings.container-runtime] snapshotter is "overlayfs" unless it is set.',
      fix: {
        title: 'Set snapshotter = "soci"',
        edits: [setKey(document, ['settings', 'container-runtime', 'snapshotter'], '"soci"')],
      },
    },
  ];
}
