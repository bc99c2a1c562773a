/** What the tests of the recorder share: recordings of the engine's images, and the same runs without a tracer. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import type Docker from 'dockerode';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { buildImage } from '../../src/image/build';
import type { ImageConfig } from '../../src/oci/types';
import { parseReadyRule } from '../../src/trace/ready';
import { recordStart, type RecordOptions } from '../../src/trace/record';
import type { EngineSubject } from '../../src/trace/subject';
import type { StartupTrace, TraceEvent } from '../../src/trace/types';
import { testEngine } from './engine';
import { repoRoot } from './paths';

const run = promisify(execFile);

let built: Promise<string> | undefined;

/** The folder of the tracers, built where they are not there yet. */
export function tracerDir(): Promise<string> {
  const folder = path.join(repoRoot, 'out', 'tracer');
  built ??= run(process.execPath, [path.join(repoRoot, 'scripts/build-tracer.mjs'), folder]).then(
    () => folder,
  );
  return built;
}

export interface Recorded {
  readonly trace: StartupTrace;
  /** The container's output, line by line. */
  readonly output: readonly string[];
}

/** Records an image of the test engine; ready by its end unless said otherwise. */
export async function record(
  name: string,
  options: Partial<Omit<RecordOptions, 'ready'>> & { readonly ready?: string } = {},
): Promise<Recorded> {
  const output: string[] = [];
  const trace = await recordStart(await testEngine(), await subject(name), {
    tracerDir: await tracerDir(),
    timeoutMs: 600_000,
    graceMs: 300,
    onLog: (line) => output.push(line),
    ...options,
    ready: parseReadyRule(options.ready ?? 'exit'),
  });
  return { trace, output };
}

/** An image as the recorder wants it; only what it looks at. */
export async function subject(name: string): Promise<EngineSubject> {
  const { docker } = await testEngine();
  const { Architecture, Os, RootFS } = await docker.getImage(name).inspect();
  const config: ImageConfig = {
    architecture: Architecture,
    os: Os,
    rootfs: { type: 'layers', diff_ids: RootFS.Layers ?? [] },
  };
  return { id: name, config };
}

const filters = { label: ['soci-lens.trace'] };
/** Of recordings by this very process: others may use the engine at the same time. */
const isOurs = ({ Labels: labels }: { Labels: Record<string, string> | null }) =>
  labels?.['soci-lens.trace']?.startsWith(`${hostname()} ${process.pid} `) === true;

/** How many containers and volumes of recordings by this very process the engine still has. */
export async function madeHere(): Promise<{ containers: number; volumes: number }> {
  const { docker } = await testEngine();
  const { Volumes: volumes } = await docker.listVolumes({ filters });
  const containers = await docker.listContainers({ all: true, filters });
  return { containers: containers.filter(isOurs).length, volumes: volumes.filter(isOurs).length };
}

/** The container of the recording that this process has under way. */
export async function runningHere(): Promise<Docker.ContainerInfo> {
  const { docker } = await testEngine();
  const [container] = (await docker.listContainers({ filters })).filter(isOurs);
  assert.ok(container, 'a recording of this process runs');
  return container;
}

/** The same program without a tracer: its output and exit code. */
export async function runUntraced(
  name: string,
  command: readonly string[],
  user?: string,
): Promise<{ output: string[]; exitCode: number }> {
  const { docker } = await testEngine();
  const container = await docker.createContainer({
    Image: name,
    Cmd: [...command],
    // One stream instead of frames.
    Tty: true,
    ...(user !== undefined && { User: user }),
  });
  try {
    await container.start();
    // dockerode types the answer as `any`; the API gives { StatusCode }.
    const { StatusCode: exitCode } = (await container.wait()) as { StatusCode: number };
    // A stream, because dockerode parses what is no stream as JSON where it can.
    const log = await text(await container.logs({ stdout: true, stderr: true, follow: true }));
    return { output: log.split(/\r?\n/).filter(Boolean), exitCode };
  } finally {
    await container.remove({ force: true });
  }
}

/** Builds an image of a Dockerfile without a context. */
export async function buildFrom(tag: string, dockerfile: string): Promise<void> {
  const contextDir = await mkdtemp(path.join(tmpdir(), 'soci-lens-build-'));
  try {
    await writeFile(path.join(contextDir, 'Dockerfile'), dockerfile);
    await buildImage(await testEngine(), { contextDir, dockerfile: 'Dockerfile', tag, network: 'host' });
  } finally {
    await rm(contextDir, { recursive: true, force: true });
  }
}

export function events<Op extends TraceEvent['op']>(
  { trace }: Recorded,
  op: Op,
  path?: string,
): Extract<TraceEvent, { op: Op }>[] {
  return trace.events.filter(
    (event): event is Extract<TraceEvent, { op: Op }> =>
      event.op === op &&
      (path === undefined || ('path' in event && (event.path === path || event.real === path))),
  );
}

/**
 * Checks that these pages of a file were touched and none else. A fault maps up to 64 KiB around it where the page cache has
 * them already (`fault_around_bytes`), so neighbours so near are no mistake.
 */
export function assertPages(recorded: Recorded, path: string, wanted: readonly number[]): void {
  const runs = events(recorded, 'pages', path).flatMap(({ r }) => r);
  for (const offset of wanted) {
    assert.ok(
      runs.some(([off, len]) => off <= offset && offset + 4096 <= off + len),
      `${path} at ${offset}`,
    );
  }
  for (const [off, len] of runs) {
    const near = wanted.filter((offset) => off >= offset - AROUND && off + len <= offset + AROUND);
    assert.ok(near.length > 0, `${path}: [${off}, ${len}] was not touched`);
  }
}
const AROUND = 64 << 10;

/** Every path that was opened, executed or mapped, as it really is. */
export function filesOf({ trace }: Recorded): Set<string> {
  const files = new Set<string>();
  for (const event of trace.events) {
    if (!['open', 'exec', 'interp', 'mmap', 'pages', 'read'].includes(event.op)) continue;
    if (!('path' in event) || (event.ret ?? 0) < 0) continue;
    if (event.op === 'open' && ((event.fl ?? 0) & O_DIRECTORY) !== 0) continue;
    files.add(event.real ?? event.path);
  }
  return files;
}

/** Linux's flag on amd64 (asm-generic; arm64 has another). */
const O_DIRECTORY = 0o200000;
