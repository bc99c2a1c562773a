import assert from 'node:assert/strict';
import * as path from 'node:path';
import * as vscode from 'vscode';
import { fingerprint, imageName } from '../../src/editor/dockerfiles';
import { describeFacts } from '../../src/editor/lens';
import { AnalysisStore } from '../../src/editor/store';
import { DockerfileLenses } from '../../src/editor/lens';
import { measured, memento, until, workspace } from './support';

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
  test('stand on the last FROM, and before the first analysis there is one verb', async () => {
    const found = await lenses(file('Dockerfile'));
    assert.deepEqual(titles(found), ['Build and inspect']);
    assert.equal(found[0]?.range.start.line, 8);
    assert.equal(found[0].command?.command, 'sociLens.buildAndInspect');
  });

  test('stand on the last FROM of a Containerfile with CRLF and a parser directive', async () => {
    const found = await lenses(file('multi/Containerfile'));
    assert.deepEqual(
      found.map(({ range }) => range.start.line),
      [2],
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
          instructions: [{ line: 9, size: 31_700_000, files: 1204, touched: 3_804_000 }],
        },
      });
      assert.equal(fired, 1);
      const found = provider.provideCodeLenses(document);
      assert.deepEqual(titles(found), [
        '1.47 GB · 6 % read at start · 64 of 362 spans',
        'Build and inspect',
        'Profile start',
        'Create index',
        '31.7 MB · 1,204 files · 12 % read at start',
      ]);
      assert.deepEqual(
        found.map(({ range }) => range.start.line),
        [8, 8, 8, 8, 9],
      );
      assert.deepEqual(found[0]?.command?.arguments, ['docker-daemon:shop:soci-lens']);

      const changed = changedCopy(document, `# New.\n${document.getText()}`);
      assert.deepEqual(titles(provider.provideCodeLenses(changed)), [
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
      const times = Array.from({ length: 5 }, () => {
        const started = performance.now();
        provider.provideCodeLenses(saved);
        return performance.now() - started;
      }).sort((a, b) => a - b);
      const median = times[2] ?? Infinity;
      measured(this, median);
      assert.ok(median < 20, `${median.toFixed(1)} ms`);
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
