import js from '@eslint/js';
import globals from 'globals';
import tseslint from 'typescript-eslint';

/**
 * The walls between the rooms: what each folder of `src/` may import of ours, beside itself and the ground that all
 * stand on (`errors.ts`, `progress.ts`, `alive.ts`, `instances.ts`, `ports.ts`, `oci/`).
 */
const rooms = {
  oci: [],
  layer: [],
  registry: [],
  image: ['layer', 'registry'],
  trace: ['image', 'layer'],
  soci: ['image', 'layer', 'registry'],
  plan: ['layer', 'trace', 'soci'],
  optimize: ['image', 'layer', 'trace', 'plan', 'soci'],
  gate: ['plan'],
  cluster: ['registry', 'soci'],
  cleanup: ['registry', 'image', 'trace', 'soci'],
  cli: ['layer', 'registry', 'image', 'trace', 'soci', 'plan', 'optimize', 'cluster', 'cleanup', 'gate'],
  editor: ['layer', 'registry', 'image', 'trace', 'soci', 'plan', 'optimize', 'cluster', 'cleanup'],
};

/**
 * A wall by the words of the import alone: a path to another room always climbs out of this one and names it. Nothing has
 * to be resolved, so nothing that cannot be resolved slips through.
 */
function wall(files, forbidden, { inside = '', vscode = false }, message) {
  const regex = `^(?:\\.\\.\\/)+${inside}(?:${forbidden.join('|')})(?:\\/|$)`;
  return {
    files,
    rules: {
      'no-restricted-imports': [
        'error',
        {
          paths: vscode ? [] : [{ name: 'vscode', message: 'Only src/editor and src/extension.ts.' }],
          patterns: [{ regex, message }],
        },
      ],
      'no-restricted-syntax': [
        'error',
        { selector: `ImportExpression[source.value=/${regex}/]`, message },
        { selector: `TSImportType[source.value=/${regex}/]`, message },
      ],
    },
  };
}

const walls = Object.entries(rooms).map(([room, allowed]) =>
  wall(
    [`src/${room}/**/*.ts`],
    Object.keys(rooms).filter((other) => other !== room && other !== 'oci' && !allowed.includes(other)),
    { vscode: room === 'editor' },
    `Beside itself and the ground, src/${room} may import ${allowed.join(', ') || 'nothing of ours'} (see CONTRIBUTING.md, "Rooms").`,
  ),
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
    rules: {
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
      'no-restricted-imports': [
        'error',
        { paths: [{ name: 'vscode', message: 'Only src/editor and src/extension.ts.' }] },
      ],
    },
  },
  ...walls,
  wall(
    ['webview/**/*.ts'],
    Object.keys(rooms).filter((room) => room !== 'plan'),
    { inside: 'src\\/' },
    'The page knows src/protocol.ts and the words and types of src/plan.',
  ),
  {
    files: ['src/extension.ts', 'test/host/**/*.ts'],
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
