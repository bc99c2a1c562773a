/** Where VS Code itself calls us: the editor of recorded starts, the tool of chat agents, the status bar. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import * as vscode from 'vscode';
import { TaskKind, Tasks } from '../../src/editor/tasks';
import { answering, extension, sample, sampleTrace, until } from './support';

/** The tabs that are open as recorded starts. */
const traceTabs = () =>
  vscode.window.tabGroups.all
    .flatMap(({ tabs }) => tabs)
    .filter(({ input }) => input instanceof vscode.TabInputCustom && input.viewType === 'sociLens.trace');

suite('a recorded start that is opened', () => {
  suiteSetup(async () => {
    await extension().activate();
    await vscode.commands.executeCommand('sociLens.inspectImage', sample);
  });
  suiteTeardown(async () => {
    await vscode.commands.executeCommand('sociLens.forgetImage', sample);
    await vscode.commands.executeCommand('workbench.action.closeAllEditors');
  });

  test('is the span map of the image whose layers it names, with that start', async () => {
    await vscode.commands.executeCommand('vscode.open', vscode.Uri.file(sampleTrace));
    await until('the tab', () => traceTabs().length === 1);
    // The tab is there before what it shows.
    await until('its start', async () =>
      /The recorded start reads \d+ files/.test(await toldOf(path.basename(sample))),
    );
    assert.equal(traceTabs().length, 1, 'it stays open');
  });

  test('the tool of chat agents answers from it, and without a network', async () => {
    const why = await toldOf(path.basename(sample));
    assert.match(why, /Forecast, lazy: ready after/);
    assert.match(why, /Recommended span size: /);
    assert.match(why, /Most read: \//);
    assert.match(await toldOf('nothing-like-it'), /^No image like "nothing-like-it" was analysed/);
  });

  test('closes again where it is none, and says why', async () => {
    const scratch = await mkdtemp(path.join(tmpdir(), 'soci-lens-window-'));
    try {
      const file = path.join(scratch, 'bad.soci-trace.jsonl');
      await writeFile(file, '{"not":"ours"}\n');
      const before = traceTabs().length;
      const asked = await answering({}, async (soFar) => {
        await vscode.commands.executeCommand('vscode.open', vscode.Uri.file(file));
        await until('it is said why', () => soFar.length > 0);
        await until('the tab is gone', () => traceTabs().length === before);
      });
      assert.match(asked[0]?.message ?? '', /is not a trace of ours/);
    } finally {
      await rm(scratch, { recursive: true, force: true });
    }
  });
});

/** What an agent gets from our tool, by VS Code's own way to it. */
async function toldOf(image: string): Promise<string> {
  const { lm } = vscode as unknown as {
    lm: {
      invokeTool(
        name: string,
        options: { input: object; toolInvocationToken: undefined },
      ): Thenable<{ content: readonly { value: string }[] }>;
    };
  };
  const options = { input: { image }, toolInvocationToken: undefined };
  const { content } = await lm.invokeTool('soci-lens_explainStart', options);
  return content.map(({ value }) => value).join('\n');
}

const WAIT = new TaskKind<void>('wait');

suite('the status bar', () => {
  test('has one item while something runs, for all that runs, and none before and after', async () => {
    const log = vscode.window.createOutputChannel('SOCI Lens (status)', { log: true });
    const tasks = new Tasks(log);
    const original = vscode.window.createStatusBarItem;
    const made: vscode.StatusBarItem[] = [];
    const gone = new Set<vscode.StatusBarItem>();
    const createStatusBarItem = (...given: Parameters<typeof original>) => {
      const item = original(...given);
      const dispose = item.dispose.bind(item);
      item.dispose = () => {
        gone.add(item);
        dispose();
      };
      made.push(item);
      return item;
    };
    Object.assign(vscode.window, { createStatusBarItem });
    const release: (() => void)[] = [];
    const waits = () => new Promise<void>((resolve) => release.push(resolve));
    try {
      assert.equal(made.length, 0);
      const first = tasks.run(WAIT, 'oci:/one', 'Inspecting one', waits);
      await until('it runs', () => release.length === 1);
      assert.match(String(made[0]?.text), /Inspecting one$/);
      assert.equal(made[0]?.command, 'sociLens.showLog');
      const second = tasks.run(WAIT, 'oci:/two', 'Inspecting two', waits);
      await until('both run', () => release.length === 2);
      assert.equal(made.length, 1, 'one item for both');
      assert.match(made[0].text, /2/);
      for (const end of release) end();
      await Promise.all([first, second]);
      assert.deepEqual([...gone], made, 'nothing stays');
    } finally {
      Object.assign(vscode.window, { createStatusBarItem: original });
      tasks.dispose();
      log.dispose();
    }
  });
});
