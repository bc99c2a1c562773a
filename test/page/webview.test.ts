/** The page of the span map by itself, in a browser, on made-up images: what it shows, by mouse and by keyboard. */
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { formatSize } from '../../src/plan/format';
import { createPicture } from '../../src/plan/picture';
import type { Picture } from '../../src/plan/picture';
import { renderReport } from '../../src/plan/report';
import type { IndexOrder } from '../../src/protocol';
import { bundlePage, launchBrowser, openPage } from '../support/browser-page';
import type { OpenOptions, OpenPage } from '../support/browser-page';
import { repoRoot } from '../support/paths';
import { empty, hostile, manyLayers, service, untraced } from '../support/pictures';
import type { ThemeName } from '../support/themes';

const screenshots = path.join(repoRoot, 'out/screenshots');
const axeSource = readFileSync(
  createRequire(path.join(repoRoot, 'package.json')).resolve('axe-core/axe.min.js'),
  'utf8',
);

let browser: Browser;
let bundle: string;
let opened: OpenPage | undefined;

before(async () => {
  mkdirSync(screenshots, { recursive: true });
  [browser, bundle] = await Promise.all([launchBrowser(), bundlePage()]);
});
after(async () => {
  await browser.close();
});
afterEach(async () => {
  const complaints = opened?.complaints;
  await opened?.page.context().close();
  opened = undefined;
  assert.deepEqual(complaints ?? [], [], 'the browser complained');
});

async function open(picture: Picture, options: Omit<OpenOptions, 'picture'> = {}): Promise<Page> {
  opened = await openPage(browser, bundle, { picture: () => picture, ...options });
  return opened.page;
}

/** What the live region says when it next says something new. */
async function announced(page: Page, act: () => Promise<void>): Promise<string> {
  const status = page.locator('#status');
  const before = (await status.textContent()) ?? '';
  await act();
  for (let i = 0; i < 100; i++) {
    const now = (await status.textContent()) ?? '';
    if (now !== before) return now;
    await page.waitForTimeout(20);
  }
  throw new Error(`Nothing was announced after "${before}".`);
}

/** What axe finds in a part of the page: rule, place and reason. */
function violations(page: Page, part: string): Promise<unknown> {
  return page.evaluate(`axe.run(${part}).then(({ violations }) =>
    violations.map(({ id, nodes }) => id + ': ' + nodes.map((node) => node.target.join(' ') + ' ' + (node.any[0]?.message ?? '')).join('; ')))`);
}

/** What stands in each panel under the map once it is there. */
const CONTENT = {
  sizes: '#sizes [data-key]',
  advice: '#advice .best-index',
  timeline: 'canvas.timeline',
  layers: '#layers [data-key]',
  files: '#files .window > .virtual-row',
  blame: '#blame [data-key]',
  compare: '#compare vscode-dropdown',
} as const;
type Tab = keyof typeof CONTENT;
const TABS = Object.keys(CONTENT) as Tab[]; // It has exactly these keys, by its type.

async function lookAt(page: Page, tab: Tab): Promise<void> {
  await page.locator(`#tab-${tab}`).click();
  await page.locator(CONTENT[tab]).first().waitFor();
}

/** How many pixels of the strip have about the colour of touched spans. */
function touchedPixels(page: Page): Promise<number> {
  return page.evaluate(`(() => {
    const canvas = document.querySelector('canvas.strip');
    // A copy, since reading from the page's own canvas would change how the browser draws on it.
    const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext('2d', { willReadFrequently: true });
    copy.drawImage(canvas, 0, 0);
    const { data } = copy.getImageData(0, 0, canvas.width, canvas.height);
    let count = 0;
    for (let i = 0; i < data.length; i += 4) if (data[i] > 150 && data[i + 1] > 80 && data[i + 1] < 180 && data[i + 2] < 80) count++;
    return count;
  })()`);
}

