// Opens the extension on the sample: in desktop VS Code where `code` is on PATH, else in code-server on 127.0.0.1.
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { ensureHost, installExtension, startServer } from '../vscode-host.mjs';
import { finish } from './children.mjs';

/** Resolves when the person is done with code-server (Ctrl-C), or at once when the desktop took over. */
export async function openEditor({ root, workspace, stopped }) {
  if (onPath('code')) {
    console.log('\nOpening VS Code on the sample.');
    const shell = process.platform === 'win32';
    await finish('code', [`--extensionDevelopmentPath=${root}`, workspace], { cwd: root, shell });
    return;
  }
  await ensureHost({ log: console.log });
  const vsix = path.join(root, '.cache/start/soci-lens.vsix');
  const packed = await finish(process.execPath, [path.join(root, 'scripts/package.mjs'), vsix], {
    cwd: root,
  });
  if (packed.code !== 0) throw new Error('The extension could not be packed; see the lines above.');
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
