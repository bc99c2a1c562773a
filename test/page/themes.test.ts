/** The looks of the page: nothing that axe finds in any theme, nothing that is cut off in a narrow panel. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { test } from 'node:test';
import type { Page } from 'playwright-core';
import { createPicture } from '../../src/plan/picture';
import { renderReport } from '../../src/plan/report';
import { wear } from '../support/browser-page';
import { eventually } from '../support/eventually';
import { holds, usePages } from '../support/pages';
import { repoRoot } from '../support/paths';
import { service } from '../support/pictures';
import { THEMES } from '../support/themes';
import type { ThemeName } from '../support/themes';

const pages = usePages();
const picture = createPicture(service());
const axeSource = readFileSync(
  createRequire(path.join(repoRoot, 'package.json')).resolve('axe-core/axe.min.js'),
  'utf8',
);
/** The rules of axe that another theme can break. */
const BY_THEME = ['color-contrast', 'link-in-text-block'];

/** What axe finds in a part of the page: rule, place and reason. */
function violations(page: Page, part: string, rules?: readonly string[]): Promise<unknown> {
  const options = {
    resultTypes: ['violations'],
    ...(rules && { runOnly: { type: 'rule', values: rules } }),
  };
  return page.evaluate(`axe.run(${part}, ${JSON.stringify(options)}).then(({ violations }) =>
    violations.map(({ id, nodes }) => id + ': ' + nodes.map((node) => node.target.join(' ') + ' ' + (node.any[0]?.message ?? '')).join('; ')))`);
}

/** The toolkit takes the colours of another theme over in the frames that follow. */
const TOOLKIT_FOLLOWS =
  'getComputedStyle(document.querySelector("vscode-checkbox")).color === getComputedStyle(document.body).color';

/** What is new in a panel is filled in the frames that follow. */
async function assertClean(
  page: Page,
  part: string,
  rules: readonly string[] | undefined,
  what: string,
): Promise<void> {
  await eventually(async () => {
    assert.deepEqual(await violations(page, part, rules), [], what);
  });
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

test('axe finds nothing in any part, in any theme', async () => {
  const { page } = await pages.open({ picture: () => picture });
  await page.locator('#map .map-box').focus();
  await page.keyboard.press('PageDown');
  await page.locator('#detail h3').waitFor();
  await page.evaluate(axeSource);
  // The themes change under the open page, as they do in VS Code. What no colour can break is looked at once.
  let rules: readonly string[] | undefined;
  for (const theme of Object.keys(THEMES) as ThemeName[]) {
    await wear(page, theme);
    await holds(page, TOOLKIT_FOLLOWS);
    await assertClean(page, "{ exclude: ['#parts'] }", rules, theme);
    for (const tab of TABS) {
      await lookAt(page, tab);
      await assertClean(page, "document.querySelector('#parts')", rules, `${theme}, ${tab}`);
    }
    rules = BY_THEME;
  }
});

/** What makes the page wider than its window. What scrolls by itself, or is cut, does not. */
const OVERFLOWING = `(() => {
  const { scrollWidth, clientWidth } = document.documentElement;
  if (scrollWidth === clientWidth) return [];
  const wide = [...document.querySelectorAll('body *')].filter((one) => one.getBoundingClientRect().right > clientWidth
    && one.closest('.scroll-x, .virtual') === null);
  return [scrollWidth + ' of ' + clientWidth + ' pixels', ...wide.map((one) => one.cloneNode().outerHTML)];
})()`;

test('forced colours, a narrow panel, two and four times the size: no part overflows sideways', async () => {
  const { page } = await pages.open({ picture: () => picture });
  // 1280 pixels at 200 % and at 400 % (WCAG 2.1, 1.4.10), and a panel beside an editor.
  for (const width of [1280, 640, 400, 320]) {
    await page.setViewportSize({ width, height: 600 });
    await page.emulateMedia({ forcedColors: width === 1280 ? 'active' : 'none' });
    for (const tab of TABS) {
      await lookAt(page, tab);
      await eventually(async () => {
        assert.deepEqual(await page.evaluate(OVERFLOWING), [], `${width} pixels, ${tab}`);
      });
    }
  }
});

test('a panel made narrower does not overflow while its drawings are still those of before', async () => {
  const { page } = await pages.open({ picture: () => picture, width: 1280 });
  await lookAt(page, 'blame');
  const narrowest = `Math.min(...['.strip', '.treemap canvas'].map((one) => document.querySelector(one).offsetWidth))`;
  await holds(page, `${narrowest} > 1000`);
  await page.evaluate('requestAnimationFrame = () => 1');
  await page.setViewportSize({ width: 400, height: 600 });
  await holds(page, 'document.documentElement.clientWidth === 400');
  assert.ok(Number(await page.evaluate(narrowest)) > 1000, 'Nothing is drawn anew.');
  assert.deepEqual(await page.evaluate(OVERFLOWING), []);
});

test('axe finds nothing in the report, light and dark', async () => {
  const html = renderReport(picture.overview(null).plan, picture);
  const page = await pages.browser.newPage();
  await page.setContent(html);
  await page.evaluate(axeSource);
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme });
    assert.deepEqual(await violations(page, 'document'), [], colorScheme);
  }
  await page.close();
});
