// npm run bench [-- --layer FILE.tar.gz …] [--image LAYOUT] [--runs N] [--grow]: how fast the layer engine is, as ratios to what else runs on
// this machine at the same time: Node's own gunzip, and `igzip -dc` (Debian's isal) where it is installed; and how fast the
// forecasts are in the extreme case, as ratios to sorting 500 000 numbers; and, with an engine at DOCKER_HOST, what the
// tracer costs a start, as ratios to the same start untraced. Without --layer, the layer is a gzip of node_modules. --image measures
// the whole command from that OCI layout to another one beside it on this disk. --grow adds generated layers of 0.1 to 20 GB and one of 500 000 entries.
import { build } from 'esbuild';
import { spawnSync } from 'node:child_process';
import { existsSync, rmSync } from 'node:fs';
import { mkdir, readdir, rename, stat } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { node, productBundles, root } from './esbuild.mjs';

const { values } = parseArgs({
  options: {
    layer: { type: 'string', multiple: true },
    image: { type: 'string' },
    runs: { type: 'string', default: '5' },
    grow: { type: 'boolean', default: false },
  },
});
const runs = Number(values.runs);

const out = path.join(root, 'out', 'bench');
const bench = path.join(out, 'layer.js');
const worker = path.join(out, 'layer-worker.js');
await build({
  ...node,
  entryPoints: ['test/bench/layer.ts', 'test/bench/plan.ts', 'test/bench/trace.ts', 'test/bench/map.ts'],
  outdir: out,
});
const bundles = productBundles({ minify: true });
for (const name of ['cli', 'index-program', 'layer-worker']) {
  await build({ ...bundles.find(({ entryPoints }) => name in entryPoints), outdir: out });
}

/** One measurement in a process of its own, so that memory and warming up are its own too. */
function measure(name, file = '') {
  const { status, stdout, stderr } = spawnSync(process.execPath, [bench, name, file, worker], {
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`${name}: ${stderr}`);
  return JSON.parse(stdout);
}

/** By the shell's clock, which also knows the processor's time of a child. */
function timed(command, ...args) {
  const script = 'TIMEFORMAT="%R %U %S"; time "$0" "$@" > /dev/null 2>&1';
  const { status, stderr } = spawnSync('bash', ['-c', script, command, ...args], { encoding: 'utf8' });
  if (status !== 0) return undefined;
  const [seconds, user, system] = stderr.trim().split(' ').map(Number);
  return { seconds, cpu: user + system };
}

const igzip = (file) => timed('igzip', '-dc', file);

const median = (numbers) => [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)];

/** A layer to measure with where none is given: what npm installed, packed once. */
async function ownLayer() {
  const file = path.join(root, '.cache', 'bench', 'node_modules.tar.gz');
  if (existsSync(file)) return file;
  await mkdir(path.dirname(file), { recursive: true });
  const { status } = spawnSync('tar', ['-czf', `${file}.tmp`, '-C', root, 'node_modules'], {
    stdio: 'inherit',
  });
  if (status !== 0) throw new Error('tar could not pack node_modules; give a layer with --layer.');
  await rename(`${file}.tmp`, file);
  return file;
}

const table = (rows) => {
  const [head, ...body] = rows;
  console.log(
    [head, head.map(() => '---'), ...body].map((row) => `| ${row.join(' | ')} |`).join('\n') + '\n',
  );
};
const s = (value) => (value === undefined ? '–' : value.toFixed(2));
const mb = (value) => (value / 1e6).toFixed(0);

const commit = spawnSync('git', ['rev-parse', '--short', 'HEAD'], {
  cwd: root,
  encoding: 'utf8',
}).stdout.trim();
console.log(
  `${os.cpus()[0].model}, ${os.availableParallelism()} cores, Node ${process.version}, ${new Date().toISOString().slice(0, 10)}, commit ${commit}; load ${os.loadavg()[0].toFixed(1)} at the start; median of ${runs} interleaved runs\n`,
);

