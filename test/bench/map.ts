/**
 * How long a recorded start of a million events takes to be laid onto an image of 100 000 entries, from cold, and a trace of two
 * million events to be read and what memory that takes. A process of its own for each: `map`, `write FILE`, `read FILE`;
 * `npm run bench` prints them.
 */
import { readTrace, scanTrace, writeTrace } from '../../src/trace/file';
import { mapTrace } from '../../src/trace/map';
import type { TraceEvent, TraceHeader } from '../../src/trace/types';
import { fakeEntries, seeded } from '../support/scans';
import { Readable } from 'node:stream';

const HEADER: TraceHeader = {
  ...{ v: 1, op: 'start', t0_unix_ns: '0', clock: 'monotonic', unit: 'us', mode: 'ptrace-seccomp', level: 2 },
};
const FILES = 100_000;
const names = Array.from(
  { length: FILES },
  (_, file) => `usr/lib/python3/dist-packages/package${file % 500}/sub${file % 7}/module${file}.py`,
);
const random = seeded(7);

/** An open, two reads and a mapping of one file after the other. */
function* events(files: number): Generator<TraceEvent> {
  for (let file = 0; file < files; file++) {
    const at = { t: file * 4, pid: 1, path: `/${names[Math.floor(random() * FILES)]}` };
    yield { ...at, op: 'open' };
    yield { ...at, op: 'read', off: 0, len: 4096 };
    yield { ...at, op: 'read', off: 4096, len: 8192 };
    yield { ...at, op: 'mmap', off: 0, len: 20_000, prot: 1 };
  }
}

/** Seconds of the processor since `before`. */
function worked(before: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1e6;
}

/** As in a file, a piece at a time. */
function* text(): Generator<Uint8Array> {
  let piece = JSON.stringify(HEADER) + '\n';
  for (const event of events(250_000)) {
    piece += JSON.stringify(event) + '\n';
    if (piece.length < 1 << 18) continue;
    yield Buffer.from(piece);
    piece = '';
  }
  yield Buffer.from(piece);
}

async function map(): Promise<object> {
  const trace = await readTrace(Readable.from(text()));
  const target = {
    layers: [fakeEntries(names.map((name) => ({ name, size: 20_000 })))],
    config: {
      architecture: 'amd64',
      os: 'linux',
      rootfs: { type: 'layers' as const, diff_ids: [] },
    },
  };
  const [before, start] = [process.cpuUsage(), performance.now()];
  const { files, touches } = mapTrace(trace, target);
  const clock = (performance.now() - start) / 1000;
  return { seconds: worked(before), clock, files, touches: touches.length };
}

async function read(file: string): Promise<object> {
  const before = process.cpuUsage();
  let seen = 0;
  await scanTrace(file, () => {
    seen++;
  });
  return { seconds: worked(before), events: seen, rss: process.resourceUsage().maxRSS * 1024 };
}

async function main(what: string | undefined, file = ''): Promise<void> {
  if (what === 'write')
    await writeTrace(file, { header: HEADER, events: events(500_000), footer: undefined });
  else console.log(JSON.stringify(await (what === 'read' ? read(file) : map())));
}

void main(process.argv[2], process.argv[3]);
