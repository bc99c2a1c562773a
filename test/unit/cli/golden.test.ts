import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { suite, test } from 'node:test';
import { runProgram } from '../../support/cli';
import { temporaryFolder } from '../../support/folders';
import { goldenImages, writeGoldenLayout } from '../../support/golden';

suite('soci-lens index equals soci convert --standalone, blob by blob', { concurrency: 2 }, () => {
  for (const image of goldenImages()) {
    test(image.name, async (t) => {
      const dir = await temporaryFolder(t);
      let input = path.join(dir, 'in');
      let output = path.join(dir, 'out');
      const flags = ['--span-size', String(image.spanSize), '--min-layer-size', String(image.minLayerSize)];
      const index = () =>
        runProgram([
          'index',
          `oci:${input}`,
          '--output',
          `oci:${output}`,
          ...flags,
          '--all-platforms',
          ...image.args,
        ]);
      await writeGoldenLayout(input, image);

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
      const blobs = await readdir(path.join(output, 'blobs/sha256'));
      assert.deepEqual(blobs.sort(), [...(image.blobs ?? [])].sort());
    });
  }
});
