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
  /** One verb of the command line, and one line about what came of it. */
  const soci = async (args, summary) => {
    const started = Date.now();
    const result = await runVerb(root, args, log);
    log(`${summary(result)} (${since(started)})`);
    return result;
  };

  const { image, engine, platform, dockerfile, ...source } = await prepareImage(sample, relative, log);
  const { layers } = await soci(
    ['inspect', image, ...platform, ...dockerfile],
    (it) =>
      `${it.layers.length} layers, ${mb(sum(it.layers, 'size'))} packed, ${mb(sum(it.layers, 'uncompressedSize'))} unpacked, ${sum(it.layers, 'files')} entries; ${mb(it.efficiency.wastedBytes)} hidden by later layers`,
  );

  let { trace } = source;
  if (trace === undefined) {
    trace = file('start.soci-trace.jsonl');
    await soci(
      ['trace', image, '--ready', READY, '--output', trace],
      (it) =>
        `${it.files} files and folders opened, ready after ${seconds(it.readyMs / 1000)} by ${it.reason}`,
    );
  } else {
    log(
      `\nNothing is recorded without an engine: ${trace} is the start that was recorded of this very image.`,
    );
  }

  const report = file('report.html');
  const given = ['--trace', trace, '--min-layer-size', MIN_LAYER_SIZE, '--network', NETWORK];
  const plan = await soci(
    ['plan', image, ...given, '--html', report, ...platform, ...dockerfile],
    (it) => it.choice.reason,
  );

  const output = `oci:${file('indexed')}`;
  const tuned = ['--span-size', String(plan.choice.spanSize), '--min-layer-size', MIN_LAYER_SIZE];
  const exact = ['--trace', trace, '--prefetch-from-trace'];
  const made = await soci(['index', image, '--output', output, ...tuned, ...exact], (it) => {
    const ztocs = it.platforms.flatMap((one) => one.ztocs);
    const prefetch = it.platforms.flatMap((one) => one.prefetch);
    return `${ztocs.length} layers indexed with ${mb(sum(ztocs, 'size'))} of ztocs, the touched spans of ${prefetch.length} listed for prefetch`;
  });

  const registry = engine ? await startRegistry(path.join(work, 'registry')) : undefined;
  const destination = registry ? `docker://${registry}/${IMAGE}` : `oci:${file('pushed')}`;
  const pushed = await soci(
    ['push', output, destination],
    (it) => `${it.uploaded} blobs (${mb(it.bytes)}) pushed, ${it.skipped} were there already`,
  );
  await soci(['verify', destination], (it) => {
    const checked = it.platforms.flatMap((one) => one.layers);
    return `${sum(checked, 'checkedSpans')} of ${sum(checked, 'spans')} spans read back by the independent decoder: all as the index says`;
  });

  const row = plan.rows.find(({ spanSize }) => spanSize === plan.choice.spanSize);
  const ready = (mode) => seconds(plan.modes.find((one) => one.mode === mode).totalSeconds);
  return [
    ['layers', `${layers.length}, ${plan.layers.filter(({ indexed }) => indexed).length} of them indexed`],
    ['files touched', `${plan.trace.files} of ${sum(layers, 'files')} entries`],
    ['bytes touched', `${mb(sum(plan.layers, 'touchedBytes'))} of ${mb(sum(layers, 'uncompressedSize'))}`],
    [
      'spans touched',
      `${row.touchedSpans} of ${row.spans}: ${mb(row.spanBytes)} of ${mb(sum(layers, 'size'))} to fetch`,
    ],
    ['span size', `${plan.choice.spanSize} bytes (${plan.choice.spanSize / 1024} KiB)`],
    [
      'forecast',
      `ready after ${ready('lazy')} lazily, ${ready('lazy-prefetch')} with prefetch, ${ready('docker-pull')} by an ordinary pull, all at ${mb(plan.network.bytesPerSecond)}/s`,
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
  log(`${imageId} (${since(started)})`);
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
const since = (started) => seconds((Date.now() - started) / 1000);
