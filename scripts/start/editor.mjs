// Opens the extension on the sample: in desktop VS Code where `code` is on PATH, else in code-server on 127.0.0.1.
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { packExtension } from '../package.mjs';
import { ensureHost, installExtension, startServer } from '../vscode-host.mjs';
import { finish } from './children.mjs';

/** Resolves when the person is done with code-server (Ctrl-C), or at once when the desktop took over. */
export async function openEditor({ root, workspace, stopped }) {
  if (onPath('code')) {
    console.log('\nOpening VS Code on the sample.');
    const args = [`--extensionDevelopmentPath=${root}`, workspace];
    // On Windows `code` is a batch file, which only a shell starts.
    const shell = process.platform === 'win32';
    await finish('code', shell ? args.map((arg) => `"${arg}"`) : args, { cwd: root, shell });
    return;
  }
  await ensureHost({ log: console.log });
  const vsix = await packExtension(path.join(root, '.cache/start/soci-lens.vsix'));
  const extensionsDir = await mkdtemp(path.join(tmpdir(), 'soci-lens-extensions-'));
  try {
    await installExtension(vsix, { extensionsDir });
    const server = await startServer({ workspace, extensionsDir });
    console.log(`\nVS Code is at ${server.url}?folder=${encodeURI(workspace)}\nPress Ctrl-C to end it.`);
    await stopped;
    await server.stop();
  } finally {
    await rm(extensionsDir, { recursive: true, force: true });
  }
}

function onPath(command) {
  const names = process.platform === 'win32' ? [`${command}.cmd`, `${command}.exe`] : [command];
  const folders = (process.env.PATH ?? '').split(path.delimiter);
  return folders.some((folder) => names.some((name) => folder !== '' && existsSync(path.join(folder, name))));
}
