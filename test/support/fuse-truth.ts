/**
 * The same start once more, on a file system that writes down what it is asked for: the judge of a recording. Its parts are
 * libfuse, overlayfs and runc; nothing of it is ours but `fuse-log.c`, which only passes through. Needs root, `/dev/fuse`
 * and an engine of this machine that keeps its layers as folders (overlay2).
 */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { testEngine } from './engine';
import { repoRoot } from './paths';
import type { FakeEntry } from './scans';

const run = promisify(execFile);

/** A start that takes longer has gone wrong, in milliseconds. */
const LONGEST = 120_000;

/** What a start asked the file system for. */
export interface FuseTruth {
  /** Opened files, by their real path. */
  readonly files: ReadonlySet<string>;
  /** Bytes that were read of each, as they came: `[start, end)`. Of a file of the page cache, each page once. */
  readonly reads: ReadonlyMap<string, readonly (readonly [start: number, end: number])[]>;
}

/** Why no truth can be had on this machine; `undefined` where it can. */
export function whyNoFuse(): string | undefined {
  if (process.platform !== 'linux' || process.getuid?.() !== 0)
    return 'mounting file systems needs root on Linux';
  if (!existsSync('/dev/fuse')) return 'there is no /dev/fuse';
  if (!existsSync('/usr/include/fuse3/fuse.h'))
    return 'libfuse is not installed (apt-get install libfuse3-dev)';
  return existsSync('/usr/sbin/runc') || existsSync('/usr/bin/runc') ? undefined : 'runc is not installed';
}

/** Starts the image's own command until it prints a line that matches, and ends it. */
export async function fuseTruth(image: string, ready: RegExp): Promise<FuseTruth> {
  const { docker } = await testEngine();
  const { Config: config } = await docker.getImage(image).inspect();
  const program = await buildLogger();
  const dir = await mkdtemp(path.join(tmpdir(), 'soci-lens-fuse-'));
  const place = (name: string) => path.join(dir, name);
  const undo: (() => Promise<unknown>)[] = [() => rm(dir, { recursive: true, force: true })];
  try {
    for (const name of ['image', 'logged', 'none', 'root', 'space']) await mkdir(place(name));
    const mount = async (kind: string, options: string, target: string) => {
      await run('mount', ['-t', kind, kind, '-o', options, target]);
      undo.push(() => run('umount', ['-l', target]));
    };
    // Two folders at least, as overlayfs wants them.
    const folders = [...(await overlayFolders(image)), place('none')];
    await mount('overlay', `ro,lowerdir=${folders.join(':')}`, place('image'));

    const log = await open(place('log'), 'w');
    const logger = spawn(program, [place('image'), place('logged')], {
      stdio: ['ignore', log.fd, 'inherit'],
    });
    const ended = once(logger, 'exit');
    await log.close();
    undo.push(async () => {
      await run('umount', ['-l', place('logged')]);
      await ended;
    });
    for (let tries = 0; tries < 200 && !(await isMounted(place('logged'))); tries++) await sleep(20);

    // Above it as a snapshotter has it: writes go elsewhere, reads go through.
    await mount('tmpfs', 'size=64m', place('space'));
    for (const name of ['upper', 'work']) await mkdir(path.join(place('space'), name), { mode: 0o755 });
    const space = place('space');
    await mount(
      'overlay',
      `lowerdir=${place('logged')},upperdir=${space}/upper,workdir=${space}/work`,
      place('root'),
    );
    await start(dir, config as ImageSettings, ready);
    return readLog(await readFile(place('log'), 'utf8'));
  } finally {
    for (const step of undo.reverse()) await step().catch(() => undefined);
  }
}

/** The image's layers as the engine keeps them, topmost first. */
export async function overlayFolders(image: string): Promise<string[]> {
  const { docker } = await testEngine();
  const { GraphDriver: driver } = await docker.getImage(image).inspect();
  if (driver.Name !== 'overlay2') throw new Error(`The engine keeps its layers by ${driver.Name}.`);
  // dockerode types another driver's data.
  const { UpperDir: upper = '', LowerDir: lower } = driver.Data as Record<string, string>;
  return [upper, ...(lower?.split(':') ?? [])];
}

/**
 * Lets this machine forget what it has cached of files of an image. From Linux 6.18 on a fault maps all that the page cache holds
 * in one piece with the touched page, up to 2 MiB of a file that was read from end to end before. Does nothing for an engine of
 * another machine, and cannot for what a container has mapped.
 */
export async function forgetCached(image: string, ...files: readonly string[]): Promise<void> {
  for (const folder of await overlayFolders(image)) {
    for (const file of files.map((name) => path.join(folder, name)).filter((name) => existsSync(name))) {
      await run('dd', [`if=${file}`, 'iflag=nocache', 'count=0', 'status=none']);
    }
  }
}

