// npm test: everything, from a clone without node_modules on. `npm run test:unit [-- part of a file name …]` for one suite.
// Ends with `N passed, N failed, N skipped`. What cannot run here is skipped by name and reason, and fails under CI.
import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { ensurePackages } from './prepare.mjs';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const ci = process.env.CI !== undefined && process.env.CI !== '' && process.env.CI !== 'false';
const [only, ...filters] = process.argv.slice(2);

const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.once(signal, () => stop.abort(new Error(`stopped by ${signal}`)));
}

const total = { passed: 0, failed: 0, skipped: 0 };
const notes = [];
/** Suites that failed, by name: how many tests or the suite itself, in which files (none: all), and how that is told. */
const red = new Map();

/** Runs one step of the whole and adds its counts; a step that throws is one failure, named. */
async function step(name, action) {
  if (stop.signal.aborted) return;
  console.log(`\n── ${name}`);
  const started = Date.now();
  let counts;
  try {
    counts = await action();
  } catch (error) {
    notes.push(`failed: ${name}: ${error.message}`);
    counts = { passed: 0, failed: 1, skipped: 0 };
  }
  if (counts.missing) {
    notes.push(`${ci ? 'failed' : 'skipped'}: ${name}: ${counts.missing}`);
    counts = ci ? { passed: 0, failed: 1, skipped: 0 } : { passed: 0, failed: 0, skipped: 1 };
  }
  if (ci && counts.skipped > 0) {
    notes.push(`failed: ${name}: ${counts.skipped} skipped under CI`);
    counts = { ...counts, failed: counts.failed + counts.skipped, skipped: 0 };
  }
  for (const key of Object.keys(total)) total[key] += counts[key];
  const seconds = ((Date.now() - started) / 1000).toFixed(1);
  console.log(
    `── ${name}: ${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped (${seconds} s)`,
  );
}

/**
 * A child in this terminal; resolves with its exit code, and is ended with everything else on a signal. One that runs beside
 * another keeps its words until its end, so that the two can be told apart; `niceness` says which of them waits for the
 * processors: the lane of the engine is the longest, the checks are the shortest.
 */
function run(command, args, { env = {}, beside = false, niceness = 0 } = {}) {
  return new Promise((resolve, reject) => {
    const stdio = beside ? 'pipe' : 'inherit';
    const child = spawn(command, args, {
      cwd: root,
      stdio: ['ignore', stdio, stdio],
      env: { ...process.env, ...env },
    });
    if (beside && child.pid) os.setPriority(child.pid, niceness);
    const words = [];
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk) => words.push(chunk));
    const end = () => child.kill('SIGTERM');
    stop.signal.addEventListener('abort', end, { once: true });
    child.once('error', reject);
    child.once('close', (code) => {
      stop.signal.removeEventListener('abort', end);
      process.stdout.write(Buffer.concat(words));
      resolve(code ?? 1);
    });
  });
}

const node = (args, options) => run(process.execPath, args, options);
const check = (code) =>
  code === 0 ? { passed: 1, failed: 0, skipped: 0 } : { passed: 0, failed: 1, skipped: 0 };

/** Bundles one folder of tests and runs those files under node:test whose path contains one of the filters; none means all. */
async function nodeTests(suite, filters, { concurrency, ...options } = {}) {
  const { bundleTests } = await import('./esbuild.mjs');
  const files = (await bundleTests(suite)).filter(
    (file) => filters.length === 0 || filters.some((part) => file.includes(part)),
  );
  if (files.length === 0) throw new Error(`no test file in test/${suite} matches ${filters.join(', ')}`);
  const counts = path.join(root, 'out', `${suite}.json`);
  const code = await node(
    [
      '--enable-source-maps',
      '--test',
      ...(concurrency ? [`--test-concurrency=${concurrency}`] : []),
      '--test-reporter=spec',
      '--test-reporter-destination=stdout',
      `--test-reporter=${path.join(root, 'scripts/count-reporter.mjs')}`,
      `--test-reporter-destination=${counts}`,
      ...files,
    ],
    options,
  );
  const result = JSON.parse(await readFile(counts, 'utf8'));
  // A process that dies outside of a test leaves a code and no failed test.
  if (code !== 0 && result.failed === 0) result.failed = 1;
  return result;
}

let engine;
/** The engine that was given by DOCKER_HOST, else one of our own; started at the first suite that needs it. */
async function engineEnv() {
  const { startEngine } = await import('./engine.mjs');
  engine ??= await startEngine({ signal: stop.signal });
  return engine;
}

/** Each suite: `run` takes parts of names of test files, and resolves with its counts or `{ missing }`. */
const suites = {
  unit: {
    title: 'unit tests',
    run: (filters, { beside } = {}) => nodeTests('unit', filters, { beside, niceness: 5, concurrency: 2 }),
  },
  page: {
    title: 'tests of the page in a browser',
    async run(filters, { beside } = {}) {
      const { findBrowser } = await import('./browser.mjs');
      if (!findBrowser()) return { missing: 'no Chromium, Chrome or Edge is installed' };
      return nodeTests('page', filters, { beside, niceness: 5, concurrency: 1 });
    },
  },
  engine: {
    title: 'engine tests',
    async run(filters) {
      const given = await engineEnv();
      if (given.missing) return { missing: given.missing };
      return nodeTests('engine', filters, { concurrency: 1, env: { DOCKER_HOST: given.host } });
    },
  },
  host: {
    title: 'tests inside VS Code',
    async run(filters) {
      const { runHostSuite } = await import('./host-suite.mjs');
      const given = await engineEnv();
      return runHostSuite({ signal: stop.signal, filters, dockerHost: given.host });
    },
  },
  e2e: {
    title: 'tests by the user interface',
    /** @param options.after what has to be over before the first test begins; all is made ready meanwhile */
    async run(filters, { after } = {}) {
      const given = await engineEnv();
      const { runE2eSuite } = await import('./e2e-suite.mjs');
      return runE2eSuite({ signal: stop.signal, filters, dockerHost: given.host, after });
    },
  },
};