describe('with a recorded start', () => {
  const picture = createPicture(service());
  const { plan } = picture.overview(null);

  test('shows the figures of the plan and marks the recommended span size', async () => {
    const page = await open(picture);
    assert.equal(await page.locator('h1').textContent(), plan.image.reference);
    const figures = (await page.locator('#figures').textContent()) ?? '';
    const row = plan.rows.find((one) => one.spanSize === plan.choice.spanSize);
    assert.ok(figures.includes(`${row?.touchedSpans} of ${row?.spans}`), figures);
    assert.equal(await page.locator('#reason').textContent(), plan.choice.reason);
    const rows = page.locator('#sizes vscode-data-grid-row[data-key]');
    assert.equal(await rows.count(), plan.rows.length);
    const best = page.locator(`#sizes [data-key="${plan.choice.spanSize}"]`);
    assert.equal(await best.getAttribute('aria-selected'), 'true');
    assert.match((await best.textContent()) ?? '', /best/);
  });

  test('in a panel of 900 pixels no header of the span sizes is cut', async () => {
    const page = await open(picture, { width: 900 });
    const cut: unknown =
      await page.evaluate(`[...document.querySelectorAll('#sizes [cell-type=columnheader]')]
      .filter((cell) => cell.scrollWidth > cell.clientWidth).map((cell) => cell.textContent)`);
    assert.deepEqual(cut, []);
  });

  test('the layer table says which instruction costs the start most', async () => {
    const page = await open(picture);
    const most = page.locator('#layers vscode-data-grid-row', { hasText: 'most' });
    assert.equal(await most.count(), 1);
    assert.match((await most.textContent()) ?? '', /RUN apt-get/);
  });

  test('draws touched spans tall', async () => {
    const page = await open(picture);
    assert.ok((await touchedPixels(page)) > 1000);
  });

  test('keyboard: layers, spans, zoom, and each step is announced', async () => {
    const page = await open(picture);
    await page.locator('#map .map-box').focus();
    assert.match(await announced(page, () => page.keyboard.press('ArrowDown')), /^Layer 2, COPY/);
    assert.match(await announced(page, () => page.keyboard.press('ArrowUp')), /^Layer 1, RUN apt-get/);
    await page.waitForTimeout(150);
    const first = await announced(page, () => page.keyboard.press('PageDown'));
    assert.match(first, /^Span \d+, .*touched, first after/);
    await page.locator('#detail h3').waitFor();
    assert.match((await page.locator('#detail h3').textContent()) ?? '', /^Span \d+ of layer 1$/);
    assert.match(await announced(page, () => page.keyboard.press('ArrowRight')), /^Span \d+/);
    const whole = await touchedPixels(page);
    await page.keyboard.press('Enter');
    await page.waitForTimeout(300);
    assert.notEqual(await touchedPixels(page), whole, 'zoomed in');
    await page.keyboard.press('Escape');
    await page.waitForTimeout(300);
    assert.ok(Math.abs((await touchedPixels(page)) - whole) < whole * 0.05, 'zoomed out again');
  });

  test('a click on a row of the map chooses its layer, one on the strip its span', async () => {
    const page = await open(picture);
    await page.locator('canvas.rows').click({ position: { x: 40, y: 26 * 2 + 10 } });
    assert.equal(await page.locator('#layers [data-key="2"]').getAttribute('aria-selected'), 'true');
    await page.waitForTimeout(200);
    await page.locator('canvas.strip').click({ position: { x: 5, y: 20 } });
    await page.locator('#detail h3').waitFor();
    assert.equal(await page.locator('#detail h3').textContent(), 'Span 0 of layer 2');
    assert.match((await page.locator('#detail').textContent()) ?? '', /model\.bin/);
  });

  test('hovering says what is under the mouse', async () => {
    const page = await open(picture);
    await page.locator('canvas.strip').hover({ position: { x: 300, y: 20 } });
    assert.match((await page.locator('#map .tip').textContent()) ?? '', /^Spans? \d+/);
  });

  test('choosing another span size in the table moves everything; the focus stays', async () => {
    const page = await open(picture);
    const other = page.locator('#sizes [data-key="16777216"]');
    await other.locator('[grid-column="1"]').focus();
    await page.keyboard.press('Enter');
    await page.locator('#sizes [data-key="16777216"][aria-selected="true"]').waitFor();
    const row = plan.rows.find((one) => one.spanSize === 16777216);
    await page.locator('#figures', { hasText: `${row?.touchedSpans} of ${row?.spans}` }).waitFor();
    await page.waitForFunction(
      `document.activeElement?.closest('[data-key]')?.getAttribute('data-key') === '16777216'`,
    );
    const saved: unknown = await page.evaluate('savedState.settings.spanSize');
    assert.equal(saved, 16777216);
  });

  test('the slider tries any span size; the last place wins, and the command line follows', async () => {
    const page = await open(picture);
    const knob = page.locator('#what-if .slider input').first();
    await knob.focus();
    for (let i = 0; i < 6; i++) await page.keyboard.press('ArrowRight');
    await page.keyboard.press('ArrowLeft');
    const text = (await knob.getAttribute('aria-valuetext')) ?? '';
    const place = Number(await knob.inputValue());
    const spanSize = Math.round((64 * 1024 * 2 ** (place / 2)) / 4096) * 4096;
    assert.equal(text, formatSize(spanSize));
    await page.locator(`#sizes [data-key="${spanSize}"][aria-selected="true"]`).waitFor();
    await page.locator('#command code', { hasText: `--span-size ${spanSize} ` }).waitFor();
    const expected = picture.overview({ ...plan, spanSize, prefetch: false, extra: [] });
    const row = expected.plan.rows.find((one) => one.spanSize === spanSize);
    await page.locator('#figures', { hasText: `${row?.touchedSpans} of ${row?.spans}` }).waitFor();
  });

  test('the settings of an earlier page come back; damaged ones do not', async () => {
    const network = { rttMs: 20, bytesPerSecond: 1e8 };
    const page = await open(picture, {
      state: {
        settings: { spanSize: 65536, minLayerSize: 0, network, node: plan.node, prefetch: false, extra: [] },
        layer: 2,
      },
    });
    assert.equal(await page.locator('#sizes [data-key="65536"]').getAttribute('aria-selected'), 'true');
    assert.equal(await page.locator('#layers [data-key="2"]').getAttribute('aria-selected'), 'true');
    await page.context().close();
    const fresh = await open(picture, { state: { settings: { spanSize: 'x', network: null }, layer: 0 } });
    assert.equal(
      await fresh.locator(`#sizes [data-key="${plan.choice.spanSize}"]`).getAttribute('aria-selected'),
      'true',
    );
  });

  test('advice: the best index with its reason, how to pull and what to change, each with its evidence', async () => {
    const asked: unknown[] = [];
    const page = await open(picture, {
      actions: {
        createBestIndex: (body) => {
          asked.push(body);
          return { done: 'Pushed to registry.example.' };
        },
        recommend: ({ settings }) => {
          const [before] = plan.modes;
          const after = plan.modes.at(-1);
          assert.ok(before && after);
          const split = {
            kind: 'split' as const,
            layers: [0],
            text: 'Split it.',
            evidence: 'It is read in parts.',
          };
          return {
            best: picture.best(settings),
            build: [{ ...split, mode: 'lazy' as const, before, after }],
          };
        },
      },
    });
    await page.getByRole('tab', { name: 'Advice' }).click();
    await page.locator('#advice .best-index', { hasText: /the default takes/ }).waitFor();
    const evidence = await page.locator('#advice .evidence').allTextContents();
    assert.ok(evidence.length >= 3 && evidence.every((text) => text.length > 5));
    assert.ok(evidence.some((text) => text.includes('It is read in parts.')));
    await page.locator('vscode-button', { hasText: 'Create this index' }).click();
    await page.locator('.state', { hasText: 'Pushed to registry.example.' }).waitFor();
    assert.deepEqual(asked, [{ settings: null }]);
  });

  test('creates the index with what is set, waits, and says where it went', async () => {
    const orders: IndexOrder[] = [];
    let finish: (done: { done: string }) => void = () => undefined;
    const page = await open(picture, {
      actions: {
        createIndex: (order) => {
          orders.push(order);
          return new Promise((resolve) => {
            finish = resolve;
          });
        },
      },
    });
    const create = page.locator('vscode-button', { hasText: 'Create index with these settings' });
    await page.locator('#what-if vscode-checkbox').click();
    await page.locator('#command code', { hasText: '--prefetch-from-trace' }).waitFor();
    await create.click();
    await page.waitForTimeout(100);
    const order = { spanSize: plan.choice.spanSize, minLayerSize: plan.minLayerSize };
    assert.deepEqual(orders, [{ ...order, prefetch: true, extra: [] }]);
    assert.equal(await create.getAttribute('disabled'), '');
    opened?.host.tell('progress', { step: 'Pushing', done: 50, total: 200 });
    await page.locator('.state', { hasText: 'Pushing, 25 %' }).waitFor();
    finish({ done: 'Pushed to registry.example.' });
    await page.locator('.state', { hasText: 'Pushed to registry.example.' }).waitFor();
    assert.equal(await page.locator('#status').textContent(), 'Pushed to registry.example.');
    assert.equal(await create.getAttribute('disabled'), null);
  });

  test('an error of the host is an alert with its advice', async () => {
    const page = await open(picture, {
      actions: { recordStart: () => Promise.reject(new Error('No engine answers.')) },
    });
    await page.locator('vscode-button', { hasText: 'Record a start' }).click();
    await page.locator('#alert', { hasText: 'No engine answers. Look at the log.' }).waitFor();
  });
});

