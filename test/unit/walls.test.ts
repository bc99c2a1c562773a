import assert from 'node:assert/strict';
import path from 'node:path';
import { describe, it } from 'node:test';
import { ESLint } from 'eslint';
import tseslint from 'typescript-eslint';

const root = process.cwd();
// The walls are held by the words of the import: nothing has to be known of types, whose program takes seconds to load.
const eslint = new ESLint({ cwd: root, overrideConfig: tseslint.configs.disableTypeChecked });

/** The rules that a line breaks when it stands in an existing file of the project. */
async function rulesBroken(file: string, line: string): Promise<readonly (string | null)[]> {
  const [result] = await eslint.lintText(`${line}\n`, { filePath: path.join(root, file) });
  assert.ok(result);
  return result.messages.map((message) => message.ruleId);
}

describe('the walls between the rooms', () => {
  const forbidden = [
    ['src/layer/types.ts', "import { LensError } from '../image/types';"],
    ['src/layer/inflate/inflater.ts', "export * from '../../registry/client';"],
    ['src/trace/types.ts', "import type { Plan } from '../plan/types';"],
    ['src/oci/types.ts', "import type { Image } from '../image/types';"],
    ['src/cluster/releases.ts', "import type { Plan } from '../plan/types';"],
    ['src/soci/index.ts', "import { releases } from '../cluster/releases';"],
    ['src/plan/plan.ts', "import type { Recipe } from '../optimize/types';"],
    ['src/cleanup/types.ts', "import type { Plan } from '../plan/types';"],
    ['src/optimize/types.ts', "import { connectRegistry } from '../registry/client';"],
    ['src/editor/lens.ts', "import { run } from '../cli/run';"],
    ['webview/main.ts', "import { sha256 } from '../src/oci/digest';"],
    ['src/layer/types.ts', "import * as vscode from 'vscode';"],
  ] as const;
  for (const [file, line] of forbidden) {
    it(`${file} may not say: ${line}`, async () => {
      assert.ok((await rulesBroken(file, line)).includes('no-restricted-imports'));
    });
  }

  const evasions = [
    ['src/layer/types.ts', "export const lazy = import('../image/open');"],
    ['src/oci/types.ts', "export type Lazy = import('../image/types').Image;"],
  ] as const;
  for (const [file, line] of evasions) {
    it(`${file} may not say: ${line}`, async () => {
      assert.ok((await rulesBroken(file, line)).includes('no-restricted-syntax'));
    });
  }

  const allowed = [
    ['src/image/types.ts', "export type { Bytes } from '../layer/bytes';"],
    ['src/cluster/releases.ts', "export { pushIndex } from '../soci/push';"],
    ['src/optimize/types.ts', "export type { Plan } from '../plan/types';"],
    ['src/editor/lens.ts', "export type { Uri } from 'vscode';"],
    ['webview/main.ts', "export type { Plan } from '../src/plan/types';"],
  ] as const;
  for (const [file, line] of allowed) {
    it(`${file} may say: ${line}`, async () => {
      assert.deepEqual(await rulesBroken(file, line), []);
    });
  }
});
