/** One browser for the tests of a file, and a page of its own for each: closed behind it, whatever became of it. */
import assert from 'node:assert/strict';
import { after, afterEach, before } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { bundlePage, launchBrowser, openPage } from './browser-page';
import type { OpenOptions, OpenPage } from './browser-page';
import { eventually } from './eventually';

export interface Pages {
  /** Opens the page; the test fails at its end if the browser complained of anything. */
  open(options: OpenOptions): Promise<OpenPage>;
  readonly browser: Browser;
  /** The folder with the page's bundle. */
  readonly bundle: string;
}

/** To be called once in a file of tests, outside of all of them. */
export function usePages(): Pages {
  let made: { readonly browser: Browser; readonly bundle: string } | undefined;
  const opened: OpenPage[] = [];
  before(async () => {
    const [browser, bundle] = await Promise.all([launchBrowser(), bundlePage()]);
    made = { browser, bundle };
  });
  after(() => made?.browser.close());
  afterEach(async () => {
    const all = opened.splice(0);
    await Promise.all(all.map(({ page }) => page.context().close()));
    assert.deepEqual(
      all.flatMap(({ complaints }) => complaints),
      [],
      'the browser complained',
    );
  });
  const ready = (): { readonly browser: Browser; readonly bundle: string } => {
    assert.ok(made, 'The browser starts before the first test.');
    return made;
  };
  return {
    async open(options) {
      const { browser, bundle } = ready();
      const page = await openPage(browser, bundle, options);
      opened.push(page);
      return page;
    },
    get browser() {
      return ready().browser;
    },
    get bundle() {
      return ready().bundle;
    },
  };
}

/** Where the map is turned to, as the page keeps it for its next life. */
export interface Kept {
  readonly layer: number;
  readonly span: number | null;
  readonly view: View;
  readonly tab: string;
}
export interface View {
  readonly start: number;
  readonly end: number;
}

export function kept(page: Page): Promise<Kept> {
  return page.evaluate('savedState');
}

/** Waits until an expression holds in the page. Asked from outside: the page's policy lets nobody evaluate there. */
export async function holds(page: Page, expression: string): Promise<void> {
  try {
    await eventually(async () => {
      assert.equal(await page.evaluate(expression), true);
    });
  } catch (cause) {
    const state = JSON.stringify(await kept(page));
    throw new Error(`It never came to ${expression}; the page keeps ${state}.`, { cause });
  }
}

/** Waits until what the page keeps is as wanted. */
export function until(page: Page, wanted: string): Promise<void> {
  return holds(page, `(({ layer, span, view, tab, extras, settings }) => ${wanted})(savedState)`);
}

/** Brings one of the panels under the map to the front. */
export async function turnTo(page: Page, tab: string): Promise<void> {
  await page.locator(`#tab-${tab}`).click();
  await until(page, `tab === '${tab}'`);
}

/** How many pixels of the strip have about the colour of touched spans. */
export function touchedPixels(page: Page): Promise<number> {
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
