/** soci-lens.json in VS Code: the schema that is shipped completes it, explains it, and marks what it does not allow. */
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import * as vscode from 'vscode';
import { until } from './support';

suite('the budget of a pipeline', () => {
  let scratch: string;
  suiteSetup(async () => {
    scratch = await mkdtemp(path.join(tmpdir(), 'soci-lens-budget-'));
  });
  suiteTeardown(async () => {
    await vscode.commands.executeCommand('workbench.action.closeAllEditors');
    await rm(scratch, { recursive: true, force: true });
  });

  /** Opens a `soci-lens.json` with this text; `|` is where the cursor stands. */
  async function open(folder: string, text: string): Promise<[vscode.TextDocument, vscode.Position]> {
    const file = path.join(scratch, folder, 'soci-lens.json');
    await mkdir(path.dirname(file));
    await writeFile(file, text.replace('|', ''));
    const document = await vscode.workspace.openTextDocument(file);
    await vscode.window.showTextDocument(document);
    return [document, document.positionAt(text.indexOf('|'))];
  }

  test('it is completed: the budgets, and the values that one takes', async () => {
    const complete = async (folder: string, text: string, wanted: string) => {
      const [{ uri }, position] = await open(folder, text);
      return until(`${wanted} is offered`, async () => {
        const { items } = await vscode.commands.executeCommand<vscode.CompletionList>(
          'vscode.executeCompletionItemProvider',
          ...[uri, position],
        );
        const labels = items.map(({ label }) => (typeof label === 'string' ? label : label.label));
        return labels.includes(wanted) ? labels : undefined;
      });
    };
    const budgets = await complete('keys', '{ "version": 1, "budget": { | } }', 'startBytes');
    const all = ['startRequests', 'readySeconds', 'growthBytes', 'wasteShare', 'index'];
    assert.deepEqual(
      all.filter((one) => !budgets.includes(one)),
      [],
    );
    const values = await complete('values', '{ "version": 1, "budget": { "index": | } }', '"verified"');
    assert.ok(values.includes('"present"'));
  });

  test('what it does not allow is marked where it stands, and a hover tells what a key is for', async () => {
    const text = '{ "version": 1, "budget": { "startBites": "64M", "waste|Share": 2, "index": "maybe" } }';
    const [document, position] = await open('faults', text);
    const marked = await until('three faults are marked', () => {
      const found = vscode.languages.getDiagnostics(document.uri);
      return found.length >= 3 ? found : undefined;
    });
    assert.deepEqual(marked.map(({ range }) => document.getText(range)).sort(), [
      '"maybe"',
      '"startBites"',
      '2',
    ]);
    const hovers = await vscode.commands.executeCommand<vscode.Hover[]>(
      'vscode.executeHoverProvider',
      ...[document.uri, position],
    );
    const said = hovers
      .flatMap(({ contents }) => contents)
      .flatMap((content) =>
        content instanceof vscode.MarkdownString ? content.value : typeof content === 'string' ? content : [],
      );
    assert.match(said.join('\n'), /part of all bytes of files/);
  });
});
