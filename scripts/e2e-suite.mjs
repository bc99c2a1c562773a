// The suite that does what a person does, with mouse and keyboard, in a real VS Code with the packed extension: test/e2e.
import { spawn } from 'node:child_process';
import { cp, mkdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { findBrowser } from './browser.mjs';
import { ensureHost, installExtension, startServer } from './vscode-host.mjs';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const work = path.join(root, 'out/e2e');
const workspace = path.join(work, 'shop');

/** Where no engine answers until a test puts one there. A path of sockets may have 107 bytes. */
const absentEngine = path.join(tmpdir(), `soci-lens-engine-${process.pid}.sock`);

/**
 * @param options.filters parts of names of test files; none means all
 * @param options.dockerHost the engine that builds and runs; none is given where none can run
 * @param options.after what has to be over before the first test begins
 * @returns `{ passed, failed, skipped, failures: [{ name, file }] }`, or `{ missing }` with what it lacks
 */
export async function runE2eSuite({ signal, filters = [], dockerHost, after } = {}) {
  if (!findBrowser()) return { missing: 'no Chromium, Chrome or Edge is installed' };
  if (!dockerHost) return { missing: 'no Docker engine to build and run with' };
  const { bundleTests } = await import('./esbuild.mjs');
  const bundles = await bundleTests('e2e');
  const files = bundles.filter((file) => filters.length === 0 || filters.some((part) => file.includes(part)));

  await rm(work, { recursive: true, force: true });
  await mkdir(path.join(work, 'tmp'), { recursive: true });
  const { env, stop } = await startVscode(dockerHost);
  try {
    await after;
    return await run(files, { signal, env });
  } finally {
    await stop();
  }
}

/** Installs the packed extension and starts two VS Codes: one with the engine, one that trusts no workspace and finds no engine. */
async function startVscode(dockerHost) {
  const { packExtension } = await import('./package.mjs');
  const { makeSample, samplePaths } = await import('./sample.mjs');
  await ensureHost();
  await makeSample();
  await cp(samplePaths.context, workspace, { recursive: true, filter: (file) => !file.endsWith('.jsonl') });
  const vsix = await packExtension(path.join(work, 'soci-lens.vsix'));
  const extensionsDir = path.join(work, 'extensions');
  await installExtension(vsix, { extensionsDir });
  const settings = {
    'workbench.colorTheme': 'Dark Modern',
    'window.dialogStyle': 'custom',
    // A panel that has just come up takes the focus; what a test is typing into shall stay open.
    'workbench.quickOpen.closeOnFocusLost': false,
    // Its lenses come when VS Code has long been there, and VS Code forgets then what was just chosen of ours.
    'merge-conflict.codeLens.enabled': false,
    'sociLens.decorations.enabled': true,
    'security.workspace.trust.startupPrompt': 'never',
  };
  const options = { workspace, extensionsDir, settings };
  const starting = [
    startServer({ ...options, env: { DOCKER_HOST: dockerHost } }),
    startServer({
      ...options,
      workspaceTrust: true,
      env: { DOCKER_HOST: `unix://${absentEngine}` },
    }),
  ];
  const stop = async () => {
    const started = await Promise.allSettled(starting);
    await Promise.all(started.map(({ value }) => value?.stop()));
  };
  let server, restricted;
  try {
    [server, restricted] = await Promise.all(starting);
  } catch (error) {
    await stop();
    throw error;
  }
  const env = {
    SOCI_LENS_URL: server.url,
    SOCI_LENS_RESTRICTED_URL: restricted.url,
    SOCI_LENS_ABSENT_ENGINE: absentEngine,
    SOCI_LENS_LAYOUT: samplePaths.layout,
    SOCI_LENS_WORKSPACE: workspace,
    SOCI_LENS_VSIX: vsix,
    SOCI_LENS_TEST_ENGINE: dockerHost,
  };
  return { env, stop };
}

/** node:test over the bundled files, one after another: they share what is started once. Resolves with their counts. */
async function run(files, { signal, env }) {
  const counts = path.join(work, 'report.json');
  const reporters = [
    ['spec', 'stdout'],
    [path.join(root, 'scripts/count-reporter.mjs'), counts],
  ].flatMap(([reporter, to]) => [`--test-reporter=${reporter}`, `--test-reporter-destination=${to}`]);
  const child = spawn(
    process.execPath,
    ['--enable-source-maps', '--test', '--test-concurrency=1', ...reporters, ...files],
    {
      cwd: root,
      stdio: ['ignore', 'inherit', 'inherit'],
      detached: true,
      // What tests that were interrupted leave behind goes with the next run.
      env: { ...process.env, CHROMIUM: findBrowser(), TMPDIR: path.join(work, 'tmp'), ...env },
    },
  );
  const end = () => process.kill(-child.pid, 'SIGTERM');
  signal?.addEventListener('abort', end, { once: true });
  process.once('exit', end);
  await new Promise((resolve) => child.once('close', resolve));
  signal?.removeEventListener('abort', end);
  process.removeListener('exit', end);
  signal?.throwIfAborted();
  return JSON.parse(await readFile(counts, 'utf8'));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const name of ['SIGINT', 'SIGTERM']) process.once(name, () => process.exit(130));
  const dockerHost = process.env.DOCKER_HOST ?? 'unix:///var/run/docker.sock';
  console.log(await runE2eSuite({ filters: process.argv.slice(2), dockerHost }));
}
