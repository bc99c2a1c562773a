// npm run build: the bundles, and the tracers where a C compiler for them can be had. `--dev` leaves the bundles readable,
// `--watch` builds them anew at each change.
import { build, context } from 'esbuild';
import { buildTracers } from './build-tracer.mjs';
import { productBundles } from './esbuild.mjs';

const flags = new Set(process.argv.slice(2));
const bundles = productBundles({ minify: !flags.has('--dev') && !flags.has('--watch') });

if (flags.has('--watch')) {
  await buildTracers();
  for (const options of bundles) await (await context({ ...options, logLevel: 'info' })).watch();
} else {
  await Promise.all([...bundles.map((options) => build(options)), buildTracers()]);
}
