/** What the map lets a person do: zoom, search, hover, pick, prefetch; by mouse and by keyboard. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Locator, Page } from 'playwright-core';
import { createPicture } from '../../src/plan/picture';
import type { OpenOptions } from '../support/browser-page';
import { eventually } from '../support/eventually';
import { holds, kept, turnTo, until, usePages } from '../support/pages';
import type { View } from '../support/pages';
import { service } from '../support/pictures';

const pages = usePages();
const picture = createPicture(service());
const { plan } = picture.overview(null);

async function open(options: Partial<OpenOptions> = {}): Promise<Page> {
  return (await pages.open({ picture: () => picture, ...options })).page;
}
const lengthOf = ({ start, end }: View): number => end - start;
const map = (page: Page): Locator => page.locator('#map .map-box');
const strip = (page: Page): Locator => page.locator('canvas.strip');

test('with the keyboard alone: which instruction costs the start most, and which span size is best', async () => {
  const page = await open();
  /** Goes on with Tab until the focus is where the selector says, as a person does who sees the focus. */
  const reach = async (selector: string): Promise<void> => {
    for (let presses = 0; presses < 60; presses++) {
      await page.keyboard.press('Tab');
      if (await page.evaluate(`document.activeElement?.matches(${JSON.stringify(selector)}) === true`))
        return;
    }
    throw new Error(`Tab never reached ${selector}.`);
  };
  /** What a screen reader says of the focus. */
  const focused = (): Promise<string> =>
    page.evaluate(
      `document.activeElement.getAttribute('aria-label') ?? document.activeElement.closest('[data-key]')?.textContent ?? document.activeElement.textContent`,
    );

  /** What has the focus after a key has moved it. */
  const moved = async (key: string): Promise<string> => {
    const before = await focused();
    await page.keyboard.press(key);
    return await eventually(async () => {
      const now = await focused();
      assert.notEqual(now, before);
      return now;
    });
  };

  await reach('.best-mark');
  assert.ok((await focused()).includes(plan.choice.reason), 'the mark on the slider says why');
  await reach('#tab-sizes');
  for (let presses = 0; presses < 8 && (await focused()) !== 'Layers'; presses++) await moved('ArrowRight');
  await until(page, `tab === 'layers'`);
  // The grid takes the focus at its first row; the arrows go through the layers.
  const rows = [await moved('Tab')];
  while (rows.length <= plan.layers.length) rows.push(await moved('ArrowDown'));
  const most = rows.filter((row) => row.includes('most'));
  assert.equal(most.length, 1, rows.join('\n'));
  assert.match(most[0] ?? '', /RUN apt-get/);
});