test('an image that grows: layers come as they are scanned, then a trace', async () => {
  const whole = service();
  let scanned = 2;
  const pictures = (): Picture => {
    const layers = whole.layers.map((layer, index) =>
      index < scanned ? layer : { ...layer, scan: undefined },
    );
    const done = scanned === whole.layers.length;
    return createPicture(
      { ...whole, layers, mapping: done ? whole.mapping : undefined },
      {},
      whole.layers.length - scanned,
    );
  };
  opened = await openPage(browser, bundle, { picture: pictures });
  const { page, host } = opened;
  await page.locator('.state', { hasText: 'Reading layers, 4 to go' }).waitFor();
  assert.equal(await page.locator('#notes').isVisible(), false, 'nothing is said of what is not known yet');
  assert.equal(await page.locator('vscode-button', { hasText: 'Create index' }).getAttribute('disabled'), '');
  scanned = whole.layers.length;
  host.tell('changed', {});
  await page.locator('#figures', { hasText: 'Spans fetched' }).waitFor();
  await page.locator('.state:empty').waitFor({ state: 'attached' });
  // Nobody chose a layer meanwhile, so it is that which the start reads most from.
  await page.locator('#layers [data-key="1"][aria-selected="true"]').waitFor({ state: 'attached' });
});

test('an older answer never overwrites a newer one', async () => {
  const picture = createPicture(service());
  let slow = true;
  opened = await openPage(browser, bundle, {
    picture: () => picture,
    actions: {
      overview: async ({ settings }) => {
        const answer = picture.overview(settings);
        if (settings?.spanSize === 65536 && slow) {
          slow = false;
          await new Promise((resolve) => setTimeout(resolve, 400));
        }
        return answer;
      },
    },
  });
  const { page } = opened;
  await page.locator('#sizes [data-key="65536"] [grid-column="1"]').click();
  await page.locator('#sizes [data-key="8388608"] [grid-column="1"]').click();
  await page.locator('#sizes [data-key="8388608"][aria-selected="true"]').waitFor();
  await page.waitForTimeout(700);
  assert.equal(await page.locator('#sizes [data-key="8388608"]').getAttribute('aria-selected'), 'true');
});

