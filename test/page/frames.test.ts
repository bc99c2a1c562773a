/** How quick the page is with 500 000 files and 10 000 spans, against something plain in the same run: machines differ. */
import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import type { Page } from 'playwright-core';
import { createPicture } from '../../src/plan/picture';
import { pictureHandlers } from '../../src/plan/picture/handlers';
import type { RequestName, Requests } from '../../src/protocol';
import { eventually } from '../support/eventually';
import { turnTo, usePages } from '../support/pages';
import { ALL_FILES, huge, service } from '../support/pictures';
import { seeded } from '../support/scans';

const pages = usePages();

const SPAN_SIZE = 262_144;
const large = createPicture(huge(), { minLayerSize: 0, spanSizes: [SPAN_SIZE] });
const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[values.length >> 1] ?? Infinity;

test('every answer of the host costs less than sorting 500 000 numbers twice, and is below a megabyte', async (context) => {
  const random = seeded(1);
  const numbers = Float64Array.from({ length: 500_000 }, random);
  /** Milliseconds of processor time: what others do on this machine does not count. */
  const worked = (): number => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1000;
  };
  const timed = async (work: () => unknown): Promise<number> => {
    const times: number[] = [];
    for (let round = 0; round < 7; round++) {
      const began = worked();
      await work();
      times.push(worked() - began);
    }
    return median(times);
  };
  const reference = await timed(() => numbers.slice().sort());

  const handlers = pictureHandlers(() => large);
  const { plan } = large.overview(null);
  assert.ok((plan.rows[0]?.spans ?? 0) > 9000);
  await large.prepare();
  const view = {
    layer: 1,
    spanSize: SPAN_SIZE,
    axis: 'compressed',
    start: 0,
    end: 1e8,
    limit: 1240,
  } as const;
  const settings = { ...plan, spanSize: SPAN_SIZE, prefetch: true, extra: [] };
  const questions: { [N in RequestName]?: (round: number) => Requests[N]['ask'] } = {
    overview: (round) => ({ settings: { ...settings, minLayerSize: round } }),
    cells: () => view,
    filesInView: (round) => ({ ...view, start: round, end: 200_000 }),
    place: (round) => ({ ...view, entry: round }),
    span: (round) => ({ ...view, span: round }),
    search: (round) => ({ text: `/file-${round}` }),
    // Another filter at each round: the list of the one before is not of use.
    entries: (round) => ({ ...ALL_FILES, filter: `part${round}/`, sort: 'size', offset: 200, limit: 200 }),
    listFolder: (round) => ({ layer: 1, path: 'srv/part1/part7', offset: round, limit: 500 }),
    blame: () => ({ spanSize: SPAN_SIZE, minLayerSize: 0 }),
    folder: (round) => ({ path: 'srv', spanSize: SPAN_SIZE, minLayerSize: 0, limit: 300 + round }),
    timeline: () => ({ settings }),
  };
  const slow: string[] = [];
  for (const [name, question] of Object.entries(questions)) {
    let round = 0;
    const handler = handlers[name as keyof typeof handlers] as (body: unknown) => unknown;
    const size = JSON.stringify(await handler(question(round++))).length;
    assert.ok(size < 1e6, `${name}: ${size} characters`);
    const time = await timed(() => handler(question(round++)));
    context.diagnostic(
      `${name}: ${time.toFixed(1)} ms, ${size} characters; sorting ${reference.toFixed(0)} ms`,
    );
    if (time > reference * 2) slow.push(`${name} ${time.toFixed(1)} ms`);
  }
  // An order of all rows is made at the first question for it.
  const sorts = ['path', 'size', 'touched', 'at'] as const;
  const times: number[] = [];
  for (const sort of sorts) {
    const asked = worked();
    await handlers.entries({ ...ALL_FILES, sort, offset: 400_000, limit: 200 });
    times.push(worked() - asked);
  }
  // The median: in one of them the garbage of all that came before is collected.
  const time = median(times);
  context.diagnostic(`all files in a new order: ${times.map((one) => one.toFixed(1)).join(', ')} ms`);
  if (time > reference * 2) slow.push(`all files in a new order ${time.toFixed(1)} ms`);
  // With other settings the costs of each file are added up anew: in slices, so that other answers go on meanwhile.
  let [longest, last, isDone] = [0, worked(), false];
  const blame = Promise.resolve(handlers.blame({ spanSize: SPAN_SIZE, minLayerSize: 1 })).then(() => {
    isDone = true;
  });
  const began = last;
  while (!isDone) {
    await setImmediate();
    const now = worked();
    [longest, last] = [Math.max(longest, now - last), now];
  }
  await blame;
  context.diagnostic(
    `blame anew: ${(last - began).toFixed(0)} ms, in slices of ${longest.toFixed(0)} ms at most`,
  );
  assert.deepEqual(slow, [], `sorting took ${reference.toFixed(1)} ms`);
  assert.ok(longest < (last - began) / 4, `a slice of ${longest.toFixed(0)} ms`);
});

