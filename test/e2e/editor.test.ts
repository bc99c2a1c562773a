import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import path from 'node:path';
import type { Browser } from 'playwright-core';
import { launchBrowser } from '../support/browser-page';
import { eventually } from '../support/eventually';
import { startRegistry, type TestRegistry } from '../support/registry';
import { given, violations, Workbench } from './workbench';

/** The name that the extension gives to what it builds from the workspace `shop`. */
const IMAGE = 'shop:soci-lens';

/** The rule of axe that VS Code breaks in every tree: it says label and description aloud with a comma and shows none. */
const OF_VSCODE = ['label-content-name-mismatch'];

/** Containers of our image that carry our label, by the engine's own list. */
async function tracedContainers(): Promise<unknown[]> {
  const { connectEngine } = await import('../../src/image/engine');
  const { docker } = await connectEngine({ host: given('SOCI_LENS_TEST_ENGINE') });
  return docker.listContainers({ all: true, filters: { label: ['soci-lens.trace'], ancestor: [IMAGE] } });
}

describe('the way from the lens to the registry', () => {
  let browser: Browser;
  let registry: TestRegistry;
  let bench: Workbench;

  before(async () => {
    browser = await launchBrowser();
    registry = await startRegistry();
    const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
    bench = new Workbench(await context.newPage(), given('SOCI_LENS_URL'), given('SOCI_LENS_WORKSPACE'));
    await bench.open();
  });

  after(async () => {
    await browser.close();
    await registry.stop();
  });

  afterEach((context) => bench.afterTest(context));

  test('the walkthrough opens, with nothing done', async () => {
    await bench.openWalkthrough();
    assert.equal(await bench.steps('done').count(), 0);
  });

  test('a Dockerfile has a lens, which builds and shows the span map', async () => {
    await bench.openFile('Dockerfile');
    await bench.lens('Build and inspect').waitFor();
    assert.equal(await bench.lens('Profile start').count(), 0, 'before the first analysis there is one verb');
    await bench.lens('Build and inspect').click();
    await bench.toast('Building shop').waitFor();
    const panel = await bench.panel();
    await panel.getByRole('tab', { name: 'Layers' }).click();
    await panel.getByText('catalogue').first().waitFor();
  });

  test('then the lens says the fact', async () => {
    await bench.openFile('Dockerfile');
    await bench.lens('start not profiled').waitFor();
    assert.equal(await bench.lens('Create index').count(), 1);
    await bench.lens(/^31\.\d MB · [\d,]+ files · .* hidden by later layers$/).waitFor();
  });

  test('the palette profiles the start, after asking, and the lens shows what it reads', async () => {
    const ask = async (): Promise<void> => {
      await bench.command('SOCI: Profile Start of Image');
      await bench.dialog.waitFor();
    };
    await bench.inEachTheme('run-question', ask, () => bench.choose('Cancel'));
    await ask();
    assert.match(await bench.dialog.innerText(), /Command: \/usr\/bin\/storefront[\s\S]*User: 65532:65532/);
    await bench.choose('Run');
    const panel = await bench.panel();
    await panel.getByText('Read by the start', { exact: true }).waitFor();
    await bench.toast('Profiling').waitFor({ state: 'detached' });
    await bench.openFile('Dockerfile');
    await bench.lens(/MB · \d+ % read at start · \d+ of \d+ spans$/).waitFor();
    // The marks of what each instruction costs, which the settings of this window switch on, stand behind the text of its line.
    await bench.page.waitForFunction(`[...document.querySelectorAll('.view-line span')]
      .some((part) => /^"\\d+ % of the start"$/.test(getComputedStyle(part, '::after').content))`);
    await bench.screenshot('lens-dark');
  });

  test('the tree shows image, layers, folders and files, and opens a file', async () => {
    await bench.showTree();
    await bench.item(IMAGE).click();
    await bench.item('COPY app /app').click();
    await bench.item(/^app/).first().click();
    await bench.item(/^src/).first().click();
    await bench.item('main.css').first().waitFor();
    await bench.screenshot('tree-dark');
    await bench.item('main.css').first().click();
    await bench.tab('main.css').waitFor();
    await bench.page.locator('.monaco-editor .view-line', { hasText: 'font' }).first().waitFor();
  });

  test('the panel marks what the start touches and lists the span sizes', async () => {
    await bench.command('SOCI: Show Span Map');
    const panel = await bench.panel();
    // The panel is still on the part that was looked at last.
    await panel.getByRole('tab', { name: 'Span size' }).click();
    await panel.getByRole('heading', { name: 'Span sizes' }).waitFor();
    assert.match(await panel.locator('#reason').innerText(), /make the service ready after/);
    await bench.inEachTheme('panel');
    const pick = async (): Promise<void> => {
      await bench.command('SOCI: Tune Span Size');
      await bench.row('1 MiB').waitFor();
    };
    await bench.inEachTheme('span-sizes', pick, () => bench.page.keyboard.press('Escape'));
  });

  test('create and push shows what it will do, and the index arrives in the registry', async () => {
    const destination = `docker://${registry.host}/team/shop:1.0`;
    const ask = async (): Promise<void> => {
      await bench.command('SOCI: Create and Push Index');
      await bench.type(destination);
      await bench.row('Prefetch what the start touches').click();
      await bench.dialog.waitFor();
    };
    await bench.inEachTheme('push-question', ask, () => bench.choose('Cancel'));
    await ask();
    const question = await bench.dialog.innerText();
    assert.ok(question.includes(destination));
    assert.match(question, /Index \(v2\): \d+ of them in spans of/);
    await bench.choose('Create and Push');
    const toast = bench.toast('holds the image with its index');
    await toast.waitFor();
    const digest = /sha256:[0-9a-f]{64}/.exec(await toast.innerText())?.[0];

    const answer = await fetch(`http://${registry.host}/v2/team/shop/manifests/1.0`, {
      headers: { accept: 'application/vnd.oci.image.index.v1+json' },
    });
    assert.equal(answer.headers.get('docker-content-digest'), digest);
    const index = (await answer.json()) as { manifests: { artifactType?: string; digest: string }[] };
    const soci = index.manifests.find(
      ({ artifactType }) => artifactType === 'application/vnd.amazon.soci.index.v2+json',
    );
    assert.ok(soci, 'the index lists a SOCI index');
    const stored = await fetch(`http://${registry.host}/v2/team/shop/manifests/${soci.digest}`, {
      headers: { accept: 'application/vnd.oci.image.manifest.v1+json' },
    });
    assert.equal(stored.status, 200);
  });

  test('Cancel ends a running profile at once, says nothing, and leaves no container', async (t) => {
    await bench.command('SOCI: Profile Start of Image');
    const toast = bench.toast('Profiling the start of shop');
    await toast.getByRole('button', { name: 'Cancel' }).click();
    const cancelled = performance.now();
    await toast.waitFor({ state: 'detached' });
    assert.equal(await bench.page.locator('.notification-toast .codicon-error').count(), 0);
    // VS Code takes the notification away at the click; the engine needs a moment longer for the container.
    await eventually(async () => {
      assert.deepEqual(await tracedContainers(), []);
    });
    t.diagnostic(`the container was gone ${Math.round(performance.now() - cancelled)} ms after the click`);
  });

  test('the panel itself records and pushes, with the same questions', async () => {
    await bench.command('SOCI: Show Span Map');
    const panel = await bench.panel();
    await panel.getByRole('button', { name: 'Create index with these settings' }).click();
    await bench.type(`docker://${registry.host}/team/panel:1.0`);
    await bench.choose('Create and Push');
    await panel.getByText('holds the image with its index').first().waitFor();
    const answer = await fetch(`http://${registry.host}/v2/team/panel/tags/list`);
    assert.deepEqual(await answer.json(), { name: 'team/panel', tags: ['1.0'] });
  });

  test('cancelling the question for the destination pushes nothing', async () => {
    await bench.command('SOCI: Create and Push Index');
    await bench.type(`docker://${registry.host}/team/never:1.0`);
    await bench.row('Fetch nothing before the start').click();
    await bench.dialog.waitFor();
    await bench.choose('Cancel');
    const answer = await fetch(`http://${registry.host}/v2/team/never/tags/list`);
    assert.equal(answer.status, 404);
  });

  test('a reload keeps the panel, and the part of it that was in front', async () => {
    await bench.command('SOCI: Show Span Map');
    const before = await bench.panel();
    await before.getByRole('tab', { name: 'Blame' }).click();
    await before.getByRole('heading', { name: 'Who costs the start what' }).waitFor();
    await bench.reload();
    const panel = await bench.panel();
    await panel.getByRole('heading', { name: 'Who costs the start what' }).waitFor();
    await panel.getByRole('tab', { name: 'Span size' }).click();
    await panel.getByRole('heading', { name: 'Span sizes' }).waitFor();
  });

  test('moved into a window of its own, the panel keeps the part that was in front', async () => {
    const before = await bench.panel();
    await before.getByRole('tab', { name: 'Blame' }).click();
    await before.getByRole('heading', { name: 'Who costs the start what' }).waitFor();
    const own = await bench.moveEditor();
    const panel = await own.panel();
    await panel.getByRole('heading', { name: 'Who costs the start what' }).waitFor();
    await own.page.close();
  });

  test('the palette alone: any image by its name, a span size, the indexes of a registry, a check and a report', async () => {
    const pushed = `docker://${registry.host}/team/shop:1.0`;
    await bench.command('SOCI: Inspect Image');
    await bench.pick('Enter a Name');
    await bench.page.locator('.quick-input-widget input[placeholder^="docker://"]').waitFor();
    await bench.type(pushed);
    await bench.page.locator('.tab.active', { hasText: 'shop:1.0' }).waitFor();
    await bench.panel();
    // What is in front is what a command is about.
    await bench.command('SOCI: Tune Span Size');
    await bench.row('1 MiB').click();
    await bench.toast('Span size: 1 MiB').waitFor();
    await bench.command('SOCI: Verify Index');
    await bench.toast(/The index of .*shop:1\.0 holds: \d+ layers, [\d,]+ spans read back/).waitFor();
    await bench.command('SOCI: List Indexes');
    await bench.row('v2 · sha256:').waitFor();
    await bench.page.keyboard.press('Escape');
    await bench.command('Notifications: Clear All Notifications');
  });

  test('the tree alone: from an image by its menus to its map, its index and the check of it', async () => {
    const layout = path.join(given('SOCI_LENS_WORKSPACE'), 'made');
    await bench.command('View: Close All Editors');
    await bench.showTree();
    const image = bench.item(IMAGE).first();
    await image.hover();
    await image.locator('.action-label[aria-label*="Show Span Map"]').click();
    await bench.panel();
    await bench.menu(image, /^Create Index/);
    await bench.type(`oci:${layout}`);
    await bench.row('Fetch nothing before the start').click();
    await bench.choose('Create');
    await bench.toast('holds the image with its index').waitFor();
    // The images of the engine may be many.
    await bench.item('Docker Engine').locator('.monaco-tl-twistie').click();
    const made = bench.item('made').first();
    await bench.menu(made, /^Verify Index/);
    await bench.toast(/The index of .*made holds/).waitFor();
    await made.locator('.monaco-tl-twistie').click();
    await bench.item(/SOCI index v2.*verified/).waitFor();
    await bench.command('Notifications: Clear All Notifications');
  });

  test('a recorded start is dragged onto an image that has none', async () => {
    // So that both rows are in sight.
    await bench.item('made').first().locator('.monaco-tl-twistie').click();
    await bench.showTree();
    const image = bench.item(/team\/shop:1\.0/).first();
    assert.doesNotMatch(await image.innerText(), /% read/);
    await bench
      .item(/ready by its/)
      .first()
      .dragTo(image);
    await bench
      .item(/team\/shop:1\.0.*% read/)
      .first()
      .waitFor();
  });

  test('two windows of one folder look at the same image at once, and neither disturbs the other', async () => {
    const second = await bench.secondWindow();
    const both = [bench, second];
    for (const window of both) {
      await window.command('SOCI: Inspect Image');
      await window.pick(IMAGE);
    }
    for (const window of both) {
      const panel = await window.panel();
      await panel.getByRole('heading', { name: IMAGE }).waitFor();
      assert.equal(await window.page.locator('.notification-toast .codicon-error').count(), 0);
    }
    await second.page.close();
    await bench.showTree();
    await bench.item('made').first().waitFor();
  });

  test('the walkthrough has ticked off what was done', async () => {
    await bench.openWalkthrough();
    await bench.steps('done').nth(3).waitFor();
    await bench.inEachTheme('walkthrough');
  });

  test('all of it follows the theme, and axe finds nothing in the views and in the panel', async () => {
    await bench.command('SOCI: Show Span Map');
    // What was pushed is in the list of images too by now.
    await bench.row(IMAGE).click();
    const panel = await bench.panel();
    await bench.showTree();
    await bench.command('View: Split Editor Down');
    await bench.openFile('Dockerfile');
    await bench.lens('Profile start').waitFor();
    await bench.inEachTheme('whole', async (theme) => {
      // The toolkit takes over the colours of a theme in the frames that follow.
      await eventually(async () => {
        assert.deepEqual(await violations(bench.page, '.sidebar .monaco-list-rows', OF_VSCODE), [], theme);
        assert.deepEqual(await violations(panel, 'main'), [], theme);
      });
    });
  });
});