describe('odd images', () => {
  test('script-like names stay text', async () => {
    const page = await open(createPicture(hostile(), { minLayerSize: 0, spanSizes: [65536] }));
    await page.locator('#map .map-box').focus();
    await page.keyboard.press('PageDown');
    await page.locator('#detail', { hasText: '<img src=x' }).waitFor();
    assert.equal(await page.evaluate('window.hacked'), undefined);
    assert.equal(await page.locator('img').count(), 0);
    await page.locator('#tab-files').click();
    await page.locator('#files', { hasText: '<script>window.hacked=1</script>' }).waitFor();
  });

  test('no layer', async () => {
    const page = await open(createPicture(empty()));
    await page.getByText('This image has no layers.').waitFor();
  });

  test('no trace: sizes only', async () => {
    const page = await open(createPicture(untraced()));
    assert.match((await page.locator('#figures').textContent()) ?? '', /Not recorded/);
    assert.match((await page.locator('#sizes').textContent()) ?? '', /default/);
    assert.equal(await touchedPixels(page), 0);
  });

  test('a damaged trace: the sizes stand, and the notes say what is wrong with it', async () => {
    const traceProblem = 'start.soci-trace.jsonl is not a trace of ours: line 3 is cut. Record it again.';
    const page = await open(createPicture({ ...untraced(), traceProblem }));
    await page.locator('#notes li', { hasText: `left out: ${traceProblem}` }).waitFor();
    assert.match((await page.locator('#figures').textContent()) ?? '', /Not recorded/);
  });

  test('127 layers: the selected one is scrolled into view', async () => {
    const page = await open(createPicture(manyLayers()));
    await page.locator('#map .map-box').focus();
    for (let i = 0; i < 40; i++) await page.keyboard.press('ArrowDown');
    await page.waitForTimeout(300);
    const scrolled: unknown = await page.evaluate(`document.querySelector('.rows-box').scrollTop`);
    assert.ok(Number(scrolled) > 500, String(scrolled));
  });
});

