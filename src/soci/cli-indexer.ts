import { spawn } from 'node:child_process';
import { access, constants, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { isAbort, LensError, messageOf } from '../errors';
import { formatPlatform } from '../oci/platform';
import type { Platform } from '../oci/types';

/** The `soci` program as found. */
export interface SociCli {
  readonly file: string;
  readonly version: SociVersion;
}

export type SociVersion = readonly [major: number, minor: number, patch: number];

/** What the program is asked to do; what is left out is left to its own defaults. */
export interface SociRequest {
  /** v2 makes an image with its index, v1 an index for the image. */
  readonly format: 'v1' | 'v2';
  /** An OCI layout or archive with `standalone`, else the name of an image in containerd. */
  readonly source: string;
  /** With v2: a folder for the new layout with `standalone`, else the name of the new image in containerd. */
  readonly destination?: string;
  /** Without containerd and without root; from 0.13 on, and for v2 only. */
  readonly standalone?: boolean;
  /** Bytes. */
  readonly spanSize: number;
  /** Bytes. */
  readonly minLayerSize: number;
  readonly platforms?: readonly Platform[] | 'all' | undefined;
  readonly optimizations?: readonly 'xattr'[] | undefined;
  readonly prefetchFiles?: readonly string[] | undefined;
  /** Makes ztocs anew that are there already. */
  readonly force?: boolean | undefined;
}

/** What the program said about the layers (soci-format §4). */
export interface SociOutput {
  readonly ztocs: readonly { readonly layer: string; readonly ztoc: string; readonly reused: boolean }[];
  readonly prefetch: readonly { readonly layer: string; readonly artifact: string }[];
  readonly skipped: readonly { readonly layer: string; readonly reason: 'small' | 'compression' }[];
  /** Of the files to prefetch, those that no indexed layer has. */
  readonly missingFiles: readonly string[];
}

export interface RunOptions {
  readonly env?: NodeJS.ProcessEnv;
  readonly signal?: AbortSignal | undefined;
  /** Each line that the program prints, as it comes. */
  readonly onLine?: ((line: string) => void) | undefined;
}

/**
 * Finds the soci command line and asks for its version. It is run as who we are: sudo is never used.
 *
 * @param configured its path, where a setting gives one; else it is looked for on PATH
 * @throws LensError `soci/no-cli`, `soci/cli-failed`
 */
export async function findSociCli(configured?: string, options: RunOptions = {}): Promise<SociCli> {
  const { PATH = '' } = options.env ?? process.env;
  const candidates =
    configured === undefined
      ? PATH.split(path.delimiter)
          .filter(Boolean)
          .map((folder) => path.join(folder, EXECUTABLE))
      : [configured];
  for (const file of candidates) {
    if (!(await isExecutable(file))) continue;
    const version = parseSociVersion((await run(file, ['--version'], options)).stdout);
    if (version) return { file, version };
    throw new LensError(
      'soci/cli-failed',
      `${file} does not say which version of soci it is.`,
      'See what "soci --version" prints, or make the index with the built-in indexer.',
    );
  }
  throw new LensError(
    'soci/no-cli',
    configured === undefined ? 'There is no soci program on the PATH.' : `${configured} is no program.`,
    'Install it, name it in sociLens.soci.path, or make the index with the built-in indexer, which needs no program.',
  );
}

const EXECUTABLE = process.platform === 'win32' ? 'soci.exe' : 'soci';

/** `soci version v0.15.0 <commit>` and the like. */
export function parseSociVersion(output: string): SociVersion | undefined {
  const [, major, minor, patch] = /\bv?(\d+)\.(\d+)\.(\d+)/.exec(output) ?? [];
  return major === undefined ? undefined : [Number(major), Number(minor), Number(patch)];
}

/**
 * The arguments that this version understands for what is asked (soci-format §0, §4).
 *
 * @param prefetchList a JSON file that stands for `prefetchFiles`
 * @throws LensError `soci/cli-too-old` for what came later
 */
export function sociArguments(version: SociVersion, request: SociRequest, prefetchList?: string): string[] {
  const { format, standalone = false, platforms, destination } = request;
  const needs = (minor: number, what: string) => {
    if (version[0] > 0 || version[1] >= minor) return;
    throw new LensError(
      'soci/cli-too-old',
      `soci ${version.join('.')} cannot ${what}; that came with 0.${minor}.0.`,
      'Update it, or make the index with the built-in indexer.',
    );
  };
  if (format === 'v2') needs(10, 'convert images');
  if (standalone) needs(13, 'work without containerd');
  if (request.prefetchFiles?.length) needs(13, 'have files fetched before the start');
  const mayForce = version[0] > 0 || version[1] >= 12;
  const flags = [
    '--span-size',
    String(request.spanSize),
    '--min-layer-size',
    String(request.minLayerSize),
    ...(platforms === 'all' ? ['--all-platforms'] : []),
    ...(platforms && platforms !== 'all'
      ? platforms.flatMap((one) => ['--platform', formatPlatform(one)])
      : []),
    ...(request.optimizations ?? []).flatMap((one) => ['--optimizations', one]),
    ...(prefetchList === undefined
      ? (request.prefetchFiles ?? []).flatMap((file) => ['--prefetch-file', file])
      : ['--prefetch-files-json', prefetchList]),
    // Before 0.12 ztocs were always made anew.
    ...(request.force && mayForce ? ['--force'] : []),
  ];
  if (format === 'v1') {
    // 0.10 to 0.15 lose all but the last platform's index in containerd's store (runtime.md §7).
    const store = platforms !== undefined && version[1] >= 10 ? ['--content-store', 'soci'] : [];
    return [...store, 'create', ...flags, request.source];
  }
  if (destination === undefined) throw new RangeError('A converted image needs a destination.');
  const how = standalone ? ['--standalone', '--format', 'oci-dir'] : [];
  return ['convert', ...how, ...flags, request.source, destination];
}

/**
 * Has the program make an index, and reads what it says.
 *
 * @throws LensError `soci/cli-failed` with the program's own words, `soci/cli-too-old`
 */
export async function runSociCli(
  cli: SociCli,
  request: SociRequest,
  options: RunOptions = {},
): Promise<SociOutput> {
  // Its flag library splits a path at its commas.
  const isPlain = !request.prefetchFiles?.some((file) => file.includes(','));
  const list = isPlain ? undefined : await writeList(request.prefetchFiles ?? []);
  const args = sociArguments(cli.version, request, list);
  const { stdout, stderr, code } = await run(cli.file, args, options).finally(
    () => list && rm(path.dirname(list), { recursive: true, force: true }),
  );
  if (code !== 0) throw cliFailed(cli.file, stderr, code);
  return parseSociOutput(`${stdout}\n${stderr}`);
}

/** `soci push` of the v1 indexes of an image in containerd. Credentials are those that the program finds by itself. */
export async function pushBySociCli(
  cli: SociCli,
  image: string,
  platforms: SociRequest['platforms'],
  options: RunOptions & { readonly plainHttp?: boolean } = {},
): Promise<void> {
  const args = [
    ...(platforms !== undefined && cli.version[1] >= 10 ? ['--content-store', 'soci'] : []),
    'push',
    ...(options.plainHttp ? ['--plain-http'] : []),
    ...(platforms === 'all' ? ['--all-platforms'] : []),
    ...(platforms && platforms !== 'all'
      ? platforms.flatMap((one) => ['--platform', formatPlatform(one)])
      : []),
    image,
  ];
  const { stderr, code } = await run(cli.file, args, options);
  if (code !== 0) throw cliFailed(cli.file, stderr, code);
}

/** The lines of `create` and `convert`, in whatever order they come (soci-format §4). */
export function parseSociOutput(text: string): SociOutput {
  const ztocs: { layer: string; ztoc: string; reused: boolean }[] = [];
  const prefetch: { layer: string; artifact: string }[] = [];
  const skipped: { layer: string; reason: 'small' | 'compression' }[] = [];
  const missingFiles: string[] = [];
  for (const line of text.split('\n')) {
    const missing = /prefetch file (.+) not found in any layer/.exec(line)?.[1];
    if (missing !== undefined) missingFiles.push(missing);
    const made = /^layer (sha256:\w+) -> ztoc (sha256:\w+)( \(already exists\))?$/.exec(line);
    if (made) ztocs.push({ layer: made[1] ?? '', ztoc: made[2] ?? '', reused: made[3] !== undefined });
    const artifact = /^Created prefetch artifact for layer (sha256:\w+): (sha256:\w+)$/.exec(line);
    if (artifact) prefetch.push({ layer: artifact[1] ?? '', artifact: artifact[2] ?? '' });
    const small = /^ztoc skipped - layer (sha256:\w+) .* is less than min-layer-size/.exec(line);
    if (small) skipped.push({ layer: small[1] ?? '', reason: 'small' });
    const packed = /^ztoc skipped - layer (sha256:\w+) .* unsupported format/.exec(line);
    if (packed) skipped.push({ layer: packed[1] ?? '', reason: 'compression' });
  }
  return { ztocs, prefetch, skipped, missingFiles };
}

async function writeList(files: readonly string[]): Promise<string> {
  const list = path.join(await mkdtemp(path.join(tmpdir(), 'soci-lens-prefetch-')), 'files.json');
  await writeFile(list, JSON.stringify(files));
  return list;
}

interface Ended {
  readonly stdout: string;
  readonly stderr: string;
  readonly code: number | null;
}

function run(file: string, args: readonly string[], { env, signal, onLine }: RunOptions): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, {
      // Its index depends on the time zone (soci-format §1.5); ours is in UTC, so that both are the same.
      env: { ...(env ?? process.env), TZ: 'UTC' },
      stdio: ['ignore', 'pipe', 'pipe'],
      windowsHide: true,
      signal,
    });
    let [stdout, stderr] = ['', ''];
    let told = 0;
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
      for (let end = stdout.indexOf('\n', told); end >= 0; end = stdout.indexOf('\n', told)) {
        onLine?.(stdout.slice(told, end));
        told = end + 1;
      }
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    child.once('error', (error) => {
      reject(
        isAbort(error)
          ? ((signal?.reason as Error | undefined) ?? error)
          : cliFailed(file, messageOf(error), null),
      );
    });
    child.once('close', (code) => {
      if (!signal?.aborted) resolve({ stdout, stderr, code });
    });
  });
}

