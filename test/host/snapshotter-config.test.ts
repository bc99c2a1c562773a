import assert from 'node:assert/strict';
import * as vscode from 'vscode';
import { extension, until } from './support';

const TEXT = `apiVersion: v1
kind: ConfigMap
data:
  config.toml: |
    # soci-snapshotter 0.15
    [blob]
    valid_interval = 30
    concurrent_download_chunk_size = "16mb"
    discard_unpacked_layers = true
`;

/** The diagnostics of a document, when there are as many as that. */
async function diagnosed(uri: vscode.Uri, count: number): Promise<vscode.Diagnostic[]> {
  return until(`${count} diagnostics`, () => {
    const found = vscode.languages.getDiagnostics(uri).filter(({ source }) => source === 'SOCI');
    return found.length === count && found;
  });
}

suite("the snapshotter's config in the editor", () => {
  suiteSetup(() => extension().activate());
  suiteTeardown(() => vscode.commands.executeCommand('workbench.action.closeAllEditors'));

  test('faults within YAML are shown at their lines, and a quick fix mends them', async () => {
    const document = await vscode.workspace.openTextDocument({ language: 'yaml', content: TEXT });
    // A document without a name is YAML by its language.
    await vscode.window.showTextDocument(document);
    const [first, second] = await diagnosed(document.uri, 2);
    assert.ok(first && second);
    assert.deepEqual([first.code, first.range.start.line, second.range.start.line], ['wrong-table', 7, 8]);
    const actions = await vscode.commands.executeCommand<vscode.CodeAction[]>(
      'vscode.executeCodeActionProvider',
      document.uri,
      first.range,
    );
    const move = actions.find(({ title }) => title.startsWith('Move these 2 keys'));
    assert.ok(move?.edit, actions.map(({ title }) => title).join());
    assert.ok(await vscode.workspace.applyEdit(move.edit));
    await diagnosed(document.uri, 0);
    assert.match(document.getText(), /^ {4}\[pull_modes\.parallel_pull_unpack\]\n {4}enable = true$/m);
  });

  test('a hover tells what a key does, and its default', async () => {
    const document = await vscode.workspace.openTextDocument({ language: 'yaml', content: TEXT });
    const hovers = await vscode.commands.executeCommand<vscode.Hover[]>(
      'vscode.executeHoverProvider',
      document.uri,
      new vscode.Position(6, 8),
    );
    const words = hovers
      .flatMap(({ contents }) => contents)
      .map((one) => (one instanceof vscode.MarkdownString ? one.value : ''));
    assert.ok(
      words.some((one) => /blob\.valid_interval[\s\S]*Default in 0\.15: `60` seconds\./.test(one)),
      words.join(),
    );
  });
});
