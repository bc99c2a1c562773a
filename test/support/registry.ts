import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';

/** A registry of this test's own. */
export interface TestRegistry {
  /** `127.0.0.1:PORT` */
  readonly host: string;
  /** Where it keeps what it is given. */
  readonly dir: string;
  stop(): Promise<void>;
}

/** Debian's registry (distribution 2.8); it has no Referrers API. */
const BINARY = '/usr/bin/docker-registry';
const LISTENING = /msg="listening on (127\.0\.0\.1:\d+)/;

/**
 * Starts a registry on a free port of the loopback, with an empty folder. `htpasswd` asks for a user and password then
 * (bcrypt lines); `tls` names the files of a certificate and its key. The one who starts it stops it.
 */
export async function startRegistry(
  options: { readonly htpasswd?: string; readonly tls?: { certificate: string; key: string } } = {},
): Promise<TestRegistry> {
  const dir = await mkdtemp(path.join(tmpdir(), 'soci-lens-registry-'));
  const passwords = path.join(dir, 'htpasswd');
  if (options.htpasswd !== undefined) await writeFile(passwords, options.htpasswd);
  const auth =
    options.htpasswd === undefined
      ? []
      : ['auth:', '  htpasswd:', '    realm: test', `    path: ${passwords}`];
  const tls = options.tls ? `, tls: {certificate: ${options.tls.certificate}, key: ${options.tls.key}}` : '';
  const config = path.join(dir, 'config.yml');
  const lines = [
    'version: 0.1',
    'log: {level: info, accesslog: {disabled: true}}',
    `storage: {filesystem: {rootdirectory: ${dir}/data}, delete: {enabled: true}}`,
    `http: {addr: "127.0.0.1:0"${tls}}`,
    ...auth,
  ];
  await writeFile(config, `${lines.join('\n')}\n`);
  const child = spawn(BINARY, ['serve', config], { stdio: ['ignore', 'ignore', 'pipe'] });
  let log = '';
  /** It takes a port that is free and says which. */
  const host = new Promise<string>((resolve, reject) => {
    child.stderr.on('data', (chunk: Buffer) => {
      // What it says once it has started is read all the same, since it would wait for a reader.
      if (LISTENING.test(log)) return;
      log += chunk.toString();
      const [, found] = LISTENING.exec(log) ?? [];
      if (found !== undefined) resolve(found);
    });
    child.once('error', reject);
    child.once('close', reject);
  });
  const stop = async () => {
    if (child.exitCode === null && child.signalCode === null && child.kill()) await once(child, 'close');
    await rm(dir, { recursive: true, force: true });
  };
  try {
    return { host: await host, dir, stop };
  } catch {
    await stop();
    throw new Error(`${BINARY} did not start (apt-get install docker-registry): ${log}`);
  }
}

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('There is no free port.');
  return address.port;
}
