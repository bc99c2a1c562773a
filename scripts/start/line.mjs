// The main job, step by step, by the command line as a person would type it.
import { createRequire } from 'node:module';
import path from 'node:path';
import { makeSample } from '../sample.mjs';
import { finish } from './children.mjs';
import { startRegistry } from './registry.mjs';

const IMAGE = 'soci-lens-sample:latest';
/** What the sample prints when it is ready. */
const READY = 'log=build finished';
/** The layers of the sample are smaller than those of large services; 10 MiB would leave out all but one. */
const MIN_LAYER_SIZE = '1M';

/** On a fast network an image of this size is best pulled whole; on an office's or an edge site's the question is a real one. */
const NETWORK = 'slow';

/** A verb failed and has said why; `code` is its exit code. */
export class LineError extends Error {
  constructor(code) {
    super(`soci-lens ended with exit code ${code}.`);
    this.code = code;
  }
}

/** Runs the whole line with its files in `work`. Resolves with the rows of the table that sums it up. */
export async function runLine({ root, work, log }) {
  const sample = await makeSample({ log });
  const relative = (file) => path.relative(root, file).split(path.sep).join('/');
  const file = (name) => relative(path.join(work, name));
  const soci = (...args) => runVerb(root, args, log);

  const source = await prepareImage(sample, relative, log);
  const inspected = await soci('inspect', source.image, ...source.platform, ...source.dockerfile);
  const size = sum(inspected.layers, 'size');
  const files = sum(inspected.layers, 'files');
  log(
    `${inspected.layers.length} layers, ${mb(size)} packed, ${mb(sum(inspected.layers, 'uncompressedSize'))} unpacked, ${files} entries; ${mb(inspected.efficiency.wastedBytes)} hidden by later layers`,
  );

  let { trace } = source;
  if (trace === undefined) {
    trace = file('start.soci-trace.jsonl');
    const recorded = await soci('trace', source.image, '--ready', READY, '--output', trace);
    log(
      `${recorded.files} paths opened, ready after ${seconds(recorded.readyMs / 1000)} (${recorded.reason}), written to ${trace}`,
    );
  } else {
    log(`\nNo recording without an engine: ${trace} is the start that was recorded of this very image.`);
  }

  const report = file('report.html');
  const about = [source.image, '--trace', trace, '--min-layer-size', MIN_LAYER_SIZE, '--network', NETWORK];
  const plan = await soci('plan', ...about, '--html', report, ...source.platform, ...source.dockerfile);
  const row = plan.rows.find(({ spanSize }) => spanSize === plan.choice.spanSize);
  log(plan.choice.reason);

  const output = `oci:${file('indexed')}`;
  const spanSize = ['--span-size', String(plan.choice.spanSize), '--min-layer-size', MIN_LAYER_SIZE];
  const made = await soci('index', source.image, '--output', output, ...spanSize);
  const ztocs = made.platforms.flatMap((platform) => platform.ztocs);
  log(
    `${ztocs.length} layers indexed with ${mb(sum(ztocs, 'size'))} of ztocs, image index ${made.index.digest}`,
  );

  const registry = source.engine ? await startRegistry(path.join(work, 'registry')) : undefined;
  const destination = registry ? `docker://${registry}/${IMAGE}` : `oci:${file('pushed')}`;
  const pushed = await soci('push', output, destination);
  log(
    `${pushed.uploaded} blobs (${mb(pushed.bytes)}) pushed to ${destination}, ${pushed.skipped} were there already`,
  );

  const verified = await soci('verify', destination);
  const checked = sum(
    verified.platforms.flatMap(({ layers }) => layers),
    'checkedSpans',
  );
  log(`${checked} spans read back by the independent decoder: all as the index says`);

  const forecast = Object.fromEntries(plan.modes.map((mode) => [mode.mode, mode]));
  return [
    [
      'layers',
      `${plan.layers.length}, ${plan.layers.filter(({ indexed }) => indexed).length} of them indexed`,
    ],
    ['files touched', `${plan.trace.files} of ${files} entries`],
    [
      'bytes touched',
      `${mb(sum(plan.layers, 'touchedBytes'))} of ${mb(sum(plan.layers, 'uncompressedSize'))}`,
    ],
    ['spans touched', `${row.touchedSpans} of ${row.spans}, ${mb(row.spanBytes)} of ${mb(size)} fetched`],
    ['span size', `${plan.choice.spanSize / 1024} KiB`],
    [
      'forecast',
      `at ${mb(plan.network.bytesPerSecond)}/s: ready after ${seconds(forecast.lazy.totalSeconds)} lazily, ${seconds(forecast['lazy-prefetch'].totalSeconds)} with prefetch; ${seconds(forecast['docker-pull'].totalSeconds)} by an ordinary pull`,
    ],
    ['SOCI index', made.platforms[0].sociIndex.digest],
    ['image index', pushed.digest],
    ['pushed to', destination],
    ['report', path.join(root, report)],
  ];
}

/** Builds the sample in the engine, or falls back on the embedded image and its recorded start. */
async function prepareImage(sample, relative, log) {
  const { buildImage, connectEngine } = createRequire(import.meta.url)('../../dist/line.js');
  const dockerfile = ['--dockerfile', relative(path.join(sample.context, 'Dockerfile'))];
  const engine = await connectEngine().catch((error) => {
    log(`\n${error.message}\nSo this goes on with the embedded image, which needs no engine.`);
  });
  if (!engine) {
    // The embedded image is for one platform, whatever this machine is.
    const platform = ['--platform', 'linux/amd64'];
    return {
      image: `oci:${relative(sample.layout)}`,
      trace: relative(sample.trace),
      dockerfile,
      platform,
      engine: false,
    };
  }
  log(`\nBuilding ${IMAGE} from ${dockerfile[1]} in Docker ${engine.info.version}`);
  const started = Date.now();
  const { imageId } = await buildImage(engine, {
    contextDir: sample.context,
    dockerfile: 'Dockerfile',
    tag: IMAGE,
  });
  log(`${imageId} in ${seconds((Date.now() - started) / 1000)}`);
  return { image: `docker-daemon:${IMAGE}`, trace: undefined, dockerfile, platform: [], engine: true };
}

async function runVerb(root, args, log) {
  log(`\n$ soci-lens ${args.map((arg) => (/^[\w@%+=:,./-]+$/.test(arg) ? arg : `'${arg}'`)).join(' ')}`);
  const { code, text } = await finish(process.execPath, ['dist/cli.js', ...args, '--json'], { cwd: root });
  if (code !== 0) throw new LineError(code);
  return JSON.parse(text);
}

const sum = (items, key) => items.reduce((total, item) => total + (item[key] ?? 0), 0);
const mb = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;
const seconds = (value) => `${value.toFixed(1)} s`;
