// What a fresh machine lacks: our own packages, and for the suites that need them Debian's. Only Node's own modules here.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');

/** Command that must be there → Debian package that brings it, and what is missing without it. */
const DEBIAN = [
  ['dockerd', 'docker.io', 'the engine suite'],
  ['docker-registry', 'docker-registry', 'pushes to a real registry'],
  ['chromium', 'chromium', 'everything that needs a browser'],
  ['debootstrap', 'debootstrap', 'the fixture images'],
  ['gcc', 'gcc libc6-dev', 'the fixture images'],
  ['i686-linux-gnu-gcc', 'gcc-i686-linux-gnu libc6-dev-i386-cross', 'the recording of 32-bit programs'],
  ['musl-gcc', 'musl-tools', 'a tracer where zig cannot be had'],
  ['openssl', 'openssl', 'a registry behind TLS'],
  ['podman', 'podman', 'Podman as an engine'],
  ['fusermount3', 'fuse3 libfuse3-dev', 'the independent judge of the tracer'],
  ['ip', 'iproute2', "the test engine's own bridge"],
];

function run(command, args, env = {}) {
  const result = spawnSync(command, args, {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, ...env },
  });
  return result.status === 0;
}

function onPath(command) {
  return (process.env.PATH ?? '')
    .split(path.delimiter)
    .concat('/usr/sbin', '/usr/bin')
    .some((folder) => folder !== '' && existsSync(path.join(folder, command)));
}

/** `npm ci` where node_modules is missing or older than the lock file. */
export function ensureNodeModules(log) {
  const installed = path.join(root, 'node_modules/.package-lock.json');
  const lock = path.join(root, 'package-lock.json');
  if (existsSync(installed) && statSync(installed).mtimeMs >= statSync(lock).mtimeMs) return;
  log('Installing the npm packages of the lock file …');
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
  // Windows starts .cmd files through a shell only; the arguments are constants.
  const result = spawnSync(npm, ['ci', '--no-audit', '--no-fund'], {
    cwd: root,
    stdio: 'inherit',
    shell: process.platform === 'win32',
  });
  if (result.status !== 0) throw new Error('npm ci failed; see the lines above');
}

/**
 * Installs what is missing. Debian packages only as root on Debian or Ubuntu and only with `system`.
 * @returns one line for each thing that is missing and could not be installed.
 */
export async function ensurePackages({ system, log }) {
  ensureNodeModules(log);
  if (!system) return [];
  const missing = DEBIAN.filter(([command]) => !onPath(command));
  if (missing.length === 0) return [];
  const names = missing.flatMap(([, packages]) => packages.split(' '));
  const debian =
    existsSync('/etc/os-release') &&
    /^ID(_LIKE)?=.*(debian|ubuntu)/m.test(readFileSync('/etc/os-release', 'utf8'));
  if (debian && process.getuid?.() === 0) {
    log(`Installing ${names.join(' ')} …`);
    const env = { DEBIAN_FRONTEND: 'noninteractive' };
    run('apt-get', ['update', '-qq'], env);
    run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...names], env);
  }
  return missing
    .filter(([command]) => !onPath(command))
    .map(([command, packages, what]) => `${command} (${packages}): without it ${what} cannot run`);
}
