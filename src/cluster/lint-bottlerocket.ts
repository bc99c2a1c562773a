import { replace, samePath } from './edits';
import type { Finding } from './findings';
import type { Settings, SettingsEntry } from './settings';

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
export function lintBottlerocket(settings: Settings): Finding[] {
  const own = settings.entries.filter(({ path }) => samePath(path.slice(0, 3), PLUGIN));
  return [
    ...own.flatMap((entry) => lintSetting(settings, entry)),
    ...perImage(settings),
    ...notUsed(settings, own),
  ];
}

function lintSetting(settings: Settings, entry: SettingsEntry): Finding[] {
  const name = entry.path.slice(3).join('.');
  const kind = SETTINGS[name];
  if (kind === undefined) return [unknownSetting(settings, entry, name)];
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
      message: `${entry.path.at(-1) ?? ''} takes ${EXPECTED[kind]}, not ${settings.text.slice(entry.value.start, entry.value.end)}.`,
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

function unknownSetting(settings: Settings, entry: SettingsEntry, name: string): Finding {
  const leaf = entry.path.at(-1) ?? '';
  const kebab = leaf.replaceAll('_', '-');
  const path = Object.keys(SETTINGS).find((known) => known.split('.').at(-1) === kebab);
  const isMisspelled = path === [...name.split('.').slice(0, -1), kebab].join('.');
  const written = settings.text.slice(entry.value.start, entry.value.end);
  const change =
    path === undefined
      ? { title: `Remove ${leaf}`, edits: [entry.remove()] }
      : isMisspelled
        ? {
            title: `Rename ${leaf} to ${kebab}`,
            edits: [replace({ start: entry.key.end - leaf.length, end: entry.key.end }, kebab)],
          }
        : {
            title: `Move ${leaf} to its table`,
            edits: [entry.remove(), settings.set([...PLUGIN, ...path.split('.')], written)],
          };
  const edits = change.edits.filter((edit) => edit !== undefined);
  return {
    rule: 'bottlerocket-key',
    severity: 'error',
    at: entry.key,
    message:
      path === undefined
        ? `Bottlerocket has no setting ${leaf} for the snapshotter.`
        : isMisspelled
          ? `Bottlerocket writes ${kebab}, with hyphens.`
          : `${kebab} belongs to ${path.includes('.') ? '…soci-snapshotter.parallel-pull-unpack' : '…soci-snapshotter'}.`,
    reason: REFUSED,
    // Half of a move would lose the setting.
    ...(edits.length === change.edits.length && {
      fix: { title: change.title, edits: edits.sort((one, other) => one.start - other.start) },
    }),
  };
}

function perImage({ entries }: Settings): Finding[] {
  return ['downloads', 'unpacks'].flatMap((what): Finding[] => {
    const at = (name: string) => entries.find(({ path }) => samePath(path, [...PARALLEL, name]));
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
function notUsed({ entries, set }: Settings, own: readonly SettingsEntry[]): Finding[] {
  const [first] = own;
  const chosen = entries.find(({ path }) => samePath(path, ['settings', 'container-runtime', 'snapshotter']));
  if (!first || chosen?.content.kind === 'unknown') return [];
  if (chosen?.content.kind === 'string' && chosen.content.value === 'soci') return [];
  const edit = set(['settings', 'container-runtime', 'snapshotter'], '"soci"');
  return [
    {
      rule: 'parallel-off',
      severity: 'warning',
      at: chosen?.value ?? first.key,
      message: 'The node does not use the snapshotter that is set up here.',
      reason: 'settings.container-runtime.snapshotter is "overlayfs" unless it is set.',
      ...(edit && { fix: { title: 'Set snapshotter to "soci"', edits: [edit] } }),
    },
  ];
}
