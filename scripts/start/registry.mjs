// A real registry for the demonstration, where one is installed: Debian's docker-registry on a free loopback port.
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { freePort } from '../vscode-host.mjs';
import { start } from './children.mjs';

/** Starts a registry that keeps its blobs in `folder`; resolves with `host:port`, or nothing where none is installed. */
export async function startRegistry(folder) {
  const program = (process.env.PATH ?? '')
    .split(path.delimiter)
    .map((entry) => path.join(entry, 'docker-registry'))
    .find((file) => existsSync(file));
  if (!program) return undefined;

  const host = `127.0.0.1:${await freePort()}`;
  const config = path.join(folder, 'config.json');
  await mkdir(folder, { recursive: true });
  // YAML, of which JSON is a part.
  const settings = {
    version: '0.1',
    storage: { filesystem: { rootdirectory: folder } },
    http: { addr: host },
  };
  await writeFile(config, JSON.stringify(settings));
  const registry = start(program, ['serve', config], { stdio: 'ignore' });
  for (let tries = 0; tries < 100 && registry.exitCode === null; tries++) {
    const answer = await fetch(`http://${host}/v2/`).catch(() => undefined);
    if (answer?.ok) return host;
    await delay(50);
  }
  registry.kill();
  return undefined;
}
