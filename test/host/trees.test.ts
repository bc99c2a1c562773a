import assert from 'node:assert/strict';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { setTimeout } from 'node:timers/promises';
import * as vscode from 'vscode';
import { Actions } from '../../src/editor/actions';
import { TaskKind } from '../../src/editor/tasks';
import { TraceDrop } from '../../src/editor/trace-drop';
import { TracesTree } from '../../src/editor/traces-tree';
import { contentsOf } from '../../src/editor/tree-order';
import type { ImagesTree, Node } from '../../src/editor/tree';
import type { Verified } from '../../src/editor/work/indexes';
import { makeSmallSample } from '../../src/image/small-sample';
import { scanLayer } from '../../src/layer/scan';
import { memoryBytes } from '../../src/layer/bytes';
import { layerTree } from '../../src/plan/layer-tree';
import { huge } from '../support/pictures';
import { pack } from 'tar-stream';
import { buffer } from 'node:stream/consumers';
import { Readable } from 'node:stream';
import {
  answering,
  busy,
  measured,
  sampleTrace,
  testServices,
  testTree,
  until,
  workspace,
  type TestServices,
} from './support';

suite('the tree of images', () => {
  let scratch: string;
  let services: TestServices;
  let actions: Actions;
  let tree: ImagesTree;
  let small: string;

  suiteSetup(async () => {
    scratch = await mkdtemp(path.join(tmpdir(), 'soci-lens-trees-'));
    services = testServices(scratch);
    actions = new Actions(services);
    small = `oci:${await makeSmallSample(services.folders.sample)}`;
    tree = testTree(services, actions, [
      { id: 'sha256:1', tags: ['shop:1.0', 'shop:latest'], created: 2, size: 10 },
    ]);
  });

  suiteTeardown(async () => {
    tree.dispose();
    services.dispose();
    await rm(scratch, { recursive: true, force: true });
  });

  const labelOf = (node: Node) => {
    const { label } = tree.getTreeItem(node);
    return typeof label === 'string' ? label : '';
  };
  const labels = async (node?: Node) => (await tree.getChildren(node)).map(labelOf);
  const find = async (label: string, node?: Node): Promise<Node> => {
    const found = (await tree.getChildren(node)).find((child) => labelOf(child) === label);
    assert.ok(found, `${label} is there`);
    return found;
  };

  /** Whether VS Code would come to a node: each of its parents, from the root on, has to show the next. */
  const isReached = async (node: Node): Promise<boolean> => {
    const parent = tree.getParent(node);
    if (parent && !(await isReached(parent))) return false;
    const { id } = tree.getTreeItem(node);
    return (await tree.getChildren(parent)).some((child) => tree.getTreeItem(child).id === id);
  };

  test('groups images by where they are, the ones looked at first, and what the engine has besides', async () => {
    services.store.update('docker://registry.example/team/service:1.0', {});
    services.store.update('docker-daemon:shop:soci-lens', {});
    await actions.openSample();
    assert.deepEqual(await labels(), ['Docker Engine', 'Layouts and Archives', 'Registries']);
    const engine = await find('Docker Engine');
    assert.deepEqual(await labels(engine), ['shop:soci-lens', 'shop:1.0', 'shop:latest']);
    const contexts = (await tree.getChildren(engine)).map((node) => tree.getTreeItem(node).contextValue);
    assert.deepEqual(contexts, ['image-engine-known', 'image-engine', 'image-engine']);
    assert.deepEqual(await labels(await find('Registries')), ['registry.example/team/service:1.0']);
  });

  test('opens the sample image that the extension made, with its recorded start, and no engine at all', () => {
    const { facts, traces } = services.store.get(small) ?? {};
    assert.deepEqual(traces, [services.folders.sampleTrace]);
    assert.ok(facts?.start && facts.start.touchedSpans > 0 && facts.start.touchedSpans < facts.start.spans);
  });

  test('sorts folders and files by name, size and what the start reads, and filters them', async () => {
    const home = await find('Layouts and Archives');
    const [image] = await tree.getChildren(home);
    const layer = await find('COPY lib /app/lib', image);
    const lib = await find('lib', await find('app', layer));
    assert.equal((await labels(lib))[0], 'module-0000.js');

    await tree.sortBy('size');
    const sizes = (await tree.getChildren(lib)).map((node) => String(tree.getTreeItem(node).description));
    assert.match(sizes[0] ?? '', /^8\.\d+ kB/);

    await tree.sortBy('touched');
    const touched = (await tree.getChildren(lib)).slice(0, 49);
    const described = touched.map((node) => String(tree.getTreeItem(node).description));
    assert.ok(described.slice(0, 48).every((text) => text.includes('read at start')));
    assert.ok(!described[48]?.includes('B read at start'), 'the 48 modules that the start reads come first');

    tree.filterBy('Module-010');
    assert.equal((await labels(lib)).length, 10);
    assert.deepEqual(await labels(await find('COPY app /app', image)), [], 'nothing fits in that layer');
    tree.filterBy('');
    await tree.sortBy('name');
    assert.equal((await labels(lib)).length, 1001, 'a thousand, and an item for the rest');
    const rest = await find('200 more…', lib);
    assert.equal((await labels(rest)).length, 200);
  });

  test('makes tooltips only when somebody points at an item', async () => {
    const home = await find('Layouts and Archives');
    const [image] = await tree.getChildren(home);
    assert.ok(image);
    const item = tree.getTreeItem(image);
    assert.equal(item.tooltip, undefined);
    const resolved = tree.resolveTreeItem(item, image);
    assert.ok(typeof resolved.tooltip === 'string');
    assert.match(resolved.tooltip, /sha256:[0-9a-f]{64}/);
    assert.match(item.accessibilityInformation?.label ?? '', /sample, .* read at start/);
  });

  test('shows the indexes of an image, and that one was verified', async () => {
    const output = `oci:${path.join(scratch, 'indexed')}`;
    await answering(
      { createInputBox: output, createQuickPick: 'Prefetch what', showInformationMessage: 'Create' },
      () => actions.makeIndex(small, 'folder'),
    );
    await actions.inspect(output);
    const home = await find('Layouts and Archives');
    const image = (await tree.getChildren(home)).find(
      (node) => node.kind === 'image' && node.reference === output,
    );
    assert.match(tree.getTreeItem(image!).contextValue ?? '', /-indexed$/);
    const index = await find('SOCI index v2', image);
    assert.equal(tree.getTreeItem(index).contextValue, 'index');
    assert.match(String(tree.getTreeItem(index).description), /^5 layers · 512 KiB – 8 MiB · .* of ztocs$/);
    const { verify } = await import('../../src/editor/work/indexes');
    const kind = new TaskKind<Verified>('verify');
    const { report, origins } = await services.tasks.run(kind, output, 'Verifying', (task) =>
      verify(services, output, task),
    );
    assert.equal(report.ok, true, JSON.stringify(report));
    assert.deepEqual(origins, []);
    assert.match(String(tree.getTreeItem(index).description), /verified$/);
  });

  test('shows the platforms of an image that has several, and opens each', async () => {
    const multi = path.join(scratch, 'multi');
    await cp(small.slice(4), multi, { recursive: true });
    const file = path.join(multi, 'index.json');
    const index = JSON.parse(await readFile(file, 'utf8')) as { manifests: object[] };
    const others = [
      { os: 'linux', architecture: 'arm64' },
      { os: 'linux', architecture: 'amd64', variant: 'v3' },
      { os: 'windows', architecture: 'amd64', 'os.version': '10.0.17763.6414' },
      { os: 'windows', architecture: 'amd64', 'os.version': '10.0.20348.2762' },
    ].map((platform) => ({ ...index.manifests[0], platform }));
    await writeFile(file, JSON.stringify({ ...index, manifests: [...index.manifests, ...others] }));
    await actions.inspect(`oci:${multi}`);
    const home = await find('Layouts and Archives');
    const image = (await tree.getChildren(home)).find(
      (node) => node.kind === 'image' && node.reference === `oci:${multi}`,
    );
    assert.deepEqual(await labels(image), [
      'linux/amd64',
      'linux/arm64',
      'linux/amd64/v3',
      'windows(10.0.17763.6414)/amd64',
      'windows(10.0.20348.2762)/amd64',
    ]);
    const arm = await find('linux/arm64', image);
    assert.equal(arm.kind === 'platform' && arm.reference, `oci:${multi}#linux/arm64`);
    assert.equal((await tree.getChildren(arm)).length, 5);
    assert.equal(services.store.get(`oci:${multi}#linux/arm64`)?.opened?.plan.image.platform, 'linux/arm64');
    assert.equal((await tree.getChildren(await find('windows(10.0.20348.2762)/amd64', image))).length, 5);
    const ids = (await tree.getChildren(image)).map((node) => tree.getTreeItem(node).id);
    assert.equal(new Set(ids).size, 5);
    for (const key of [`oci:${multi}`, `oci:${multi}#linux/arm64`]) {
      assert.ok(await isReached(tree.nodeOf(key)), key);
      assert.ok(await isReached(tree.nodeOf(key, 2)), `a layer of ${key}`);
      const result = services.store.get(key)?.opened?.layers[2];
      assert.ok(result && 'scan' in result);
      const { entries } = result.scan;
      const entry = Array.from({ length: entries.length }, (_, at) => at).find(
        (at) => entries.type(at) === 'reg',
      )!;
      assert.ok(await isReached(tree.find(key, { layer: 2, entry })!), `a file of ${key}`);
    }
  });

  test('is gone through by VS Code to a layer of each platform', async () => {
    const multi = `oci:${path.join(scratch, 'multi')}`;
    const asked = await answering({}, async () => {
      await vscode.commands.executeCommand('sociLens.inspectImage', multi);
      for (const key of [multi, `${multi}#linux/arm64`])
        await vscode.commands.executeCommand('sociLens.revealInTree', key, 2);
    });
    await vscode.commands.executeCommand('sociLens.forgetImage', multi);
    await vscode.commands.executeCommand('sociLens.forgetImage', `${multi}#linux/arm64`);
    assert.deepEqual(asked, [], 'nothing went wrong');
  });

  test('shows a layout in a folder whose name has a #', async () => {
    const sharp = `oci:${path.join(scratch, 'C#', 'image')}`;
    services.store.update(sharp, {});
    assert.ok(await isReached(tree.nodeOf(sharp)));
    services.store.forget(sharp);
  });

  test('comes to each file of a long folder, for reveal, and to none that the filter hides', async () => {
    const { opened } = services.store.get(small) ?? {};
    const layer = opened?.layers.findIndex((one) => 'scan' in one && one.scan.entries.length > 1200) ?? -1;
    const result = opened?.layers[layer];
    assert.ok(result && 'scan' in result);
    const { entries } = result.scan;
    const places = [0, 1199].map((module) => {
      const name = `module-${String(module).padStart(4, '0')}.js`;
      return Array.from({ length: entries.length }, (_, entry) => entry).find((entry) =>
        entries.name(entry).endsWith(name),
      )!;
    });
    for (const entry of places) assert.ok(await isReached(tree.find(small, { layer, entry })!), `${entry}`);
    tree.filterBy('module-0000');
    const found = places.map((entry) => tree.find(small, { layer, entry })?.kind);
    tree.filterBy('');
    assert.deepEqual(found, ['file', undefined]);
  });

  test('knows the node of an image and of a layer, with all parents, for reveal', () => {
    const node = tree.nodeOf(small, 2);
    const kinds = [];
    for (let at: Node | undefined = node; at; at = tree.getParent(at)) kinds.push(at.kind);
    assert.deepEqual(kinds, ['layer', 'image', 'home']);
  });

  test('takes a recorded start that is dropped on an image or on a layer of it', async () => {
    const other = path.join(scratch, 'dropped.soci-trace.jsonl');
    await cp(services.folders.sampleTrace, other);
    const data = new vscode.DataTransfer();
    data.set('text/uri-list', new vscode.DataTransferItem(vscode.Uri.file(other).toString()));
    await new TraceDrop(actions, services.log).handleDrop(tree.nodeOf(small, 1), data);
    assert.deepEqual(services.store.get(small)?.traces, [other]);
    // On the home of images there is nothing to lay it on.
    await new TraceDrop(actions, services.log).handleDrop({ kind: 'home', home: 'layout' }, data);
  });

  test('opens a folder of 50 000 files in less than 200 ms, however they are sorted', async function () {
    const tar = pack();
    const done = buffer(Readable.from(tar, { objectMode: false }));
    for (let i = 0; i < 50_000; i++) tar.entry({ name: `big/file-${i}` }, '');
    tar.finalize();
    const scan = await scanLayer(memoryBytes(await done), 'tar');
    const known = services.store.get(small);
    const [first, ...rest] = known?.opened?.layers ?? [];
    assert.ok(known?.opened && first);
    services.store.update('oci:/big', {
      opened: { ...known.opened, layers: [{ layer: first.layer, scan }, ...rest] },
    });
    const layer = tree.nodeOf('oci:/big', 0);
    const opening = await busy(async () => {
      const [big] = await tree.getChildren(layer);
      assert.equal((await tree.getChildren(big)).length, 1001);
    });
    measured(this, opening);
    assert.ok(opening < 200, `${opening.toFixed(0)} ms`);
    const folder = layerTree(scan).folders[0];
    assert.ok(folder);
    for (const order of ['size', 'touched'] as const) {
      const sorting = await busy(() =>
        contentsOf(folder, { entries: scan.entries, touches: known.opened?.touches[0] }, order, ''),
      );
      assert.ok(sorting < 200, `${order}: ${sorting.toFixed(0)} ms`);
    }
    services.store.forget('oci:/big');
  });

  test('shows, sorts and filters an image of 500 000 files', async function () {
    const known = services.store.get(small)?.opened;
    const [first] = known?.layers ?? [];
    assert.ok(known && first);
    const layers = huge().layers.flatMap(({ scan }) => (scan ? [{ layer: first.layer, scan }] : []));
    assert.ok(layers.reduce((sum, { scan }) => sum + scan.entries.length, 0) >= 500_000);
    services.store.update('oci:/huge', { opened: { ...known, layers } });
    const started = performance.now();
    let deepest = 0;
    for (const [index, { scan }] of layers.entries()) {
      let [node] = await tree.getChildren(tree.nodeOf('oci:/huge', index));
      for (; node?.kind === 'folder'; [node] = await tree.getChildren(node)) deepest++;
      const root = layerTree(scan);
      const touches = known.touches[0];
      for (const order of ['size', 'touched'] as const)
        contentsOf(root, { entries: scan.entries, touches }, order, 'file');
    }
    measured(this, performance.now() - started);
    assert.ok(deepest >= layers.length, 'each layer opens down to its files');
    services.store.forget('oci:/huge');
  });
});

