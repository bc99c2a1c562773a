// How the time of `index --from-list` falls with shards: node many.js → a line of JSON for each number of them. The registry is
// 20 ms away, as one in the same region is; scripts/bench-registry.mjs runs it.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { startFaultProxy } from '../support/fault-proxy';
import { pushManyImages } from '../support/many-images';
import { startRegistry } from '../support/registry';

const DELAY = 20;
const [cli = 'dist/cli.js'] = process.argv.slice(2);

/** One shard as a pod runs it; resolves with how many images it indexed. */
async function shard(host: string, dir: string, index: number, count: number): Promise<number> {
  const output = `docker://{host}/of-${count}/{repository}:{tag}`;
  const flags = ['--span-size', '16k', '--min-layer-size', '0', '--rate', '10000', '--json', '--quiet'];
  const child = spawn(
    process.execPath,
    [
      ...[cli, 'index', '--from-list', `docker://${host}/team/*`, '--output', output],
      ...['--shard', `${index}/${count}`, ...flags],
    ],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, SOCI_LENS_CACHE: path.join(dir, `cache-${count}-${index}`) },
    },
  );
  let stdout = '';
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0) throw new Error(`Shard ${index}/${count} ended with ${code}.`);
  return (JSON.parse(stdout) as { indexed: number }).indexed;
}

async function main(): Promise<void> {
  const dir = await mkdtemp(path.join(tmpdir(), 'soci-lens-many-'));
  const registry = await startRegistry();
  const proxy = await startFaultProxy(registry.host);
  try {
    await pushManyImages(registry.host, dir, { repositories: 20, tags: 10 });
    proxy.judge = () => ({ delay: DELAY });
    for (const count of [1, 2, 4, 8]) {
      const started = performance.now();
      const shards = Array.from({ length: count }, (_, index) => shard(proxy.host, dir, index, count));
      const indexed = (await Promise.all(shards)).reduce((sum, one) => sum + one, 0);
      console.log(JSON.stringify({ shards: count, indexed, seconds: (performance.now() - started) / 1000 }));
    }
  } finally {
    await proxy.stop();
    await registry.stop();
    await rm(dir, { recursive: true, force: true });
  }
}

void main();
