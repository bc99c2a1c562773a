/** The map of an image that is being read, from a registry that gives its layers away one by one: panel, page and all are the product's. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import * as vscode from 'vscode';
import { Actions } from '../../src/editor/actions';
import { SpanMaps } from '../../src/editor/panel';
import { PanelWork } from '../../src/editor/panel-actions';
import type { Opened } from '../../src/editor/store';
import { LayerFindings } from '../../src/editor/work/findings';
import { traceFile } from '../../src/editor/work/inspect';
import { isAbort } from '../../src/errors';
import type { Overview } from '../../src/plan/picture/types';
import type { RequestName, Requests, ToHost, ToPage } from '../../src/protocol';
import { sha256 } from '../../src/oci/digest';
import { OCI_CONFIG, OCI_LAYER_GZIP, OCI_MANIFEST } from '../../src/oci/media-types';
import { ALL_FILES } from '../support/pictures';
import { header, padded } from '../support/tars';
import {
  answering,
  extension,
  sample,
  sampleTrace,
  testServices,
  until,
  watchNotifications,
  workspace,
  type Notifications,
} from './support';

const LAYERS = 4;

/** A registry with one image, whose layers wait until they are let go. */
async function startHoldingRegistry(name: string) {
  const documents = new Map<string, Buffer>();
  const add = (bytes: Buffer, mediaType: string) => {
    const digest = sha256(bytes);
    documents.set(digest, bytes);
    return { mediaType, digest, size: bytes.length };
  };
  const tars = Array.from({ length: LAYERS }, (_, index) => {
    const data = Buffer.from(`${name} ${index}`);
    return Buffer.concat([
      header({ name: `file-${index}`, size: data.length }),
      padded(data),
      Buffer.alloc(1024),
    ]);
  });
  const config = {
    architecture: 'amd64',
    os: 'linux',
    config: {},
    rootfs: { type: 'layers', diff_ids: tars.map((tar) => sha256(tar)) },
  };
  const manifest = {
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    config: add(Buffer.from(JSON.stringify(config)), OCI_CONFIG),
    layers: tars.map((tar) => add(gzipSync(tar), OCI_LAYER_GZIP)),
  };
  const top = Buffer.from(JSON.stringify(manifest));
  documents.set('latest', top).set(sha256(top), top);
  const free = new Set<string>();
  const waiting = new Map<string, ServerResponse[]>();

  const server = createServer(({ url = '' }, response) => {
    const [, kind = '', id = ''] = /\/(manifests|blobs)\/(.+)$/.exec(url) ?? [];
    const bytes = documents.get(id);
    if (url === '/v2/') response.end();
    else if (bytes === undefined) response.writeHead(404).end();
    else if (kind === 'manifests')
      response
        .writeHead(200, { 'content-type': OCI_MANIFEST, 'docker-content-digest': sha256(bytes) })
        .end(bytes);
    else if (free.has(id) || id === manifest.config.digest) response.end(bytes);
    else waiting.set(id, [...(waiting.get(id) ?? []), response]);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    key: `docker://127.0.0.1:${(server.address() as AddressInfo).port}/team/${name}:latest`,
    /** Lets a layer go that somebody waits for, since only so many are asked for at a time; resolves with its place. */
    async releaseOne(): Promise<number> {
      const digest = await until('somebody waits', () => [...waiting.keys()].find((one) => !free.has(one)));
      free.add(digest);
      for (const response of waiting.get(digest) ?? []) response.end(documents.get(digest));
      return manifest.layers.findIndex((layer) => layer.digest === digest);
    },
    async stop() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

/** The plans that the host answers the pages of span maps with, in order, from now on; and a word in the page's place. */
function watchPages() {
  const overviews: Overview[] = [];
  const answers = new Map<number, ToPage>();
  let hear: (message: ToHost) => void = () => assert.fail('no page is open');
  const { window } = vscode;
  const { createWebviewPanel } = window;
  const watched: typeof createWebviewPanel = (...given) => {
    const panel = createWebviewPanel(...given);
    const { webview } = panel;
    const postMessage = webview.postMessage.bind(webview);
    const onDidReceiveMessage = webview.onDidReceiveMessage.bind(webview);
    Object.assign(webview, {
      postMessage(message: ToPage) {
        if (message.kind === 'event') return postMessage(message);
        if (message.id < 0) return answers.set(message.id, message);
        const body = message.kind === 'reply' ? message.body : undefined;
        if (typeof body === 'object' && body !== null && 'pending' in body) overviews.push(body as Overview); // The only reply that has it.
        return postMessage(message);
      },
      onDidReceiveMessage(listener: (message: unknown) => void) {
        hear = listener;
        return onDidReceiveMessage(listener);
      },
    });
    return panel;
  };
  Object.assign(window, { createWebviewPanel: watched });
  return {
    overviews,
    /** Asks as the page that was opened last does, which hears nothing of it. */
    async ask<N extends RequestName>(name: N, body: Requests[N]['ask']): Promise<ToPage> {
      const id = -1 - answers.size;
      hear({ kind: 'ask', id, name, body } as ToHost); // `name` and `body` belong together by the signature.
      return until(`an answer to ${name}`, () => answers.get(id));
    },
    dispose() {
      Object.assign(window, { createWebviewPanel });
    },
  };
}

function maps(): string[] {
  return vscode.window.tabGroups.all
    .flatMap(({ tabs }) => tabs)
    .filter(
      ({ input }) => input instanceof vscode.TabInputWebview && input.viewType.endsWith('sociLens.spanMap'),
    )
    .map(({ label }) => label);
}

suite('the span map of an image that is being read', () => {
  let pages: ReturnType<typeof watchPages>;
  let notifications: Notifications;
  let scratch: string;
  suiteSetup(async () => {
    scratch = await mkdtemp(path.join(tmpdir(), 'soci-lens-growing-'));
    await extension().activate();
    await vscode.commands.executeCommand('workbench.action.closeAllEditors');
  });
  suiteTeardown(() => rm(scratch, { recursive: true, force: true }));
  setup(() => {
    pages = watchPages();
    notifications = watchNotifications();
  });
  teardown(async () => {
    pages.dispose();
    notifications.dispose();
    await vscode.commands.executeCommand('workbench.action.closeAllEditors');
  });

  const inspect = (key: string) => vscode.commands.executeCommand('sociLens.inspectImage', key);
  /** Waits until the page was told of so many layers to go. */
  const pending = (count: number) =>
    until(`${count} layers to go`, () => {
      const last = pages.overviews.at(-1);
      return last?.pending === count && last;
    });
  const scanned = ({ plan }: Overview) =>
    plan.layers.flatMap(({ index, uncompressedSize }) => (uncompressedSize === null ? [] : [index]));

  test('is there before the first layer, and grows with each', async () => {
    const registry = await startHoldingRegistry('growing');
    try {
      const done = inspect(registry.key);
      const first = await pending(LAYERS);
      assert.equal(maps().length, 1);
      assert.equal(first.plan.layers.length, LAYERS);
      assert.deepEqual(scanned(first), []);
      const one = await registry.releaseOne();
      assert.deepEqual(scanned(await pending(LAYERS - 1)), [one]);
      const two = [one, await registry.releaseOne()];
      assert.deepEqual(scanned(await pending(LAYERS - 2)), two.sort());
      assert.equal(notifications.titles.length, 1, 'it is still being read');
      await registry.releaseOne();
      await registry.releaseOne();
      await done;
      assert.deepEqual(scanned(await pending(0)), [0, 1, 2, 3]);
      assert.equal(maps().length, 1, 'it stays');
    } finally {
      await vscode.commands.executeCommand('sociLens.forgetImage', registry.key);
      await registry.stop();
    }
  });

  test('goes again without a word when the person cancels', async () => {
    const registry = await startHoldingRegistry('cancelled');
    try {
      const asked = await answering({}, async () => {
        const done = inspect(registry.key);
        await pending(LAYERS);
        await registry.releaseOne();
        await pending(LAYERS - 1);
        notifications.cancel(notifications.titles[0] ?? '');
        await done;
      });
      assert.deepEqual(asked, []);
      await until('the panel is gone', () => maps().length === 0);
    } finally {
      await registry.stop();
    }
  });

  test('leaves nothing behind where its map was closed before it was cancelled', async () => {
    const services = testServices(scratch);
    const { registerWebviewPanelSerializer } = vscode.window;
    // The extension has registered its own.
    Object.assign(vscode.window, {
      registerWebviewPanelSerializer: () => new vscode.Disposable(() => undefined),
    });
    const actions = new Actions(services);
    const maps = new SpanMaps(services, actions, () => Promise.resolve(null), extension().extensionUri);
    Object.assign(vscode.window, { registerWebviewPanelSerializer });
    const registry = await startHoldingRegistry('closed');
    try {
      const controller = new AbortController();
      const done = actions.inspect(registry.key, controller.signal);
      await until('the first picture', () => services.store.picture(registry.key));
      controller.abort();
      await assert.rejects(done, isAbort);
      assert.equal(services.store.picture(registry.key), undefined);
    } finally {
      maps.dispose();
      services.dispose();
      await registry.stop();
    }
  });

  test('stops looking for packages when it is closed', async () => {
    const findings = new LayerFindings(
      (_finding, _layers, { signal }) => setTimeout<never>(3_600_000, undefined, { signal }),
      [],
    );
    const services = testServices(scratch);
    const work = new PanelWork(services, () => Promise.resolve({ findings } as Opened));
    const controller = new AbortController();
    const found = work.find('image', 'packages', controller.signal);
    controller.abort();
    await assert.rejects(found, isAbort);
    services.dispose();
  });

  /** Shows a copy of the sample with another recorded start beside it. */
  async function shownWithStart(name: string, trace: string): Promise<Overview['plan']> {
    const copy = path.join(workspace, name);
    const key = `oci:${copy}`;
    const file = traceFile({ folders: { traces: '' } }, key);
    try {
      await cp(sample.replace(/^oci:/, ''), copy, { recursive: true });
      await mkdir(path.dirname(file), { recursive: true });
      await writeFile(file, trace);
      const asked = await answering({}, () => inspect(key));
      assert.deepEqual(asked, []);
      return await until('what is said of it', () => {
        const last = pages.overviews.at(-1);
        return last?.pending === 0 && last.plan.notes.length > 0 && last.plan;
      });
    } finally {
      await vscode.commands.executeCommand('sociLens.forgetImage', key);
      await rm(copy, { recursive: true, force: true });
      await rm(file, { force: true });
    }
  }

  test('is there all the same where its recorded start is damaged, and says so', async () => {
    const lines = (await readFile(sampleTrace, 'utf8')).split('\n');
    const { trace, notes } = await shownWithStart('damaged', lines.with(2, '{"cut in the mid').join('\n'));
    assert.equal(trace, null);
    assert.match(
      notes[0] ?? '',
      /^The recorded start is left out: .*damaged.* is not a trace of ours: .*line 3/,
    );
  });

  test('is there all the same where its recorded start is of another image, and says so', async () => {
    const own = await readFile(sampleTrace, 'utf8');
    const other = own.replaceAll(/"(path|real)":"\//g, '"$1":"/of-another-image/');
    const { trace, notes, rows } = await shownWithStart('another', other);
    assert.equal(trace, null);
    assert.ok((rows[0]?.spans ?? 0) > 0, 'the sizes stand');
    assert.match(
      notes[0] ?? '',
      /^The recorded start is left out: The trace is of another image: of its [\d,]+ paths only 0 .*Record a start of this image/,
    );
  });

  test('stays where a layer has vanished since, and says so when a file of it is asked for', async () => {
    const copy = path.join(workspace, 'vanishing');
    const key = `oci:${copy}`;
    try {
      await cp(sample.replace(/^oci:/, ''), copy, { recursive: true });
      await inspect(key);
      const { plan } = await pending(0);
      const layer = plan.layers.findIndex(({ files }) => (files ?? 0) > 0);
      const digest = plan.layers[layer]?.digest.replace('sha256:', '') ?? '';
      await rm(path.join(copy, 'blobs', 'sha256', digest));
      const query = { ...ALL_FILES, layer, type: 'reg' as const, offset: 0, limit: 1 };
      const listed = await pages.ask('entries', query);
      assert.ok(listed.kind === 'reply', 'the list of files needs no layer');
      const { rows } = listed.body as Requests['entries']['reply']; // It answers this question.
      const entry = rows[0]?.entry ?? -1;
      const target = vscode.Uri.file(path.join(workspace, 'saved'));
      for (const name of ['openEntry', 'saveEntry'] as const) {
        await answering({ showSaveDialog: target }, async () => {
          const answer = await pages.ask(name, { layer, entry });
          assert.ok(answer.kind === 'failure', name);
          assert.match(answer.error.message, /vanishing.* is no longer there/, name);
        });
      }
      assert.equal(maps().length, 1, 'the map stays');
    } finally {
      await vscode.commands.executeCommand('sociLens.forgetImage', key);
      await rm(copy, { recursive: true, force: true });
    }
  });

  test('goes again when the image cannot be read, and one notification says why', async () => {
    const asked = await answering({}, () => inspect('oci:/nowhere/at/all'));
    assert.deepEqual(
      asked.map(({ kind }) => kind),
      ['showErrorMessage'],
    );
    assert.match(asked[0]?.message ?? '', /\/nowhere\/at\/all/);
    await until('the panel is gone', () => maps().length === 0);
  });
});