/** Forecasts of 500 000 files and of 127 layers; what the processor did, not what the clock says. */
function forecasting() {
  const results = Array.from({ length: runs }, () => {
    const { stdout } = spawnSync(process.execPath, [path.join(out, 'plan.js')], { encoding: 'utf8' });
    return JSON.parse(stdout);
  });
  const of = (key) => median(results.map((result) => result[key]));
  const row = (label, key) => [
    label,
    of(key).toFixed(1),
    s(median(results.map((result) => result[key] / result.reference))),
  ];
  console.log(
    `forecasts: 500000 files, ${results[0].events} reads, 12 span sizes; results ${results[0].results}\n`,
  );
  table([
    ['', 'processor ms', 'to sorting 500 000 numbers'],
    row('sorting 500 000 numbers', 'reference'),
    row('all of it anew, with 5 smallest layers', 'first'),
    row('one step of the what-if controls', 'step'),
    row('the best index of 127 layers', 'best'),
  ]);
}

/** What a long trace takes: laid onto an image of 100 000 entries, and read, each in a process of its own. */
function longTraces() {
  const file = path.join(out, 'long.soci-trace.jsonl');
  const call = (...args) =>
    spawnSync(process.execPath, [path.join(out, 'map.js'), ...args], { encoding: 'utf8' }).stdout;
  const several = (...args) => Array.from({ length: runs }, () => JSON.parse(call(...args)));
  const seconds = (results) => s(median(results.map((result) => result.seconds)));
  try {
    call('write', file);
    const read = several('read', file);
    const laid = several('map');
    const clock = s(median(laid.map((result) => result.clock)));
    console.log(
      `a trace of ${read[0].events} events read: ${seconds(read)} processor s, at most ${mb(median(read.map(({ rss }) => rss)))} MB; a million events laid onto 100 000 entries, from cold: ${clock} s, ${seconds(laid)} processor s\n`,
    );
  } finally {
    rmSync(file, { force: true });
  }
}

