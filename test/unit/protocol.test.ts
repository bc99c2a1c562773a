import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { comparePictures, createPicture } from '../../src/plan/picture';
import { pictureHandlers } from '../../src/plan/picture/handlers';
import type { EntriesQuery, Settings } from '../../src/plan/picture/types';
import { connectHost, HostError, ProtocolError, serve } from '../../src/protocol';
import type { Handlers, PageEnd, RequestName, Requests, ToPage } from '../../src/protocol';
import { ALL_FILES, hostile, manyLayers, service } from '../support/pictures';

const SETTINGS: Settings = {
  spanSize: null,
  minLayerSize: 0,
  network: { rttMs: 20, bytesPerSecond: 1e8 },
  node: { cores: 4, unpackBytesPerSecond: 1e8, diskBytesPerSecond: 1e9 },
  prefetch: true,
  extra: [{ layer: 0, entry: 1 }],
};
const ALL: EntriesQuery = { ...ALL_FILES, offset: 0, limit: 200 };

function handlers(part: Partial<Handlers> = {}): Handlers {
  const unexpected = (): never => {
    throw new Error('not expected');
  };
  return {
    overview: unexpected,
    cells: unexpected,
    filesInView: unexpected,
    place: unexpected,
    span: unexpected,
    search: unexpected,
    entries: unexpected,
    listFolder: unexpected,
    folder: unexpected,
    blame: unexpected,
    find: unexpected,
    timeline: unexpected,
    comparables: unexpected,
    compare: unexpected,
    recommend: unexpected,
    createIndex: unexpected,
    createBestIndex: unexpected,
    recordStart: unexpected,
    optimizeImage: unexpected,
    exportReport: unexpected,
    exportMap: unexpected,
    exportFiles: unexpected,
    openEntry: unexpected,
    saveEntry: unexpected,
    revealEntry: unexpected,
    ...part,
  };
}

const wire = (error: unknown): { code: string; message: string; advice: string } => ({
  code: error instanceof ProtocolError ? 'protocol' : 'other',
  message: error instanceof Error ? error.message : String(error),
  advice: 'Try again.',
});

/** A page and a host on one line; everything that crosses it goes through JSON, as VS Code does it. */
function line(part: Partial<Handlers>): { page: PageEnd; heard: string[]; tell: (body: unknown) => void } {
  const heard: string[] = [];
  const host = serve(
    (message) => {
      page.receive(JSON.parse(JSON.stringify(message)));
    },
    handlers(part),
    wire,
  );
  const page: PageEnd = connectHost((message) => void host.receive(JSON.parse(JSON.stringify(message))), {
    changed: () => heard.push('changed'),
    progress: ({ step }) => heard.push(`progress ${String(step)}`),
  });
  return {
    page,
    heard,
    tell: (body) => {
      page.receive(body);
    },
  };
}

/** What the host answers to a message that no page of ours would send. */
async function answers(message: unknown, part: Partial<Handlers> = {}): Promise<ToPage[]> {
  const posted: ToPage[] = [];
  await serve((one) => posted.push(one), handlers(part), wire).receive(message);
  return posted;
}

