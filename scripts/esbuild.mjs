// What is bundled from what. One list for the product, one function for the tests, the same plugins for both.
import { build } from 'esbuild';
import { globSync } from './glob.mjs';
import { wasmPlugin } from './wasm-plugin.mjs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');

/** Modules that are bundles of their own and are loaded on first use: `import('../line')` becomes `require('./line.js')`. */
const LAZY_MODULES = new Set(['line', 'program', 'index-program', 'snapshotter', 'kubernetes']);
/** Likewise packages that take longer to load than all of ours, and that only an engine or a registry needs. */
const LAZY_PACKAGES = new Set(['dockerode', 'undici']);

/** Keeps the imports of lazily loaded bundles out of the bundle that asks for them. */
const lazyBundles = {
  name: 'lazy-bundles',
  setup(context) {
    context.onResolve({ filter: /./ }, ({ kind, path: asked }) => {
      if (kind !== 'dynamic-import') return undefined;
      const name = path.basename(asked);
      const isLazy = LAZY_PACKAGES.has(asked) || (asked.startsWith('.') && LAZY_MODULES.has(name));
      return isLazy ? { path: `./${name}.js`, external: true } : undefined;
    });
  },
};

/**
 * Parts of dockerode that we have no use for, and that would be most of its bundle: BuildKit's sessions (registry credentials over gRPC),
 * which only its `buildImage` with an `authconfig` opens, and an ssh client, which an `ssh:` address would take; we give it an agent of
 * our own that runs the person's `ssh`.
 */
const noUnusedParts = {
  name: 'no-unused-parts',
  setup(context) {
    context.onResolve({ filter: /^\.\/(?:session|ssh)$/ }, (args) =>
      /[\\/](?:dockerode|docker-modem)[\\/]lib$/.test(args.resolveDir)
        ? { path: args.path, namespace: 'no-unused-parts' }
        : undefined,
    );
    context.onLoad({ filter: /.*/, namespace: 'no-unused-parts' }, ({ path: part }) => ({
      contents: `module.exports = () => { throw new Error('${part} of dockerode is not part of this bundle.'); };`,
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
  external: ['vscode'],
  // Its main file is UMD, whose `require` of its parts no bundler follows.
  alias: { 'jsonc-parser': 'jsonc-parser/lib/esm/main.js' },
  plugins: [wasmPlugin, noUnusedParts],
};

/** Likewise, without what is loaded on first use. */
const lazy = { ...node, plugins: [...node.plugins, lazyBundles] };

/** Every bundle of the product: name, then how it is made. */
export function productBundles({ minify }) {
  return [
    { ...lazy, minify, entryPoints: { extension: 'src/extension.ts' }, outdir: 'dist' },
    { ...lazy, minify, entryPoints: { line: 'src/line.ts' }, outdir: 'dist' },
    { ...lazy, minify, entryPoints: { program: 'src/cli/program.ts' }, outdir: 'dist' },
    { ...lazy, minify, entryPoints: { 'index-program': 'src/cli/index-program.ts' }, outdir: 'dist' },
    { ...lazy, minify, entryPoints: { snapshotter: 'src/snapshotter.ts' }, outdir: 'dist' },
    { ...lazy, minify, entryPoints: { kubernetes: 'src/kubernetes.ts' }, outdir: 'dist' },
    ...[...LAZY_PACKAGES].map((name) => ({ ...lazy, minify, entryPoints: { [name]: name }, outdir: 'dist' })),
    { ...lazy, minify, entryPoints: { 'layer-worker': 'src/layer/worker.ts' }, outdir: 'dist' },
    { ...lazy, minify, entryPoints: { 'findings-worker': 'src/plan/blame/worker.ts' }, outdir: 'dist' },
    {
      ...lazy,
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
  });
  return entryPoints.map((file) =>
    path.join(root, 'out/test', path.relative(path.join(root, 'test'), file)).replace(/\.ts$/, '.js'),
  );
}
