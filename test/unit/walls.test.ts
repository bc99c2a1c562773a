import assert from 'node:assert/strict';
import path from 'node:path';
import { describe, it } from 'node:test';
import { ESLint } from 'eslint';

const root = process.cwd();
const eslint = new ESLint({ cwd: root });

/** The rules that a line breaks when it stands in an existing file of the project. */
async function rulesBroken(file: string, line: string): Promise<readonly (string | null)[]> {
  const [result] = await eslint.lintText(`${line}\n`, { filePath: path.join(root, file) });
  assert.ok(result);
  return result.messages.map((message) => message.ruleId);
}

describe('the walls between the rooms', () => {
  const forbidden = [
    ['src/layer/types.ts', "import { LensError } from '../image/types';"],
    ['src/layer/types.ts', "import type { Touch } from '../trace/types';"],
    ['src/trace/types.ts', "import type { Plan } from '../plan/plan';"],
    ['src/oci/types.ts', "import type { Image } from '../image/types';"],
  ] as const;
  for (const [file, line] of forbidden) {
    it(`${file} may not say: ${line}`, async () => {
      assert.ok((await rulesBroken(file, line)).includes('import-x/no-restricted-paths'));
    });
  }

  it('only the editor imports vscode', async () => {
    const line = "import * as vscode from 'vscode';";
    assert.ok((await rulesBroken('src/layer/types.ts', line)).includes('no-restricted-imports'));
  });

  it('lets a room import what lies before it', async () => {
    const line = "import type { Bytes } from '../layer/bytes';\nexport type Blob = Bytes;";
    assert.ok(!(await rulesBroken('src/image/types.ts', line)).includes('import-x/no-restricted-paths'));
  });
});
