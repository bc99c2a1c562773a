// npm run build: bundles, and the tracers where a C compiler for them can be had. `--watch` rebuilds, `--dev` does not minify.
import { context } from 'esbuild';
import { build } from 'esbuild';
import { rm } from 'node:fs/promises';
import path from 'node:path';
import { productBundles, root } from './esbuild.mjs';

const flags = new Set(process.argv.slice(2));
const bundles = productBundles({ minify: !flags.has('--dev') && !flags.has('--watch') });

if (flags.has('--watch')) {
  for (const options of bundles) await (await context({ ...options, logLevel: 'info' })).watch();
} else {
  await rm(path.join(root, 'dist'), { recursive: true, force: true });
  await Promise.all(bundles.map((options) => build(options)));
}