suite('the tree of recorded starts', () => {
  test('lists the starts of the workspace with rule, time and files, and follows the disk', async () => {
    const scratch = await mkdtemp(path.join(tmpdir(), 'soci-lens-traces-'));
    const services = testServices(scratch);
    const tree = new TracesTree(services);
    const added = path.join(workspace, '.soci-lens', 'other.soci-trace.jsonl');
    const names = async () => {
      const nodes = await tree.getChildren();
      return Promise.all(nodes.map(async (node) => (await tree.getTreeItem(node)).label));
    };
    try {
      assert.ok((await names()).includes('start'));
      const [start] = (await tree.getChildren()).filter(({ uri }) => uri.fsPath === sampleTrace);
      assert.ok(start);
      const item = await tree.getTreeItem(start);
      assert.match(String(item.description), /^ready by its log after \d\.\d+ s · \d+ files$/);
      assert.equal(item.contextValue, 'trace');

      let fired = 0;
      const listening = tree.onDidChangeTreeData(() => fired++);
      await until('the view heard of it', async () => {
        await vscode.workspace.fs.writeFile(vscode.Uri.file(added), Buffer.from('no trace\n'));
        await setTimeout(500);
        return fired > 0;
      });
      listening.dispose();
      const [bad] = (await tree.getChildren()).filter(({ uri }) => uri.fsPath === added);
      assert.ok(bad);
      const unread = await tree.getTreeItem(bad);
      assert.equal(unread.contextValue, 'trace.unread');
      assert.match(String(unread.description), /is not a trace of ours/);

      const data = new vscode.DataTransfer();
      tree.handleDrag([start], data);
      assert.equal(await data.get('text/uri-list')?.asString(), vscode.Uri.file(sampleTrace).toString());
    } finally {
      await rm(path.dirname(added), { recursive: true, force: true });
      tree.dispose();
      services.dispose();
      await rm(scratch, { recursive: true, force: true });
    }
  });
});
