import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { isAbort, LensError, messageOf } from '../../errors';
import { formatRegistryName, type RegistryName } from '../../image/reference';
import { formatPlatform } from '../../oci/platform';
import { formatCount, formatMany, formatSeconds } from '../../plan/format';
import type { RegistryClient } from '../../registry/client';
import { rateLimit } from '../../registry/rate';
import { mapConcurrently } from '../../soci/concurrent';
import { isMarked, markOf, putMark, type Mark } from '../../soci/mark';
import { EXIT, type ExitCode, parseCount, required, UsageError } from '../command';
import { type IndexSettings, makeIndex } from '../indexing';
import { withRegistry } from '../push';
import type { RegistryFlagValues } from '../registry-flags';
import type { Session } from '../session';
import { isInShard, matches, parseShard, readTasks, type Task } from './list';
import { type Journal, openJournal } from './journal';

/** The flags that many images have and one has not. */
export const MANY_FLAGS = {
  'from-list': {
    type: 'string',
    value: 'LIST',
    help: 'Index many images: a file with one per line, docker://HOST/PREFIX/* or docker://HOST/NAME:*.',
  },
  shard: {
    type: 'string',
    value: 'I/N',
    help: 'Do part I of N, from 0 on; N alone takes I from JOB_COMPLETION_INDEX.',
  },
  filter: {
    type: 'string',
    multiple: true,
    value: 'PATTERN',
    help: 'Only images of the list that match; * is anything.',
  },
  resume: { type: 'string', value: 'FILE', help: 'Keep what is done in a journal, and pass that over.' },
  concurrency: { type: 'string', value: 'N', help: 'Images under way at once (4).' },
  rate: {
    type: 'string',
    value: 'N',
    help: 'Requests per second to one registry, by all shards together (50).',
  },
} as const;

/** Those that mean nothing for one image. */
export const MANY_ONLY = ['shard', 'filter', 'resume', 'concurrency', 'rate'] as const;

export interface ManyFlags extends RegistryFlagValues {
  readonly 'from-list': string;
  readonly output?: string | undefined;
  readonly trace?: readonly string[] | undefined;
  readonly shard?: string | undefined;
  readonly filter?: readonly string[] | undefined;
  readonly resume?: string | undefined;
  readonly concurrency?: string | undefined;
  readonly rate?: string | undefined;
  readonly force?: boolean | undefined;
  readonly json?: boolean | undefined;
}

type Outcome = 'indexed' | 'skipped' | LensError;

const DEFAULT_CONCURRENCY = 4;
const DEFAULT_RATE = 50;

/**
 * Indexes the images of a list, or one shard of it. What is indexed with the same settings is passed over by one HEAD, so
 * that any run may be cut off and begun again. An image that fails does not keep the others from being indexed: it stands
 * in the summary, and the exit code is 1.
 */
export async function indexMany(
  session: Session,
  flags: ManyFlags,
  settings: IndexSettings,
): Promise<ExitCode> {
  if (flags.trace !== undefined) throw new UsageError('--trace is of one image; --from-list has many.');
  if (settings.format === 'v1' && flags.output !== undefined)
    throw new UsageError('--format v1 puts indexes where the images are: leave --output away.');
  const output = settings.format === 'v1' ? undefined : required(flags.output, 'output');
  const shard = flags.shard === undefined ? undefined : parseShard(flags.shard, process.env);
  const concurrency =
    flags.concurrency === undefined ? DEFAULT_CONCURRENCY : parseCount(flags.concurrency, 'concurrency');
  const rate = flags.rate === undefined ? DEFAULT_RATE : parseCount(flags.rate, 'rate');
  // The registry sees all shards at once: each takes its part.
  session.limit = rateLimit(rate / (shard?.count ?? 1));

  const { terminal, signal } = session;
  const started = performance.now();
  const all = await readTasks(flags['from-list'], output, {
    repositories: (host) =>
      withRegistry(
        session,
        { host, repository: 'catalog', tag: undefined, digest: undefined },
        flags,
        (client) => client.repositories(signal),
      ),
    tags: (name) => withRegistry(session, name, flags, (client) => client.tags(signal)),
  });
  const wanted = all.filter(
    ({ source, name }) =>
      (flags.filter === undefined || matches(formatRegistryName(source), flags.filter)) &&
      (shard === undefined || isInShard({ name }, shard)),
  );
  const options = describeSettings(settings);
  const journal =
    flags.resume === undefined ? undefined : await openJournal(flags.resume, fingerprint(options));
  const outcomes = new Map<Task, Outcome>();
  await mapConcurrently(
    wanted,
    concurrency,
    async (task, _, each) => {
      const outcome = await attempt(
        () => indexTask(session, task, { settings, options, flags, journal }),
        each,
      );
      outcomes.set(task, outcome);
      const said = outcome instanceof LensError ? `failed: ${outcome.message} ${outcome.advice}` : outcome;
      terminal.info(`${task.name}: ${said}`);
      terminal.progress({ step: 'Indexing images', done: outcomes.size, total: wanted.length });
    },
    signal,
  );
  const seconds = (performance.now() - started) / 1000;
  const result = summary(all.length, outcomes, seconds);
  const document = { version: 1 as const, shard: shard ?? null, ...result };
  if (flags.json) terminal.json(document);
  else terminal.result(describe(result));
  return result.failed.length === 0 ? EXIT.done : EXIT.failed;
}

/** How often an image is tried, and how long after a failure, in milliseconds: twice as long each time. */
const TRIES = { most: 3, pause: 500 };
/** What another try does not change. */
const FINAL = /^registry\/(?:unauthorized|denied|not-found|tls|absent|proxy|immutable-tag)$/;

