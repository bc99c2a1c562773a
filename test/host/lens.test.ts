import assert from 'node:assert/strict';
import * as path from 'node:path';
import * as vscode from 'vscode';
import { fingerprint, imageName } from '../../src/editor/dockerfiles';
import { describeFacts } from '../../src/editor/describe';
import { AnalysisStore } from '../../src/editor/store';
import { StartCosts } from '../../src/editor/decorations';
import { DockerfileLenses, type StageArgument } from '../../src/editor/lens';
import { busy, extension, measured, memento, until, workspace } from './support';

const file = (name: string) => vscode.Uri.file(path.join(workspace, name));

async function lenses(uri: vscode.Uri): Promise<vscode.CodeLens[]> {
  await vscode.workspace.openTextDocument(uri);
  return vscode.commands.executeCommand<vscode.CodeLens[]>('vscode.executeCodeLensProvider', uri, 10);
}

/** A document as it is after a change that was not saved. */
function changedCopy(document: vscode.TextDocument, text: string): vscode.TextDocument {
  return Object.create(document, { getText: { value: () => text } }) as vscode.TextDocument;
}

const titles = (found: readonly vscode.CodeLens[]) => found.map(({ command }) => command?.title);

suite('code lenses', () => {
  suiteSetup(async () => {
    await extension().activate();
  });

  test('stand on the FROM of each stage, and before the first analysis there is one verb', async () => {
    const found = await lenses(file('Dockerfile'));
    assert.deepEqual(titles(found), ['Build and inspect', 'Build and inspect']);
    assert.deepEqual(
      found.map(({ range }) => range.start.line),
      [2, 8],
    );
    assert.equal(found[0]?.command?.command, 'sociLens.buildAndInspect');
    assert.deepEqual(
      found.map(({ command }) => (command?.arguments as [StageArgument])[0].target),
      ['build', undefined],
    );
  });

  test('stand on each FROM of a Containerfile with CRLF and a parser directive', async () => {
    const found = await lenses(file('multi/Containerfile'));
    assert.deepEqual(
      found.map(({ range }) => range.start.line),
      [1, 2],
    );
  });

  test('know a Dockerfile by its ending, and find no stage where there is none', async () => {
    assert.equal((await lenses(file('multi/api.dockerfile'))).length, 1);
    assert.deepEqual(await lenses(file('multi/Dockerfile.empty')), []);
  });

  test('say the fact first and then the verbs, and fire when something new is known', async () => {
    const store = new AnalysisStore(memento());
    const provider = new DockerfileLenses(store);
    const document = await vscode.workspace.openTextDocument(file('Dockerfile'));
    let fired = 0;
    const listening = provider.onDidChangeCodeLenses(() => fired++);
    try {
      store.update('docker-daemon:shop:soci-lens', {
        dockerfile: { uri: document.uri.toString(), text: fingerprint(document.getText()) },
        facts: {
          size: 1_470_000_000,
          layers: 7,
          start: { share: 0.06, touchedSpans: 64, spans: 362 },
          instructions: [
            {
              line: 9,
              layer: 2,
              size: 31_700_000,
              files: 1204,
              touched: 3_804_000,
              spans: { touched: 3, all: 8 },
              hidden: 1_200_000,
            },
          ],
        },
      });
      assert.equal(fired, 1);
      const found = provider.provideCodeLenses(document);
      assert.deepEqual(titles(found), [
        'Build and inspect',
        '1.47 GB · 6 % read at start · 64 of 362 spans',
        'Build and inspect',
        'Profile start',
        'Create index',
        '31.7 MB · 1,204 files · 12 % read at start · 3 of 8 spans · 1.2 MB hidden by later layers',
      ]);
      assert.deepEqual(
        found.map(({ range }) => range.start.line),
        [2, 8, 8, 8, 8, 9],
      );
      assert.deepEqual(found[1]?.command?.arguments, ['docker-daemon:shop:soci-lens']);
      assert.deepEqual(found[5]?.command?.arguments, ['docker-daemon:shop:soci-lens', 2]);

      const changed = changedCopy(document, `# New.\n${document.getText()}`);
      assert.deepEqual(titles(provider.provideCodeLenses(changed)), [
        'Build and inspect',
        'Before the last change: 1.47 GB · 6 % read at start · 64 of 362 spans',
        'Build and inspect',
        'Profile start',
        'Create index',
      ]);
    } finally {
      listening.dispose();
      provider.dispose();
      store.dispose();
    }
  });

  test('belong to the image that was chosen, when a Dockerfile has several', async () => {
    const kept = memento();
    const document = await vscode.workspace.openTextDocument(file('Dockerfile'));
    const dockerfile = { uri: document.uri.toString(), text: fingerprint(document.getText()) };
    const facts = (layers: number) => ({ size: 1000, layers });
    const said = () => {
      // A new store, as after a reload of the window.
      const store = new AnalysisStore(kept);
      const provider = new DockerfileLenses(store);
      const found = titles(provider.provideCodeLenses(document));
      vscode.Disposable.from(provider, store).dispose();
      return found;
    };
    const store = new AnalysisStore(kept);
    store.update('docker-daemon:shop:one', { dockerfile, facts: facts(1) });
    store.update('docker-daemon:shop:two', { dockerfile, facts: facts(2) });
    assert.equal(said()[1], '1 kB · 2 layers · start not profiled');
    assert.equal(said().at(-1), '2 images…');
    store.choose(document.uri, undefined, 'docker-daemon:shop:one');
    assert.equal(said()[1], '1 kB · 1 layer · start not profiled');
    store.dispose();
  });

  test('of a stage that was built say what is known of its image', async () => {
    const store = new AnalysisStore(memento());
    const provider = new DockerfileLenses(store);
    const document = await vscode.workspace.openTextDocument(file('Dockerfile'));
    store.update('docker-daemon:shop-build:soci-lens', {
      dockerfile: {
        uri: document.uri.toString(),
        text: fingerprint(document.getText()),
        target: 'build',
      },
      facts: { size: 2000, layers: 3 },
    });
    const found = provider.provideCodeLenses(document);
    assert.deepEqual(
      found.map(({ range, command }) => [range.start.line, command?.title]),
      [
        [2, '2 kB · 3 layers · start not profiled'],
        [2, 'Build and inspect'],
        [2, 'Profile start'],
        [2, 'Create index'],
        [8, 'Build and inspect'],
      ],
    );
    vscode.Disposable.from(provider, store).dispose();
  });

  test('come with marks of the cost of each instruction, once they are switched on', async () => {
    const store = new AnalysisStore(memento());
    const costs = new StartCosts(store);
    const document = await vscode.workspace.openTextDocument(file('Dockerfile'));
    const instruction = (line: number, layer: number, touched: number) => ({
      line,
      layer,
      size: 10_000,
      files: 1,
      touched,
      hidden: 0,
    });
    store.update('docker-daemon:shop:soci-lens', {
      dockerfile: { uri: document.uri.toString(), text: fingerprint(document.getText()) },
      facts: {
        size: 20_000,
        layers: 3,
        instructions: [instruction(3, 0, 250), instruction(4, 1, 0), instruction(9, 2, 750)],
      },
    });
    const section = vscode.workspace.getConfiguration('sociLens');
    try {
      assert.deepEqual(costs.marksOf(document), []);
      await section.update('decorations.enabled', true, vscode.ConfigurationTarget.Workspace);
      await until('they are switched on', () => costs.marksOf(document).length > 0);
      assert.deepEqual(
        costs
          .marksOf(document)
          .map(({ range, renderOptions }) => [range.start.line, renderOptions?.after?.contentText]),
        [
          [3, '25 % of the start'],
          [9, '75 % of the start'],
        ],
      );
    } finally {
      await section.update('decorations.enabled', undefined, vscode.ConfigurationTarget.Workspace);
      vscode.Disposable.from(costs, store).dispose();
    }
  });

  test('can be switched off', async () => {
    const section = vscode.workspace.getConfiguration('sociLens');
    await section.update('codeLens.enabled', false, vscode.ConfigurationTarget.Workspace);
    try {
      await until('lenses are gone', async () => (await lenses(file('Dockerfile'))).length === 0);
    } finally {
      await section.update('codeLens.enabled', undefined, vscode.ConfigurationTarget.Workspace);
    }
  });

  test('take less than 20 ms on a Dockerfile of 5 000 lines', async function () {
    const content = `FROM scratch\n${'RUN echo "one of many" && \\\n    true\n'.repeat(2500)}`;
    const document = await vscode.workspace.openTextDocument({ language: 'dockerfile', content });
    const store = new AnalysisStore(memento());
    const provider = new DockerfileLenses(store);
    try {
      // A document on disk in the workspace, as far as the provider is concerned.
      const saved = Object.create(document, { uri: { value: file('Dockerfile') } }) as vscode.TextDocument;
      provider.provideCodeLenses(saved);
      let best = Infinity;
      for (let round = 0; round < 5; round++)
        best = Math.min(best, await busy(() => provider.provideCodeLenses(saved)));
      measured(this, best);
      assert.ok(best < 20, `${best.toFixed(1)} ms`);
    } finally {
      provider.dispose();
      store.dispose();
    }
  });

  test('describe an image whose start is not known', () => {
    assert.equal(describeFacts({ size: 999, layers: 1 }), '999 B · 1 layer · start not profiled');
  });
});

suite('names of built images', () => {
  test('follow the place in the workspace, and are valid for Docker', () => {
    assert.equal(imageName(file('Dockerfile')), 'workspace:soci-lens');
    assert.equal(imageName(file('multi/api.dockerfile')), 'workspace-multi-api:soci-lens');
    assert.equal(imageName(file('Über App/Dockerfile.Dev')), 'workspace-ber-app-dev:soci-lens');
  });
});