/**
 * The layers' entries, lowest layer first, as tars of these folders would have them: by name, since a folder's own order is
 * another on each machine, and with it what shares a window with what.
 */
export async function overlayLayers(image: string): Promise<FakeEntry[][]> {
  const folders = (await overlayFolders(image)).reverse();
  return Promise.all(
    folders.map(async (folder) => {
      const format = '%P\\0%y\\0%s\\0%l\\0%i\\0';
      const { stdout } = await run('find', [folder, '-mindepth', '1', '-printf', format], {
        maxBuffer: 1 << 28,
      });
      const fields = stdout.split('\0');
      const rows = Array.from({ length: Math.floor(fields.length / 5) }, (_, row) =>
        fields.slice(row * 5, row * 5 + 5),
      ).sort(([a = ''], [b = '']) => (a < b ? -1 : 1));
      const first = new Map<string, string>();
      const entries: FakeEntry[] = [];
      for (const [name = '', kind = '', size = '', linkname = '', inode = ''] of rows) {
        if (kind === 'd') entries.push({ name: `${name}/`, type: 'dir' });
        else if (kind === 'l') entries.push({ name, type: 'symlink', linkname });
        // overlayfs marks what an upper layer removed by a device.
        else if (kind === 'c') entries.push({ name: name.replace(/[^/]*$/, '.wh.$&') });
        else if (first.has(inode)) entries.push({ name, type: 'hardlink', linkname: first.get(inode) ?? '' });
        else {
          first.set(inode, name);
          entries.push({ name, size: Number(size) });
        }
      }
      return entries;
    }),
  );
}

/** What of an image's config is run. */
interface ImageSettings {
  readonly Entrypoint: readonly string[] | null;
  readonly Cmd: readonly string[] | null;
  readonly Env: readonly string[] | null;
  readonly WorkingDir: string;
  /** The fixtures' users are numbers. */
  readonly User: string;
}

async function start(bundle: string, image: ImageSettings, ready: RegExp): Promise<void> {
  await run('runc', ['spec', '--bundle', bundle]);
  const file = path.join(bundle, 'config.json');
  // runc wrote it a moment ago.
  const spec = JSON.parse(await readFile(file, 'utf8')) as { process: object; root: object };
  const [uid = 0, gid = 0] = image.User === '' ? [] : image.User.split(':').map(Number);
  Object.assign(spec.process, {
    terminal: false,
    user: { uid, gid },
    args: [...(image.Entrypoint ?? []), ...(image.Cmd ?? [])],
    env: image.Env ?? [],
    cwd: image.WorkingDir || '/',
    rlimits: [],
  });
  spec.root = { path: 'root', readonly: false };
  await writeFile(file, JSON.stringify(spec));

  const id = path.basename(bundle);
  const container = spawn('runc', ['run', '--bundle', bundle, id], {
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: LONGEST,
  });
  const ended = once(container, 'exit');
  try {
    for await (const line of createInterface(container.stdout)) if (ready.test(line)) return;
    throw new Error(`The start of the truth ended without a line that matches ${ready.source}.`);
  } finally {
    await run('runc', ['kill', id, 'KILL']).catch(() => undefined);
    await ended;
    await run('runc', ['delete', '-f', id]).catch(() => undefined);
  }
}

function readLog(text: string): FuseTruth {
  const files = new Set<string>();
  const reads = new Map<string, [number, number][]>();
  let started = false;
  for (const line of text.split('\n')) {
    const [operation = '', ...fields] = line.split('\t');
    const file = fields.at(-1) ?? '';
    // runc looks the user up in the container's files, whatever its number; the program comes after that.
    started ||= operation === 'open' && file !== '/etc/passwd' && file !== '/etc/group';
    if (!started) continue;
    if (operation === 'open') files.add(file);
    if (operation !== 'read') continue;
    const [from, length] = [Number(fields[0]), Number(fields[1])];
    const list = reads.get(file) ?? [];
    list.push([from, from + length]);
    reads.set(file, list);
  }
  return { files, reads };
}

async function isMounted(folder: string): Promise<boolean> {
  return (await readFile('/proc/self/mounts', 'utf8')).includes(` ${folder} fuse`);
}

async function buildLogger(): Promise<string> {
  const folder = path.join(repoRoot, 'out', 'fuse-log');
  const program = path.join(folder, 'fuse-log');
  await mkdir(folder, { recursive: true });
  const source = path.join(repoRoot, 'test/support/fuse-log/fuse-log.c');
  const library = ['-I/usr/include/fuse3', '-lfuse3', '-lpthread'];
  await run('gcc', ['-O2', '-Wall', '-Wextra', '-Werror', source, '-o', program, ...library]);
  return program;
}
