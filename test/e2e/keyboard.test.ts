/** The whole way by the keyboard alone: lens, build, map, profile, tree, index, push. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import type { Browser } from 'playwright-core';
import { launchBrowser } from '../support/browser-page';
import { startRegistry, type TestRegistry } from '../support/registry';
import { Keyboard } from './keyboard';
import { given, Workbench } from './workbench';

/** The name that the extension gives to what it builds from the workspace `shop`. */
const IMAGE = 'shop:soci-lens';

let browser: Browser;
let registry: TestRegistry;
let bench: Workbench;
let keys: Keyboard;
/** What was done with a mouse. */
const pointed: string[] = [];

before(async () => {
  browser = await launchBrowser();
  registry = await startRegistry();
  const context = await browser.newContext({ viewport: { width: 1280, height: 1600 } });
  await context.exposeFunction('pointed', (type: string) => pointed.push(type));
  await context.addInitScript(
    `for (const type of ['pointermove', 'pointerdown', 'wheel', 'dragstart'])
       addEventListener(type, () => pointed(type), { capture: true });`,
  );
  bench = new Workbench(await context.newPage(), given('SOCI_LENS_URL'), given('SOCI_LENS_WORKSPACE'));
  keys = new Keyboard(bench);
  await bench.open();
});

after(async () => {
  await browser.close();
  await registry.stop();
});

afterEach(async (context) => {
  await bench.afterTest(context);
  assert.deepEqual(pointed, [], 'nothing was pointed at');
});

test('the keyboard alone: the lens of a Dockerfile builds, and the map that opens is gone through', async () => {
  const dockerfile = await readFile(path.join(given('SOCI_LENS_WORKSPACE'), 'Dockerfile'), 'utf8');
  await keys.openFile('Dockerfile');
  await keys.goToLine(dockerfile.split('\n').findIndex((line) => line.startsWith('FROM ')) + 1);
  await bench.lens('Build and inspect').waitFor();
  await keys.command('Show CodeLens Commands for Current Line');
  await keys.take('Build and inspect', 'Build and inspect');

  const panel = await bench.panel();
  // Nothing moves any more when the whole image is read.
  await panel.getByRole('button', { name: 'Create index with these settings', disabled: false }).waitFor();
  await keys.inPanel();
  const knob = panel.getByRole('slider', { name: 'Span size' });
  await keys.tabTo(panel, knob);
  const size = await knob.getAttribute('aria-valuetext');
  await keys.press('ArrowRight', panel.locator(`[aria-valuetext]:focus:not([aria-valuetext="${size}"])`));
  await keys.tabTo(panel, panel.locator('#map .map-box'));
  await keys.press('ArrowDown', panel.locator('#status', { hasText: /^Layer \d, / }));
  await keys.tabTo(panel, panel.locator('#tab-sizes'));
  await keys.press('ArrowRight', panel.locator('#tab-advice:focus'));
});

test('the keyboard alone: a start is recorded, and the arrows lead through the tree to a file', async () => {
  await keys.command('View: Close All Editors');
  await bench.page.locator('.editor-group-container.empty').waitFor();
  // The tree is there before, with what the engine has: while it is filled, VS Code forgets what is unfolded.
  await keys.command('SOCI Lens: Focus on Images View');
  await bench.item(IMAGE).waitFor();
  await keys.command('SOCI: Profile Start of Image');
  await keys.confirm('Run');
  await bench.toast('The start reads').waitFor();
  await keys.inPanel();
  await bench.item(/^shop:soci-lens.*\d % read/).waitFor();
  await keys.command('SOCI Lens: Focus on Images View');
  await bench.page.locator('.sidebar .monaco-list:focus').waitFor();
  await keys.press('Home', keys.row('Docker Engine'));
  for (const folder of [IMAGE, 'COPY app /app', /^app/, /^src/]) {
    await keys.goDown(folder);
    await keys.press('ArrowRight', keys.row(folder).and(bench.page.locator('[aria-expanded="true"]')));
  }
  await keys.goDown('main.css');
  const heard = await bench.page.locator('.sidebar .monaco-list:focus').ariaSnapshot();
  assert.match(heard, /treeitem "shop:soci-lens, .* MB.*" \[expanded\] \[level=2\]/);
  assert.match(heard, /treeitem "COPY app \/app, .* 9 files.*" \[expanded\] \[level=3\]/);
  await keys.press('Enter', keys.editor('main.css'));
});

test('the keyboard alone: an index is made and pushed', async () => {
  await keys.command('SOCI: Create and Push Index');
  await keys.take(`docker://${registry.host}/team/typed:1.0`);
  await keys.take('Prefetch', 'Prefetch what the start touches');
  await keys.confirm('Create and Push');
  await bench.toast('holds the image with its index').waitFor();
  const answer = await fetch(`http://${registry.host}/v2/team/typed/tags/list`);
  assert.deepEqual(await answer.json(), { name: 'team/typed', tags: ['1.0'] });
});