describe('questions and answers', () => {
  test('what the picture says gets through both checks unchanged', async () => {
    for (const input of [service(), manyLayers(), hostile()]) {
      const picture = createPicture(input);
      const { page } = line({
        ...pictureHandlers(() => picture),
        compare: () => ({
          comparison: comparePictures(picture.side('a', null), picture.side('b', SETTINGS)),
        }),
      });
      const view = { layer: 0, spanSize: 65536, start: 0, end: 100_000, limit: 100 } as const;
      const blamed = { spanSize: 65536, minLayerSize: 0 } as const;
      const asked = {
        overview: [{ settings: null }, { settings: SETTINGS }],
        cells: [
          { ...view, axis: 'compressed' },
          { ...view, axis: 'uncompressed' },
        ],
        filesInView: [{ ...view, axis: 'compressed' }],
        place: [{ layer: 0, entry: 1, spanSize: 65536, axis: 'compressed' }],
        span: [{ layer: 0, spanSize: 65536, span: 0 }],
        search: [{ text: 'e' }],
        entries: [ALL, { ...ALL, time: [0, 50.5], sort: 'touched' }],
        listFolder: [{ layer: 0, path: '', offset: 0, limit: 500 }],
        blame: [blamed],
        folder: [{ ...blamed, path: '', limit: 100 }],
        timeline: [{ settings: SETTINGS }],
      } satisfies { [N in RequestName]?: Requests[N]['ask'][] };
      const direct: Partial<Handlers> = pictureHandlers(() => picture);
      for (const [name, bodies] of Object.entries(asked) as [keyof typeof asked, never[]][]) {
        for (const body of bodies) {
          const answer = await page.ask(name, body);
          assert.deepEqual(answer, await direct[name]?.(body), name);
          assert.ok(JSON.stringify(answer).length < 1e6, `${name} is too long`);
        }
      }
      const { comparison } = await page.ask('compare', { settings: null, with: { spanSize: 65536 } });
      assert.equal(comparison.after, 'b');
    }
  });

  test('no answer about a large image is over a megabyte', () => {
    const picture = createPicture(manyLayers());
    const size = (value: unknown): number => JSON.stringify(value).length;
    const view = { layer: 3, spanSize: 65536, axis: 'compressed', start: 0, end: 1e9, limit: 4096 } as const;
    assert.ok(size(picture.overview(null)) < 1e6);
    assert.ok(size(picture.cells(view)) < 1e6);
    assert.ok(size(picture.timeline(null)) < 1e6);
    assert.ok(size(createPicture(hostile()).entries(ALL)) < 1e6);
  });

  test('answers find their question, in whatever order they come', async () => {
    const { page } = line({
      openEntry: async ({ entry }) => {
        await new Promise((resolve) => setTimeout(resolve, 20 - entry * 5));
        return { done: `entry ${entry}` };
      },
    });
    const all = await Promise.all([0, 1, 2, 3].map((entry) => page.ask('openEntry', { layer: 0, entry })));
    assert.deepEqual(
      all.map(({ done }) => done),
      ['entry 0', 'entry 1', 'entry 2', 'entry 3'],
    );
  });

  test('an error of a handler rejects the question with its code and advice', async () => {
    const { page } = line({ recordStart: () => Promise.reject(new Error('No engine answers.')) });
    await assert.rejects(page.ask('recordStart', {}), (error) => {
      assert.ok(error instanceof HostError);
      assert.deepEqual(
        [error.code, error.message, error.advice],
        ['other', 'No engine answers.', 'Try again.'],
      );
      return true;
    });
  });

  test('an answer of the wrong shape rejects the question', async () => {
    const wrong = { done: 5 } as unknown as { done: string };
    await assert.rejects(
      line({ exportReport: () => wrong }).page.ask('exportReport', {}),
      /exportReport\.done is not a text/,
    );
  });

  test('events arrive; foreign messages are dropped', () => {
    const { heard, tell } = line({});
    tell({ kind: 'event', name: 'changed', body: {} });
    tell({ kind: 'event', name: 'progress', body: { step: 'Scanning', done: 1, total: 2 } });
    tell({ kind: 'event', name: 'progress', body: { step: null, done: null, total: null } });
    for (const foreign of [
      null,
      undefined,
      'x',
      5,
      [],
      {},
      { kind: 'reply', id: 99, body: {} },
      { kind: 'event', name: 'constructor' },
    ])
      tell(foreign);
    assert.deepEqual(heard, ['changed', 'progress Scanning', 'progress null']);
    assert.throws(() => {
      tell({ kind: 'event', name: 'progress', body: { step: 7 } });
    }, ProtocolError);
  });
});

describe('what the host refuses', () => {
  const bad: [what: string, name: string, body: unknown][] = [
    ['an unknown question', 'evaluate', {}],
    ['a name of the prototype', 'constructor', {}],
    ['no body', 'cells', undefined],
    ['a list for a body', 'overview', []],
    ['a missing field', 'span', { layer: 0, spanSize: 1024 }],
    ['a negative layer', 'span', { layer: -1, spanSize: 1024, span: 0 }],
    ['a broken number', 'span', { layer: 0.5, spanSize: 1024, span: 0 }],
    ['not a number', 'cells', { layer: NaN, spanSize: 1024, start: 0, end: 1, limit: 1 }],
    ['a span size of nothing', 'span', { layer: 0, spanSize: 0, span: 0 }],
    ['more cells than a screen has', 'cells', { layer: 0, spanSize: 1024, start: 0, end: 1, limit: 1e6 }],
    ['more rows than a page', 'entries', { layer: 0, offset: 0, limit: 1e6, filter: '', touchedOnly: false }],
    [
      'an endless filter',
      'entries',
      { layer: 0, offset: 0, limit: 5, filter: 'x'.repeat(20_000), touchedOnly: false },
    ],
    [
      'a network without bandwidth',
      'overview',
      { settings: { ...SETTINGS, network: { rttMs: 1, bytesPerSecond: 0 } } },
    ],
    [
      'an infinite network',
      'overview',
      { settings: { ...SETTINGS, network: { rttMs: Infinity, bytesPerSecond: 1 } } },
    ],
    ['a text for a flag', 'createIndex', { spanSize: 1, minLayerSize: 0, prefetch: 'yes' }],
  ];
  for (const [what, name, body] of bad) {
    test(what, async () => {
      const [answer, ...more] = await answers({ kind: 'ask', id: 3, name, body });
      assert.deepEqual(more, []);
      assert.equal(answer?.kind, 'failure');
      assert.ok(answer.id === 3 && answer.error.code === 'protocol');
    });
  }

  test('messages without an id get no answer', async () => {
    for (const message of [null, 'x', {}, { id: 'a' }, { id: 1.5, name: 'overview' }])
      assert.deepEqual(await answers(message), []);
  });

  test('fields that nobody named do not reach a handler', async () => {
    let body: unknown;
    await answers(
      {
        kind: 'ask',
        id: 1,
        name: 'openEntry',
        body: { layer: 0, entry: 1, path: '/etc/passwd', __proto__: { x: 1 } },
      },
      {
        openEntry: (given) => {
          body = given;
          return { done: null };
        },
      },
    );
    assert.deepEqual(body, { layer: 0, entry: 1 });
  });
});
