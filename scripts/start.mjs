// npm start: the main job on a real image, from a fresh clone to the span map in VS Code.
// (a) installs and builds what is missing, (b) makes the sample image, (c) runs the whole line by the command line, (d) opens
// VS Code on it. Without a terminal, or with `-- --no-ui`, it ends after (c).
// Nothing but Node's own modules may be imported here at the top: node_modules may be missing.
import { readdirSync, statSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { ensureNodeModules } from './prepare.mjs';
import { finish, stopAll } from './start/children.mjs';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const work = path.join(root, '.cache/start');
const withEditor = process.stdout.isTTY === true && !process.argv.includes('--no-ui');

const stopped = new Promise((resolve) => {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.once(signal, () => {
      stopAll(signal);
      resolve(signal);
    });
  }
});

/** True when a source is newer than the last build. */
function isStale() {
  const built = statSync(path.join(root, 'dist/cli.js'), { throwIfNoEntry: false })?.mtimeMs ?? 0;
  const isNewer = (file) => {
    const stat = statSync(file);
    return stat.isDirectory()
      ? readdirSync(file).some((name) => isNewer(path.join(file, name)))
      : stat.mtimeMs > built;
  };
  return ['src', 'webview', 'scripts/esbuild.mjs', 'scripts/build.mjs', 'package-lock.json'].some((name) =>
    isNewer(path.join(root, name)),
  );
}

async function build() {
  if (!isStale()) return 0;
  console.log('Building');
  const { code } = await finish(process.execPath, ['scripts/build.mjs'], { cwd: root, stdio: 'inherit' });
  return code;
}

async function main() {
  const started = Date.now();
  ensureNodeModules(console.log);
  const { makeSample } = await import('./sample.mjs');
  const [code] = await Promise.all([build(), makeSample({ log: console.log })]);
  if (code !== 0) return code;
  await rm(work, { recursive: true, force: true });
  await mkdir(work, { recursive: true });

  const { LineError, runLine } = await import('./start/line.mjs');
  try {
    const rows = await runLine({ root, work, log: console.log });
    const width = Math.max(...rows.map(([name]) => name.length));
    console.log(`\n${rows.map(([name, value]) => `${name.padEnd(width)}  ${value}`).join('\n')}`);
    console.log(`\nDone in ${((Date.now() - started) / 1000).toFixed(0)} s.`);
  } catch (error) {
    if (error instanceof LineError) return error.code;
    throw error;
  }
  if (withEditor) {
    const { openEditor } = await import('./start/editor.mjs');
    await openEditor({ root, workspace: path.join(root, 'sample'), stopped });
  }
  return 0;
}

const finished = main().catch((error) => {
  console.error(error.message);
  return 1;
});
// After Ctrl-C the steps end by themselves, since their programs are stopped; nothing waits for one that does not.
const interrupted = stopped.then(async (signal) => {
  await Promise.race([finished, delay(5000)]);
  return signal === 'SIGINT' ? 130 : 143;
});
const code = await Promise.race([interrupted, finished]);
stopAll();
process.exit(code);
