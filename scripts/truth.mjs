// npm run truth -- FOLDER: judges the forecasts by starts that were recorded on the real snapshotter (docs/model.md).
import { build } from 'esbuild';
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { node, root } from './esbuild.mjs';

const outfile = path.join(root, 'out/truth.js');
await build({ ...node, entryPoints: ['test/support/truth-report.ts'], outfile });
process.exitCode =
  spawnSync(process.execPath, [outfile, ...process.argv.slice(2)], { stdio: 'inherit' }).status ?? 1;
