import { execFile, spawn } from 'node:child_process';
import { cp, mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { buffer } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { isLens } from './errors';
import { buildImage } from '../../src/image/build';
import { connectEngine, type Engine, inspectEngineImage } from '../../src/image/engine';
import { fixture } from './paths';

const run = promisify(execFile);

/** The images of `test/fixtures/images` and the folder of each. */
const FIXTURES = {
  'fx-scratch': { folder: 'scratchapp', base: false },
  'fx-py': { folder: 'pyapp', base: true },
  'fx-edge': { folder: 'edge', base: true },
  'fx-node': { folder: 'nodeapp', base: true },
  'fx-jvm': { folder: 'jvmapp', base: true },
} as const;

/** Images of 1.2 GB each whose build takes minutes. */
const LARGE: ReadonlySet<string> = new Set<keyof typeof FIXTURES>(['fx-node', 'fx-jvm']);

/** Tests that take minutes for images of more than a gigabyte are there when somebody asks for them. */
export const areLargeAsked = process.env['SOCI_LENS_LARGE_IMAGES'] === '1';

export function isAskedFor(name: keyof typeof FIXTURES): boolean {
  return !LARGE.has(name) || areLargeAsked;
}

const BASE = { repo: 'tracebase', tag: 'bookworm' };

let connected: Promise<Engine> | undefined;

/** The engine of the tests: `DOCKER_HOST`, which `npm test` sets. Throws where there is none. */
export function testEngine(): Promise<Engine> {
  if (!process.env['DOCKER_HOST']) {
    throw new Error('The engine tests need DOCKER_HOST; "npm run test:engine" starts an engine and sets it.');
  }
  connected ??= connectEngine();
  return connected;
}

/** Builds a fixture image where the engine has none yet, and gives its name. Minutes for the large ones, the first time. */
export async function ensureImage(name: keyof typeof FIXTURES): Promise<string> {
  const engine = await testEngine();
  if (await hasImage(engine, name)) return name;
  const { folder, base } = FIXTURES[name];
  if (base) await ensureBase(engine);
  const dir = await mkdtemp(path.join(tmpdir(), `soci-lens-${name}-`));
  try {
    await cp(fixture('images', folder), dir, { recursive: true });
    const isPrepared = await stat(path.join(dir, 'prepare.sh')).catch(() => undefined);
    if (isPrepared) await run('sh', ['prepare.sh'], { cwd: dir });
    // The engine of the tests has a bridge without a way out.
    await buildImage(engine, { contextDir: dir, dockerfile: 'Dockerfile', tag: name, network: 'host' });
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
  return name;
}

/** `tracebase:bookworm`: Debian by debootstrap, so that no registry is needed. */
async function ensureBase(engine: Engine): Promise<void> {
  if (await hasImage(engine, `${BASE.repo}:${BASE.tag}`)) return;
  const dir = await mkdtemp(path.join(tmpdir(), 'soci-lens-base-'));
  try {
    await run('debootstrap', ['--variant=minbase', 'bookworm', dir], { maxBuffer: 1 << 26 });
    await run('sh', ['-c', 'rm -rf "$0"/var/cache/apt/archives/*.deb "$0"/var/lib/apt/lists/*', dir]);
    const tar = spawn('tar', ['-C', dir, '--numeric-owner', '-c', '.'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const answer = await engine.docker.importImage(tar.stdout, { ...BASE, changes: 'CMD ["bash"]' });
    await buffer(answer);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
  await inspectEngineImage(engine, `${BASE.repo}:${BASE.tag}`);
}

async function hasImage(engine: Engine, name: string): Promise<boolean> {
  return inspectEngineImage(engine, name).then(
    () => true,
    (error: unknown) => {
      if (isLens(error, 'image/not-found')) return false;
      throw error;
    },
  );
}