describe('moving about', () => {
  test('Ctrl and wheel zoom around the pointer, the wheel across pans, and the view is kept', async () => {
    const page = await open();
    await strip(page).hover({ position: { x: 300, y: 20 } });
    const whole = (await kept(page)).view;
    await page.keyboard.down('Control');
    await page.mouse.wheel(0, -600);
    await page.keyboard.up('Control');
    await until(page, `view.end - view.start < ${lengthOf(whole) / 2}`);
    const zoomed = (await kept(page)).view;
    const at = (view: View): number => view.start + (300 / 1240) * lengthOf(view);
    assert.ok(Math.abs(at(zoomed) - at(whole)) < lengthOf(whole) * 0.01, 'what is under the pointer stays');
    await page.mouse.wheel(400, 0);
    await until(page, `view.start > ${zoomed.start}`);
    assert.ok(Math.abs(lengthOf((await kept(page)).view) - lengthOf(zoomed)) <= 1);
    await page.context().close();
    const again = await open({ state: { layer: 1, view: zoomed, tab: 'files' } });
    assert.deepEqual((await kept(again)).view, zoomed);
    assert.equal((await kept(again)).tab, 'files');
  });

  test('two fingers zoom around what lies between them', async () => {
    const page = await open();
    const place = await strip(page).boundingBox();
    assert.ok(place);
    const whole = (await kept(page)).view;
    const session = await page.context().newCDPSession(page);
    await session.send('Emulation.setTouchEmulationEnabled', { enabled: true, maxTouchPoints: 2 });
    const middle = place.x + place.width / 4;
    const fingers = (type: 'touchStart' | 'touchMove' | 'touchEnd', apart: number): Promise<unknown> =>
      session.send('Input.dispatchTouchEvent', {
        type,
        touchPoints:
          type === 'touchEnd'
            ? []
            : [-1, 1].map((side, id) => ({ id, x: middle + (side * apart) / 2, y: place.y + 20 })),
      });
    await fingers('touchStart', 40);
    for (let apart = 60; apart <= 200; apart += 20) await fingers('touchMove', apart);
    await fingers('touchEnd', 0);
    await until(page, `view.end - view.start < ${lengthOf(whole) / 3}`);
    const { view } = await kept(page);
    const between = view.start + lengthOf(view) / 4;
    assert.ok(Math.abs(between - whole.end / 4) < whole.end * 0.05, `${between} of ${whole.end}`);
  });

  test('dragging pans, with Shift it draws a box and zooms to it; the minimap jumps', async () => {
    const page = await open();
    const place = await strip(page).boundingBox();
    assert.ok(place);
    const drag = async (from: number, to: number, y: number): Promise<void> => {
      await page.mouse.move(place.x + from, place.y + y);
      await page.mouse.down();
      await page.mouse.move(place.x + to, place.y + y, { steps: 5 });
      await page.mouse.up();
    };
    const whole = (await kept(page)).view;
    await page.keyboard.down('Shift');
    await drag(place.width * 0.25, place.width * 0.5, 20);
    await page.keyboard.up('Shift');
    await until(page, `view.end - view.start < ${lengthOf(whole) * 0.3}`);
    const box = (await kept(page)).view;
    assert.ok(Math.abs(box.start / whole.end - 0.25) < 0.02 && Math.abs(box.end / whole.end - 0.5) < 0.02);
    await drag(place.width * 0.5, place.width * 0.25, 20);
    const panned = `view.start - ${box.start + lengthOf(box) / 4}`;
    await until(page, `Math.abs(${panned}) < ${lengthOf(box) * 0.03}`);
    await strip(page).click({ position: { x: place.width * 0.9, y: 112 } });
    await until(page, `view.start > ${whole.end * 0.7}`);
  });

  test('a search finds a file of another layer and flies to it', async () => {
    const page = await open();
    await page.locator('.search').fill('model.bin');
    await page.locator('.hit', { hasText: 'model.bin' }).waitFor();
    await page.keyboard.press('Enter');
    await until(page, 'layer === 2 && span !== null');
    const entries = service().layers[2]!.scan!.entries;
    const file = picture.place({
      layer: 2,
      entry: entries.length - 1,
      spanSize: plan.choice.spanSize,
      axis: 'compressed',
    });
    assert.equal((await kept(page)).span, file.span);
    await page.locator('#detail', { hasText: 'model.bin' }).waitFor();
  });

  test('zoomed in, the files have their names, and hovering a span tells what the host knows of it', async () => {
    const page = await open();
    await page.locator('.search').fill('part7/file-12287');
    await page.locator('.hit').first().click();
    await until(page, 'view.end - view.start < 1000000');
    const tip = page.locator('#map .tip');
    /** Points there, again and again: what is in view may still be on its way from the host. */
    const pointAt = (y: number, text: string): Promise<string> =>
      eventually(async () => {
        await page.mouse.move(0, 0);
        await strip(page).hover({ position: { x: 620, y } });
        await tip.filter({ hasText: text }).waitFor({ timeout: 1000 });
        return (await tip.textContent()) ?? '';
      });
    await pointAt(64, 'file-12287.so');
    const text = await pointAt(20, 'Read by');
    for (const part of [
      /^Span \d+/,
      /RUN apt-get/,
      /Blob [\d,]+ – [\d,]+/,
      /Tar /,
      /files, \d+ % read/,
      /First touch after/,
      /python3/,
    ])
      assert.match(text, part);
  });

  test('of a cell that stands for many spans, one that the start reads is picked', async () => {
    const spanSize = 65_536;
    const { minLayerSize, network, node } = plan;
    const settings = { spanSize, minLayerSize, network, node, prefetch: false, extra: [] };
    const page = await open({ state: { settings, layer: 1 } });
    await map(page).focus();
    let last = -1;
    for (let presses = 0; presses < 6; presses++) {
      await page.keyboard.press('PageDown');
      await until(page, `span > ${last}`);
      last = (await kept(page)).span ?? NaN;
      assert.ok(picture.span({ layer: 1, spanSize, span: last }).fetched, `span ${last}`);
    }
  });

  test('Escape lets go, 0 shows all, Shift with arrows pans', async () => {
    const page = await open();
    await map(page).focus();
    await page.keyboard.press('PageDown');
    await page.locator('#detail h3').waitFor();
    for (let i = 0; i < 3; i++) await page.keyboard.press('Enter');
    await until(page, 'view.start > 0');
    const { start } = (await kept(page)).view;
    await page.keyboard.press('Shift+ArrowRight');
    await until(page, `view.start > ${start}`);
    await page.keyboard.press('0');
    await until(page, 'view.start === 0');
    await page.keyboard.press('Escape');
    await until(page, 'span === null');
    await page.locator('#detail').waitFor({ state: 'hidden' });
  });

  test('widths by unpacked bytes change the scale', async () => {
    const page = await open();
    const compressed = (await kept(page)).view.end;
    await page.locator('#map-controls vscode-dropdown').click();
    await page.locator('#map-controls vscode-option', { hasText: 'Unpacked' }).click();
    await until(page, `view.end > ${compressed * 2}`);
    assert.equal((await kept(page)).view.end, plan.layers[1]?.uncompressedSize);
  });
});

