// The suite that runs inside VS Code's own extension host, by @vscode/test-electron: test/host. The VS Code is code-server
// (vscode-wrapper.mjs); where there is a desktop one, `SOCI_LENS_VSCODE` may name its executable.
import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { cp, mkdir, readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { findBrowser } from './browser.mjs';
import { ensureHost } from './vscode-host.mjs';

const self = fileURLToPath(import.meta.url);
const root = path.resolve(path.dirname(self), '..');
const work = path.join(root, 'out/host');
const workspace = path.join(work, 'workspace');
const tests = path.join(root, 'out/test/host');

/** Does nothing but wait for a minute, so it has a VS Code of its own beside that of all others. */
const IDLE = 'idle.test.js';
/** The little extension of somebody else that uses ours. */
const consumer = path.join(work, 'consumer');

/**
 * @param options.filters parts of names of test files; none means all
 * @param options.dockerHost the engine for the few tests that need one; they are skipped without it
 * @returns `{ passed, failed, skipped, failures: [{ name, file, error }] }`, or `{ missing }` with what it lacks
 */
export async function runHostSuite({ signal, filters = [], dockerHost = '' } = {}) {
  if (!findBrowser()) return { missing: 'no Chromium, Chrome or Edge is installed' };
  await prepare();
  await ensureHost();
  const wanted = readdirSync(tests).filter(
    (file) =>
      file.endsWith('.test.js') && (filters.length === 0 || filters.some((part) => file.includes(part))),
  );
  const parts = [wanted.filter((file) => file !== IDLE), wanted.filter((file) => file === IDLE)];
  const results = await Promise.all(
    parts
      .filter((files) => files.length > 0)
      .map((files, index) => runPart(`window-${index}`, files, { signal, dockerHost })),
  );
  const sum = (key) => results.reduce((total, one) => total + one[key], 0);
  return {
    passed: sum('passed'),
    failed: sum('failed'),
    skipped: sum('skipped'),
    failures: results.flatMap(({ failures }) => failures),
  };
}

/** Some files of tests in a VS Code of their own. */
async function runPart(name, files, { signal, dockerHost }) {
  const report = path.join(work, `${name}.json`);
  await rm(report, { force: true });
  // In a process group of its own, so that the whole run can be ended at once.
  const child = spawn(process.execPath, [self, '--run', name], {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
    detached: true,
    env: {
      ...process.env,
      SOCI_LENS_REPORT: report,
      SOCI_LENS_FILES: `^(?:${files.map((file) => file.replaceAll('.', '\\.')).join('|')})$`,
      SOCI_LENS_TEST_ENGINE: dockerHost,
    },
  });
  const end = () => process.kill(-child.pid, 'SIGTERM');
  signal?.addEventListener('abort', end, { once: true });
  process.once('exit', end);
  const code = await new Promise((resolve) => child.once('close', resolve));
  signal?.removeEventListener('abort', end);
  process.removeListener('exit', end);
  signal?.throwIfAborted();
  const result = await readFile(report, 'utf8').then(JSON.parse, () => {
    throw new Error(`VS Code ended with exit code ${code} before the tests did.`);
  });
  for (const passed of result.passes) console.log(`✔ ${passed}`);
  for (const { name: failed, error } of result.failures) console.error(`✖ ${failed}\n${error}`);
  return result;
}

/** Bundles the tests and lays out the workspace that they open. */
async function prepare() {
  const { bundleTests, node } = await import('./esbuild.mjs');
  const { build } = await import('esbuild');
  const { makeSample, samplePaths } = await import('./sample.mjs');
  await bundleTests('host');
  await makeSample();
  const source = path.join(root, 'test/host/consumer');
  await build({ ...node, entryPoints: [path.join(source, 'extension.ts')], outdir: consumer });
  await cp(path.join(source, 'package.json'), path.join(consumer, 'package.json'));
  await rm(workspace, { recursive: true, force: true });
  await mkdir(workspace, { recursive: true });
  await cp(path.join(root, 'test/host/workspace'), workspace, { recursive: true });
  await cp(samplePaths.layout, path.join(workspace, 'sample'), { recursive: true });
  await cp(samplePaths.trace, path.join(workspace, 'start.soci-trace.jsonl'));
}

async function run(name) {
  const { runTests } = await import('@vscode/test-electron');
  const vscodeExecutablePath = process.env.SOCI_LENS_VSCODE ?? path.join(root, 'scripts/vscode-wrapper.mjs');
  const scratch = path.join(work, name);
  await rm(scratch, { recursive: true, force: true });
  // VS Code takes up what lies in a new folder of extensions.
  const extensions = path.join(scratch, 'extensions');
  // A folder of its own, since files that come and go in it are news to every window that has it open.
  const folder = path.join(scratch, 'workspace');
  await cp(workspace, folder, { recursive: true });
  await cp(consumer, path.join(extensions, 'soci-lens-tests.consumer-0.0.1'), { recursive: true });
  try {
    await runTests({
      vscodeExecutablePath,
      extensionDevelopmentPath: root,
      extensionTestsPath: path.join(tests, 'index.js'),
      launchArgs: [folder, `--user-data-dir=${path.join(scratch, 'data')}`, `--extensions-dir=${extensions}`],
      // An address that nobody answers: a test that needs an engine says so by the setting of the extension.
      extensionTestsEnv: { DOCKER_HOST: 'unix:///nonexistent/docker.sock' },
    });
  } catch {
    process.exitCode = 1;
  }
}

if (process.argv[2] === '--prepare') await prepare();
if (process.argv[2] === '--run') await run(process.argv[3]);
