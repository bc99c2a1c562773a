import js from '@eslint/js';
import { createNodeResolver, importX } from 'eslint-plugin-import-x';
import globals from 'globals';
import tseslint from 'typescript-eslint';

/**
 * The walls between the rooms: what each folder of `src/` may import of ours, beside itself and the ground that all
 * stand on (`errors.ts`, `progress.ts`, `oci/`).
 */
const rooms = {
  layer: [],
  registry: [],
  image: ['layer', 'registry'],
  trace: ['image', 'layer'],
  soci: ['image', 'layer', 'registry'],
  plan: ['layer', 'trace', 'soci'],
  cli: ['layer', 'registry', 'image', 'trace', 'soci', 'plan'],
};

const walls = Object.entries(rooms).flatMap(([room, allowed]) =>
  ['layer', 'registry', 'image', 'trace', 'soci', 'plan', 'cli', 'editor']
    .filter((other) => other !== room && !allowed.includes(other))
    .map((other) => ({
      target: `./src/${room}`,
      from: `./src/${other}`,
      message: `src/${room} may not import src/${other} (see CONTRIBUTING.md, "Rooms").`,
    })),
);

export default tseslint.config(
  { ignores: ['dist', 'out', '.cache', '.vscode-test*', 'test/fixtures', 'src/**/assembly'] },
  js.configs.recommended,
  {
    files: ['src/**/*.ts', 'test/**/*.ts', 'webview/**/*.ts'],
    extends: [...tseslint.configs.strictTypeChecked, ...tseslint.configs.stylisticTypeChecked],
    languageOptions: {
      parserOptions: {
        project: ['./tsconfig.json', './webview/tsconfig.json'],
        tsconfigRootDir: import.meta.dirname,
      },
    },
    plugins: { 'import-x': importX },
    settings: { 'import-x/resolver-next': [createNodeResolver({ extensions: ['.ts', '.js', '.json'] })] },
    rules: {
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
      'no-restricted-imports': [
        'error',
        { paths: [{ name: 'vscode', message: 'Only src/editor and src/extension.ts.' }] },
      ],
      'import-x/no-restricted-paths': [
        'error',
        {
          zones: [
            ...walls,
            {
              target: './webview',
              from: './src',
              except: ['./protocol.ts', './plan'],
              message: 'The page knows src/protocol.ts only.',
            },
            { target: './src/editor', from: './src/cli', message: 'The two faces do not know each other.' },
            {
              target: './src/oci',
              from: [
                './src/layer',
                './src/registry',
                './src/image',
                './src/trace',
                './src/soci',
                './src/plan',
                './src/cli',
                './src/editor',
              ],
              message: 'The ground imports no room.',
            },
          ],
        },
      ],
    },
  },
  {
    files: ['src/editor/**/*.ts', 'src/extension.ts', 'test/host/**/*.ts'],
    rules: { 'no-restricted-imports': 'off' },
  },
  {
    files: ['test/**/*.ts'],
    rules: {
      // node:test's `test` and `describe` return promises that the runner awaits.
      '@typescript-eslint/no-floating-promises': [
        'error',
        {
          allowForKnownSafeCalls: [
            { from: 'package', package: 'node:test', name: ['test', 'describe', 'it', 'suite'] },
          ],
        },
      ],
      '@typescript-eslint/no-non-null-assertion': 'off',
    },
  },
  { files: ['**/*.mjs'], languageOptions: { globals: globals.node } },
);