/** One suite as a step of the whole. What fails in it is kept for {@link lookAgain}. */
function runSuite(name, { filters = [], ...options } = {}) {
  const { title, run } = suites[name];
  return step(title, async () => {
    let counts;
    try {
      counts = await run(filters, options);
    } catch (error) {
      red.set(name, { failed: 1, broke: true, files: [], lines: [`${name}: ${error.message}`] });
      return { passed: 0, failed: 1, skipped: 0 };
    }
    for (const skip of counts.skips ?? []) notes.push(`skipped: ${name}: ${skip}`);
    if (counts.failed > 0) {
      const { failed, failures } = counts;
      const files = [...new Set(failures.map(({ file }) => path.parse(file ?? '').name))];
      const lines = failures.map((one) => `${name}: ${one.name}${one.error ? `: ${one.error}` : ''}`);
      red.set(name, { failed, files, lines });
    }
    return counts;
  });
}

/** More red files than this are no accident of a busy machine. */
const FEW = 4;

/**
 * What failed in a few files is run once more when nothing else runs: three suites on two processors can disturb a browser
 * or a VS Code. What passes alone is counted as passed and named as unsteady; what fails again has failed.
 */
async function lookAgain() {
  const files = [...red.values()].flatMap(({ files }) => files);
  for (const [name, first] of red) {
    let again;
    if (files.length <= FEW && !stop.signal.aborted) {
      console.log(`\n── once more, alone: ${suites[name].title} ${first.files.join(', ')}`);
      again = await suites[name].run(first.files).catch(() => undefined);
    }
    const passes = again?.failed === 0 && again.skipped === 0 && again.passed > 0;
    if (passes) {
      total.failed -= first.failed;
      total.passed += first.broke ? again.passed : first.failed;
    }
    for (const line of first.lines) notes.push(`${passes ? 'unsteady, passed alone' : 'failed'}: ${line}`);
  }
}

async function build() {
  await step('build', async () => check(await node(['scripts/build.mjs'], { beside: only === undefined })));
}

/** What needs no build and no engine: lint and types. */
async function checks() {
  await step('lint', async () => {
    const eslint = check(
      await node(['node_modules/eslint/bin/eslint.js', '.'], { beside: true, niceness: 15 }),
    );
    const prettier = check(
      await node(['node_modules/prettier/bin/prettier.cjs', '--check', '--log-level=warn', '.'], {
        beside: true,
        niceness: 15,
      }),
    );
    return { passed: eslint.passed + prettier.passed, failed: eslint.failed + prettier.failed, skipped: 0 };
  });
  await step('types', async () =>
    check(await node(['scripts/typecheck.mjs'], { beside: true, niceness: 15 })),
  );
}

/** Builds the fixture images while the rest is built and checked: from a bare Debian on, that takes minutes. */
async function images() {
  await step('fixture images', async () => {
    const given = await engineEnv();
    if (given.missing) return { missing: given.missing };
    const { bundleTests } = await import('./esbuild.mjs');
    const [script] = await bundleTests('support', /^build-images\.ts$/);
    return check(await node([script], { beside: true, env: { DOCKER_HOST: given.host } }));
  });
}

/** VS Code and the sample image, which two suites need and one alone may make. */
async function workbench() {
  await step('VS Code and the sample', async () => {
    const beside = { beside: true, niceness: 10 };
    const codes = [
      await node(['scripts/vscode-host.mjs'], beside),
      await node(['scripts/sample.mjs'], beside),
    ];
    return check(Math.max(...codes));
  });
}

if (only !== undefined && !(only in suites)) {
  console.error(`No suite ${only}; there are ${Object.keys(suites).join(', ')}.`);
  process.exit(2);
}

try {
  const missing = await ensurePackages({ system: only !== 'unit', log: console.log });
  for (const line of missing) notes.push(`not installed: ${line}`);
  if (only === undefined) {
    // What needs the engine waits for it half of the time, and a browser waits too: three lanes keep two cores busy.
    const built = build();
    const ready = built.then(workbench);
    const engineLane = Promise.all([images(), built]).then(() => runSuite('engine'));
    const browserLane = built
      .then(() => runSuite('unit', { beside: true }))
      .then(() => runSuite('page', { beside: true }))
      .then(() => ready)
      .then(() => runSuite('host'));
    const lanes = Promise.all([engineLane, browserLane]);
    await Promise.all([
      // A person's way counts the containers of the engine, so it is alone with it; the lane that ends first makes it ready.
      Promise.race([engineLane, browserLane])
        .then(() => ready)
        .then(() => runSuite('e2e', { after: lanes })),
      ready.then(checks),
    ]);
    await lookAgain();
  } else {
    await build();
    await runSuite(only, { filters });
    for (const { lines } of red.values()) notes.push(...lines.map((line) => `failed: ${line}`));
  }
} finally {
  await engine?.stop?.();
}

if (stop.signal.aborted) {
  notes.push(`failed: ${stop.signal.reason.message}`);
  total.failed += 1;
}
if (notes.length > 0) console.log(`\n${notes.join('\n')}`);
console.log(`\n${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
process.exit(total.failed === 0 ? 0 : 1);