async function isExecutable(file: string): Promise<boolean> {
  return access(file, constants.X_OK).then(
    () => true,
    () => false,
  );
}

/** What to do about what the program says; the rest is for its own documentation. */
const ADVICE: readonly (readonly [RegExp, string])[] = [
  [
    /permission denied|artifacts\.db is not available/i,
    'It needs root for its own database: run it where that is so, or use --indexer built-in, which needs none.',
  ],
  [
    /containerd\.sock|connection refused|failed to dial/i,
    'It looks for the image in containerd: start containerd, give an OCI layout, or use --indexer built-in.',
  ],
  [/not found/i, 'Pull the image into containerd first, or use --indexer built-in.'],
];

function cliFailed(file: string, stderr: string, code: number | null): LensError {
  const lines = stderr
    .trim()
    .split('\n')
    .filter((line) => line !== '');
  const said = (lines.at(-1) ?? `it ends with exit code ${String(code)}`)
    .replace(/^soci: /, '')
    .replace(/[\p{C}\s]+/gu, ' ')
    .trim()
    .replace(/\.$/, '');
  const advice = ADVICE.find(([pattern]) => pattern.test(said))?.[1];
  return new LensError(
    'soci/cli-failed',
    `${path.basename(file)} could not make the index: ${said}.`,
    advice ?? 'Read what it says, or make the index with the built-in indexer.',
  );
}