/**
 * What a damaged image or a registry does to one image must not end the others; an abort ends all. Registries that keep
 * files refuse now and then what depends on a blob that another shard is bringing at that very moment: a moment later they
 * have it.
 */
async function attempt(work: () => Promise<Outcome>, signal: AbortSignal): Promise<Outcome> {
  for (let tried = 1; ; tried++) {
    try {
      return await work();
    } catch (error) {
      if (signal.aborted || isAbort(error) || !(error instanceof LensError)) throw error;
      if (tried === TRIES.most || !error.code.startsWith('registry/') || FINAL.test(error.code)) return error;
      await sleep(TRIES.pause * 2 ** tried * (0.5 + Math.random()), undefined, { signal });
    }
  }
}

interface Circumstances {
  readonly settings: IndexSettings;
  readonly options: Readonly<Record<string, string>>;
  readonly flags: ManyFlags;
  readonly journal: Journal | undefined;
}

async function indexTask(
  session: Session,
  task: Task,
  { settings, options, flags, journal }: Circumstances,
): Promise<Outcome> {
  const { source, destination, name } = task;
  if (!flags.force && journal?.has(name)) return 'skipped';
  const digest = source.digest ?? (await digestOf(session, source, flags));
  const mark = markOf(destination.tag ?? 'latest', { source: digest, options });
  const inDestination = <T>(work: (client: RegistryClient) => Promise<T>) =>
    withRegistry(session, destination, flags, work);
  const isDone = !flags.force && (await inDestination((client) => isMarked(client, mark, session.signal)));
  if (!isDone) await indexAndMark(session, { task, digest, mark, settings, options, flags }, inDestination);
  await journal?.add(name);
  return isDone ? 'skipped' : 'indexed';
}

async function indexAndMark(
  session: Session,
  what: {
    readonly task: Task;
    readonly digest: string;
    readonly mark: Mark;
    readonly settings: IndexSettings;
    readonly options: Readonly<Record<string, string>>;
    readonly flags: ManyFlags;
  },
  inDestination: <T>(work: (client: RegistryClient) => Promise<T>) => Promise<T>,
): Promise<void> {
  const { task, digest, mark, settings, options, flags } = what;
  // By digest, so that what is indexed is what the mark will say, whatever becomes of the tag meanwhile.
  const reference = `docker://${formatRegistryName({ ...task.source, digest })}`;
  const destination = { transport: 'docker' as const, registry: task.destination };
  const debug = (text: string): void => {
    session.terminal.debug(`${task.name}: ${text}`);
  };
  const result = await makeIndex(session, { reference, note: undefined }, destination, settings, flags, {
    onProgress: ({ step }) => {
      debug(step);
    },
    onNote: debug,
  });
  // An image that was replaced by its indexed self is found as that by the next run.
  const isReplaced =
    settings.format === 'v2' && formatRegistryName(task.source) === formatRegistryName(task.destination);
  const done = isReplaced
    ? markOf(task.destination.tag ?? 'latest', { source: result.index.digest, options })
    : mark;
  await inDestination((client) => putMark(client, done, session.signal));
}

async function digestOf(session: Session, source: RegistryName, flags: ManyFlags): Promise<string> {
  return withRegistry(session, source, flags, async (client) => {
    const tag = source.tag ?? 'latest';
    // The long way says why there is none.
    const found =
      (await client.headManifest(tag, session.signal)) ??
      (await client.getManifest(tag, session.signal)).descriptor;
    return found.digest;
  });
}

/** What the bytes of an index depend on, for its mark. */
function describeSettings(settings: IndexSettings): Record<string, string> {
  const { format, spanSize, minLayerSize, platforms, prefetchFiles, optimizations } = settings;
  return {
    format,
    spanSize: String(spanSize),
    minLayerSize: String(minLayerSize),
    platforms:
      typeof platforms === 'object'
        ? platforms.map(formatPlatform).sort().join(',')
        : (platforms ?? 'default'),
    ...(prefetchFiles.length > 0 && { prefetchFiles: prefetchFiles.join('\n') }),
    ...(optimizations.length > 0 && { optimizations: optimizations.join(',') }),
  };
}

function fingerprint(options: Readonly<Record<string, string>>): string {
  return createHash('sha256').update(JSON.stringify(options)).digest('hex').slice(0, 16);
}

interface Summary {
  /** Images of the whole list, and those of this run after filter and shard. */
  readonly listed: number;
  readonly images: number;
  readonly indexed: number;
  readonly skipped: number;
  readonly failed: readonly { readonly image: string; readonly code: string; readonly message: string }[];
  readonly seconds: number;
}

function summary(listed: number, outcomes: ReadonlyMap<Task, Outcome>, seconds: number): Summary {
  const count = (wanted: Outcome) => [...outcomes.values()].filter((outcome) => outcome === wanted).length;
  return {
    listed,
    images: outcomes.size,
    indexed: count('indexed'),
    skipped: count('skipped'),
    failed: [...outcomes].flatMap(([{ name }, outcome]) =>
      outcome instanceof LensError ? [{ image: name, code: outcome.code, message: messageOf(outcome) }] : [],
    ),
    seconds,
  };
}

function describe({ listed, images, indexed, skipped, failed, seconds }: Summary): string {
  const share = images === listed ? '' : ` of ${formatCount(listed)} in the list`;
  return [
    ...failed.map(({ image, message }) => `failed  ${image}: ${message}`),
    `${formatMany(images, 'image')}${share} in ${formatSeconds(seconds)}: ${formatCount(indexed)} indexed, ${formatCount(skipped)} were already, ${formatCount(failed.length)} failed.`,
  ].join('\n');
}
