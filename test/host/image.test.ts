import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { cp, mkdtemp, open, readFile, readdir, rm, stat, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import * as vscode from 'vscode';
import { Actions } from '../../src/editor/actions';
import { makeFakeSoci } from '../support/fake-soci';
import { LayerFiles, layerFileUri } from '../../src/editor/layer-files';
import type { ImagesTree, Node } from '../../src/editor/tree';
import {
  answering,
  extension,
  sample,
  sampleTrace,
  testServices,
  testTree,
  until,
  watchNotifications,
  type TestServices,
} from './support';

suite('an image without any engine', () => {
  let scratch: string;
  let services: TestServices;
  let actions: Actions;
  let tree: ImagesTree;

  suiteSetup(async () => {
    scratch = await mkdtemp(path.join(tmpdir(), 'soci-lens-host-'));
    services = testServices(scratch);
    actions = new Actions(services);
    tree = testTree(services, actions);
  });

  suiteTeardown(async () => {
    tree.dispose();
    services.dispose();
    await rm(scratch, { recursive: true, force: true });
  });

  /** A copy of the sample, and the file of its first layer. */
  const copyOfSample = async () => {
    const broken = await mkdtemp(path.join(scratch, 'broken-'));
    await cp(sample.replace(/^oci:/, ''), broken, { recursive: true });
    const { layers } = await actions.open(sample);
    const digest = layers[0]?.layer.descriptor.digest.replace('sha256:', '') ?? '';
    return { broken, blob: path.join(broken, 'blobs', 'sha256', digest) };
  };

  const label = (node: Node) => {
    const { label: text } = tree.getTreeItem(node);
    return typeof text === 'string' ? text : '';
  };
  const description = (node: Node) => String(tree.getTreeItem(node).description);
  const child = async (node: Node | undefined, name: string): Promise<Node> => {
    const children = await tree.getChildren(node);
    const found = children.find((one) => label(one) === name);
    assert.ok(found, `${name} is among ${children.map(label).join(', ')}`);
    return found;
  };

  test('is read, and its layers are named by their steps', async () => {
    const opened = await actions.open(sample);
    assert.equal(opened.image.source, 'layout');
    assert.ok(opened.layers.every((layer) => 'scan' in layer));
    assert.equal(services.store.get(sample)?.facts?.layers, opened.layers.length);
    assert.equal(services.store.get(sample)?.facts?.start, undefined);
  });

  test('a second question while it is read joins the first', async () => {
    const [first, second] = await Promise.all([actions.inspect(sample), actions.inspect(sample)]);
    assert.equal(first, second);
  });

  test('has a start once one is given that was recorded elsewhere', async () => {
    await actions.useTraces(sample, [vscode.Uri.file(sampleTrace)]);
    const start = services.store.get(sample)?.facts?.start;
    assert.ok(start && start.share > 0 && start.share < 1 && start.touchedSpans > 0);
    assert.ok(start.touchedSpans < start.spans);
  });

  test('is a tree of layers, folders and files with their sizes, and every item knows its parent', async () => {
    const [home] = await tree.getChildren();
    const [image] = await tree.getChildren(home);
    assert.ok(home && image);
    assert.equal(tree.getTreeItem(home).contextValue, 'home-layout');
    assert.equal(tree.getTreeItem(image).contextValue, 'image-layout-known-profiled');
    assert.match(description(image), /read at start · \d+ of \d+ spans/);
    const layer = await child(image, 'COPY app /app');
    assert.equal(tree.getTreeItem(layer).contextValue, 'layer');
    assert.match(description(layer), /B · \d+ files · .* read at start/);
    const app = await child(layer, 'app');
    const source = await child(app, 'src');
    assert.equal(tree.getTreeItem(source).contextValue, 'folder');
    const file = await child(source, 'main.tsx');
    assert.equal(tree.getTreeItem(file).contextValue, 'file');
    assert.match(description(file), /^1\.97 kB · 1\.97 kB read at start$/);
    const ancestors = [];
    for (let node: Node | undefined = file; node; node = tree.getParent(node)) ancestors.push(node.kind);
    assert.deepEqual(ancestors, ['file', 'folder', 'folder', 'layer', 'image', 'home']);
    assert.deepEqual(await tree.getChildren(file), []);
    const ids = new Set((await tree.getChildren(app)).map((node) => tree.getTreeItem(node).id));
    assert.equal(ids.size, (await tree.getChildren(app)).length, 'ids are unique');
  });

  test('gives a file of a layer by its spans, with the bytes that the build put there', async () => {
    const opened = await actions.open(sample);
    const layer = opened.steps.indexOf('COPY app /app');
    const result = opened.layers[layer];
    assert.ok(result && 'scan' in result);
    const { entries } = result.scan;
    const names = Array.from({ length: entries.length }, (_, i) => entries.name(i));
    const entry = names.findIndex((name) => name.endsWith('src/main.tsx'));
    const files = new LayerFiles(services, (reference) => actions.open(reference));
    const uri = layerFileUri(sample, layer, entry, entries.name(entry));
    const expected = await readFile(path.join(extension().extensionPath, 'sample/app/src/main.tsx'));
    assert.deepEqual(Buffer.from(await files.readFile(uri)), expected);
    assert.equal((await files.stat(uri)).size, expected.length);
    assert.throws(() => files.writeFile(), vscode.FileSystemError);
    const unknown = uri.with({ query: JSON.stringify({ reference: 'oci:/elsewhere', layer: 0, entry: 0 }) });
    await assert.rejects(
      files.readFile(unknown),
      vscode.FileSystemError,
      'only images that were chosen are read',
    );
    await assert.rejects(files.readFile(uri.with({ query: 'no JSON' })), vscode.FileSystemError);
  });

  test('is indexed into a folder after the question says what will be made', async () => {
    const output = path.join(scratch, 'indexed');
    let done: string | null = null;
    const asked = await answering(
      { createInputBox: `oci:${output}`, createQuickPick: 'Fetch nothing', showInformationMessage: 'Create' },
      async () => {
        done = await actions.createIndex(sample);
      },
    );
    assert.deepEqual(
      asked.map(({ kind }) => kind),
      ['createInputBox', 'createQuickPick', 'showInformationMessage'],
    );
    const question = JSON.stringify(asked[2]?.items);
    assert.match(question, /"modal":true/);
    assert.match(question, /To: oci:.*Index \(v2\): \d+ of them in spans of .* of ztocs/);
    const index = services.store.get(sample)?.index;
    assert.ok(index);
    assert.equal(done, `oci:${output} holds the image with its index: ${index.digest}`);
    assert.ok(existsSync(path.join(output, 'blobs', 'sha256', index.digest.replace('sha256:', ''))));
    const line = await services.line();
    const { problems } = await line.verifyLayout(await line.openLayout(output), {});
    assert.deepEqual(problems, []);
  });

  test('is indexed by the soci program where the settings name one', async () => {
    // It gives back what was made before, so that its result can be known.
    const earlier = path.join(scratch, 'indexed');
    const soci = await makeFakeSoci(scratch);
    await soci.reply({ version: 'v0.15.0', result: earlier, stdout: 'layer sha256:1 -> ztoc sha256:2\n' });
    const settings = vscode.workspace.getConfiguration('sociLens');
    const set = async (indexer: string | undefined, file: string | undefined) => {
      await settings.update('indexer', indexer, vscode.ConfigurationTarget.Global);
      await settings.update('soci.path', file, vscode.ConfigurationTarget.Global);
    };
    const output = path.join(scratch, 'by-soci');
    const before = services.store.get(sample)?.index?.digest;
    const answers = {
      createInputBox: `oci:${output}`,
      createQuickPick: 'Fetch nothing',
      showInformationMessage: 'Create',
    };
    try {
      await set('soci', path.join(soci.folder, 'soci'));
      await answering(answers, () => actions.createIndex(sample));
      await set('soci', path.join(scratch, 'no-soci'));
      await assert.rejects(
        answering(answers, () => actions.createIndex(sample)),
        (error: Error) => 'code' in error && error.code === 'soci/no-cli',
      );
    } finally {
      await set(undefined, undefined);
    }
    assert.deepEqual(services.store.get(sample)?.index, { digest: before, destination: `oci:${output}` });
    const [call = [], ...more] = await soci.calls();
    assert.deepEqual(more, []);
    assert.deepEqual(call.slice(0, 5), ['convert', '--standalone', '--format', 'oci-dir', '--span-size']);
    assert.match(call[call.indexOf('--min-layer-size') + 1] ?? '', /^\d+$/);
    const { image } = await actions.open(sample);
    assert.deepEqual(call.slice(-3), [image.layout, output, 'TZ=UTC']);
  });

  test('is optimized into a folder after each way has said what it wins and costs', async () => {
    const output = path.join(scratch, 'optimized');
    let done: string | null = null;
    const asked = await answering(
      { createInputBox: `oci:${output}`, createQuickPick: 'Start layer', showInformationMessage: 'Optimize' },
      async () => {
        done = await actions.optimizeImage(sample);
      },
    );
    assert.deepEqual(
      asked.map(({ kind }) => kind),
      ['createQuickPick', 'createInputBox', 'showInformationMessage'],
    );
    assert.match(JSON.stringify(asked[0]?.items), /ready after .* instead of .* the image grows by/);
    assert.match(JSON.stringify(asked[2]?.items), /"modal":true.*made anew with each build/);
    const line = await services.line();
    const layout = await line.openLayout(output);
    assert.equal(
      done,
      `oci:${output} holds the optimized image with its index: ${(await layout.root()).descriptor.digest}`,
    );
    const { problems, ok } = await line.verifyLayout(layout, {});
    assert.deepEqual([ok, problems], [true, []]);
    const { layers, manifest } = await line.openImage(`oci:${output}`, { cacheDir: scratch });
    const { image } = await actions.open(sample);
    assert.equal(layers.length, image.layers.length + 1);
    assert.equal(manifest.annotations?.['soci-lens.optimized.from'], image.descriptor.digest);
    assert.deepEqual(await readdir(path.join(scratch, 'made')).catch(() => []), []);
  });

  test('is not indexed when the person leaves the question', async () => {
    const output = path.join(scratch, 'never');
    const answers = { createInputBox: `oci:${output}`, createQuickPick: 'Fetch nothing' };
    const asked = await answering(answers, async () => {
      assert.equal(await actions.createIndex(sample), null);
    });
    assert.equal(asked.length, 3);
    assert.equal(existsSync(output), false);
  });

  test('leaves nothing half-written when indexing is cancelled', async () => {
    const output = path.join(scratch, 'cancelled');
    const notifications = watchNotifications();
    const answers = {
      createInputBox: `oci:${output}`,
      createQuickPick: 'Fetch nothing',
      showInformationMessage: 'Create',
    };
    const working = answering(answers, () => actions.createIndex(sample));
    const listening = services.tasks.onDidProgress(() => {
      notifications.cancel(`Indexing ${path.basename(sample)}`);
    });
    try {
      await assert.rejects(working, { name: 'AbortError' });
    } finally {
      listening.dispose();
      notifications.dispose();
    }
    assert.equal(existsSync(path.join(output, 'index.json')), false);
    assert.deepEqual(await readdir(path.join(scratch, 'made')).catch(() => []), []);
  });

  test('with a damaged layer shows the others, and says at that one what is wrong', async () => {
    const { broken, blob } = await copyOfSample();
    const file = await open(blob, 'r+');
    await file.write(Buffer.alloc(64, 0xff), 0, 64, Math.floor((await file.stat()).size / 2));
    await file.close();
    // The cache knows the layer by its digest and would not look at these bytes.
    await rm(path.join(scratch, 'scans'), { recursive: true });
    const { layers } = await actions.inspect(`oci:${broken}`);
    assert.deepEqual(
      layers.map((layer) => 'scan' in layer),
      layers.map((_, index) => index > 0),
    );
    const image = (await tree.getChildren((await tree.getChildren())[0])).find(
      (node) => node.kind === 'image' && node.reference.includes(broken),
    );
    const [layer] = await tree.getChildren(image);
    assert.ok(layer);
    assert.equal(tree.getTreeItem(layer).contextValue, 'layer.unread');
    services.store.forget(`oci:${broken}`);
  });

  test('with a layer that is cut short is not read, and nothing of it is kept', async () => {
    const { broken, blob } = await copyOfSample();
    await truncate(blob, (await stat(blob)).size / 2);
    await assert.rejects(actions.inspect(`oci:${broken}`), { name: 'LensError' });
    assert.equal(services.store.get(`oci:${broken}`), undefined);
  });

  test('a layer that cannot be read is an item with a warning', async () => {
    const { store } = services;
    const analysis = store.get(sample);
    const opened = analysis?.opened;
    assert.ok(opened);
    const [first, ...rest] = opened.layers;
    assert.ok(first);
    const problem = 'it is compressed with zstd, for which SOCI has no index';
    store.update('oci:/zstd', {
      opened: { ...opened, layers: [{ layer: first.layer, skipped: problem }, ...rest] },
    });
    const image = (await tree.getChildren((await tree.getChildren())[0])).find(
      (node) => node.kind === 'image' && node.reference === 'oci:/zstd',
    );
    const [layer] = await tree.getChildren(image);
    assert.ok(layer);
    const item = tree.getTreeItem(layer);
    assert.equal(item.contextValue, 'layer.unread');
    assert.equal(item.collapsibleState, vscode.TreeItemCollapsibleState.None);
    assert.ok(String(item.description).endsWith(problem));
    store.forget('oci:/zstd');
  });

  test('changes of the store reach the view once, not once each', async () => {
    let fired = 0;
    const listening = tree.onDidChangeTreeData(() => fired++);
    for (let i = 0; i < 20; i++) services.store.update('oci:/many', {});
    services.store.forget('oci:/many');
    await until('the view heard of it', () => fired > 0);
    assert.equal(fired, 1);
    listening.dispose();
  });
});