test('the menu of a file: by keyboard, with everything that can be done; prefetching it changes the command line', async () => {
  const asked: string[] = [];
  const note = (name: string) => () => {
    asked.push(name);
    return { done: null };
  };
  const page = await open({
    actions: { openEntry: note('open'), saveEntry: note('save'), revealEntry: note('reveal') },
  });
  const openMenu = async (): Promise<void> => {
    await map(page).focus();
    await page.keyboard.press('Shift+F10');
    await page.locator('.menu').waitFor();
  };
  const choose = async (label: string): Promise<void> => {
    await openMenu();
    await page.locator('.menu-item', { hasText: label }).click();
  };
  // The page of the tests is no secure one, which browsers give no clipboard.
  await page.evaluate(`Object.defineProperty(navigator, 'clipboard', {
    value: { writeText: (text) => Promise.resolve((globalThis.copied = text)) },
  })`);
  await map(page).focus();
  await page.keyboard.press('PageDown');
  await page.locator('#detail h3').waitFor();
  await strip(page).hover({ position: { x: 30, y: 20 } });
  for (const label of ['Open', 'Save as', 'Reveal in tree']) await choose(label);
  await openMenu();
  assert.deepEqual(await page.locator('.menu-item').allTextContents(), [
    'Open',
    'Save as…',
    'Copy path',
    'Reveal in tree',
    'Add to prefetch',
  ]);
  await page.keyboard.press('Escape');
  await choose('Copy path');
  await holds(page, `document.querySelector('#status').textContent === 'Copied.'`);
  assert.match(await page.evaluate('copied'), /^\/usr\/lib\/.+\.so$/);
  await openMenu();
  await page.keyboard.press('End');
  await page.keyboard.press('Enter');
  await until(page, 'extras.length === 1 && settings.extra.length === 1');
  await page.locator('#command code', { hasText: '--prefetch-file usr/lib/' }).waitFor();
  assert.deepEqual(asked, ['open', 'save', 'reveal']);
  await choose('Remove from prefetch');
  await until(page, 'extras.length === 0');
});

test('the smallest layer to index moves live, and the best span size is one click away', async () => {
  const page = await open();
  const knob = page.locator('#what-if .slider input').nth(1);
  await knob.focus();
  await page.keyboard.press('Home');
  await page.locator('#command code', { hasText: '--min-layer-size 0' }).waitFor();
  await page.locator('#sizes [data-key="65536"] [grid-column="1"]').click();
  await until(page, 'settings.spanSize === 65536');
  await page.locator('.best-mark').first().click();
  await until(page, 'settings.spanSize !== 65536');
  await page.locator('vscode-button', { hasText: 'Back to the recommendation' }).click();
  await until(page, 'settings === null');
});

test('everything comes back as it was left: tab, zoom, span, scale, colours, settings, files to prefetch', async () => {
  const page = await open();
  await page.locator('#map-controls vscode-checkbox').click();
  await page.locator('#what-if vscode-checkbox').click();
  await until(page, 'settings?.prefetch === true');
  await page.locator('.search').fill('part7/file-12287');
  await page.locator('.hit').first().click();
  await until(page, 'span !== null && view.end - view.start < 1000000');
  await turnTo(page, 'compare');
  const left = await kept(page);
  await page.context().close();
  const again = await open({ state: left });
  await holds(again, `JSON.stringify(savedState) === ${JSON.stringify(JSON.stringify(left))}`);
  await again.locator('#detail h3', { hasText: `Span ${left.span} of layer ${left.layer}` }).waitFor();
  await again.locator('#tab-compare[aria-selected="true"]').waitFor();
  for (const box of ['#map-controls', '#what-if'])
    await again.locator(`${box} vscode-checkbox[aria-checked="true"]`).waitFor();
});

test('the map goes out as SVG and as a PNG below the largest message', async () => {
  const asked: (string | null)[] = [];
  const page = await open({
    actions: {
      exportMap: ({ png }) => {
        asked.push(png);
        return { done: 'Written.' };
      },
    },
  });
  for (const [before, kind] of ['SVG', 'PNG'].entries()) {
    await page.locator('#map-controls vscode-button', { hasText: kind }).click();
    await eventually(() => {
      assert.equal(asked.length, before + 1);
    });
  }
  const [svg, png] = asked;
  assert.equal(svg, null);
  const bytes = Buffer.from(png ?? '', 'base64');
  assert.deepEqual([...bytes.subarray(0, 4)], [0x89, 0x50, 0x4e, 0x47]);
  assert.ok((png ?? '').length < 1e6);
});

test('a lost canvas is drawn again', async () => {
  const page = await open();
  const drawn = (): Promise<number> =>
    page.evaluate(`(() => {
      const canvas = document.querySelector('canvas.rows');
      const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext('2d');
      copy.drawImage(canvas, 0, 0);
      return copy.getImageData(0, 0, canvas.width, canvas.height).data.filter((value) => value > 0).length;
    })()`);
  const before = await drawn();
  await page.evaluate(`(() => {
    const canvas = document.querySelector('canvas.rows');
    canvas.getContext('2d').reset();
    canvas.dispatchEvent(new Event('contextrestored'));
  })()`);
  assert.ok(before > 1000, `${before} values`);
  await eventually(async () => {
    const now = await drawn();
    assert.ok(Math.abs(now - before) < before * 0.01, `${now} of ${before} values`);
  });
});
