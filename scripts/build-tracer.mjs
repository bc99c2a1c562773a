// The tracer that is put into containers: C, static, for amd64 and arm64. `zig cc` builds it on every system (PyPI's
// `ziglang` in a private virtual environment); else musl-gcc and cross compilers of the distribution. What is built is
// kept by the hash of its source, compiler and flags, so that only a change costs the time of a compile.
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, readFile, readdir, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { ensureFromPypi } from './pypi.mjs';

const run = promisify(execFile);
const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const sourceDir = path.join(root, 'src/trace/tracer');
const cacheDir = path.join(root, '.cache/tracer');

/** Pinned: the same source gives the same bytes on every machine. */
const ZIG = '0.15.2';
const FLAGS = [
  '-O2',
  '-static',
  '-s',
  '-g0',
  '-std=gnu11',
  '-Wall',
  '-Wextra',
  '-Werror',
  '-Wl,--build-id=none',
];
const MACHINES = { amd64: 'x86_64', arm64: 'aarch64' };

/**
 * Builds what is not built yet and copies it to `outDir` (default `dist/tracer`) as `tracer-amd64` and `tracer-arm64`.
 * Never throws for a missing compiler: the product works without a tracer, and says so when one is asked for.
 *
 * @returns {Promise<{ built: string[], missing: { arch: string, reason: string }[] }>}
 */
export async function buildTracers({ outDir = path.join(root, 'dist/tracer'), log = console.error } = {}) {
  const sources = (await readdir(sourceDir)).filter((name) => /\.[ch]$/.test(name)).sort();
  const hash = createHash('sha256');
  for (const name of sources) hash.update(name).update(await readFile(path.join(sourceDir, name)));
  const source = hash.digest('hex');
  const units = sources.filter((name) => name.endsWith('.c'));

  await mkdir(cacheDir, { recursive: true });
  const built = [];
  const missing = [];
  for (const arch of Object.keys(MACHINES)) {
    const reasons = [];
    let done = false;
    for (const compiler of [zig(arch, log), distribution(arch)]) {
      const key = createHash('sha256')
        .update(JSON.stringify([source, compiler.id, FLAGS]))
        .digest('hex')
        .slice(0, 32);
      const cached = path.join(cacheDir, `${key}-tracer-${arch}`);
      try {
        if (!existsSync(cached)) {
          const command = await compiler.prepare();
          log(`Building the tracer for ${arch} (${compiler.id}) …`);
          const temporary = `${cached}.${process.pid}`;
          await run(command.file, [...command.args, ...FLAGS, ...units, '-o', temporary], {
            cwd: sourceDir,
            env: { ...process.env, ...command.env },
          });
          await rename(temporary, cached);
        }
      } catch (error) {
        reasons.push(
          `${compiler.id}: ${String(error.stderr || error.message)
            .trim()
            .split('\n')
            .slice(0, 3)
            .join(' ')}`,
        );
        continue;
      }
      const file = path.join(outDir, `tracer-${arch}`);
      await mkdir(outDir, { recursive: true });
      await rm(file, { force: true });
      await copyFile(cached, file);
      built.push(file);
      done = true;
      break;
    }
    if (!done) missing.push({ arch, reason: reasons.join('; ') });
  }
  for (const { arch, reason } of missing) {
    log(
      `No tracer for ${arch}: starts of containers on such an engine cannot be recorded. ${reason}\n` +
        'To get it, install Python 3 with its venv module (then zig cc is fetched from PyPI) or musl-gcc, and build again.',
    );
  }
  return { built, missing };
}

function zig(arch, log) {
  const environment = path.join(root, '.cache', `zig-${ZIG}`);
  return {
    id: `zig cc ${ZIG}`,
    async prepare() {
      const programs = await ensureFromPypi(environment, `ziglang==${ZIG}`, log);
      return {
        file: path.join(programs, 'python'),
        args: ['-m', 'ziglang', 'cc', '-target', `${MACHINES[arch]}-linux-musl`],
        env: {
          ZIG_GLOBAL_CACHE_DIR: path.join(environment, 'cache'),
          ZIG_LOCAL_CACHE_DIR: path.join(cacheDir, 'objects'),
        },
      };
    },
  };
}

/** musl-gcc for this machine's own kind; Debian's musl brings no kernel headers, so the system's stand behind it. */
function distribution(arch) {
  const own = { x64: 'amd64', arm64: 'arm64' }[process.arch] === arch;
  const triple = `${MACHINES[arch]}-linux-gnu`;
  const file = own ? 'musl-gcc' : `${triple}-gcc`;
  return {
    id: file,
    async prepare() {
      await run(file, ['--version']);
      return {
        file,
        args: own ? ['-idirafter', '/usr/include', '-idirafter', `/usr/include/${triple}`] : [],
        env: {},
      };
    },
  };
}

// node scripts/build-tracer.mjs [FOLDER]
if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { missing } = await buildTracers(process.argv[2] ? { outDir: path.resolve(process.argv[2]) } : {});
  process.exitCode = missing.length ? 1 : 0;
}
