import assert from 'node:assert/strict';
import { createHook, executionAsyncId } from 'node:async_hooks';
import * as path from 'node:path';
import * as vscode from 'vscode';
import { extension, until } from './support';

/** Milliseconds without a waking after which the work has ended. */
const QUIET = 5000;
/** Seconds of looking. The suite runs this file in a VS Code of its own, beside all others. */
const SECONDS = 60;
/** What wakes a process up: timers, and whatever waits for a socket, a pipe or a file. */
const WAKING =
  /^(Timeout|Immediate|TCPWRAP|PIPEWRAP|FSEVENTWRAP|STATWATCHER|FSREQCALLBACK|PROCESSWRAP|MESSAGEPORT)/;

suite('idle', () => {
  test('nothing of ours wakes up while no view of ours is visible', async () => {
    await extension().activate();
    await vscode.commands.executeCommand('workbench.action.closeAllEditors');
    await vscode.commands.executeCommand('workbench.view.explorer');
    const own = path.join(extension().extensionPath, 'dist') + path.sep;
    const ours = new Map<number, string>();
    let counting = false;
    let last = performance.now();
    const wakings: string[] = [];
    const hook = createHook({
      init(id, type, trigger) {
        // Ours is what our bundles make, and what is made while such a thing runs.
        if (!WAKING.test(type)) return;
        if (ours.has(trigger) || ours.has(executionAsyncId()) || new Error().stack?.includes(own))
          ours.set(id, type);
      },
      before(id) {
        const type = ours.get(id);
        if (type === undefined) return;
        last = performance.now();
        if (counting) wakings.push(type);
      },
    }).enable();
    try {
      // Work that has an end first, so that what it leaves running would be seen.
      await vscode.commands.executeCommand('sociLens.refresh');
      await vscode.commands.executeCommand('sociLens.openSample');
      assert.ok(ours.size > 0, 'the work of the extension itself is seen');
      await vscode.commands.executeCommand('workbench.action.closeAllEditors');
      await until('the work has ended', () => performance.now() - last > QUIET);
      counting = true;
      await new Promise((resolve) => setTimeout(resolve, SECONDS * 1000));
      assert.deepEqual(wakings, []);
    } finally {
      hook.disable();
    }
  });
});
