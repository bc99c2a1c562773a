import { LensError } from '../errors';
import { ConfigView } from './config-view';
import { applyEdits, type Edit } from './edits';
import { findConfigs, type Region } from './embedded';
import type { Finding } from './findings';
import { lintBottlerocket } from './lint-bottlerocket';
import { lintGeneral } from './lint-general';
import { lintKeys } from './lint-keys';
import { lintLazy, type LintImage } from './lint-lazy';
import { lintParallel } from './lint-parallel';
import { isAtLeast, LATEST_RELEASE, parseRelease, type Release } from './releases';
import { tomlSettings } from './settings';
import { readToml, type TomlDocument } from './toml';

export interface LintOptions {
  /** Of the snapshotter; what the file itself says in a comment, else the newest that we know. */
  readonly release?: Release | undefined;
  /** The image that is to run with it. */
  readonly image?: LintImage | undefined;
  /** Where containerd listens on the node. */
  readonly containerdSocket?: string | undefined;
}

export interface LintReport {
  /** How many configs the file holds. */
  readonly configs: number;
  /** In the order of the file. */
  readonly findings: readonly Finding[];
}

/** UTF-16 units. A config has a few hundred; what is larger is something else. */
const LIMIT = 8 * 1024 * 1024;

/**
 * What is wrong with the configs of the snapshotter in a file: a `config.toml`, user data of Bottlerocket, or YAML and scripts
 * that hold one of them.
 *
 * @param name of the file; decides by its ending what the text is
 * @throws LensError `cluster/too-large`
 */
export function lintFile(text: string, name: string, options: LintOptions = {}): LintReport {
  if (text.length > LIMIT) {
    throw new LensError(
      'cluster/too-large',
      `${name} has ${Math.round(text.length / 1024 / 1024)} MiB, which no config has.`,
      'Give the file with the config alone.',
    );
  }
  const regions = findConfigs(text, name);
  const findings = regions.flatMap((region) => lintRegion(region, options));
  return { configs: regions.length, findings: findings.sort((a, b) => a.at.start - b.at.start) };
}

function lintRegion(region: Region, options: LintOptions): Finding[] {
  const found = region.settings ? lintBottlerocket(region.settings) : lintToml(region, options);
  return found.map(({ fix, ...finding }) => {
    const edits = fix && region.toFileEdits(fix.edits);
    return {
      ...finding,
      at: region.toFile(finding.at),
      ...(fix && edits && { fix: { title: fix.title, edits } }),
    };
  });
}

function lintToml(region: Region, options: LintOptions): Finding[] {
  const document = readToml(region.text, region.masked, region.unknown);
  if ('at' in document) return syntaxFault(region, document.message, document.at);
  return region.dialect === 'bottlerocket'
    ? lintBottlerocket(tomlSettings(document))
    : lintDocument(document, options);
}

/** What is wrong with one `config.toml`; positions from its start. */
export function lintDocument(document: TomlDocument, options: LintOptions): Finding[] {
  const release = options.release ?? releaseIn(document.text) ?? LATEST_RELEASE;
  const view = new ConfigView(document, release);
  return [
    ...(isAtLeast(release, '0.10') ? byteOrderMark(document.text) : []),
    ...lintKeys(document, release),
    ...lintParallel(view),
    ...lintLazy(view, options.image),
    ...lintGeneral(view, options.containerdSocket),
  ];
}

/** `# … soci-snapshotter 0.13 …` in a comment: the release that a file was written for. */
export function releaseIn(text: string): Release | undefined {
  const [, version = ''] = /^[ \t]*#.*soci-snapshotter (v?0\.\d+(?:\.\d+)?)/m.exec(text) ?? [];
  return parseRelease(version);
}

function syntaxFault({ text, unknown }: Region, message: string, noticed: number): Finding[] {
  // What a line leaves open is noticed on the next one.
  const before = text.slice(0, noticed).trimEnd();
  const leavesOpen = /(?:=|^[ \t]*\[[^\]\n]*)$/m.test(before.slice(before.lastIndexOf('\n') + 1));
  const at = leavesOpen && text.slice(before.length, noticed).includes('\n') ? before.length : noticed;
  const start = text.lastIndexOf('\n', at - 1) + 1;
  const newline = text.indexOf('\n', at);
  const end = newline === -1 ? text.length : newline;
  // What a template makes of its line is not known.
  if (unknown.some((template) => template.start < end && start < template.end)) return [];
  const isTwice = /duplicat|already|redefin/i.test(message);
  return [
    {
      rule: 'toml-syntax',
      severity: 'error',
      at: { start: at, end: Math.max(end, Math.min(at + 1, text.length)) },
      message: `This is not TOML: ${message.replace(/\.$/, '')}.`,
      reason: isTwice
        ? 'A key or table may stand only once. The snapshotter refuses the file and does not start.'
        : 'The snapshotter refuses the file and does not start.',
    },
  ];
}

/** go-toml since release 0.10 reads the mark as the first letter of a key. */
function byteOrderMark(text: string): Finding[] {
  if (!text.startsWith('\uFEFF')) return [];
  return [
    {
      rule: 'byte-order-mark',
      severity: 'error',
      at: { start: 0, end: 1 },
      message: 'The file begins with a byte order mark.',
      reason: 'Since release 0.10 the snapshotter refuses the file: "invalid character at start of key".',
      fix: { title: 'Remove the mark', edits: [{ start: 0, end: 1, text: '' }] },
    },
  ];
}

/** More rounds than a config has keys would be a fix that never ends. */
const MAX_ROUNDS = 200;

/**
 * Makes every finding that has a fix go away, one after the other, since a fix can make another one void.
 *
 * @returns the text, and how many fixes it took
 */
export function fixAll(
  text: string,
  name: string,
  options: LintOptions = {},
): { text: string; fixes: number } {
  let fixed = text;
  for (let fixes = 0; fixes < MAX_ROUNDS; fixes++) {
    const edits: readonly Edit[] | undefined = lintFile(fixed, name, options).findings.find(({ fix }) => fix)
      ?.fix?.edits;
    if (!edits) return { text: fixed, fixes };
    fixed = applyEdits(fixed, edits);
  }
  return { text: fixed, fixes: MAX_ROUNDS };
}
