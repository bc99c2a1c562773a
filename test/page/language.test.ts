/** The page in other languages: a made-up one, in which every text that can be translated stands in brackets, and German. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import type { Browser } from 'playwright-core';
import { comparePictures, createPicture } from '../../src/plan/picture';
import { bundlePage, launchBrowser, openPage } from '../support/browser-page';
import type { OpenOptions, OpenPage } from '../support/browser-page';
import { eventually } from '../support/eventually';
import { repoRoot } from '../support/paths';
import { service } from '../support/pictures';

const german = JSON.parse(readFileSync(path.join(repoRoot, 'l10n', 'bundle.l10n.de.json'), 'utf8')) as Record<
  string,
  string
>;
const bracketed = Object.fromEntries(Object.keys(german).map((text) => [text, `⟦${text}⟧`]));

/** Keeps what is written on canvases, which no element holds. */
const LISTEN = `window.drawn = new Set();
const write = CanvasRenderingContext2D.prototype.fillText;
CanvasRenderingContext2D.prototype.fillText = function (text, ...place) { drawn.add(text); write.call(this, text, ...place); };`;

/** Everything that the page says: texts, names, tips, what stands in empty fields, and what is drawn. */
const TEXTS = `(() => {
  const said = [...drawn];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode())
    if (walker.currentNode.parentElement.localName !== 'script') said.push(walker.currentNode.data);
  for (const element of document.querySelectorAll('body *'))
    for (const name of ['aria-label', 'aria-valuetext', 'title', 'placeholder']) said.push(element.getAttribute(name) ?? '');
  return said.concat(document.title);
})()`;

const picture = createPicture(service());
const shown = picture.overview(null);
/** What stands in an image, in whatever language, is not translated. */
const INSTRUCTIONS = shown.plan.layers.flatMap(({ instruction }) =>
  instruction === null ? [] : [instruction],
);

/** What is left bare: two words that stand in no brackets and are no data. */
function bare(texts: Iterable<string>): string[] {
  return [...texts].filter((text) => {
    if (text.startsWith('soci-lens index ')) return false;
    const cut = /^\u2068?\d+ {2}(.+)…\u2069?$/.exec(text)?.[1];
    if (cut !== undefined && INSTRUCTIONS.some((one) => one.startsWith(cut))) return false;
    let rest = INSTRUCTIONS.reduce((left, one) => left.replaceAll(one, ''), text);
    // From the innermost brackets outwards; what is too long for its place on a canvas ends in an ellipsis.
    while (/⟦[^⟦⟧]*[⟧…]/.test(rest)) rest = rest.replace(/⟦[^⟦⟧]*[⟧…]/g, '');
    return /[A-Za-z]{2,} [a-z]{2,}/.test(rest);
  });
}

let browser: Browser;
let bundle: string;
before(async () => {
  [browser, bundle] = await Promise.all([launchBrowser(), bundlePage()]);
});
after(async () => {
  await browser.close();
});

async function open(options: Partial<OpenOptions>): Promise<OpenPage> {
  return openPage(browser, bundle, {
    picture: () => picture,
    script: LISTEN,
    actions: {
      comparables: () => ({ list: [{ id: 'run', kind: 'run', label: 'monday.soci-trace.jsonl' }] }),
      compare: () => ({
        comparison: comparePictures(picture.side('here', null), picture.side('there', null)),
      }),
    },
    ...options,
  });
}

/** The parts of the picture, and what is there once one has come. */
const PARTS = {
  sizes: '#reason:not(:empty)',
  advice: '.best-index .evidence',
  timeline: '#timeline-keys',
  layers: '#layers [data-key]',
  files: '#files [role=row][aria-selected]',
  blame: '#blame [data-key]',
  compare: '#compare vscode-dropdown',
};

test('in a made-up language nothing on the page is bare', async () => {
  const { page, complaints } = await open({ texts: bracketed });
  const said = new Set<string>();
  const hear = async (): Promise<void> => {
    for (const text of await page.evaluate<string[]>(TEXTS)) said.add(text);
  };
  await page.locator('#map .map-box').focus();
  await page.keyboard.press('PageDown');
  await page.locator('#detail h3').waitFor();
  await page.keyboard.press('Shift+F10');
  await page.locator('[role=menu]').waitFor();
  await hear();
  await page.keyboard.press('Escape');
  for (const [name, sign] of Object.entries(PARTS)) {
    await page.locator(`#tab-${name}`).click();
    await page.locator(sign).first().waitFor();
    await hear();
  }
  await page.locator('#compare vscode-dropdown').click();
  await page.locator('#compare vscode-option', { hasText: 'monday' }).click();
  await page.locator('#compare [data-key]').first().waitFor();
  await eventually(async () => {
    await hear();
    const spoken = [...said].filter((text) => text.includes('⟦')).length;
    assert.ok(spoken > 150, `${spoken} texts are translated`);
  });
  assert.deepEqual(bare(said), []);
  assert.deepEqual(complaints, []);
  await page.context().close();
});

test('in German, texts and numbers are German, and so is what the host says', async () => {
  const { page } = await open({ texts: german, language: 'de' });
  assert.equal(await page.locator('html').getAttribute('lang'), 'de');
  assert.equal(await page.locator('#map-title').textContent(), 'Schichten und Spans');
  const [read] = await page.locator('#figures .figure').allTextContents();
  assert.match(read ?? '', /^Vom Start gelesen\d+ %\d+(,\d+)? MB von \d+(,\d+)? MB in [\d.]+ Dateien$/);
  assert.match((await page.locator('#reason').textContent()) ?? '', /machen den Dienst nach etwa \d/);
  // Where a colour is named by its meaning, it keeps that name in every language.
  const transparent = `getComputedStyle(document.querySelector('#legend .swatch.prefetched')).backgroundColor === 'rgba(0, 0, 0, 0)'`;
  assert.equal(await page.evaluate(transparent), false);
  await page.context().close();
});

test('a text of the bundle is text, whatever signs it has', async () => {
  const texts = { 'Layers and spans': '</script><i id="broken">', 'What if': '"><i id="broken">' };
  const { page, complaints } = await open({ texts });
  assert.equal(await page.locator('#map-title').textContent(), texts['Layers and spans']);
  assert.equal(await page.locator('#broken').count(), 0);
  assert.deepEqual(complaints, []);
  await page.context().close();
});
