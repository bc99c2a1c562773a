/**
 * Every part of the page as a screenshot, in every theme, small and huge: to be looked at by people. `npm run gallery`
 * puts them into `out/gallery`, and the README's picture into its place; `-- PART…` makes only those whose names contain one of the words.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Page } from 'playwright-core';
import { comparePictures, createPicture } from '../../src/plan/picture';
import type { Picture } from '../../src/plan/picture';
import { renderReport } from '../../src/plan/report';
import { bundlePage, launchBrowser, openPage, wear } from '../support/browser-page';
import type { OpenOptions } from '../support/browser-page';
import { repoRoot } from '../support/paths';
import { drawReadmePicture, README_PICTURE } from '../support/readme-picture';
import { hostile, huge, manyLayers, service, untraced } from '../support/pictures';
import { THEMES } from '../support/themes';
import type { ThemeName } from '../support/themes';

const out = path.join(repoRoot, 'out/gallery');
const wanted = process.argv.slice(2);
const themes = Object.keys(THEMES) as ThemeName[]; // It has exactly these keys, by its type.

interface Shot {
  readonly name: string;
  readonly picture: () => Picture;
  readonly options?: Omit<OpenOptions, 'picture'>;
  readonly act?: (page: Page) => Promise<void>;
}

function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => (made ??= { value: make() }).value;
}
const small = once(() => createPicture(service()));
const many = once(() => createPicture(manyLayers()));
const large = once(() => createPicture(huge()));

const tab = (name: string) => async (page: Page) => {
  await page.locator(`#tab-${name}`).click();
  await page.locator(`#${name} vscode-progress-ring`).waitFor({ state: 'detached' });
  await page.waitForTimeout(600);
};

async function pinned(page: Page): Promise<void> {
  await page.locator('.map-box').first().focus();
  await page.keyboard.press('PageDown');
  await page.locator('#detail h3').waitFor();
}

async function zoomed(page: Page): Promise<void> {
  await page.locator('.search').fill('part7/file-12');
  await page.locator('.hit').first().click();
  await page.waitForTimeout(600);
  await page.locator('canvas.strip').hover({ position: { x: 500, y: 20 } });
  await page.waitForTimeout(300);
}

async function asTree(page: Page): Promise<void> {
  await tab('files')(page);
  await page.locator('#files vscode-dropdown').first().click();
  await page.locator('#files vscode-option', { hasText: 'Tree' }).click();
  await page.waitForTimeout(300);
  await page.locator('.virtual[role=treegrid] .window .virtual-row').first().click();
  await page.waitForTimeout(300);
}

async function compared(page: Page): Promise<void> {
  await tab('compare')(page);
  await page.locator('#compare vscode-dropdown').click();
  await page.locator('#compare vscode-option', { hasText: '64 KiB' }).click();
  await page.waitForTimeout(400);
}

async function brushed(page: Page): Promise<void> {
  await tab('timeline')(page);
  const canvas = page.locator('canvas.timeline');
  await canvas.scrollIntoViewIfNeeded();
  const box = await canvas.boundingBox();
  if (box === null) return;
  await page.mouse.move(box.x + box.width * 0.3, box.y + 60);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.5, box.y + 60, { steps: 4 });
  await page.mouse.up();
  await page.waitForTimeout(300);
}

async function prefetching(page: Page): Promise<void> {
  await page.locator('#what-if vscode-checkbox').click();
  await page.locator('#map-controls vscode-checkbox').click();
  await page.waitForTimeout(400);
}

async function menu(page: Page): Promise<void> {
  await pinned(page);
  await page.locator('#detail vscode-data-grid-row[data-key]').first().click({ button: 'right' });
  await page.waitForTimeout(100);
}

/** Two span sizes of one picture side by side, as the host answers it. */
const beside: Partial<OpenOptions> = {
  actions: {
    compare: ({ settings, with: other }) => {
      const { plan } = small().overview(settings);
      const spanSize = 'spanSize' in other ? other.spanSize : plan.choice.spanSize;
      const { minLayerSize, network, node } = plan;
      const there = { spanSize, minLayerSize, network, node, prefetch: false, extra: [] };
      return {
        comparison: comparePictures(
          small().side('The recommendation', settings),
          small().side('Spans of 64 KiB', there),
        ),
      };
    },
  },
};

