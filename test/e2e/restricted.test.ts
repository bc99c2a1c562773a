import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Browser } from 'playwright-core';
import { launchBrowser } from '../support/browser-page';
import { given, Workbench } from './workbench';

describe('a workspace that is not trusted', () => {
  let browser: Browser;
  let bench: Workbench;

  before(async () => {
    browser = await launchBrowser();
    const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
    bench = new Workbench(
      await context.newPage(),
      given('SOCI_LENS_RESTRICTED_URL'),
      given('SOCI_LENS_WORKSPACE'),
    );
    await bench.open();
  });

  after(() => browser.close());

  test('says so where images would be', async () => {
    await bench.showTree();
    await bench.page.getByText('This workspace is not trusted').waitFor();
    await bench.screenshot('restricted');
  });

  test('builds nothing, and says why', async () => {
    await bench.openFile('Dockerfile');
    await bench.lens('Build and inspect').click();
    const toast = bench.toast('This workspace is not trusted, and building runs what the Dockerfile says');
    await toast.getByRole('button', { name: 'Manage Workspace Trust' }).waitFor();
  });

  test('hides from the palette what would run or push', async () => {
    await bench.page.keyboard.press('F1');
    await bench.page.locator('.quick-input-widget input').fill('>SOCI: ');
    await bench.row('SOCI: Inspect Image').waitFor();
    for (const title of ['Build and Inspect', 'Profile Start', 'Create and Push']) {
      assert.equal(await bench.row(`SOCI: ${title}`).count(), 0, title);
    }
    await bench.page.keyboard.press('Escape');
  });

  test('looks at a layout all the same', async () => {
    await bench.command('SOCI: Inspect Image');
    await bench.page.locator('.quick-input-list .monaco-list-row', { hasText: 'Enter a Name' }).click();
    await bench.page.locator('.quick-input-widget input[placeholder^="docker://"]').waitFor();
    await bench.type(`oci:${given('SOCI_LENS_LAYOUT')}`);
    const panel = await bench.panel();
    await panel.getByRole('heading', { name: 'Span sizes' }).waitFor();
  });
});
