// npm run package [-- FILE]: builds and packs the extension as a VSIX. What gets in is named by .vscodeignore.
import { spawnSync } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { drawIcon } from './icon.mjs';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');

/** Packs what `npm run build` left in dist. Resolves with the path of the VSIX. */
export async function packExtension(file) {
  const icon = drawIcon(await readFile(path.join(root, 'media/icon.svg'), 'utf8'), 256);
  await mkdir(path.join(root, 'dist'), { recursive: true });
  await writeFile(path.join(root, 'dist/icon.png'), icon);
  // The marketplace takes no SVG into a page: the picture stays with the repository.
  const readme = await readFile(path.join(root, 'README.md'), 'utf8');
  await writeFile(path.join(root, 'dist/README.md'), readme.replace(/^!\[.*\]\(.*\.svg\)\n\n/m, ''));
  await mkdir(path.dirname(path.resolve(file)), { recursive: true });
  const vsce = path.join(root, 'node_modules/@vscode/vsce/vsce');
  // Everything is bundled, so no package of node_modules belongs into the VSIX.
  const options = ['--no-dependencies', '--allow-missing-repository', '--no-rewrite-relative-links'];
  options.push('--readme-path', 'dist/README.md');
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [vsce, 'package', ...options, '--out', path.resolve(file)],
    {
      cwd: root,
      encoding: 'utf8',
    },
  );
  if (status !== 0) throw new Error(`vsce package failed:\n${stdout}${stderr}`);
  return path.resolve(file);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const build = spawnSync(process.execPath, [path.join(root, 'scripts/build.mjs')], { stdio: 'inherit' });
  if (build.status !== 0) process.exit(build.status ?? 1);
  console.log(await packExtension(process.argv[2] ?? path.join(root, 'soci-lens.vsix')));
}
