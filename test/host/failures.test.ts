/** What is left when the world around the editor fails in the middle of the work: the engine dies, the disk is full. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import * as vscode from 'vscode';
import { Actions } from '../../src/editor/actions';
import { isLensError } from '../../src/editor/errors';
import type { ImagesTree } from '../../src/editor/tree';
import { traceFile } from '../../src/editor/work/inspect';
import { readTrace } from '../../src/trace/file';
import { EngineProxy } from '../support/engine-proxy';
import {
  answering,
  extension,
  sample,
  testServices,
  testTree,
  watchNotifications,
  type TestServices,
} from './support';

/** Every file below a folder; none where there is no folder. */
async function filesIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  return entries.filter((entry) => !entry.isDirectory()).map((entry) => entry.name);
}

function typed(code: string, message: RegExp) {
  return (error: unknown): true => {
    assert.ok(isLensError(error), String(error));
    assert.equal(error.code, code, error.message);
    assert.match(error.message, message);
    assert.notEqual(error.advice, '');
    return true;
  };
}

suite('an engine that dies in the middle', () => {
  let scratch: string;
  let proxy: EngineProxy;
  let services: TestServices;
  let actions: Actions;
  let tree: ImagesTree;
  let dockerfile: vscode.Uri;
  const reference = 'docker-daemon:service:soci-lens';

  suiteSetup(async function () {
    const engine = process.env['SOCI_LENS_TEST_ENGINE'];
    if (!engine) this.skip();
    scratch = await mkdtemp(path.join(tmpdir(), 'soci-lens-dies-'));
    const context = path.join(scratch, 'service');
    await cp(path.join(extension().extensionPath, 'sample'), context, { recursive: true });
    dockerfile = vscode.Uri.file(path.join(context, 'Dockerfile'));
    proxy = new EngineProxy(engine, path.join(scratch, 'docker.sock'));
    await proxy.revive();
    services = testServices(path.join(scratch, 'cache'));
    actions = new Actions(services);
    tree = testTree(services, actions);
    await vscode.workspace
      .getConfiguration('sociLens')
      .update('engine.host', proxy.host, vscode.ConfigurationTarget.Global);
  });

  suiteTeardown(async () => {
    await vscode.workspace
      .getConfiguration('sociLens')
      .update('engine.host', undefined, vscode.ConfigurationTarget.Global);
    proxy.die();
    tree.dispose();
    services.dispose();
    await rm(scratch, { recursive: true, force: true });
  });

  test('while it builds: a typed error, no image in the list, and the same again works when it is back', async () => {
    proxy.dieIn({ path: /\/build\?/, after: 1 << 20 });
    await assert.rejects(actions.build(dockerfile), typed('image/engine-gone', /stopped answering/));
    assert.ok(proxy.isDead);
    assert.deepEqual(await tree.getChildren(), []);
    await assert.rejects(actions.build(dockerfile), typed('image/no-engine', /No Docker engine answers/));

    await proxy.revive();
    assert.equal(await actions.build(dockerfile), reference);
    await actions.inspect(reference);
    const [home] = await tree.getChildren();
    assert.equal((await tree.getChildren(home)).length, 1);
  });

  test('while it saves: nothing half-saved stays, the image stays in the tree, and the same again works', async () => {
    await rm(services.folders.cache, { recursive: true });
    proxy.dieIn({ path: /\/images\/.*\/get/, after: 4 << 20 });
    await assert.rejects(actions.inspect(reference), typed('image/engine-gone', /stopped answering/));
    const images = path.join(services.folders.cache, 'images', 'gzip-6');
    assert.deepEqual(await filesIn(path.join(images, 'images')), []);
    // Layers that came whole are kept under their digest, for the next time.
    assert.deepEqual(
      (await filesIn(path.join(images, 'layers'))).filter(
        (name) => !/^[0-9a-f]{64}\.(blob|json)$/.test(name),
      ),
      [],
    );
    const [home] = await tree.getChildren();
    const [image] = await tree.getChildren(home);
    assert.ok(home && image);
    const { length } = await tree.getChildren(image);
    assert.ok(length > 1, 'what was read before is still there');

    await proxy.revive();
    assert.equal((await actions.inspect(reference)).layers.length, length);
  });

  test('an image that may not be run is guessed instead, and drawn with that', async () => {
    const asked = await answering({ showWarningMessage: 'Guess Instead' }, async () => {
      assert.match((await actions.profile(reference)) ?? '', /^A guess of \d+ files?, .* nothing was run/);
    });
    assert.equal(asked.length, 1);
    assert.ok((services.store.get(reference)?.opened?.plan.trace?.files ?? 0) > 0);
    assert.equal((await readTrace(traceFile(services, reference))).header.mode, 'guess');
    await rm(traceFile(services, reference));
    await actions.useTraces(reference, []);
  });

  test('while it records a start: what was read is kept apart, and the next recording removes what was left', async () => {
    const trace = traceFile(services, reference);
    proxy.dieIn({ path: /^GET .*trace\.jsonl$/, after: 20_000 });
    const asked = await answering({ showWarningMessage: 'Run' }, () =>
      assert.rejects(actions.profile(reference), typed('trace/engine-gone', /engine/)),
    );
    // The engine may hold leftovers of others, which are offered for removal.
    assert.equal(asked.filter(({ kind }) => kind === 'showWarningMessage').length, 1);
    const cut = trace.replace('.soci-trace', '.cut.soci-trace');
    assert.deepEqual(
      (await filesIn(path.dirname(trace))).filter((name) => name.includes('service')),
      [path.basename(cut)],
    );
    assert.equal((await readTrace(cut)).footer?.reason, 'engine-lost');
    await rm(cut);
    assert.equal(services.store.get(reference)?.traces?.length ?? 0, 0);

    await proxy.revive();
    assert.match((await actions.profile(reference)) ?? '', /^The start reads \d+ files\.$/);
    const line = await services.line();
    const engine = await line.connectEngine({ host: proxy.host });
    assert.deepEqual(await line.findLeftovers(engine, { own: true }), { containers: [], volumes: [] });
    await rm(trace);
  });

  test('several fresh runs: each a trace of its own, all of them in one picture', async () => {
    const section = vscode.workspace.getConfiguration('sociLens');
    await section.update('trace.runs', 2, vscode.ConfigurationTarget.Global);
    const notifications = watchNotifications();
    try {
      const said = (await actions.profile(reference)) ?? '';
      const [, any, each] =
        /^The start reads (\d+) files, (\d+) of them in each of 2 runs\.$/.exec(said) ?? [];
      assert.ok(Number(each) > 0 && Number(each) <= Number(any), said);
      const messages = notifications.messages('Profiling the start of service:soci-lens');
      for (const run of ['run 1 of 2', 'run 2 of 2'])
        assert.ok(
          messages.some((message) => message.includes(run)),
          messages.join(),
        );
      const traces = services.store.get(reference)?.traces ?? [];
      const first = traceFile(services, reference);
      assert.deepEqual(traces, [first, first.replace('.soci-trace', '.2.soci-trace')]);
      const started = await Promise.all(
        traces.map(async (file) => (await readTrace(file)).header.t0_unix_ns),
      );
      assert.equal(new Set(started).size, 2, 'two containers');
      assert.equal(services.store.get(reference)?.opened?.input.runs?.length, 2);
      await Promise.all(traces.map((file) => rm(file)));
    } finally {
      notifications.dispose();
      await section.update('trace.runs', undefined, vscode.ConfigurationTarget.Global);
    }
  });
});