/** Every part of the page, of a small and of a huge picture: each is taken in all themes. */
const parts: readonly Shot[] = [
  { name: 'map', picture: small, act: pinned },
  { name: 'zoom', picture: small, act: zoomed },
  { name: 'compare', picture: small, act: compared, options: beside },
  ...(['advice', 'timeline', 'layers', 'files', 'blame'] as const).flatMap((name) => [
    { name, picture: small, act: tab(name) },
    { name: `${name}-huge`, picture: large, act: tab(name) },
  ]),
  { name: 'map-huge', picture: large, act: pinned },
  { name: 'map-many', picture: many, act: pinned },
];
const single: readonly Shot[] = [
  { name: 'brush', picture: small, act: brushed },
  { name: 'tree', picture: small, act: asTree },
  { name: 'prefetch', picture: small, act: prefetching },
  { name: 'menu', picture: small, act: menu },
  {
    name: 'hostile',
    picture: once(() => createPicture(hostile(), { minLayerSize: 0, spanSizes: [65536] })),
    act: pinned,
  },
  { name: 'untraced', picture: once(() => createPicture(untraced())), options: { theme: 'light' } },
  ...[small, large].flatMap((picture, huge) =>
    Object.entries({
      forced: { forcedColors: 'active' },
      narrow: { width: 400 },
      'zoom-200': { width: 640, height: 450, scale: 2 },
      'zoom-400': { width: 320, height: 256, scale: 4 },
    } satisfies Record<string, Shot['options']>).map(([name, options]) => ({
      name: huge === 1 ? `${name}-huge` : name,
      picture,
      options,
      act: pinned,
    })),
  ),
  { name: 'forced-prefetch', picture: small, options: { forcedColors: 'active' }, act: prefetching },
  { name: 'forced-timeline', picture: small, options: { forcedColors: 'active' }, act: tab('timeline') },
  { name: 'forced-blame', picture: small, options: { forcedColors: 'active' }, act: tab('blame') },
  { name: 'forced-files', picture: small, options: { forcedColors: 'active' }, act: tab('files') },
  { name: 'narrow-timeline', picture: small, options: { width: 400 }, act: tab('timeline') },
  { name: 'narrow-files', picture: small, options: { width: 400 }, act: tab('files') },
  { name: 'narrow-blame', picture: small, options: { width: 400 }, act: tab('blame') },
];

async function main(): Promise<void> {
  mkdirSync(out, { recursive: true });
  const [browser, bundle] = await Promise.all([launchBrowser(), bundlePage()]);
  const mine = (name: string): boolean => wanted.length === 0 || wanted.some((word) => name.includes(word));
  for (const shot of [...parts, ...single].filter(({ name }) => mine(name))) {
    const { page, complaints } = await openPage(browser, bundle, { ...shot.options, picture: shot.picture });
    await shot.act?.(page);
    const take = (name: string): Promise<unknown> =>
      page.screenshot({ path: path.join(out, `${name}.png`), fullPage: true });
    if (parts.includes(shot)) {
      for (const theme of themes) {
        await wear(page, theme);
        await take(`${shot.name}-${theme}`);
      }
    } else await take(shot.name);
    await page.context().close();
    console.log(shot.name, ...complaints);
  }
  if (mine('readme')) writeFileSync(README_PICTURE, await drawReadmePicture());
  if (mine('report')) {
    const html = renderReport(small().overview(null).plan, small());
    for (const colorScheme of ['light', 'dark'] as const) {
      const page = await browser.newPage({ colorScheme });
      await page.setContent(html);
      await page.screenshot({ path: path.join(out, `report-${colorScheme}.png`), fullPage: true });
      await page.setContent(small().svg(null, 'compressed'));
      await page.screenshot({ path: path.join(out, `svg-${colorScheme}.png`) });
      await page.close();
    }
    writeFileSync(path.join(out, 'report.html'), html);
  }
  await browser.close();
}

void main();
