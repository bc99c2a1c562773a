import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { LensError, messageOf } from '../errors';

/** What a person has at a registry. Never to be logged, and never part of a message. */
export type Credentials =
  | { readonly username: string; readonly password: string }
  /** A refresh token for the registry's token service. */
  | { readonly identityToken: string };

export interface CredentialOptions {
  readonly configDir?: string | undefined;
  readonly env?: NodeJS.ProcessEnv | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** The name under which Docker keeps what belongs to Docker Hub. */
const HUB_KEY = 'https://index.docker.io/v1/';
/** A helper may ask the person to unlock a key chain, in milliseconds. */
const HELPER_TIMEOUT = 60_000;

/**
 * The credentials that `docker login` stored: `credHelpers`, `credsStore`, `auths` of Docker's `config.json`, in this order;
 * `undefined` where there are none.
 *
 * @throws LensError `registry/bad-config`, `registry/credential-helper`
 */
export async function dockerCredentials(
  host: string,
  options: CredentialOptions = {},
): Promise<Credentials | undefined> {
  const env = options.env ?? process.env;
  const file = path.join(
    options.configDir ?? env['DOCKER_CONFIG'] ?? path.join(os.homedir(), '.docker'),
    'config.json',
  );
  const config = await readConfig(file);
  if (!config) return undefined;
  const key = host === 'docker.io' ? HUB_KEY : host;
  const helper = field(field(config, 'credHelpers'), key) ?? field(field(config, 'credHelpers'), host);
  if (typeof helper === 'string' && helper !== '') return askHelper(helper, key, env, options.signal);
  const store = field(config, 'credsStore');
  if (typeof store === 'string' && store !== '') {
    const found = await askHelper(store, key, env, options.signal);
    if (found) return found;
  }
  return findAuth(field(config, 'auths'), key, file);
}

async function readConfig(file: string): Promise<unknown> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw badConfig(file, messageOf(error));
  }
  try {
    const config: unknown = JSON.parse(text);
    return config;
  } catch {
    // The parser's message would quote the file, and with it perhaps a password.
    throw badConfig(file, 'it is not JSON');
  }
}

function findAuth(auths: unknown, key: string, file: string): Credentials | undefined {
  const entries = new Map<string, unknown>(Object.entries(auths ?? {}));
  // Old entries have a scheme and a path around the host.
  const name = entries.has(key) ? key : [...entries.keys()].find((other) => hostOf(other) === hostOf(key));
  const entry = entries.get(name ?? '');
  const identityToken = field(entry, 'identitytoken');
  if (typeof identityToken === 'string' && identityToken !== '') return { identityToken };
  const auth = field(entry, 'auth');
  if (typeof auth === 'string' && auth !== '') {
    const [, username, password] = /^([^:]*):(.*)$/s.exec(Buffer.from(auth, 'base64').toString()) ?? [];
    if (username === undefined || password === undefined)
      throw badConfig(file, `its entry for ${hostOf(key)} is not NAME:PASSWORD in base64`);
    // Docker pads with NUL bytes at times.
    return { username, password: password.replace(/\0+$/, '') };
  }
  const [username, password] = [field(entry, 'username'), field(entry, 'password')];
  return typeof username === 'string' && typeof password === 'string' && username !== ''
    ? { username, password }
    : undefined;
}

function hostOf(name: string): string {
  return name.replace(/^https?:\/\//, '').replace(/\/.*$/, '');
}

/**
 * Asks a credential helper: the program `docker-credential-NAME`, with the registry on its standard input
 * (docker/docker-credential-helpers, README "Development").
 */
async function askHelper(
  name: string,
  server: string,
  env: NodeJS.ProcessEnv,
  signal: AbortSignal | undefined,
): Promise<Credentials | undefined> {
  const program = `docker-credential-${name}`;
  if (!/^[\w.-]+$/.test(name)) throw helperFailed(program, 'its name is not that of a program');
  const { code, output } = await run(program, server, env, signal);
  if (code !== 0) {
    // Helpers write their complaint to standard output; only this one means "no such entry".
    if (/credentials not found/i.test(output)) return undefined;
    throw helperFailed(program, `it ends with exit code ${String(code)}`);
  }
  let answer: unknown;
  try {
    answer = JSON.parse(output);
  } catch {
    throw helperFailed(program, 'its answer is not JSON');
  }
  const [username, secret] = [field(answer, 'Username'), field(answer, 'Secret')];
  if (typeof username !== 'string' || typeof secret !== 'string')
    throw helperFailed(program, 'its answer names no credentials');
  if (secret === '') return undefined;
  return username === '<token>' ? { identityToken: secret } : { username, password: secret };
}

function run(
  program: string,
  input: string,
  env: NodeJS.ProcessEnv,
  signal: AbortSignal | undefined,
): Promise<{ code: number | null; output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, ['get'], {
      env,
      stdio: ['pipe', 'pipe', 'ignore'],
      windowsHide: true,
      // Not the option `timeout`: its timer outlives a program that cannot be started.
      signal: AbortSignal.any([AbortSignal.timeout(HELPER_TIMEOUT), ...(signal ? [signal] : [])]),
    });
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.once('error', (error) => {
      const code = 'code' in error ? error.code : undefined;
      if (signal?.aborted) reject(error);
      else if (code === 'ABORT_ERR') reject(helperFailed(program, 'it does not answer'));
      else reject(helperFailed(program, code === 'ENOENT' ? 'it is not installed' : messageOf(error)));
    });
    child.once('close', (code) => {
      resolve({ code, output });
    });
    // A helper that ends without reading is judged by its exit code.
    child.stdin.on('error', () => undefined);
    child.stdin.end(`${input}\n`);
  });
}

function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, name)
    ? (value as Record<string, unknown>)[name]
    : undefined;
}

function badConfig(file: string, why: string): LensError {
  return new LensError(
    'registry/bad-config',
    `Docker's config ${file} cannot be used: ${why}.`,
    'Correct it, or sign in again with "docker login".',
  );
}

function helperFailed(program: string, why: string): LensError {
  return new LensError(
    'registry/credential-helper',
    `The credential helper ${program} of Docker's config failed: ${why}.`,
    'Install or repair it, or take it out of credsStore and credHelpers.',
  );
}
