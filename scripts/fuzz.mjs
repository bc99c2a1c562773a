// npm run fuzz -- [--count N] [--seed S] [--only gzip|tar]: random gzip streams and tars against their oracles. Each case has
// a seed of its own; a failure names it, and `--count 1 --seed THAT` runs it again.
import { build } from 'esbuild';
import { createRequire } from 'node:module';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { root } from './esbuild.mjs';
import { wasmPlugin } from './wasm-plugin.mjs';

const { values } = parseArgs({
  options: {
    count: { type: 'string', default: '10000' },
    seed: { type: 'string', default: String(Date.now() % 1e9) },
    only: { type: 'string' },
  },
});
const count = Number(values.count);
const seed = Number(values.seed);
if (!Number.isSafeInteger(count) || !Number.isSafeInteger(seed))
  throw new Error('--count and --seed are whole numbers.');

const outfile = path.join(root, 'out', 'fuzz.js');
await build({
  absWorkingDir: root,
  entryPoints: ['test/support/layer-fuzz.ts'],
  outfile,
  bundle: true,
  platform: 'node',
  target: 'node20',
  format: 'cjs',
  sourcemap: 'inline',
  logLevel: 'warning',
  plugins: [wasmPlugin],
});
process.setSourceMapsEnabled(true);
const { gzipCase, tarCase, Random } = createRequire(import.meta.url)(outfile);
const cases = { gzip: gzipCase, tar: tarCase };

for (const [name, run] of Object.entries(cases)) {
  if (values.only && values.only !== name) continue;
  const started = Date.now();
  for (let i = 0; i < count; i++) {
    try {
      await run(new Random(seed + i));
    } catch (error) {
      console.error(`${name}: seed ${seed + i} fails`);
      console.error(error);
      process.exit(1);
    }
    if (i % 10_000 === 9999)
      console.log(`${name}: ${i + 1} of ${count}, ${((Date.now() - started) / 1000).toFixed(0)} s`);
  }
  console.log(
    `${name}: ${count} cases from seed ${seed} on, no disagreement, ${((Date.now() - started) / 1000).toFixed(1)} s`,
  );
}
