import { execFile as execFileCallback, spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

const execFile = promisify(execFileCallback);

/** A containerd of this test's own. */
export interface TestContainerd {
  readonly socket: string;
  /** What `ctr` says. */
  ctr(...args: string[]): Promise<string>;
  /** What holds on to its folder: mounts and processes. */
  holders(): Promise<string[]>;
  stop(): Promise<void>;
}

/** Debian's, which comes with docker.io. */
const BINARY = '/usr/bin/containerd';

/**
 * Starts a containerd with root, state and socket in a folder of its own. The one who starts it stops it.
 *
 * @param snapshotter a name that it is told to have a snapshotter of, as a program of its own that nobody has started
 */
export async function startContainerd(snapshotter?: string): Promise<TestContainerd> {
  const dir = await mkdtemp(path.join(tmpdir(), 'soci-lens-containerd-'));
  const socket = path.join(dir, 'containerd.sock');
  const config = path.join(dir, 'config.toml');
  await mkdir(path.join(dir, 'plugins'));
  const lines = [
    'version = 2',
    `root = "${dir}/root"`,
    `state = "${dir}/state"`,
    `plugin_dir = "${dir}/plugins"`,
    // They would look for a network, and for a place beside the folder.
    'disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.internal.v1.opt"]',
    `[grpc]\naddress = "${socket}"`,
    ...(snapshotter === undefined
      ? []
      : [`[proxy_plugins.${snapshotter}]\ntype = "snapshot"\naddress = "${dir}/${snapshotter}.sock"`]),
  ];
  await writeFile(config, `${lines.join('\n')}\n`);
  const child = spawn(BINARY, ['--config', config], { stdio: ['ignore', 'ignore', 'pipe'] });
  let log = '';
  child.stderr.on('data', (chunk: Buffer) => (log += chunk.toString()));
  // Its shims hold on to the pipe, so that it may never close.
  const ended = once(child, 'exit').catch((error: unknown) => {
    log += String(error);
  });
  const ctr = async (...args: string[]) => (await execFile('ctr', ['--address', socket, ...args])).stdout;
  const stop = async () => {
    child.kill();
    await ended;
    await rm(dir, { recursive: true, force: true });
  };
  const holders = async () => {
    const mounts = (await readFile('/proc/self/mounts', 'utf8')).split('\n');
    const { stdout } = await execFile('ps', ['-eo', 'args']);
    const processes = stdout.split('\n').filter((line) => line.includes('containerd-shim'));
    return [...mounts, ...processes].filter((line) => line.includes(dir));
  };
  for (let tries = 0; tries < 200 && child.exitCode === null && child.pid !== undefined; tries++) {
    const isUp = await access(socket)
      .then(() => ctr('version'))
      .then(
        () => true,
        () => false,
      );
    if (isUp) return { socket, ctr, holders, stop };
    await sleep(50);
  }
  await stop();
  throw new Error(`${BINARY} did not start (as root; apt-get install containerd runc): ${log}`);
}
