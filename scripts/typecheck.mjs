// Two programs, since the page has a DOM and no Node, and the rest the other way round.
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { root } from './esbuild.mjs';

const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc');
const failed = ['.', 'webview'].filter(
  (project) =>
    spawnSync(process.execPath, [tsc, '-p', project], { cwd: root, stdio: 'inherit' }).status !== 0,
);
process.exitCode = failed.length;