test('the page stands after hardly longer than that of a small image', async (context) => {
  const small = createPicture(service());
  const drawn = async (picture: typeof small): Promise<number> => {
    picture.overview(null);
    const { page } = await pages.open({ picture: () => picture });
    const at: unknown = await page.evaluate('drawnAt');
    await page.context().close();
    return Number(at);
  };
  await drawn(small);
  const times = { small: [] as number[], large: [] as number[] };
  for (let round = 0; round < 3; round++) {
    times.small.push(await drawn(small));
    times.large.push(await drawn(large));
  }
  const [reference, time] = [Math.min(...times.small), Math.min(...times.large)];
  context.diagnostic(
    `drawn ${time.toFixed(0)} ms after the page began, a small image ${reference.toFixed(0)} ms`,
  );
  assert.ok(time < reference * 3, `${time.toFixed(0)} ms, a small image ${reference.toFixed(0)} ms`);
});

const EMPTY = `<!DOCTYPE html><canvas width="1240" height="400"></canvas><script>
  const context = document.querySelector('canvas').getContext('2d');
  const draw = () => { context.clearRect(0, 0, 1240, 400); requestAnimationFrame(draw); };
  draw();
</script>`;

/** The median time from one drawn frame to the next, milliseconds, by the browser's own trace, while something is done. */
async function frameTime(page: Page, act: () => Promise<void>): Promise<number> {
  const session = await page.context().newCDPSession(page);
  const times: number[] = [];
  session.on('Tracing.dataCollected', ({ value }) => {
    for (const event of value) if (event['name'] === 'DrawFrame') times.push(Number(event['ts']) / 1000);
  });
  const complete = new Promise((resolve) => session.once('Tracing.tracingComplete', resolve));
  const traceConfig = {
    includedCategories: ['disabled-by-default-devtools.timeline.frame', 'devtools.timeline.frame'],
  };
  await session.send('Tracing.start', { transferMode: 'ReportEvents', traceConfig });
  await act();
  await session.send('Tracing.end');
  await complete;
  const steps = times
    .sort((a, b) => a - b)
    .slice(1)
    .map((time, at) => time - (times[at] ?? 0));
  assert.ok(steps.length > 20, `${steps.length} frames`);
  return median(steps);
}

/**
 * What a frame takes while something is done, beside one of an empty canvas: measured anew where it is more than twice as
 * much, since others use this machine too. What is slow by itself is slow each time.
 */
async function besideEmpty(
  page: Page,
  act: () => Promise<void>,
): Promise<{ readonly busy: number; readonly empty: number; readonly said: string }> {
  let [busy, empty] = [Infinity, 0];
  for (let round = 0; round < 10 && busy >= empty * 2; round++) {
    const canvas = await pages.browser.newPage();
    await canvas.setContent(EMPTY);
    empty = await frameTime(canvas, () =>
      canvas.evaluate(`new Promise((done) => {
        let frame = 0;
        const step = () => (++frame < 50 ? requestAnimationFrame(step) : done());
        requestAnimationFrame(step);
      })`),
    );
    // The trace is of the whole browser: only one page may draw.
    await canvas.close();
    await page.bringToFront();
    busy = await frameTime(page, act);
  }
  const said = `${busy.toFixed(1)} ms a frame, an empty canvas ${empty.toFixed(1)} ms`;
  return { busy, empty, said };
}