test('the bundle is smaller than 350 kB', () => {
  assert.ok(statSync(path.join(bundle, 'spanMap.js')).size < 350_000);
});

describe('themes', () => {
  const small = createPicture(service());
  const many = createPicture(manyLayers());
  for (const theme of ['dark', 'light', 'hc-dark', 'hc-light'] as const satisfies readonly ThemeName[]) {
    test(`${theme}: axe finds nothing; screenshots`, async () => {
      const page = await open(small, { theme });
      await page.locator('#map .map-box').focus();
      await page.keyboard.press('PageDown');
      await page.locator('#detail h3').waitFor();
      await page.evaluate(axeSource);
      assert.deepEqual(await violations(page, 'document'), []);
      for (const tab of TABS) {
        await lookAt(page, tab);
        assert.deepEqual(await violations(page, "document.querySelector('#parts')"), [], tab);
      }
      await page.screenshot({ path: path.join(screenshots, `map-${theme}.png`), fullPage: true });
      await page.context().close();
      const wide = await open(many, { theme });
      await wide.screenshot({ path: path.join(screenshots, `map-many-${theme}.png`) });
    });
  }

  test('forced colours, a narrow panel, two and four times the size: no tab overflows sideways', async () => {
    for (const [name, options] of Object.entries({
      forced: { forcedColors: 'active' as const },
      narrow: { width: 400 },
      double: { width: 640, height: 450, scale: 2 },
      // 1280 pixels at 400 %: WCAG 2.1, 1.4.10.
      quadruple: { width: 320, height: 256, scale: 4 },
    })) {
      const page = await open(small, options);
      await page.screenshot({ path: path.join(screenshots, `map-${name}.png`), fullPage: true });
      for (const tab of TABS) {
        await lookAt(page, tab);
        const overflow: unknown = await page.evaluate(
          'document.documentElement.scrollWidth - document.documentElement.clientWidth',
        );
        assert.equal(overflow, 0, `${name}, ${tab}`);
      }
      await page.context().close();
    }
  });

  test('the report in light and dark', async () => {
    const html = renderReport(small.overview(null).plan, small);
    for (const colorScheme of ['light', 'dark'] as const) {
      const context = await browser.newContext({ colorScheme });
      const page = await context.newPage();
      await page.setContent(html);
      await page.screenshot({ path: path.join(screenshots, `report-${colorScheme}.png`), fullPage: true });
      await page.evaluate(axeSource);
      const violations: unknown = await page.evaluate(
        'axe.run().then(({ violations }) => violations.map(({ id }) => id))',
      );
      assert.deepEqual(violations, []);
      await context.close();
    }
  });
});
