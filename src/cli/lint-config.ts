import { readFile } from 'node:fs/promises';
import { text as readStream } from 'node:stream/consumers';
import { readImageFacts, type ImageFacts } from '../cluster/image-facts';
import { fixAll, lintFile } from '../cluster/lint';
import { describeFindings, lintJson, lintSarif, type FileReport } from '../cluster/lint-report';
import { parseRelease, RELEASES, type Release } from '../cluster/releases';
import { LensError, messageOf } from '../errors';
import { parsePlatform } from '../oci/platform';
import { defineCommand, EXIT, typed, UsageError } from './command';
import { writeResult } from './output';
import { withStore } from './push';
import { REGISTRY_FLAGS, type RegistryFlagValues } from './registry-flags';
import type { Session } from './session';

const FORMATS: Readonly<Record<string, (report: FileReport) => string>> = {
  text: describeFindings,
  json: (report) => JSON.stringify(lintJson(report), null, 2),
  sarif: lintSarif,
};

/** What a config is for: flags of the verbs that make and judge one. */
export const NODE_FLAGS = {
  'soci-version': {
    type: 'string',
    value: 'VERSION',
    help: `The snapshotter on the node: ${RELEASES[0]} to ${RELEASES.at(-1) ?? ''}.`,
  },
  image: { type: 'string', value: 'IMAGE', help: 'The image that matters most there: docker://… or oci:….' },
  platform: { type: 'string', value: 'OS/ARCH', help: 'Which image of several (linux/amd64).' },
  'containerd-socket': {
    type: 'string',
    value: 'PATH',
    help: 'Where containerd listens, when it is not /run/containerd/containerd.sock.',
  },
} as const;

export interface NodeFlagValues extends RegistryFlagValues {
  readonly 'soci-version': string | undefined;
  readonly image: string | undefined;
  readonly platform: string | undefined;
}

export const lintConfigCommand = defineCommand({
  name: 'lint-config',
  summary: "Finds what is wrong in a snapshotter's config.toml, also inside YAML, scripts and user data.",
  usage: 'lint-config FILE [flags]',
  positionals: 1,
  flags: {
    ...NODE_FLAGS,
    format: { type: 'string', value: 'FORMAT', help: `${Object.keys(FORMATS).join(', ')} (text).` },
    fix: { type: 'boolean', help: 'Make every fix there is, and write the file.' },
    ...REGISTRY_FLAGS,
  },
  async run(session, { flags, positionals: [file = ''] }) {
    const name = flags.json ? 'json' : (flags.format ?? 'text');
    const format = Object.hasOwn(FORMATS, name) ? FORMATS[name] : undefined;
    if (!format) throw new UsageError(`--format takes ${Object.keys(FORMATS).join(', ')}, not "${name}".`);
    const release = readRelease(flags['soci-version']);
    const options = {
      release,
      containerdSocket: flags['containerd-socket'],
      image: await readImage(session, flags),
    };
    let text = await readText(file, session.signal);
    if (flags.fix) {
      const fixed = fixAll(text, file, options);
      if (fixed.fixes > 0) await writeResult(file, fixed.text, session.signal);
      session.terminal.info(`${fixed.fixes} ${fixed.fixes === 1 ? 'fix' : 'fixes'} made in ${file}.`);
      text = fixed.text;
    }
    const report = lintFile(text, file, options);
    if (report.configs === 0) throw noConfig(file);
    session.terminal.result(format({ file, text, ...report }).trimEnd());
    const isFine = report.findings.every(({ severity }) => severity === 'note');
    return isFine ? EXIT.done : EXIT.notHeld;
  },
});

/** A release by its version; not given is `undefined`. */
export function readRelease(version: string | undefined): Release | undefined {
  if (version === undefined) return undefined;
  const release = parseRelease(version);
  if (release) return release;
  throw new UsageError(`--soci-version takes ${RELEASES.join(', ')} or a patch of one, not "${version}".`);
}

/** The image that a config is to fit, where one was named. */
export async function readImage(session: Session, flags: NodeFlagValues): Promise<ImageFacts | undefined> {
  const { image } = flags;
  if (image === undefined) return undefined;
  const platform = typed(() => parsePlatform(flags.platform ?? 'linux/amd64'));
  return withStore(session, image, flags, (store, tag) =>
    readImageFacts(store, image, { tag, platform, signal: session.signal }),
  );
}

/**
 * The text of a file; `-` is stdin.
 *
 * @throws LensError `cli/cannot-read`
 */
export async function readText(file: string, signal: AbortSignal): Promise<string> {
  try {
    return file === '-'
      ? await readStream(process.stdin)
      : await readFile(file, { encoding: 'utf8', signal });
  } catch (error) {
    signal.throwIfAborted();
    throw new LensError(
      'cli/cannot-read',
      `${file} cannot be read: ${messageOf(error)}.`,
      'Name a file that exists and may be read.',
      { cause: error },
    );
  }
}

function noConfig(file: string): LensError {
  return new LensError(
    'cluster/no-config',
    `${file} holds no config of the snapshotter.`,
    'Name a config.toml, or YAML, a script or user data that holds one; the config of containerd is another file.',
  );
}