test('zooming and dragging draw nearly as often as an empty canvas', async (context) => {
  const { page } = await pages.open({ picture: () => large, motion: true });
  // One event for each frame, from within: events from outside come as fast as the wire lets them, not the page.
  const { busy, empty, said } = await besideEmpty(page, () =>
    page.evaluate(`new Promise((done) => {
      const strip = document.querySelector('canvas.strip');
      const options = { bubbles: true, cancelable: true, clientX: 600, pointerId: 1 };
      let frame = 0;
      const step = () => {
        frame++;
        const zooming = frame < 60;
        strip.dispatchEvent(new WheelEvent('wheel', zooming
          ? { ...options, ctrlKey: true, deltaY: frame < 40 ? -40 : 40 }
          : { ...options, deltaX: frame < 90 ? 25 : -25 }));
        if (frame < 120) requestAnimationFrame(step);
        else done();
      };
      requestAnimationFrame(step);
    })`),
  );
  const heap: unknown = await page.evaluate('performance.memory.usedJSHeapSize');
  context.diagnostic(`${said}; heap ${(Number(heap) / 1e6).toFixed(0)} MB`);
  // 50 of 60 frames a second; on a machine that others use too, half of what an empty canvas gets must do.
  assert.ok(busy < empty * 2, said);
  assert.ok(Number(heap) < 80e6);
});

test('while the span size is dragged, the page goes on drawing, and the plans of the host are seen on the way', async (context) => {
  const { page } = await pages.open({ picture: () => large, motion: true });
  // From one end to the other and back, a step every fourth frame: each asks the host for a plan of the whole image.
  const { busy, empty, said } = await besideEmpty(page, () =>
    page.evaluate(`new Promise((done) => {
      const knob = document.querySelector('#what-if .slider input');
      const figures = document.querySelector('#figures');
      const plans = new Set();
      let frame = 0;
      const step = () => {
        plans.add(figures.textContent);
        const place = Math.floor(frame++ / 4) % 40;
        knob.valueAsNumber = place <= 20 ? place : 40 - place;
        knob.dispatchEvent(new Event('input', { bubbles: true }));
        if (frame < 80 || plans.size < 8) requestAnimationFrame(step);
        else done();
      };
      requestAnimationFrame(step);
    })`),
  );
  context.diagnostic(said);
  assert.ok(busy < empty * 2, said);
});

test('half a million rows: the last one is a key away, sorted and filtered by the host', async () => {
  const { page } = await pages.open({ picture: () => large });
  await turnTo(page, 'files');
  await page.locator('#files vscode-dropdown').nth(1).click();
  await page.locator('#files vscode-option', { hasText: 'All layers' }).click();
  await page.locator('#files .count', { hasText: '500,005 files' }).waitFor();
  const grid = page.locator('#files .virtual[role=grid]');
  await page.locator('#files .virtual[aria-rowcount="500006"]').waitFor();
  assert.ok((await grid.locator('.window > .virtual-row').count()) < 40, 'only what is seen exists');
  await grid.locator('.sort', { hasText: 'Size' }).click();
  /** A row is drawn first, and filled when the host has answered. */
  const first = (column: number, text: RegExp): Promise<void> =>
    eventually(async () => {
      const cell = grid.locator('.window > .virtual-row').first().locator('div').nth(column);
      assert.match((await cell.textContent()) ?? '', text);
    });
  await first(3, /10 kB/);
  await grid.focus();
  await page.keyboard.press('End');
  await grid.locator('[aria-rowindex="500006"][aria-selected="true"]').waitFor();
  await page.keyboard.press('Home');
  await grid.locator('[aria-rowindex="2"][aria-selected="true"]').waitFor();
  await first(3, /10 kB/);
  await page.locator('#files input.control').fill('part3/part7/file-77');
  await page.locator('#files .count', { hasText: /^\d{1,3} files$/ }).waitFor();
  await first(0, /part3\/part7\/file-77/);
});

test('the bundle is smaller than 350 kB', () => {
  assert.ok(statSync(path.join(pages.bundle, 'spanMap.js')).size < 350_000);
});
