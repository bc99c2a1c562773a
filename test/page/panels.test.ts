/** The panels under the map: the start in time, files, blame, comparisons. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Page } from 'playwright-core';
import { comparePictures, createPicture } from '../../src/plan/picture';
import type { EntryFilter } from '../../src/plan/picture/types';
import type { OpenOptions } from '../support/browser-page';
import { eventually } from '../support/eventually';
import { holds, turnTo, usePages } from '../support/pages';
import { ALL_FILES, service } from '../support/pictures';

const pages = usePages();
const picture = createPicture(service());
const { plan } = picture.overview(null);

async function open(options: Partial<OpenOptions> = {}): Promise<Page> {
  return (await pages.open({ picture: () => picture, ...options })).page;
}

test('packages and copies are looked for once, shown when they are found, and filter the files', async () => {
  const input = service();
  const own = createPicture(input);
  const owner = { manager: 'dpkg', name: 'libopenblas0', version: '0.3.21' } as const;
  const claims = input.layers.map(({ scan }, layer) =>
    new Uint32Array(scan?.entries.length ?? 0).map((_, entry) => Number(layer === 1 && entry > 13_990)),
  );
  const asked: string[] = [];
  const page = await open({
    picture: () => own,
    actions: {
      find: ({ finding }) => {
        asked.push(finding);
        if (finding === 'packages') own.learn({ packages: { packages: [owner], claims, notes: [] } });
        else {
          const copies = ['srv/one.bin', 'srv/two.bin'].map((path) => ({ layer: 2, path }));
          own.learn({ duplicates: { bytes: 1e6, groups: 1, dearest: [{ bytes: 1e6, count: 2, copies }] } });
        }
        return { done: 'Found.' };
      },
    },
  });
  await turnTo(page, 'blame');
  await page.locator('#blame vscode-option', { hasText: 'Package' }).waitFor({ state: 'attached' });
  await page.locator('#blame vscode-button', { hasText: 'same content' }).click();
  await page.locator('#blame vscode-data-grid-row', { hasText: 'the same content 2 times' }).waitFor();
  await page.locator('#blame vscode-button', { hasText: 'same content' }).waitFor({ state: 'hidden' });
  await turnTo(page, 'files');
  await page.locator('#files vscode-dropdown').nth(3).click();
  await page.locator('#files vscode-option', { hasText: 'libopenblas0 (dpkg)' }).click();
  await page.locator('#files .count', { hasText: /^10 files$/ }).waitFor();
  assert.deepEqual(asked, ['packages', 'duplicates']);
});

describe('the timeline', () => {
  test('a brush selects in the map and in the files; Escape shows all again', async () => {
    const page = await open();
    await turnTo(page, 'timeline');
    const canvas = page.locator('canvas.timeline');
    await holds(page, `document.querySelector('canvas.timeline').offsetWidth > 1000`);
    await canvas.scrollIntoViewIfNeeded();
    const place = await canvas.boundingBox();
    assert.ok(place);
    await page.mouse.move(place.x + place.width * 0.4, place.y + 80);
    await page.mouse.down();
    await page.mouse.move(place.x + place.width * 0.6, place.y + 80, { steps: 4 });
    await page.mouse.up();
    const [from, to] = await eventually(async () => {
      const output = (await page.locator('#timeline output').textContent()) ?? '';
      const [left = 0, right = 0] =
        output.match(/[\d,]+/g)?.map((part) => Number(part.replace(',', ''))) ?? [];
      assert.ok(right > left, output);
      return [left, right] as const;
    });
    await turnTo(page, 'files');
    const inside = picture.entries({ ...ALL_FILES, layer: 1, time: [from, to], offset: 0, limit: 1 }).total;
    await eventually(async () => {
      const count = (await page.locator('#files .count').textContent()) ?? '';
      const shown = Number(count.replace(/\D/g, ''));
      assert.ok(Math.abs(shown - inside) <= 3 && shown > 0, `${shown} of ${inside}`);
    });
    await turnTo(page, 'timeline');
    await page.locator('#timeline .map-box').focus();
    await page.keyboard.press('Escape');
    await page.locator('#timeline output:empty').waitFor({ state: 'attached' });
  });

  test('a replay goes on by itself, and stands where it is put', async () => {
    const page = await open();
    await turnTo(page, 'timeline');
    const scrub = page.locator('#timeline input[type=range]');
    await scrub.focus();
    await page.keyboard.press('End');
    await page.locator('#timeline input[aria-valuetext="1,330 ms"]').waitFor();
    await page.keyboard.press('Home');
    await page.locator('#timeline vscode-button', { hasText: 'Play' }).click();
    // Pressed where it is seen, since a replay ends by itself.
    await holds(
      page,
      `(() => {
        const button = document.querySelector('#timeline vscode-button');
        const isOn = document.querySelector('#timeline input[type=range]').valueAsNumber >= 100;
        if (isOn && button.textContent === 'Pause') button.click();
        return isOn;
      })()`,
    );
    await page.locator('#timeline vscode-button', { hasText: 'Play' }).waitFor();
    const stood = await scrub.inputValue();
    await page.waitForTimeout(800);
    assert.equal(await scrub.inputValue(), stood);
  });
});

describe('files', () => {
  test('the tree opens folder by folder, by keyboard too', async () => {
    const page = await open();
    await turnTo(page, 'files');
    await page.locator('#files vscode-dropdown').first().click();
    await page.locator('#files vscode-option', { hasText: 'Tree' }).click();
    const tree = page.locator('#files .virtual[role=treegrid]');
    const rows = tree.locator('.window > .virtual-row');
    await rows.filter({ hasText: 'usr' }).waitFor();
    await tree.focus();
    for (const name of ['lib', 'python3', 'part0']) {
      await page.keyboard.press('ArrowRight');
      await rows.filter({ hasText: name }).first().waitFor();
      await page.keyboard.press('ArrowDown');
    }
    await page.keyboard.press('ArrowRight');
    await rows.filter({ hasText: 'file-0.so' }).waitFor();
    await tree.locator('.window > .virtual-row:first-child[aria-expanded="true"]').waitFor();
    await page.keyboard.press('Home');
    await page.keyboard.press('ArrowLeft');
    await rows.filter({ hasText: 'file-0.so' }).waitFor({ state: 'detached' });
    assert.equal(await rows.count(), 1);
  });

  test('the list is exported as it is filtered', async () => {
    const asked: EntryFilter[] = [];
    const page = await open({
      actions: {
        exportFiles: (filter) => {
          asked.push(filter);
          return { done: 'Written.' };
        },
      },
    });
    await turnTo(page, 'files');
    await page.locator('#files vscode-checkbox').click();
    await page.locator('#files vscode-button', { hasText: 'Export list' }).click();
    await page.locator('.state', { hasText: 'Written.' }).waitFor();
    assert.deepEqual(
      asked.map(({ touchedOnly, layer, sort }) => ({ touchedOnly, layer, sort })),
      [{ touchedOnly: true, layer: 1, sort: 'touched' }],
    );
  });
});

test('blame: by instruction, and down the folders', async () => {
  const page = await open();
  await turnTo(page, 'blame');
  const total = page.locator('#blame [role=status]');
  await total.filter({ hasText: /\d+ % of it in Layer 1: RUN apt-get/ }).waitFor();
  await page.locator('#blame vscode-dropdown').first().click();
  await page.locator('#blame vscode-option', { hasText: 'Folder' }).click();
  await page.locator('#blame vscode-data-grid-row', { hasText: 'usr/' }).locator('[grid-column="1"]').click();
  await page.locator('#blame vscode-data-grid-row', { hasText: 'lib/' }).waitFor();
  await page.locator('#blame .way button', { hasText: 'All' }).click();
  await page.locator('#blame vscode-data-grid-row', { hasText: 'srv/' }).waitFor();
});

test('compare: two span sizes, and what the host has beside it', async () => {
  const page = await open({
    actions: {
      comparables: () => ({ list: [{ id: 'run:2', label: 'second.soci-trace.jsonl', kind: 'run' }] }),
      compare: ({ settings, with: other }) => {
        const { node, network, minLayerSize } = plan;
        const own = settings ?? { spanSize: null, node, network, minLayerSize, prefetch: false, extra: [] };
        const spanSize = 'spanSize' in other ? other.spanSize : 65536;
        return {
          comparison: comparePictures(
            picture.side('here', settings),
            picture.side('there', { ...own, spanSize }),
          ),
        };
      },
    },
  });
  await turnTo(page, 'compare');
  await page.locator('#compare vscode-dropdown').click();
  await page.locator('#compare vscode-option', { hasText: '64 KiB' }).click();
  const spans = page.locator('#compare vscode-data-grid-row', { hasText: 'Spans fetched' });
  await spans.waitFor();
  const row = (size: number): number =>
    plan.rows.find(({ spanSize }) => spanSize === size)?.touchedSpans ?? 0;
  const text = (await spans.textContent()) ?? '';
  assert.ok(text.includes(String(row(plan.choice.spanSize))) && text.includes(String(row(65536))), text);
  await page.locator('#compare vscode-dropdown').click();
  await page.locator('#compare vscode-option', { hasText: 'Start second' }).waitFor();
});
