import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { suite, test } from 'node:test';
import { temporaryFolder } from '../../support/folders';
import { imageCases, writeInput } from '../../support/golden-images';
import { repoRoot } from '../../support/paths';

/** Runs the built program as a person does. */
async function cli(...args: string[]): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, [path.join(repoRoot, 'dist/cli.js'), ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject).once('close', resolve);
  });
  return { code, stdout, stderr };
}

suite('soci-lens index equals soci convert --standalone, blob by blob', { concurrency: 2 }, () => {
  for (const image of imageCases()) {
    test(image.name, async (t) => {
      const dir = await temporaryFolder(t);
      let input = path.join(dir, 'in');
      let output = path.join(dir, 'out');
      const flags = ['--span-size', String(image.spanSize), '--min-layer-size', String(image.minLayerSize)];
      const index = () =>
        cli('index', `oci:${input}`, '--output', `oci:${output}`, ...flags, '--all-platforms', ...image.args);
      await writeInput(image, input);

      const { code, stderr } = await index();
      assert.equal(code, image.exit, stderr);
      if (image.out === undefined) {
        assert.equal(existsSync(output), false, 'nothing half-written is left');
        assert.match(stderr, /\.\n.+\.\n$/, 'says what failed and what to do');
        return;
      }
      if (image.twice) {
        [input, output] = [output, path.join(dir, 'again')];
        assert.equal((await index()).code, 0);
      }
      assert.deepEqual(JSON.parse(await readFile(path.join(output, 'index.json'), 'utf8')), image.out);
      assert.deepEqual(
        (await readdir(path.join(output, 'blobs/sha256'))).sort(),
        [...(image.blobs ?? [])].sort(),
      );
    });
  }
});
