/** What a person gets who opens this folder in VS Code and presses F5, or types `npm start` on a machine with a desktop. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { access, chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { temporaryFolder } from '../support/folders';
import { repoRoot } from '../support/paths';

const inRepo = (...parts: string[]) => path.join(repoRoot, ...parts);
const json = (...parts: string[]): unknown => JSON.parse(readFileSync(inRepo(...parts), 'utf8'));

interface Launch {
  readonly configurations: readonly {
    readonly name: string;
    readonly type: string;
    readonly request: string;
    readonly args: readonly string[];
    readonly outFiles: readonly string[];
    readonly preLaunchTask: string;
  }[];
}
interface Tasks {
  readonly tasks: readonly {
    readonly label: string;
    readonly type: string;
    readonly script?: string;
    readonly command?: string;
  }[];
}
interface Manifest {
  readonly main: string;
  readonly scripts: Readonly<Record<string, string>>;
}

const launch = json('.vscode', 'launch.json') as Launch;
const { tasks } = json('.vscode', 'tasks.json') as Tasks;
const { main, scripts } = json('package.json') as Manifest;

test('F5 builds first, by a task that exists and runs a script that exists', () => {
  for (const { name, preLaunchTask } of launch.configurations) {
    const task = tasks.find(({ label }) => label === preLaunchTask);
    assert.ok(task, `${name} asks for the task ${preLaunchTask}`);
  }
  for (const { label, type, script, command = '' } of tasks) {
    if (type === 'npm') {
      assert.ok(
        script !== undefined && script in scripts,
        `the task ${label} runs npm run ${String(script)}`,
      );
      continue;
    }
    for (const [, name = ''] of command.matchAll(/npm run (\S+)/g)) assert.ok(name in scripts, name);
    for (const [, file = ''] of command.matchAll(/node (\S+\.mjs)/g))
      assert.ok(existsSync(inRepo(file)), file);
  }
});

test('F5 starts this extension, on a workspace that is there, with its source maps in reach', () => {
  const [first] = launch.configurations;
  assert.ok(first);
  assert.deepEqual([first.type, first.request], ['extensionHost', 'launch']);
  const workspace = first.args.find((argument) => !argument.startsWith('--')) ?? '';
  assert.ok(first.args.includes('--extensionDevelopmentPath=${workspaceFolder}'));
  assert.ok(existsSync(workspace.replace('${workspaceFolder}', repoRoot)), workspace);
  const folder = path.posix.dirname(path.posix.normalize(main));
  assert.deepEqual(first.outFiles, [`\${workspaceFolder}/${folder}/**/*.js`]);
});

test('F5 on the host suite runs what the suite is bundled to', async () => {
  const suite = launch.configurations.find(({ args }) =>
    args.some((one) => one.includes('extensionTestsPath')),
  );
  const tests = suite?.args.find((one) => one.startsWith('--extensionTestsPath=')) ?? '';
  const bundled = tests.replace('--extensionTestsPath=${workspaceFolder}/', '');
  // What the runner names is the folder of the bundles and their entry, which is `test/host/index.ts`.
  const source = await readFile(inRepo('scripts', 'host-suite.mjs'), 'utf8');
  assert.ok(source.includes(`'${path.posix.dirname(bundled)}'`), `${bundled} is what host-suite.mjs runs`);
  assert.ok(source.includes(`'${path.posix.basename(bundled)}'`));
  await access(inRepo('test', 'host', 'index.ts'));
});

test('npm start opens the sample in the desktop VS Code where there is one', async (t) => {
  if (process.platform === 'win32') {
    t.skip('the stand-in for `code` is a shell script');
    return;
  }
  const folder = await temporaryFolder(t);
  const record = path.join(folder, 'arguments');
  await mkdir(path.join(folder, 'bin'));
  const code = path.join(folder, 'bin', 'code');
  await writeFile(code, '#!/bin/sh\nprintf "%s\\n" "$PWD" "$@" > "$RECORD"\n');
  await chmod(code, 0o755);
  const editor = pathToFileURL(inRepo('scripts', 'start', 'editor.mjs')).href;
  const script = `
    import { openEditor } from ${JSON.stringify(editor)};
    await openEditor({ root: ${JSON.stringify(repoRoot)}, workspace: '/a workspace', stopped: new Promise(() => {}) });`;
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', script], {
    cwd: folder,
    env: {
      ...process.env,
      PATH: `${path.dirname(code)}${path.delimiter}${process.env['PATH'] ?? ''}`,
      RECORD: record,
    },
  });
  assert.match(stdout, /Opening VS Code on the sample/);
  assert.deepEqual((await readFile(record, 'utf8')).trim().split('\n'), [
    repoRoot,
    `--extensionDevelopmentPath=${repoRoot}`,
    '/a workspace',
  ]);
});
