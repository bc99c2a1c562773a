// `import wasm from './inflate.wasm'` gives the bytes of `./assembly/inflate.ts`, compiled by AssemblyScript and
// embedded in the bundle: nothing is fetched or evaluated at run time.
import asc from 'assemblyscript/asc';
import { createHash, randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, readdir, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const cache = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../.cache/wasm');
const options = [
  ...['--runtime', 'stub', '-O3', '--noAssert', '--converge', '--enable', 'simd'],
  // The host gives the memory: 1 MiB for the engine, and behind it what both work on. Other threads may look at it too. It is
  // new, so the zeros that the engine begins with need not be in the module, of which they would be nine tenths and more.
  ...['--importMemory', '--zeroFilledMemory', '--sharedMemory', '--enable', 'threads'],
  ...['--initialMemory', '16', '--maximumMemory', '65536'],
  // What is before that is the table of literals, from address 0 on.
  ...['--memoryBase', '17408'],
];

export const wasmPlugin = {
  name: 'assemblyscript',
  setup(context) {
    context.onResolve({ filter: /\.wasm$/ }, (args) => ({
      path: path.join(
        ...[args.resolveDir, path.dirname(args.path), 'assembly'],
        path.basename(args.path, '.wasm') + '.ts',
      ),
      namespace: 'assemblyscript',
    }));
    context.onLoad({ filter: /.*/, namespace: 'assemblyscript' }, async (args) => {
      const { binary, sources } = await compile(args.path);
      return { contents: binary, loader: 'binary', watchFiles: sources };
    });
  },
};

/** Compiles one AssemblyScript module; the result is cached by the hash of its folder's sources, compiler and options. */
export async function compile(entry) {
  const folder = path.dirname(entry);
  const names = (await readdir(folder)).filter((name) => name.endsWith('.ts')).sort();
  const files = new Map();
  for (const name of names) files.set(name, await readFile(path.join(folder, name), 'utf8'));
  const sources = names.map((name) => path.join(folder, name));

  const hash = createHash('sha256').update(
    JSON.stringify([path.basename(entry), asc.version, options, ...files]),
  );
  const cached = path.join(cache, `${hash.digest('hex')}.wasm`);
  if (existsSync(cached)) return { binary: await readFile(cached), sources };

  let binary;
  const { error, stderr } = await asc.main([path.basename(entry), '--outFile', 'out.wasm', ...options], {
    readFile: (name) => files.get(name) ?? null,
    writeFile: (name, contents) => {
      if (name === 'out.wasm') binary = contents;
    },
    listFiles: () => [],
  });
  if (error || !binary)
    throw new Error(`AssemblyScript cannot compile ${entry}: ${error?.message}\n${stderr.toString()}`);
  // Several bundles may be built at once, in this process and in others: each writes a file of its own and renames it.
  const unfinished = `${cached}.${randomUUID()}`;
  await mkdir(cache, { recursive: true });
  await writeFile(unfinished, binary);
  await rename(unfinished, cached);
  return { binary, sources };
}
