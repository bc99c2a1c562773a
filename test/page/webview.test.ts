/** The page of the span map by itself, in a browser, on made-up images: what it shows, by mouse and by keyboard. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Page } from 'playwright-core';
import { formatSize } from '../../src/plan/format';
import { createPicture } from '../../src/plan/picture';
import type { Picture } from '../../src/plan/picture';
import type { IndexOrder } from '../../src/protocol';
import type { OpenOptions } from '../support/browser-page';
import { eventually } from '../support/eventually';
import { touchedPixels, until, usePages } from '../support/pages';
import { service } from '../support/pictures';

const pages = usePages();

async function open(picture: Picture, options: Omit<OpenOptions, 'picture'> = {}): Promise<Page> {
  return (await pages.open({ picture: () => picture, ...options })).page;
}

/** Presses a key until the live region says something new that fits: what a key moves to may be on its way from the host. */
async function announced(page: Page, key: string, text: RegExp): Promise<void> {
  const status = page.locator('#status');
  const before = await status.textContent();
  await page.keyboard.press(key);
  await eventually(async () => {
    const now = (await status.textContent()) ?? '';
    if (now === before) await page.keyboard.press(key);
    assert.notEqual(now, before);
    assert.match(now, text);
  });
}

describe('with a recorded start', () => {
  const picture = createPicture(service());
  const { plan } = picture.overview(null);

  test('at first sight: the figures, the best span size, the dearest instruction, the touched spans', async () => {
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
    const most = page.locator('#layers vscode-data-grid-row', { hasText: 'most' });
    assert.equal(await most.count(), 1);
    assert.match((await most.textContent()) ?? '', /RUN apt-get/);
    assert.ok((await touchedPixels(page)) > 1000);
    await page.locator('canvas.strip').hover({ position: { x: 300, y: 20 } });
    await page.locator('#map .tip', { hasText: /^Spans? \d+/ }).waitFor();
    await page.setViewportSize({ width: 900, height: 900 });
    await eventually(async () => {
      const cut: unknown =
        await page.evaluate(`[...document.querySelectorAll('#sizes [cell-type=columnheader]')]
        .filter((cell) => cell.scrollWidth > cell.clientWidth).map((cell) => cell.textContent)`);
      assert.deepEqual(cut, [], 'headers that are cut in a panel of 900 pixels');
    });
  });

  test('keyboard: layers, spans, zoom, and each step is announced', async () => {
    const page = await open(picture);
    await page.locator('#map .map-box').focus();
    await announced(page, 'ArrowDown', /^Layer 2, COPY/);
    await announced(page, 'ArrowUp', /^Layer 1, RUN apt-get/);
    await announced(page, 'PageDown', /^Span \d+, .*touched, first after/);
    await page.locator('#detail h3', { hasText: /^Span \d+ of layer 1$/ }).waitFor();
    await announced(page, 'ArrowRight', /^Span \d+/);
    const whole = await touchedPixels(page);
    const changed = async (): Promise<number> => Math.abs((await touchedPixels(page)) - whole) / whole;
    await page.keyboard.press('Enter');
    await eventually(async () => {
      assert.ok((await changed()) > 0.05, 'zoomed in');
    });
    await page.keyboard.press('Escape');
    await eventually(async () => {
      assert.ok((await changed()) < 0.05, 'zoomed out again');
    });
  });

  test('a click on a row of the map chooses its layer, one on the strip its span', async () => {
    const page = await open(picture);
    await page.locator('canvas.rows').click({ position: { x: 40, y: 26 * 2 + 10 } });
    await page.locator('#layers [data-key="2"][aria-selected="true"]').waitFor({ state: 'attached' });
    // The spans of the layer may be on their way from the host.
    await eventually(async () => {
      await page.locator('canvas.strip').click({ position: { x: 5, y: 20 } });
      await page.locator('#detail h3', { hasText: /^Span 0 of layer 2$/ }).waitFor({ timeout: 1000 });
    });
    await page.locator('#detail', { hasText: 'model.bin' }).waitFor();
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
    await until(page, 'settings.spanSize === 16777216');
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
    const { page, host } = await pages.open({
      picture: () => picture,
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
    const order = { spanSize: plan.choice.spanSize, minLayerSize: plan.minLayerSize };
    await eventually(async () => {
      assert.deepEqual(orders, [{ ...order, prefetch: true, extra: [] }]);
      assert.equal(await create.getAttribute('disabled'), '');
    });
    host.tell('progress', { step: 'Pushing', done: 50, total: 200 });
    await page.locator('.state', { hasText: 'Pushing, 25 %' }).waitFor();
    finish({ done: 'Pushed to registry.example.' });
    await page.locator('.state', { hasText: 'Pushed to registry.example.' }).waitFor();
    await eventually(async () => {
      assert.equal(await page.locator('#status').textContent(), 'Pushed to registry.example.');
      assert.equal(await create.getAttribute('disabled'), null);
    });
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
  const { page, host } = await pages.open({ picture: pictures });
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
  const { page } = await pages.open({
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
  await page.locator('#sizes [data-key="65536"] [grid-column="1"]').click();
  await page.locator('#sizes [data-key="8388608"] [grid-column="1"]').click();
  await page.locator('#sizes [data-key="8388608"][aria-selected="true"]').waitFor();
  await page.waitForTimeout(700);
  assert.equal(await page.locator('#sizes [data-key="8388608"]').getAttribute('aria-selected'), 'true');
});
