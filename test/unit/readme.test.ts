import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { repoRoot } from '../support/paths';
import { drawReadmePicture, README_PICTURE } from '../support/readme-picture';

test('the README opens with the map of a recorded start, as it is drawn today', async () => {
  const readme = readFileSync(path.join(repoRoot, 'README.md'), 'utf8');
  assert.match(readme, /^# SOCI Lens\n\n!\[[^\]]+\]\(docs\/span-map\.svg\)\n/);
  const drawn = await drawReadmePicture();
  assert.ok(
    readFileSync(README_PICTURE, 'utf8') === drawn,
    'docs/span-map.svg is out of date: npm run gallery -- readme',
  );
});
