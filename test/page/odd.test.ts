/** Pictures that nobody wishes for: hostile names, damaged traces, too much or nothing at all. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Page } from 'playwright-core';
import { LensError } from '../../src/errors';
import { createPicture } from '../../src/plan/picture';
import type { Picture } from '../../src/plan/picture';
import { holds, touchedPixels, turnTo, until, usePages } from '../support/pages';
import { empty, giant, hostile, manyLayers, service, untraced } from '../support/pictures';

const pages = usePages();
const picture = createPicture(service());
const { plan } = picture.overview(null);

async function open(shown: Picture, state: unknown = null): Promise<Page> {
  return (await pages.open({ picture: () => shown, state })).page;
}

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
  await holds(page, `document.querySelector('.rows-box').scrollTop > 500`);
});

test('one layer of 20 GB, one giant span', async () => {
  const page = await open(createPicture(giant()));
  await page.locator('#map .map-box').focus();
  await page.keyboard.press('PageDown');
  await page.locator('#detail h3', { hasText: 'Span 0 of layer 0' }).waitFor();
  for (let i = 0; i < 6; i++) await page.keyboard.press('Enter');
  await until(page, 'view.end - view.start < 1e9');
});

test('a layer that vanished: opening a file of it says so, and the picture stays', async () => {
  const { page } = await pages.open({
    picture: () => picture,
    actions: {
      openEntry: () => {
        throw new LensError('layer/short-read', 'The layer is no longer there.', 'Inspect the image again.');
      },
    },
  });
  await page.locator('#map .map-box').focus();
  await page.keyboard.press('PageDown');
  await page.locator('#detail h3').waitFor();
  await page.locator('#map .map-box').focus();
  await page.keyboard.press('Shift+F10');
  await page.locator('.menu-item:focus').waitFor();
  await page.keyboard.press('Enter');
  await page.locator('#alert', { hasText: 'no longer there. Inspect the image again.' }).waitFor();
  assert.equal(await page.locator('#layers [data-key]').count(), plan.layers.length);
});

test('10 000 spans in one layer: the last one is a key away', async () => {
  const page = await open(createPicture(service(), { minLayerSize: 0, spanSizes: [16_384] }), { layer: 1 });
  await page.locator('#map .map-box').focus();
  await page.keyboard.press('End');
  await page.locator('#detail h3', { hasText: /^Span [\d,]{5,} of layer 1$/ }).waitFor();
});

test('names of 4096 bytes and from right to left keep to their place', async () => {
  const page = await open(createPicture(hostile(), { minLayerSize: 0, spanSizes: [65536] }));
  await turnTo(page, 'files');
  await page.locator('#files bdi', { hasText: 'exe' }).first().waitFor();
  await holds(page, 'document.documentElement.scrollWidth <= innerWidth');
});

test('a trace of another image, and a layer that has vanished, are alerts; what was there stays', async () => {
  let broken = false;
  const { page, host } = await pages.open({
    picture: () => picture,
    actions: {
      overview: ({ settings }) => {
        if (broken) throw new Error('The trace is of another image.');
        return picture.overview(settings);
      },
    },
  });
  broken = true;
  host.tell('changed', {});
  await page.locator('#alert', { hasText: 'The trace is of another image.' }).waitFor();
  assert.equal(await page.locator('#layers [data-key]').count(), plan.layers.length);
  broken = false;
  host.tell('changed', {});
  await holds(page, `document.querySelector('#alert').textContent === ''`);
});
