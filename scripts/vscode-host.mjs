// A real VS Code without a display: code-server (the real workbench and the real Node extension host) in a folder of its
// own, started on a free loopback port. Used by `npm start` where no desktop `code` is found, and by the suites `host` and `e2e`.
import { spawn, spawnSync } from 'node:child_process';
import { createWriteStream, existsSync, readFileSync, rmSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { homedir, tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const host = path.join(root, '.vscode-test-host');

/** code-server asks for exactly Node 24, so that one comes from npm too; the machine's own may be another. */
const CODE_SERVER = '4.139.1';
const NODE = '24.21.0';
const nodePackage = `node-${process.platform}-${process.arch}`;

const node24 = path.join(host, 'node_modules', nodePackage, 'bin', 'node');
const codeServer = path.join(host, 'node_modules', 'code-server');
const entry = path.join(codeServer, 'out', 'node', 'entry.js');

/** Parts of code-server that no test and no demonstration meets: 340 MB of other platforms, headers and chat. */
const UNUSED = [
  'code-server/lib/vscode/node_modules/@github',
  'code-server/lib/vscode/node_modules/@microsoft/mxc-sdk',
  'code-server/lib/vscode/node_modules/@vscode/windows-process-tree',
  'code-server/lib/vscode/node_modules/@devcontainers',
  'code-server/lib/vscode/extensions/copilot',
  `${nodePackage}/include`,
  `${nodePackage}/share`,
];

/** Settings that keep the workbench still: no welcome pages, no updates, no network, no chat. */
const QUIET = {
  'workbench.startupEditor': 'none',
  'workbench.enableExperiments': false,
  'workbench.secondarySideBar.defaultVisibility': 'hidden',
  'workbench.tips.enabled': false,
  'telemetry.telemetryLevel': 'off',
  'extensions.autoUpdate': false,
  'extensions.autoCheckUpdates': false,
  'extensions.ignoreRecommendations': true,
  'update.mode': 'none',
  'chat.disableAIFeatures': true,
  'git.enabled': false,
};

/** What this process started, with its folder; whatever ends the process ends these too. */
const running = new Map();
process.on('exit', () => {
  for (const [child, run] of running) {
    killGroup(child, 'SIGKILL');
    rmSync(run, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  }
});

/**
 * Installs code-server and its Node from npm unless they are there and work: 40 s the first time, then 1 s.
 * They have a folder and a package.json of their own, so that `npm ci` of the project never meets them.
 */
export async function ensureHost({ log = console.error } = {}) {
  if (works()) return;
  if (process.platform === 'win32')
    throw new Error('code-server does not run on Windows: open the folder in desktop VS Code and press F5.');
  log(
    `Installing code-server ${CODE_SERVER} from npm into ${path.relative(process.cwd(), host) || '.'} (once, about 40 s)…`,
  );
  await rm(host, { recursive: true, force: true });
  await mkdir(host, { recursive: true });
  const manifest = { private: true, dependencies: { 'code-server': CODE_SERVER, [nodePackage]: NODE } };
  await writeFile(path.join(host, 'package.json'), JSON.stringify(manifest, undefined, 2));
  npmInstall(host);
  // The second install is what code-server's postinstall would do; it would also compile modules that nothing here needs.
  npmInstall(path.join(codeServer, 'lib', 'vscode'), '--no-save');
  await Promise.all(
    UNUSED.map((part) => rm(path.join(host, 'node_modules', part), { recursive: true, force: true })),
  );
  if (!works())
    throw new Error(
      `code-server ${CODE_SERVER} was installed but does not start; delete ${host} and try again.`,
    );
}

function works() {
  if (!existsSync(node24) || !existsSync(path.join(codeServer, 'lib', 'vscode', 'node_modules', '@vscode')))
    return false;
  const { stdout } = spawnSync(node24, [entry, '--version'], {
    encoding: 'utf8',
    env: { ...process.env, ...privateHome(host) },
  });
  // It writes a default configuration first and says so, the first time.
  return stdout?.split('\n').some((line) => line.startsWith(`${CODE_SERVER} `)) === true;
}

function npmInstall(folder, ...more) {
  const flags = ['--ignore-scripts', '--omit=dev', '--no-audit', '--no-fund', '--loglevel=error', ...more];
  const { status, stdout, stderr } = spawnSync('npm', ['install', ...flags], {
    cwd: folder,
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`npm install failed in ${folder}: ${stderr || stdout}`);
}

/**
 * Starts VS Code on a free port of 127.0.0.1 and resolves when it answers.
 *
 * @param options.workspace Folder to open.
 * @param options.smokeTestDriver Lets the URL's `payload` name an extension under development and its tests; also hides notifications.
 * @param options.extensionsDir Installed extensions; a fresh empty folder if not given.
 * @param options.userDataDir The user's data; a fresh folder if not given. Kept at the end when given.
 * @param options.settings User settings beside `QUIET`.
 * @param options.workspaceTrust `true` leaves VS Code's question about trust on; else everything is trusted.
 * @param options.env Variables of the extension host, beside this process's own.
 * @returns `{ port, url, pid, logFile, stop() }`; `stop` ends it and removes what was made for it.
 */
export async function startServer({
  workspace,
  smokeTestDriver = false,
  extensionsDir,
  userDataDir,
  settings = {},
  workspaceTrust = false,
  env = {},
}) {
  const run = await mkdtemp(path.join(tmpdir(), 'soci-lens-vscode-'));
  const data = userDataDir ?? path.join(run, 'data');
  const logFile = path.join(run, 'server.log');
  await mkdir(path.join(data, 'User'), { recursive: true });
  const settingsFile = path.join(data, 'User', 'settings.json');
  if (!existsSync(settingsFile))
    await writeFile(settingsFile, JSON.stringify({ ...QUIET, ...settings }, undefined, 2));

  const port = await freePort();
  const child = spawn(
    node24,
    [
      entry,
      '--auth=none',
      `--bind-addr=127.0.0.1:${port}`,
      `--config=${path.join(run, 'config.yaml')}`,
      `--user-data-dir=${data}`,
      `--extensions-dir=${extensionsDir ?? path.join(run, 'extensions')}`,
      '--disable-telemetry',
      '--disable-update-check',
      '--disable-getting-started-override',
      ...(workspaceTrust ? [] : ['--disable-workspace-trust']),
      ...(smokeTestDriver ? ['--vscode-option', 'enable-smoke-test-driver'] : []),
      workspace,
    ],
    {
      env: { ...process.env, ...privateHome(run), ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    },
  );
  running.set(child, run);
  const log = createWriteStream(logFile);
  child.stdout.pipe(log, { end: false });
  child.stderr.pipe(log, { end: false });
  const exited = new Promise((resolve) => child.once('exit', resolve));

  const stop = async () => {
    killGroup(child, 'SIGTERM');
    await Promise.race([exited, delay(5000)]);
    killGroup(child, 'SIGKILL');
    running.delete(child);
    log.end();
    await rm(run, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  };
  const url = `http://127.0.0.1:${port}/`;
  try {
    await answers(`${url}healthz`, child);
  } catch (error) {
    const said = existsSync(logFile) ? readFileSync(logFile, 'utf8') : '';
    await stop();
    throw new Error(`${error.message}\n${said}`, { cause: error });
  }
  return { port, url, pid: child.pid, logFile, stop };
}

/** Installs a `.vsix` file into `extensionsDir`, as the Extensions view does. */
export async function installExtension(vsix, { extensionsDir, userDataDir }) {
  const run = await mkdtemp(path.join(tmpdir(), 'soci-lens-vscode-'));
  try {
    const { status, stdout, stderr } = spawnSync(
      node24,
      [
        entry,
        `--user-data-dir=${userDataDir ?? run}`,
        `--extensions-dir=${extensionsDir}`,
        `--install-extension=${path.resolve(vsix)}`,
      ],
      { encoding: 'utf8', env: { ...process.env, ...privateHome(run) } },
    );
    if (status !== 0) throw new Error(`code-server did not install ${vsix}: ${stderr || stdout}`);
  } finally {
    await rm(run, { recursive: true, force: true });
  }
}

/** code-server writes into the home and asks a gallery for updates unless it is told otherwise; Docker's sign-ins stay in reach. */
function privateHome(run) {
  return {
    DOCKER_CONFIG: process.env.DOCKER_CONFIG ?? path.join(homedir(), '.docker'),
    HOME: run,
    XDG_CONFIG_HOME: run,
    XDG_DATA_HOME: run,
    EXTENSIONS_GALLERY: '{"serviceUrl":""}',
  };
}

async function answers(url, child) {
  const deadline = Date.now() + 120_000;
  while (Date.now() < deadline) {
    if (child.exitCode !== null)
      throw new Error(`code-server ended at once with exit code ${child.exitCode}.`);
    const ok = await fetch(url).then(
      (response) => response.ok,
      () => false,
    );
    if (ok) return;
    await delay(100);
  }
  throw new Error('code-server did not answer within two minutes.');
}

function killGroup(child, signal) {
  try {
    process.kill(-child.pid, signal);
  } catch (error) {
    if (error.code !== 'ESRCH') throw error;
  }
}

/** A port of 127.0.0.1 that nothing listens on. */
export function freePort() {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await ensureHost();
