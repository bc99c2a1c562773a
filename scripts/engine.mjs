// A Docker engine for the tests: the one that DOCKER_HOST names, else one of our own with its own data root, socket and
// bridge, so that a person's containers, images and firewall rules are never touched.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
/** Of this process alone: another run on the same machine must not lose its bridge when this one takes its own away. */
const BRIDGE = `soci${process.pid}`;
/** A network of 10.213.0.0/16 that nothing on this machine has. */
const bridgeAddress = () => {
  const taken = new Set(
    Object.values(os.networkInterfaces()).flatMap((all) => all.map(({ address }) => address)),
  );
  const free = Array.from({ length: 256 }, (_, i) => `10.213.${(process.pid + i) % 256}.1`).find(
    (address) => !taken.has(address),
  );
  return `${free}/24`;
};

/** @returns `{ host, stop }`, or `{ missing }` with the reason why no engine can run here. */
export async function startEngine({ signal }) {
  if (process.env.DOCKER_HOST) return { host: process.env.DOCKER_HOST, stop: async () => {} };
  if (process.platform !== 'linux' || process.getuid?.() !== 0) {
    return { missing: 'no engine given by DOCKER_HOST, and starting one needs root on Linux' };
  }
  const dockerd = ['/usr/sbin/dockerd', '/usr/bin/dockerd'].find(existsSync);
  if (!dockerd) return { missing: 'no engine given by DOCKER_HOST, and dockerd is not installed' };

  const dir = await mkdtemp(path.join(os.tmpdir(), 'soci-lens-engine-'));
  const socket = path.join(dir, 'docker.sock');
  const data = path.join(root, '.cache/engine');
  await mkdir(data, { recursive: true });
  ip('link', 'add', BRIDGE, 'type', 'bridge');
  ip('addr', 'replace', bridgeAddress(), 'dev', BRIDGE);
  ip('link', 'set', BRIDGE, 'up');
  const log = path.join(dir, 'dockerd.log');
  const daemon = spawn(
    'sh',
    [
      '-c',
      'exec "$0" "$@" >"$SOCI_LENS_ENGINE_LOG" 2>&1',
      dockerd,
      ...[
        '--data-root',
        data,
        '--exec-root',
        path.join(dir, 'exec'),
        '--pidfile',
        path.join(dir, 'docker.pid'),
      ],
      ...['--host', `unix://${socket}`, '--bridge', BRIDGE, '--iptables=false', '--ip-masq=false'],
    ],
    { stdio: 'ignore', env: { ...process.env, SOCI_LENS_ENGINE_LOG: log } },
  );
  const ended = new Promise((resolve) => daemon.once('close', resolve));
  const stop = async () => {
    daemon.kill('SIGTERM');
    await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, 15_000).unref())]);
    daemon.kill('SIGKILL');
    ip('link', 'del', BRIDGE);
    // dockerd leaves its network namespace mounted there.
    spawnSync('umount', ['-l', path.join(dir, 'exec/netns/default')], { stdio: 'ignore' });
    await rm(dir, { recursive: true, force: true });
  };
  signal.addEventListener('abort', () => void daemon.kill('SIGTERM'), { once: true });

  const deadline = Date.now() + 300_000;
  while (!(await ping(socket))) {
    if (daemon.exitCode !== null || Date.now() > deadline) {
      const tail = (await readFile(log, 'utf8').catch(() => '')).split('\n').slice(-6).join('\n');
      await stop();
      return { missing: `dockerd did not come up:\n${tail}` };
    }
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  return { host: `unix://${socket}`, stop };
}

/** A bridge that is there already, or gone already, is as good. */
function ip(...args) {
  spawnSync('ip', args, { stdio: 'ignore' });
}

function ping(socketPath) {
  return new Promise((resolve) => {
    const request = http.get({ socketPath, path: '/_ping', timeout: 1000 }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    request.once('timeout', () => request.destroy());
    request.once('error', () => resolve(false));
  });
}
