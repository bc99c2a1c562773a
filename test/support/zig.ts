/** Static programs for any machine, by the compiler that the tracer is built with. */
import { execFile } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { repoRoot } from './paths';
import { tracerDir } from './tracing';

/**
 * @param machine as zig names it: `x86_64`, `x86`, `aarch64`
 * @returns why it cannot be had; `undefined` when `output` is there
 */
export async function compileStatic(
  machine: string,
  source: string,
  output: string,
): Promise<string | undefined> {
  await tracerDir();
  const cache = path.join(repoRoot, '.cache');
  const folder = readdirSync(cache).find((name) => name.startsWith('zig-')) ?? '';
  const python = path.join(cache, folder, 'bin/python');
  if (!existsSync(python)) return 'zig, which compiles for other machines, could not be had';
  // With its cache and the flags of the tracer: else it would make its C library once more, for half a minute.
  const kept = path.join(cache, folder, 'cache');
  const flags = ['-target', `${machine}-linux-musl`, '-O2', '-s', '-g0', '-static'];
  await promisify(execFile)(python, ['-m', 'ziglang', 'cc', ...flags, source, '-o', output], {
    // Zig knows what it keeps by its path from here, where that is a way down.
    cwd: path.dirname(output),
    env: { ...process.env, ZIG_GLOBAL_CACHE_DIR: kept, ZIG_LOCAL_CACHE_DIR: kept },
  });
  return undefined;
}