suite('a full disk', () => {
  let mount: string;

  suiteSetup(async function () {
    // A small file system of its own is root's to make.
    if (process.getuid?.() !== 0) this.skip();
    mount = await mkdtemp(path.join(tmpdir(), 'soci-lens-full-'));
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', mount]);
  });

  setup(() => {
    execFileSync('mount', ['-o', 'remount,size=2m', mount]);
  });

  suiteTeardown(async () => {
    if (mount === '') return;
    execFileSync('umount', ['-l', mount]);
    await rm(mount, { recursive: true });
  });

  const makeRoom = () => execFileSync('mount', ['-o', 'remount,size=512m', mount]);

  test('as the place for the index: one sentence, nothing half-written, and the same again works with room', async () => {
    const scratch = await mkdtemp(path.join(tmpdir(), 'soci-lens-full-'));
    const services = testServices(scratch);
    const actions = new Actions(services);
    try {
      await actions.open(sample);
      const output = path.join(mount, 'indexed');
      const index = () =>
        answering({ createInputBox: `oci:${output}`, showInformationMessage: 'Create' }, () =>
          actions.createIndex(sample),
        );
      await assert.rejects(index(), typed('image/cannot-write', /no room left/));
      assert.deepEqual(await filesIn(output), []);
      assert.equal(services.store.get(sample)?.index, undefined);
      makeRoom();
      await index();
      assert.ok((await filesIn(output)).includes('index.json'));
      await rm(output, { recursive: true });
    } finally {
      services.dispose();
      await rm(scratch, { recursive: true });
    }
  });

  test('as the cache: the image of a layout is read all the same, and nothing half-written stays', async () => {
    const services = testServices(path.join(mount, 'cache'));
    await mkdir(services.folders.cache);
    execFileSync('sh', [
      '-c',
      'head -c 4194304 /dev/zero > "$0" 2>/dev/null || true',
      path.join(mount, 'ballast'),
    ]);
    try {
      const opened = await new Actions(services).inspect(sample);
      assert.ok(opened.layers.every((layer) => 'scan' in layer));
      assert.deepEqual(await filesIn(services.folders.cache), []);
    } finally {
      services.dispose();
      await rm(path.join(mount, 'ballast'));
      await rm(services.folders.cache, { recursive: true });
    }
  });

  test('as the place for the report: a typed error', async () => {
    const scratch = await mkdtemp(path.join(tmpdir(), 'soci-lens-full-'));
    const services = testServices(scratch);
    const actions = new Actions(services);
    execFileSync('sh', [
      '-c',
      'head -c 4194304 /dev/zero > "$0" 2>/dev/null || true',
      path.join(mount, 'ballast'),
    ]);
    const report = vscode.Uri.file(path.join(mount, 'report.html'));
    try {
      await actions.open(sample);
      const save = () => answering({ showSaveDialog: report }, () => actions.exportReport(sample));
      await assert.rejects(save(), typed('editor/cannot-write', /report\.html/));
      assert.deepEqual(await filesIn(mount), ['ballast']);
      makeRoom();
      await save();
      assert.ok((await filesIn(mount)).includes('report.html'));
    } finally {
      services.dispose();
      await rm(scratch, { recursive: true });
    }
  });
});
