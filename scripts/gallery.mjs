// npm run gallery [-- PART…]: screenshots of every part of the page in every theme, small and huge, into out/gallery.
import { build } from 'esbuild';
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { node, root } from './esbuild.mjs';
import { wasmPlugin } from './wasm-plugin.mjs';

const outfile = path.join(root, 'out/test/gallery.js');
await build({
  ...node,
  entryPoints: ['test/gallery/gallery.ts'],
  outfile,
  external: [...node.external, 'playwright-core', 'esbuild'],
  plugins: [wasmPlugin],
});
const { status } = spawnSync(process.execPath, ['--enable-source-maps', outfile, ...process.argv.slice(2)], {
  cwd: root,
  stdio: 'inherit',
});
process.exitCode = status ?? 1;
