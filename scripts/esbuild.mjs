// What is bundled from what. One list for the product, one function for the tests, the same plugins for both.
import { build } from 'esbuild';
import { globSync } from './glob.mjs';
import { wasmPlugin } from './wasm-plugin.mjs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');

/** Modules that are bundles of their own and are loaded on first use: `import('../line')` becomes `require('./line.js')`. */
const LAZY = new Set(['line', 'snapshotter', 'kubernetes']);

/** Keeps the imports of lazily loaded bundles out of the bundle that asks for them. */
const lazyBundles = {
  name: 'lazy-bundles',
  setup(context) {
    context.onResolve({ filter: /^\.{1,2}\// }, (args) => {
      const name = path.basename(args.path);
      return args.kind === 'dynamic-import' && LAZY.has(name)
        ? { path: `./${name}.js`, external: true }
        : undefined;
    });
  },
};

/**
 * dockerode's own way into BuildKit's sessions (registry credentials over gRPC), which only its `buildImage` with an `authconfig` takes;
 * our builds do not. Without it half of the bundle would be gRPC and protobuf.
 */
const noBuildSessions = {
  name: 'no-build-sessions',
  setup(context) {
    context.onResolve({ filter: /^\.\/session$/ }, (args) =>
      /[\\/]dockerode[\\/]lib$/.test(args.resolveDir)
        ? { path: args.path, namespace: 'no-build-sessions' }
        : undefined,
    );
    context.onLoad({ filter: /.*/, namespace: 'no-build-sessions' }, () => ({
      contents: "module.exports = () => { throw new Error('Build sessions are not part of this bundle.'); };",
    }));
  },
};

const shared = {
  absWorkingDir: root,
  bundle: true,
  sourcemap: true,
  logLevel: 'warning',
  legalComments: 'none',
};

/** Node bundles are CommonJS: the extension host loads it, and `import()` of a lazy bundle becomes `require`. */
export const node = {
  ...shared,
  platform: 'node',
  target: 'node20',
  format: 'cjs',
  supported: { 'dynamic-import': false },
  // Optional native add-ons of dockerode's ssh transport; it works without them.
  external: ['vscode', 'cpu-features', '*.node'],
  // Its main file is UMD, whose `require` of its parts no bundler follows.
  alias: { 'jsonc-parser': 'jsonc-parser/lib/esm/main.js' },
  plugins: [wasmPlugin, noBuildSessions, lazyBundles],
};

/** Every bundle of the product: name, then how it is made. */
export function productBundles({ minify }) {
  return [
    { ...node, minify, entryPoints: { extension: 'src/extension.ts' }, outdir: 'dist' },
    { ...node, minify, entryPoints: { line: 'src/line.ts' }, outdir: 'dist' },
    { ...node, minify, entryPoints: { snapshotter: 'src/snapshotter.ts' }, outdir: 'dist' },
    { ...node, minify, entryPoints: { kubernetes: 'src/kubernetes.ts' }, outdir: 'dist' },
    { ...node, minify, entryPoints: { 'layer-worker': 'src/layer/worker.ts' }, outdir: 'dist' },
    { ...node, minify, entryPoints: { 'findings-worker': 'src/plan/blame/worker.ts' }, outdir: 'dist' },
    {
      ...node,
      minify,
      entryPoints: { cli: 'src/cli/main.ts' },
      outdir: 'dist',
      banner: { js: '#!/usr/bin/env node' },
    },
    {
      ...shared,
      minify,
      platform: 'browser',
      target: 'es2022',
      format: 'iife',
      entryPoints: { spanMap: 'webview/main.ts' },
      outdir: 'dist/webview',
    },
  ];
}

/** Bundles the test files of one suite into `out/test/<suite>`; `vscode` and Mocha stay outside. */
export async function bundleTests(suite, names = /\.test\.ts$|^index\.ts$/) {
  const entryPoints = globSync(path.join(root, 'test', suite), names);
  await build({
    ...node,
    entryPoints,
    outbase: 'test',
    outdir: 'out/test',
    external: [
      ...node.external,
      'mocha',
      'playwright-core',
      'esbuild',
      'eslint',
      'typescript',
      'typescript-eslint',
    ],
    plugins: [wasmPlugin, noBuildSessions],
  });
  return entryPoints.map((file) =>
    path.join(root, 'out/test', path.relative(path.join(root, 'test'), file)).replace(/\.ts$/, '.js'),
  );
}
