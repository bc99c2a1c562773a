/** Every command by its own name, as palette, lens and tree call it: with a real registry, and without any engine. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { cp, mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import * as vscode from 'vscode';
import { Actions } from '../../src/editor/actions';
import { commandTable, type Bench, type CommandTable } from '../../src/editor/commands/table';
import { EngineWatch } from '../../src/editor/engine-watch';
import { isLensError } from '../../src/editor/errors';
import { sampleKey } from '../../src/editor/keys';
import { readSettings } from '../../src/editor/settings';
import { TracesTree } from '../../src/editor/traces-tree';
import type { ImagesTree, Node } from '../../src/editor/tree';
import { startRegistry, type TestRegistry } from '../support/registry';
import {
  answering,
  shownText,
  testServices,
  testTree,
  until,
  type Asked,
  type TestServices,
  workspace,
} from './support';

suite('commands, one after another', () => {
  let scratch: string;
  let services: TestServices;
  let images: ImagesTree;
  let bench: Bench;
  let table: CommandTable;
  let registry: TestRegistry;
  const shown: string[] = [];
  const revealed: Node[] = [];
  const key = () => sampleKey(services.folders);

  suiteSetup(async () => {
    scratch = await mkdtemp(path.join(tmpdir(), 'soci-lens-way-'));
    registry = await startRegistry();
    services = testServices(scratch);
    const actions = new Actions(services);
    images = testTree(services, actions);
    bench = {
      services,
      actions,
      images,
      maps: {
        active: undefined,
        show: (one: string) => shown.push(one),
        async showGrowing(one: string, work: Promise<unknown>) {
          shown.push(one);
          await work;
        },
      } as unknown as Bench['maps'], // Panels have tests of their own.
      imagesView: { visible: false, reveal: (node) => Promise.resolve(void revealed.push(node)) },
      traces: new TracesTree(services),
      engine: new EngineWatch(services),
    };
    table = commandTable(bench);
  });

  suiteTeardown(async () => {
    vscode.Disposable.from(images, bench.traces, bench.engine).dispose();
    services.dispose();
    await registry.stop();
    await rm(scratch, { recursive: true, force: true });
  });

  const run = (name: string, answers: Parameters<typeof answering>[0] = {}, ...args: unknown[]) =>
    answering(answers, async () => table[name]?.(...args));
  const kinds = (asked: readonly Asked[]) => asked.map(({ kind }) => kind);

  test('the sample image is made when it is what somebody picks first', async () => {
    const asked = await run('tuneSpanSize', { createQuickPick: ['Open the Sample Image'] });
    assert.deepEqual(kinds(asked), ['createQuickPick', 'createQuickPick']);
    assert.match((asked[1]?.items as vscode.QuickPickItem[])[0]?.label ?? '', /Follow the recommendation/);
    assert.ok(services.store.get(key())?.facts?.start);
    services.store.forget(key());
  });

  test('a setting that is wrong for every image is said once', async () => {
    await run('openSample');
    services.store.update('oci:/again', { opened: services.store.get(key())?.opened });
    shown.length = 0;
    const section = vscode.workspace.getConfiguration('sociLens');
    const said: string[] = [];
    // The instance of the extension in this window follows the settings, too; its log is another one.
    const log = Object.assign(Object.create(services.log) as vscode.LogOutputChannel, {
      error: (text: string) => said.push(text),
    });
    const redrawing = new Actions({ ...services, log }).redrawOnChange();
    try {
      await answering({}, async () => {
        await section.update('plan.network', 'sl', vscode.ConfigurationTarget.Workspace);
        await until('the message', () => said.length > 0);
      });
      assert.match(said.join(), /^[^]*"sl" does not describe a network/);
      assert.equal(said.length, 1);
    } finally {
      redrawing.dispose();
      await section.update('plan.network', undefined, vscode.ConfigurationTarget.Workspace);
      services.store.forget('oci:/again');
      services.store.forget(key());
    }
  });

  test('openSample makes the image, reads it with its start, and shows its map', async () => {
    await run('openSample');
    assert.deepEqual(shown, [key()]);
    assert.ok(services.store.get(key())?.facts?.start);
  });

  test('tuneSpanSize lists what each size costs, the last choice first, and keeps the choice in the workspace', async () => {
    const section = () =>
      vscode.workspace.getConfiguration('sociLens').inspect('index.spanSize')?.workspaceValue;
    try {
      const asked = await run('tuneSpanSize', { createQuickPick: '1 MiB' }, key());
      const items = asked[0]?.items as vscode.QuickPickItem[];
      assert.match(items[0]?.label ?? '', /Follow the recommendation/);
      assert.match(items[1]?.detail ?? '', /\d+ of \d+ spans · .* requests · ready after/);
      assert.equal(section(), '1048576');
      assert.deepEqual(asked.at(-1)?.items, ['Span size: 1 MiB.', 'Create Index']);
      const again = await run('tuneSpanSize', {}, key());
      assert.equal(
        (again[0]?.items as vscode.QuickPickItem[])[0]?.label,
        '1 MiB',
        'the last choice is first',
      );
    } finally {
      await vscode.workspace
        .getConfiguration('sociLens')
        .update('index.spanSize', undefined, vscode.ConfigurationTarget.Workspace);
    }
  });

  test('a setting that does not fit is as good as none, and a span size may be a number', async () => {
    const section = vscode.workspace.getConfiguration('sociLens');
    const odd = { 'index.spanSize': 65536, 'plan.spanSizes': 'all of them', 'trace.runs': 0 };
    try {
      for (const [name, value] of Object.entries(odd))
        await section.update(name, value, vscode.ConfigurationTarget.Workspace);
      const { spanSize, spanSizes, traceRuns } = readSettings();
      assert.deepEqual({ spanSize, spanSizes, traceRuns }, { spanSize: 65536, spanSizes: [], traceRuns: 1 });
    } finally {
      for (const name of Object.keys(odd))
        await section.update(name, undefined, vscode.ConfigurationTarget.Workspace);
    }
  });

  test('compare and chooseImage say that there is too little to choose from', async () => {
    const one = await run('compare', {}, key());
    assert.match(one[0]?.message ?? '', /it takes two to compare/);
    const { store } = services;
    const analysis = store.get(key());
    assert.ok(analysis);
    const { reference, ...rest } = analysis;
    store.forget(reference);
    try {
      const dockerfile = vscode.Uri.file(path.join(workspace, 'Dockerfile'));
      const none = await run('chooseImage', {}, { dockerfile });
      assert.deepEqual(
        [kinds(none), none[0]?.message],
        [['showInformationMessage'], 'No image has been looked at yet.'],
      );
    } finally {
      store.update(reference, rest);
    }
  });

  test('compare asks for both images in steps with a way back', async () => {
    services.store.update('oci:/other', {});
    try {
      const asked = await run('compare', { createQuickPick: ['sample', { back: true }] });
      assert.deepEqual(
        asked.map(({ message }) => message),
        ['Image', 'Compare sample with', 'Image'],
      );
      assert.deepEqual(
        (asked[1]?.items as vscode.QuickPickItem[]).map(({ label }) => label),
        ['other'],
      );
    } finally {
      services.store.forget('oci:/other');
    }
  });

  test('deleteTrace asks first, deletes also where there is no trash, and images let go of the start', async () => {
    const file = path.join(scratch, 'gone.soci-trace.jsonl');
    await cp(services.folders.sampleTrace, file);
    const { traces = [] } = services.store.get(key()) ?? {};
    services.store.update(key(), { traces: [...traces, file] });
    const remove = vscode.env.remoteName === undefined ? 'Move to Trash' : 'Delete Permanently';
    await run('deleteTrace', {}, vscode.Uri.file(file));
    assert.ok(existsSync(file), 'who leaves the question deletes nothing');
    const asked = await run('deleteTrace', { showWarningMessage: remove }, vscode.Uri.file(file));
    assert.equal(asked[0]?.items.at(-1), remove);
    assert.ok(!existsSync(file));
    assert.deepEqual(services.store.get(key())?.traces, traces);
  });

  test('createIndex takes a folder only, has a way back, and offers to push', async () => {
    const refused = await run('createIndex', { createInputBox: 'docker://localhost/x:1' }, key());
    assert.equal(refused.at(-1)?.message, 'A folder for the OCI layout: oci:FOLDER');
    const output = `oci:${path.join(scratch, 'indexed')}`;
    const answers = {
      createInputBox: [output, output],
      createQuickPick: [{ back: true as const }, 'Prefetch what'],
      showInformationMessage: 'Create',
    };
    const asked = await run('createIndex', answers, key());
    assert.deepEqual(kinds(asked).slice(0, 5), [
      'createInputBox',
      'createQuickPick',
      'createInputBox',
      'createQuickPick',
      'showInformationMessage',
    ]);
    assert.match(
      JSON.stringify(asked[4]?.items),
      /To: oci:.*Index \(v2\): 5 of them in spans of .* – .*Prefetch: \d+ spans.*the default takes/,
    );
    assert.equal(asked.at(-1)?.items[1], 'Push Index');
    assert.ok(existsSync(path.join(scratch, 'indexed', 'index.json')));
  });

  test('the settings of the folder hold that the Dockerfile of an image stands in', async () => {
    const original = vscode.workspace.getConfiguration;
    const output = `oci:${path.join(scratch, 'indexed')}`;
    const uri = vscode.Uri.file('/two/Dockerfile').toString();
    /** As in a window of two folders, of which the second one wants indexes of version 1. */
    const getConfiguration = (section?: string, scope?: vscode.ConfigurationScope | null) => {
      const found = original(section, scope);
      const isTwo = scope instanceof vscode.Uri && scope.path.startsWith('/two/');
      const get = (name: string, usual?: unknown) =>
        isTwo && name === 'index.format' ? 'v1' : found.get(name, usual);
      return { ...found, get };
    };
    const asked = async () => {
      const answers = {
        createInputBox: `oci:${path.join(scratch, 'two')}`,
        createQuickPick: 'Fetch nothing',
      };
      return JSON.stringify((await run('createIndex', answers, output)).at(-1)?.items);
    };
    await bench.actions.open(output);
    Object.assign(vscode.workspace, { getConfiguration });
    try {
      assert.match(await asked(), /Index \(v2\)/);
      await bench.actions.assign(output, { uri, text: '', chosen: true });
      assert.match(await asked(), /Index \(v1\)/);
    } finally {
      Object.assign(vscode.workspace, { getConfiguration: original });
    }
  });

  test('what the panel orders follows the settings of the index, and has to leave a layer to index', async () => {
    const answers = { createInputBox: `oci:${path.join(scratch, 'ordered')}` };
    const config = vscode.workspace.getConfiguration('sociLens');
    await config.update('index.format', 'v1', vscode.ConfigurationTarget.Workspace);
    try {
      const asked = await answering(answers, () => bench.actions.createIndex(key(), { best: null }));
      assert.match(JSON.stringify(asked.at(-1)?.items), /Index \(v1\): .*The image stays as it is/);
    } finally {
      await config.update('index.format', undefined, vscode.ConfigurationTarget.Workspace);
    }
    const order = { spanSize: 1 << 20, minLayerSize: 2 ** 30, prefetch: false, extra: [] };
    await assert.rejects(
      answering(answers, () => bench.actions.createIndex(key(), order)),
      (error) => isLensError(error) && error.code === 'editor/nothing-to-index' && /1.GiB/.test(error.advice),
    );
  });

  test('pushIndex shows from where to where, and the index arrives in the registry', async () => {
    const destination = `docker://${registry.host}/team/way:1.0`;
    const layout = `oci:${path.join(scratch, 'indexed')}`;
    const asked = await run(
      'pushIndex',
      { createInputBox: destination, showInformationMessage: 'Push' },
      layout,
    );
    assert.match(JSON.stringify(asked[1]?.items), /From: oci:.*To: docker:.*team\/way:1\.0/);
    const answer = await fetch(`http://${registry.host}/v2/team/way/tags/list`);
    assert.deepEqual(await answer.json(), { name: 'team/way', tags: ['1.0'] });
    assert.equal(asked.at(-1)?.items[1], 'Verify Index');
  });

  test('verifyIndex reads it back from the registry, and listIndexes knows that it was verified', async () => {
    const destination = `docker://${registry.host}/team/way:1.0`;
    const asked = await run('verifyIndex', {}, destination);
    assert.match(asked[0]?.message ?? '', /holds: 5 layers, \d+ spans read back/);
    const listed = await run('listIndexes', { createQuickPick: 'v2' }, destination);
    const [item] = listed[0]?.items as vscode.QuickPickItem[];
    assert.match(item?.description ?? '', /^5 layers · .* · verified$/);
    assert.equal(await vscode.env.clipboard.readText(), item?.detail);
  });

  test('verifyIndex tells when an optimized image is stale, and when its source is what it was', async () => {
    const name = 'team/way';
    const place = `docker://${registry.host}/${name}:1.0`;
    const url = `http://${registry.host}/v2/${name}/manifests`;
    const OCI_TYPES = ['index', 'manifest'].map((type) => `application/vnd.oci.image.${type}.v1+json`).join();
    interface Described {
      digest: string;
      size: number;
      mediaType: string;
    }
    const read = async (tag: string): Promise<Record<string, unknown>> =>
      (await (await fetch(`${url}/${tag}`, { headers: { accept: OCI_TYPES } })).json()) as Record<
        string,
        unknown
      >;
    const write = async (tag: (digest: string) => string, content: object, mediaType: string) => {
      const body = JSON.stringify(content);
      const digest = `sha256:${createHash('sha256').update(body).digest('hex')}`;
      const headers = { 'content-type': mediaType };
      const answer = await fetch(`${url}/${tag(digest)}`, { method: 'PUT', headers, body });
      assert.equal(answer.status, 201, await answer.text());
      return { digest, size: Buffer.byteLength(body) };
    };
    const index = (await read('1.0')) as { mediaType: string; manifests: Described[] };
    const [image, ...others] = index.manifests;
    assert.ok(image);
    /** The image with the mark of an optimized one, as the tag `optimized`. */
    const optimizedFrom = async (digest: string): Promise<void> => {
      const manifest = (await read(image.digest)) as { annotations?: object };
      const annotations = {
        ...manifest.annotations,
        'soci-lens.optimized.way': 'start-layer',
        'soci-lens.optimized.from': digest,
        'soci-lens.optimized.from-reference': place,
      };
      const made = await write((own) => own, { ...manifest, annotations }, image.mediaType);
      // The SOCI index is listed as that of the image under its new digest.
      const listed = JSON.stringify(others).replaceAll(image.digest, made.digest);
      const manifests = [{ ...image, ...made }, ...(JSON.parse(listed) as Described[])];
      await write(() => 'optimized', { ...index, manifests }, index.mediaType);
    };
    const verify = () => run('verifyIndex', {}, `docker://${registry.host}/${name}:optimized`);

    await optimizedFrom(image.digest);
    assert.match((await verify())[0]?.message ?? '', /holds: 5 layers/);
    await optimizedFrom(`sha256:${'0'.repeat(64)}`);
    await assert.rejects(verify(), (error: Error) => {
      assert.ok(isLensError(error));
      assert.equal(error.code, 'editor/image-stale');
      assert.ok(error.message.includes(place), error.message);
      return true;
    });
  });

  test('createAndPushIndex makes an index of version 1 that refers to the image it pushes with it', async () => {
    const section = vscode.workspace.getConfiguration('sociLens');
    await section.update('index.format', 'v1', vscode.ConfigurationTarget.Workspace);
    const destination = `docker://${registry.host}/team/v1:1.0`;
    try {
      const asked = await run(
        'createAndPushIndex',
        {
          createInputBox: destination,
          createQuickPick: 'Fetch nothing',
          showInformationMessage: 'Create and Push',
        },
        key(),
      );
      assert.match(JSON.stringify(asked), /Index \(v1\).*The image stays as it is/);
      await run('listIndexes', {}, destination);
      assert.deepEqual(
        services.store.get(destination)?.survey?.indexes.map(({ version, layers }) => [version, layers]),
        [[1, 1]],
      );
    } finally {
      await section.update('index.format', undefined, vscode.ConfigurationTarget.Workspace);
    }
  });

  test('diagnose asks the registry what the snapshotter would, and shows each check', async () => {
    const destination = `docker://${registry.host}/team/way:1.0`;
    await run('diagnose', { createQuickPick: 'What the registry shows' }, destination);
    const text = await shownText(/loaded lazily/);
    assert.match(text, /✓ yes/);
  });

  test('openLayerFile and saveLayerFile find a file by its path, and say when there is none', async () => {
    // The file system is that of the extension itself, which knows its own images only.
    const own = (name: string, answers: Parameters<typeof answering>[0]) =>
      answering({ createQuickPick: 'sample', ...answers }, () =>
        vscode.commands.executeCommand(`sociLens.${name}`),
      );
    await own('openSample', {});
    const target = path.join(scratch, 'page.html');
    await own('saveLayerFile', { createInputBox: '/app/page.html', showSaveDialog: vscode.Uri.file(target) });
    assert.match(await readFile(target, 'utf8'), /<title>Shop<\/title>/);
    await own('openLayerFile', { createInputBox: 'app/server.js' });
    const opened = await until('the editor', () =>
      vscode.window.visibleTextEditors.find(({ document }) => document.uri.scheme === 'soci-layer'),
    );
    assert.match(opened.document.getText(), /^import '/);
    await assert.rejects(
      run('openLayerFile', { createQuickPick: 'sample', createInputBox: '/no/such/file' }),
      {
        code: 'editor/no-such-file',
      },
    );
  });

  test('exportReport writes one HTML file', async () => {
    const report = path.join(scratch, 'report.html');
    await run('exportReport', { showSaveDialog: vscode.Uri.file(report) }, key());
    assert.match(await readFile(report, 'utf8'), /^<!doctype html>/i);
  });

  test('sortFiles and filterFiles change the tree, and clearFilter brings all back', async () => {
    await run('sortFiles', { createQuickPick: 'By size' });
    assert.equal(images.order, 'size');
    await run('filterFiles', { createInputBox: 'page' });
    assert.equal(images.filter, 'page');
    await run('clearFilter');
    assert.equal(images.filter, '');
  });

  test('revealInTree selects an image, and a layer of it', async () => {
    revealed.length = 0;
    await run('revealInTree', {}, key());
    await run('revealInTree', {}, key(), 3);
    assert.deepEqual(
      revealed.map((node) => [node.kind, node.kind === 'layer' ? node.index : undefined]),
      [
        ['image', undefined],
        ['layer', 3],
      ],
    );
  });

  test('chooseImage says which of several images of a Dockerfile its lenses are about', async () => {
    const { store } = services;
    const uri = vscode.Uri.file(path.join(workspace, 'Dockerfile'));
    const [one, two] = ['docker-daemon:shop:one', 'docker-daemon:shop:two'] as const;
    const first = () => store.ofDockerfile(uri, undefined)[0]?.reference;
    for (const key of [one, two]) store.update(key, { dockerfile: { uri: uri.toString(), text: '' } });
    try {
      await run('chooseImage', {}, { dockerfile: uri });
      assert.equal(first(), two, 'who leaves the list changes nothing');
      await run('chooseImage', { createQuickPick: 'shop:one' }, { dockerfile: uri });
      assert.equal(first(), one);
    } finally {
      store.forget(one);
      store.forget(two);
    }
  });

  test('copyDigest puts the digest of the image on the clipboard', async () => {
    await run('copyDigest', {}, key());
    assert.equal(
      await vscode.env.clipboard.readText(),
      services.store.get(key())?.opened?.image.descriptor.digest,
    );
  });

  test('signIn asks in steps, keeps the password in the secret storage only, and signOut forgets it', async () => {
    const asked = await run('signIn', { createInputBox: ['registry.example:5000', 'ada', 'hunter2 '] });
    assert.deepEqual(kinds(asked), [
      'createInputBox',
      'createInputBox',
      'createInputBox',
      'showInformationMessage',
    ]);
    assert.deepEqual(services.signIns.hosts, ['registry.example:5000']);
    assert.deepEqual(await services.signIns.get('registry.example:5000'), {
      username: 'ada',
      password: 'hunter2 ',
    });
    assert.ok(!JSON.stringify(services.answers.get('images', [])).includes('hunter2'));
    await run('signOut', { createQuickPick: 'registry.example:5000' });
    assert.deepEqual(services.signIns.hosts, []);
    assert.equal(await services.signIns.get('registry.example:5000'), undefined);
  });

  test('signIn says while typing that a host is none', async () => {
    const asked = await run('signIn', { createInputBox: 'no host at all' });
    assert.match(asked.at(-1)?.message ?? '', /is not an image reference/);
    for (const more of ['registry.example/team', 'registry']) {
      const told = await run('signIn', { createInputBox: more });
      assert.deepEqual(kinds(told), ['createInputBox', 'createInputBox'], `${more} is told to be wrong`);
    }
    assert.deepEqual(services.signIns.hosts, []);
  });

  test('signIn keeps the sign-in under the name by which images ask for it', async () => {
    await run('signIn', { createInputBox: ['index.docker.io', 'ada', 'hunter2'] });
    assert.deepEqual(services.signIns.hosts, ['docker.io']);
    await run('signOut', { createQuickPick: 'docker.io' });
  });

  test('cleanUp lists what was made with sizes, and only what is ticked and confirmed goes', async () => {
    const destination = `docker://${registry.host}/team/v1:1.0`;
    const survey = async () => {
      await run('listIndexes', {}, destination);
      return services.store.get(destination)?.survey?.indexes.length;
    };
    const [list] = await run('cleanUp');
    const rows = (list?.items as vscode.QuickPickItem[]).map(
      ({ label, description }) => `${label}: ${description}`,
    );
    assert.ok(
      rows.some((row) => /^Scans of layers: [\d.]+ kB|MB/.test(row)),
      rows.join('\n'),
    );
    await run('cleanUp', { createQuickPick: 'team/v1' });
    assert.equal(await survey(), 1, 'nothing without a yes');
    const asked = await run('cleanUp', { createQuickPick: 'team/v1', showWarningMessage: 'Remove' });
    assert.match(asked.at(-1)?.message ?? '', /^1 things are removed/);
    assert.equal(await survey(), 0);
  });

  test('clearCache asks first, and images are read anew afterwards', async () => {
    await run('clearCache');
    assert.ok((await stat(path.join(scratch, 'scans'))).isDirectory(), 'nothing without a yes');
    await run('clearCache', { showWarningMessage: 'Clear' });
    assert.equal(existsSync(path.join(scratch, 'scans')), false);
    assert.equal(services.store.get(key())?.opened, undefined);
    await run('showSpanMap', {}, key());
    await until('the image is read anew', () => services.store.get(key())?.opened);
  });

  test('forgetImage takes an image from the list', async () => {
    await run('forgetImage', {}, key());
    assert.equal(services.store.get(key()), undefined);
  });
});
