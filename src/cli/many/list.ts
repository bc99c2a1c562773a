import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { LensError, messageOf } from '../../errors';
import {
  formatRegistryName,
  parseDestination,
  parseReference,
  type RegistryName,
} from '../../image/reference';
import { isMarkTag } from '../../soci/mark';
import { typed, UsageError } from '../command';

/** One image of the list and where its index goes. */
export interface Task {
  readonly source: RegistryName;
  readonly destination: RegistryName;
  /** Names both, for people and journals: `SOURCE` or `SOURCE -> DESTINATION`. */
  readonly name: string;
}

/** Asks registries what they have. */
export interface Catalogue {
  repositories(host: string): Promise<readonly string[]>;
  tags(name: RegistryName): Promise<readonly string[]>;
}

/** Tags that stand for an image's digest: fallback tags of the Referrers API, signatures, attestations. */
const DIGEST_TAG = /^sha256-[0-9a-f]{64}/;

/**
 * The images to index: the lines of a file, or what a registry has under `docker://HOST/PREFIX/*` (every tag of every
 * repository below) or `docker://HOST/NAME:*` (every tag). Each pair of source and destination comes once. Tags that were
 * made by indexing are no images to index.
 *
 * @param output the pattern of the destinations; without one, an image's indexes go where it is
 * @throws UsageError for a list or pattern that is not understood
 */
export async function readTasks(
  list: string,
  output: string | undefined,
  catalogue: Catalogue,
): Promise<Task[]> {
  const sources = list.endsWith('*') ? await expand(list, catalogue) : await readLines(list);
  const tasks = new Map<string, Task>();
  for (const source of sources) {
    const destination = destinationOf(source, output);
    const [from, to] = [formatRegistryName(source), formatRegistryName(destination)];
    const name = output === undefined ? from : `${from} -> ${to}`;
    tasks.set(name, { source, destination, name });
  }
  if (output === undefined) return [...tasks.values()];
  const made = new Set([...tasks.values()].map(({ destination }) => formatRegistryName(destination)));
  // What an earlier run pushed beside its source is in the catalogue too.
  return [...tasks.values()].filter(
    ({ source }) => !list.endsWith('*') || !made.has(formatRegistryName(source)),
  );
}

async function readLines(file: string): Promise<RegistryName[]> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    throw new LensError(
      'cli/no-list',
      `The list ${file} cannot be read: ${messageOf(error)}.`,
      'Name a file with one image per line, or docker://HOST/REPOSITORY/*.',
      { cause: error },
    );
  }
  return text.split('\n').flatMap((line, index) => {
    const name = line.replace(/(^|\s)#.*$/, '').trim();
    return name === '' ? [] : [registryName(name, `${file}:${index + 1}`)];
  });
}

function registryName(text: string, place: string): RegistryName {
  try {
    const reference = parseReference(text.startsWith('docker://') ? text : `docker://${text}`);
    if (reference.transport === 'docker') return reference.registry;
  } catch (error) {
    throw new UsageError(`${place}: ${messageOf(error)}`);
  }
  throw new UsageError(`${place}: ${text} is no image of a registry.`);
}

async function expand(pattern: string, catalogue: Catalogue): Promise<RegistryName[]> {
  const [, below] = /^docker:\/\/(.+)\/\*$/.exec(pattern) ?? [];
  const [, one] = /^docker:\/\/(.+):\*$/.exec(pattern) ?? [];
  if (one !== undefined) return tagsOf(registryName(one, '--from-list'), catalogue);
  if (below === undefined)
    throw new UsageError(
      `--from-list takes a file, docker://HOST/PREFIX/* or docker://HOST/NAME:*, not ${pattern}.`,
    );
  const slash = below.indexOf('/');
  const host = slash < 0 ? below : below.slice(0, slash);
  const prefix = slash < 0 ? '' : `${below.slice(slash + 1)}/`;
  const names: RegistryName[] = [];
  for (const repository of await catalogue.repositories(host)) {
    if (!repository.startsWith(prefix)) continue;
    names.push(...(await tagsOf(registryName(`${host}/${repository}`, '--from-list'), catalogue)));
  }
  return names;
}

async function tagsOf(name: RegistryName, catalogue: Catalogue): Promise<RegistryName[]> {
  const tags = await catalogue.tags(name);
  return tags
    .filter((tag) => !isMarkTag(tag) && !DIGEST_TAG.test(tag))
    .map((tag) => ({ ...name, tag, digest: undefined }));
}

const DIGEST_LENGTH = 12;

function destinationOf(source: RegistryName, output: string | undefined): RegistryName {
  if (output === undefined) return { ...source, tag: tagOf(source), digest: undefined };
  const values: Readonly<Record<string, string>> = {
    host: source.host,
    repository: source.repository,
    tag: tagOf(source),
  };
  const filled = output.replace(/\{(\w+)\}/g, (whole, key: string) => values[key] ?? whole);
  const destination = typed(() => parseDestination(filled));
  if (destination.transport === 'docker') return destination.registry;
  throw new UsageError('--from-list writes to a registry: --output docker://{host}/{repository}:{tag}-soci.');
}

/** An image that is named by its digest alone has no tag to be called after. */
function tagOf({ tag, digest }: RegistryName): string {
  return digest === undefined
    ? (tag ?? 'latest')
    : digest.slice('sha256:'.length, 'sha256:'.length + DIGEST_LENGTH);
}

/** Which part of a list this run does: `index` from 0 on, of `count`. */
export interface Shard {
  readonly index: number;
  readonly count: number;
}

/**
 * Reads `--shard`: `I/N`, or `N` alone where Kubernetes gives each pod of an Indexed Job its number.
 *
 * @throws UsageError
 */
export function parseShard(text: string, env: NodeJS.ProcessEnv): Shard {
  const [, own, total] = /^(?:(\d{1,6})\/)?(\d{1,6})$/.exec(text) ?? [];
  const given = own ?? env['JOB_COMPLETION_INDEX'];
  if (total !== undefined && given === undefined)
    throw new UsageError(
      `--shard ${text} needs JOB_COMPLETION_INDEX; outside of a Job write --shard I/${text}.`,
    );
  const shard = { index: Number(given), count: Number(total) };
  if (Number.isInteger(shard.index) && shard.index >= 0 && shard.index < shard.count) return shard;
  throw new UsageError(`--shard takes I/N with I from 0 to N-1, or N, not "${text}".`);
}

/** True for the tasks of a shard. It depends on the task alone, so shards agree also when their lists differ a little. */
export function isInShard({ name }: Pick<Task, 'name'>, { index, count }: Shard): boolean {
  return createHash('sha256').update(name).digest().readUInt32BE() % count === index;
}

/** True when one of the patterns matches the whole of a name; `*` stands for anything. */
export function matches(name: string, patterns: readonly string[]): boolean {
  return patterns.some((pattern) => {
    const parts = pattern.split('*').map((part) => part.replace(/[\\^$.+?()[\]{}|]/g, '\\$&'));
    return new RegExp(`^${parts.join('.*')}$`).test(name);
  });
}
