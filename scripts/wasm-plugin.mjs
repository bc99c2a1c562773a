// `import wasm from './inflate.wasm'` gives the bytes of `./assembly/inflate.ts`, compiled by AssemblyScript and
// embedded in the bundle: nothing is fetched or evaluated at run time.
import asc from 'assemblyscript/asc';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const cache = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../.cache/wasm');

export const wasmPlugin = {
  name: 'assemblyscript',
  setup(context) {
    context.onResolve({ filter: /\.wasm$/ }, (args) => ({
      path: path.join(args.resolveDir, 'assembly', path.basename(args.path, '.wasm') + '.ts'),
      namespace: 'assemblyscript',
    }));
    context.onLoad({ filter: /.*/, namespace: 'assemblyscript' }, async (args) => ({
      contents: await compile(args.path),
      loader: 'binary',
      watchFiles: [args.path],
    }));
  },
};

/** Compiles one AssemblyScript module; the result is cached by the hash of its source and the compiler's version. */
export async function compile(source) {
  const options = ['--runtime', 'stub', '-O3', '--noAssert', '--converge'];
  const text = await readFile(source);
  const key = createHash('sha256').update(text).update(asc.version).update(options.join(' ')).digest('hex');
  const file = path.join(cache, `${key}.wasm`);
  if (existsSync(file)) return readFile(file);
  await mkdir(cache, { recursive: true });
  const temporary = `${file}.${process.pid}`;
  const { error, stderr, binary } = await asc.main([path.basename(source), '--outFile', 'out.wasm', ...options], {
    readFile: async (name) => (name === path.basename(source) ? text.toString() : null),
    writeFile: (name, contents) => void (name === 'out.wasm' && (outputs.set(source, contents))),
    listFiles: () => [],
  });
  if (error) throw new Error(`AssemblyScript: ${error.message}\n${stderr.toString()}`);
  await writeFile(temporary, outputs.get(source) ?? binary);
  await rename(temporary, file);
  return readFile(file);
}

const outputs = new Map();
