/** What is there for people who lack something: first the trust of the workspace, then a Docker engine. */
import assert from 'node:assert/strict';
import path from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { after, afterEach, before, describe, test } from 'node:test';
import type { Browser } from 'playwright-core';
import { connectEngine } from '../../src/image/engine';
import { launchBrowser } from '../support/browser-page';
import { EngineProxy } from '../support/engine-proxy';
import { eventually } from '../support/eventually';
import { tarOf } from '../support/images';
import { given, violations, Workbench } from './workbench';

/** Rules that VS Code's own frame around a welcome text breaks. */
const OF_VSCODE = ['landmark-unique', 'region'];

/** An image that comes to the engine while somebody looks. */
const ARRIVING = 'soci-lens-arriving';

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

afterEach((context) => bench.afterTest(context));

describe('a workspace that is not trusted', () => {
  test('says so where images would be', async () => {
    await bench.showTree();
    await bench.page.getByText('This workspace is not trusted').waitFor();
    await bench.inEachTheme('restricted');
  });

  test('builds nothing, and says why', async () => {
    await bench.openFile('Dockerfile');
    await bench.lens('Build and inspect').click();
    const toast = bench.toast('This workspace is not trusted, and building runs what the Dockerfile says');
    await toast.getByRole('button', { name: 'Manage Workspace Trust' }).waitFor();
  });

  test('hides from the palette what would run or push', async () => {
    await bench.quickOpen('F1', '>SOCI: ', 'SOCI: Inspect Image');
    for (const title of ['Build and Inspect', 'Profile Start', 'Create and Push']) {
      assert.equal(await bench.row(`SOCI: ${title}`).count(), 0, title);
    }
    await bench.page.keyboard.press('Escape');
  });

  test('looks at a layout all the same', async () => {
    await bench.command('SOCI: Inspect Image');
    await bench.pick('Enter a Name');
    await bench.page.locator('.quick-input-widget input[placeholder^="docker://"]').waitFor();
    await bench.type(`oci:${given('SOCI_LENS_LAYOUT')}`);
    const panel = await bench.panel();
    await panel.getByRole('heading', { name: 'Span sizes' }).waitFor();
    await bench.command('SOCI: Remove from List');
  });
});

describe('without an engine', () => {
  test('once the workspace is trusted, the view says that no engine answers and what can be done', async () => {
    await bench.command('Workspaces: Manage Workspace Trust');
    await bench.page
      .locator('.workspace-trust-editor')
      .getByRole('button', { name: 'Trust', exact: true })
      .click();
    await bench.page.getByText('You trust this folder').waitFor();
    await bench.page.keyboard.press('Escape');
    await bench.command('View: Close All Editors');
    await bench.showTree();
    await bench.page.getByText('No Docker engine answers').waitFor();
    await bench.inEachTheme('no-engine', async (theme) => {
      await eventually(async () => {
        assert.deepEqual(
          await violations(bench.page, '.sidebar .welcome-view-content', OF_VSCODE),
          [],
          theme,
        );
      });
    });
  });

  test('an engine that comes back is taken up by Try Again, its events are followed, and it may go away again', async () => {
    const proxy = new EngineProxy(given('SOCI_LENS_TEST_ENGINE'), given('SOCI_LENS_ABSENT_ENGINE'));
    const { docker } = await connectEngine({ host: given('SOCI_LENS_TEST_ENGINE') });
    const engine = bench.item('Docker engine');
    await proxy.revive();
    try {
      await bench.page.getByRole('button', { name: 'Try Again' }).click();
      await bench.page.getByText('No Docker engine answers').waitFor({ state: 'detached' });
      const tar = Readable.from(tarOf([{ name: 'only.txt', data: ARRIVING }]), { objectMode: false });
      // Read to its end: an answer that is left lying keeps its connection, and this process with it.
      await buffer(await docker.importImage(tar, { repo: ARRIVING, tag: 'x' }));
      // Tagged while the view follows the engine's events; nobody asks again.
      await bench.item(`${ARRIVING}:x`).waitFor();
      await engine.waitFor();
      proxy.die();
      await bench.page.getByText('No Docker engine answers').waitFor();
      await engine.waitFor({ state: 'detached' });
    } finally {
      proxy.die();
      await docker.getImage(`${ARRIVING}:x`).remove();
    }
  });

  test('the walkthrough is walked to its end by its own buttons, on the sample image', async () => {
    const layout = path.join(given('SOCI_LENS_WORKSPACE'), 'walked');
    const { page } = bench;
    const step = async (title: string, button: string) => {
      await bench.openWalkthrough();
      const place = page.locator('.getting-started-step', { hasText: title });
      await place.click();
      await place.getByRole('button', { name: button, exact: true }).click();
    };
    await step('Build an image and look into it', 'Open the Sample Image');
    await (await bench.panel()).getByRole('heading', { name: 'Span sizes' }).waitFor();
    await step('Look at the span map', 'Show Span Map');
    await bench.panel();
    await step('Create the index', 'Create Index');
    await bench.type(`oci:${layout}`);
    await bench.row('Prefetch what the start touches').click();
    await bench.choose('Create');
    await bench.toast('holds the image with its index').waitFor();
    await step('Use it', 'Verify Index');
    await bench.row('walked').click();
    await bench.toast(/The index of .*walked holds/).waitFor();
    await bench.openWalkthrough();
    await bench.steps('done').nth(4).waitFor();
    await bench.command('Notifications: Clear All Notifications');
  });
});