/** Time to ready of traced and untraced starts, in turns. */
function tracing() {
  if (!process.env.DOCKER_HOST) {
    console.log('what the tracer costs: not measured, DOCKER_HOST names no engine\n');
    return;
  }
  const { status, stdout } = spawnSync(process.execPath, [path.join(out, 'trace.js'), values.runs], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (status !== 0) throw new Error('the starts could not be recorded');
  const ratio = (over, under) => (over / under).toFixed(2);
  console.log(`a start of fx-py until its ready line, as a multiple of the same untraced\n`);
  table([
    ['', 'untraced s, least / median', 'ratio of the least', 'ratio of the medians'],
    ...JSON.parse(stdout).map(({ kind, traced, untraced }) => [
      kind,
      `${s(Math.min(...untraced) / 1e6)} / ${s(median(untraced) / 1e6)}`,
      ratio(Math.min(...traced), Math.min(...untraced)),
      ratio(median(traced), median(untraced)),
    ]),
  ]);
}

/** The layer's plain tar compressed as an engine's is, alone and indexed on the way, in turns. */
function compressing(file) {
  const tar = path.join(out, 'layer.tar');
  try {
    const { status } = spawnSync('bash', ['-c', 'gunzip -c "$0" > "$1"', file, tar], { stdio: 'inherit' });
    if (status !== 0) throw new Error(`gunzip could not unpack ${file}.`);
    const results = { compress: [], 'compress-index': [] };
    for (let run = 0; run < runs; run++)
      for (const name of Object.keys(results)) results[name].push(measure(name, tar));
    const [time, cpu] = ['seconds', 'cpu'].map((key) =>
      Object.values(results).map((list) => median(list.map((result) => result[key]))),
    );
    const ratio = ([before, after]) => (after / before).toFixed(2);
    console.log(
      `compressing alone ${s(time[0])} s, with the index made on the way ${s(time[1])} s: ${ratio(time)} × its time, ${ratio(cpu)} × its processor time\n`,
    );
  } finally {
    rmSync(tar, { force: true });
  }
}

/** The whole image from one layout to another, and `igzip -dc` of its largest layer in turns with it. */
async function indexing(layout) {
  const blobs = path.join(layout, 'blobs', 'sha256');
  const sizes = await Promise.all(
    (await readdir(blobs)).map(async (name) => [name, (await stat(path.join(blobs, name))).size]),
  );
  const [largest] = sizes.sort(([, a], [, b]) => b - a)[0];
  const dir = path.join(out, 'image');
  const results = { index: [], igzip: [] };
  process.env.SOCI_LENS_CACHE = path.join(dir, 'cache');
  for (let run = 0; run < runs; run++) {
    rmSync(dir, { recursive: true, force: true });
    const output = `oci:${path.join(dir, 'layout')}`;
    const index = timed(
      process.execPath,
      path.join(out, 'cli.js'),
      'index',
      `oci:${layout}`,
      '--output',
      output,
    );
    if (!index) throw new Error(`${layout} could not be indexed.`);
    results.index.push(index);
    const reference = igzip(path.join(blobs, largest));
    if (reference) results.igzip.push(reference);
  }
  rmSync(dir, { recursive: true, force: true });
  const [time, cpu] = ['seconds', 'cpu'].map((key) =>
    Object.values(results).map((list) => (list.length > 0 ? median(list.map((one) => one[key])) : undefined)),
  );
  const ratio = ([over, under]) => (under === undefined ? '–' : s(over / under));
  console.log(
    `the whole image, layout to layout: ${s(time[0])} s, ${s(cpu[0])} processor seconds; igzip -dc of its largest layer ${s(time[1])} s: ${ratio(time)} × its time, ${ratio(cpu)} × its processor time\n`,
  );
}

forecasting();
longTraces();
tracing();
if (values.image !== undefined) await indexing(path.resolve(values.image));
for (const file of values.layer ?? [await ownLayer()]) {
  const names = ['gunzip', 'digests', 'scan', 'pool', 'scan-diff'];
  const results = Object.fromEntries([...names, 'igzip'].map((name) => [name, []]));
  for (let run = 0; run < runs; run++) {
    for (const name of names) results[name].push(measure(name, file));
    const reference = igzip(file);
    if (reference) results.igzip.push(reference);
  }
  const of = (name, key) =>
    results[name].length > 0 ? median(results[name].map((result) => result[key])) : undefined;
  const { bytes, entries } = results.scan[0];
  console.log(
    `${path.basename(file).slice(0, 24)}: ${mb((await stat(file)).size)} MB packed, ${mb(bytes)} MB, ${entries} entries\n`,
  );
  const ratio = (name, key, base) => (of(base, key) === undefined ? '–' : s(of(name, key) / of(base, key)));
  const row = (label, name) => [
    label,
    s(of(name, 'seconds')),
    s(of(name, 'cpu')),
    ratio(name, 'seconds', 'igzip'),
    ratio(name, 'seconds', 'gunzip'),
    ratio(name, 'cpu', 'igzip'),
    results[name][0]?.rss ? mb(of(name, 'rss')) : '–',
  ];
  table([
    ['', 'seconds', 'processor seconds', 'time to igzip', 'time to gunzip', 'processor to igzip', 'peak MB'],
    row('igzip -dc', 'igzip'),
    row('Node gunzip stream', 'gunzip'),
    row('SHA-256 of blob and spans, no decoding', 'digests'),
    row('whole pass, one thread', 'scan'),
    row('whole pass, hashing in a second thread', 'pool'),
    row('whole pass with the diff ID, one thread', 'scan-diff'),
  ]);
  const rss = (name) => median(Array.from({ length: runs }, () => measure(name, file).rss));
  console.log(
    `a second worker that reads the same layer beside the first adds ${mb(rss('pool-2') - of('pool', 'rss'))} MB to the peak\n`,
  );
  compressing(file);
  console.log(
    `12 span sizes after the scan: ${(measure('spans', file).seconds * 1000).toFixed(0)} ms; from the cache: ${(measure('cache', file).seconds * 1000).toFixed(0)} ms; from an abort to the end of its thread: ${(measure('abort', file).seconds * 1000).toFixed(0)} ms\n`,
  );
}

if (values.grow) {
  const rows = ['grow-0.1', 'grow-1', 'grow-5', 'grow-20', 'grow-20-worker', 'entries-500k'].map((name) => {
    const { seconds, cpu, bytes, entries, rss } = measure(name);
    return [
      `${(bytes / 1e9).toFixed(1)} GB`,
      String(entries),
      s(seconds),
      s(cpu),
      s(cpu / (bytes / 1e9)),
      mb(rss),
    ];
  });
  table([['layer', 'entries', 'seconds', 'processor seconds', 'the same per GB', 'peak MB'], ...rows]);
}
