import assert from 'node:assert/strict';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import * as vscode from 'vscode';
import { describeStart, isEarly } from '../../src/editor/describe';
import { TaskKind } from '../../src/editor/tasks';
import { traceFile } from '../../src/editor/work/inspect';
import { LiveRecording } from '../../src/editor/work/live';
import { registerCommands } from '../../src/editor/commands/table';
import { LensError } from '../../src/errors';
import type { TraceFooter } from '../../src/trace/types';
import { answering, sample, testServices, until, watchNotifications, workspace } from './support';

const run = (name: string, argument?: unknown) =>
  vscode.commands.executeCommand(`sociLens.${name}`, argument);

function tabs(): string[] {
  return vscode.window.tabGroups.all.flatMap(({ tabs: all }) =>
    all.flatMap(({ input, label }) =>
      input instanceof vscode.TabInputWebview && input.viewType.endsWith('sociLens.spanMap') ? [label] : [],
    ),
  );
}

const WAIT = new TaskKind<void>('wait');
const ANSWER = new TaskKind<string>('answer');
const OTHER = new TaskKind<string>('other');

suite('commands without an engine', () => {
  test('inspecting an OCI layout opens its span map, and once only', async () => {
    const asked = await answering({}, async () => {
      await run('inspectImage', sample);
      await run('showSpanMap', sample);
    });
    assert.deepEqual(asked, []);
    assert.equal((await until('the panel', () => tabs().length > 0 && tabs())).length, 1);
    assert.match(tabs()[0] ?? '', /^Span Map: sample/);
  });

  test('building says that no engine answers, what to do, and offers one action and the log', async () => {
    const asked = await answering({}, () =>
      run('buildAndInspect', vscode.Uri.file(path.join(workspace, 'Dockerfile'))),
    );
    const error = await until('an error', () => asked.find(({ kind }) => kind === 'showErrorMessage'));
    assert.match(
      error.message,
      /^No Docker engine answers\. Tried unix:\/\/\/nonexistent\/docker\.sock .*\. Start Docker/,
    );
    assert.deepEqual(error.items.slice(1), ['Choose the Engine', 'Show Log']);
    assert.equal(asked.length, 1);
  });

  test('a folder that is no layout, and a name that is none, are explained', async () => {
    for (const [reference, message] of [
      ['oci:/nowhere/at/all', /\/nowhere\/at\/all/],
      ['docker://localhost/UPPER', /"docker:\/\/localhost\/UPPER" is not an image reference/],
    ] as const) {
      const asked = await answering({}, () => run('inspectImage', reference));
      assert.equal(asked.length, 1);
      assert.match(asked[0]?.message ?? '', message);
      assert.equal(asked[0]?.items.at(-1), 'Show Log');
    }
  });

  test('profiling an image that no engine has ends with an error, after the question whether it may run', async () => {
    const asked = await answering({ showWarningMessage: 'Run' }, () => run('profileStartup', sample));
    assert.deepEqual(
      asked.map(({ kind }) => kind),
      ['showWarningMessage', 'showErrorMessage'],
    );
    assert.match(JSON.stringify(asked[0]?.items), /Command: \/usr\/bin\/storefront/);
    assert.equal(asked[0]?.items.at(-1), 'Guess Instead');
    assert.deepEqual(asked[1]?.items.slice(-2), ['Guess the Start', 'Show Log']);
  });

  test('“Guess the Start” of that error works it out from the image, and offers to go on', async () => {
    const folder = await mkdtemp(path.join(tmpdir(), 'soci-lens-guess-'));
    const copy = `oci:${path.join(folder, 'copy')}`;
    try {
      await cp(path.join(workspace, 'sample'), path.join(folder, 'copy'), { recursive: true });
      const answers = { showWarningMessage: 'Run', showErrorMessage: 'Guess the Start' };
      const asked = await answering(answers, async (soFar) => {
        await run('profileStartup', copy);
        await until('the guess', () => soFar.some(({ kind }) => kind === 'showInformationMessage'));
      });
      assert.deepEqual(
        asked.map(({ kind }) => kind),
        ['showWarningMessage', 'showErrorMessage', 'showInformationMessage'],
      );
      assert.match(
        asked[2]?.message ?? '',
        /^A guess of [1-9]\d* files?, each taken whole; nothing was run\./,
      );
      assert.equal(asked[2]?.items[1], 'Create Index');
    } finally {
      await run('forgetImage', copy);
      await rm(traceFile({ folders: { traces: folder } }, copy), { force: true });
      await rm(folder, { recursive: true, force: true });
    }
  });

  test('a start that is being recorded can be ended and kept from the status bar', async () => {
    const stops = async () =>
      (await vscode.commands.getCommands()).filter((id) => id.startsWith('sociLens.recording.stop.'));
    const live = new LiveRecording('app');
    try {
      live.log('listening');
      live.progress({ step: 'Recording', done: 3, unit: 'files' });
      const [stop = ''] = await stops();
      assert.equal(live.stop.aborted, false);
      await vscode.commands.executeCommand(stop);
      assert.equal(live.stop.aborted, true);
    } finally {
      live.dispose();
    }
    assert.deepEqual(await stops(), []);
  });

  test('a start that ended early says so, with the last lines of the program', () => {
    const early = (end: Omit<TraceFooter, 'op'>) => describeStart(1204, { op: 'end', ...end });
    assert.equal(
      early({ reason: 'early-exit', exit_code: 3, log: ['a', 'b', 'c', 'no database'] }),
      'The start did not come to its end (ended early with exit code 3); until then it reads 1,204 files. Its last lines: b / c / no database',
    );
    assert.match(early({ reason: 'oom', exit_code: 137 }), /\(out of memory\).* 1,204 files\.$/);
    assert.match(early({ reason: 'timeout', log: [] }), /\(not ready in time\).* files\.$/);
    const reached = (['ready:log', 'ready:listen', 'quiet', 'exit'] as const).map((reason) =>
      isEarly({ op: 'end', reason }),
    );
    assert.deepEqual(new Set(reached), new Set([false]));
    assert.equal(describeStart(2, undefined), 'The start reads 2 files.');
  });

  test('commands of the palette ask for what they need, and do nothing when the person leaves', async () => {
    const asked = await answering({}, () => run('inspectImage'));
    assert.deepEqual(
      asked.map(({ kind }) => kind),
      ['createQuickPick'],
    );
  });

  test('an image can be taken from the list', async () => {
    const reference = `oci:${path.join(workspace, 'sample')}:latest`;
    await answering({}, () => run('inspectImage', reference));
    await run('forgetImage', reference);
    const asked = await answering({}, () => run('importTrace', sample));
    assert.deepEqual(
      asked.map(({ kind }) => kind),
      ['showOpenDialog'],
    );
  });
});

suite('errors and cancel', () => {
  const attempt = async (error: Error) => {
    const services = testServices('/nonexistent');
    const registered = registerCommands({ testFailure: () => Promise.reject(error) }, services.log);
    try {
      return await answering({}, () => run('testFailure'));
    } finally {
      registered.dispose();
      services.dispose();
    }
  };

  test('an error is one notification: what failed, what to do, the log', async () => {
    const asked = await attempt(new LensError('image/build-failed', 'The build failed: no.', 'Mend it.'));
    assert.equal(asked.length, 1);
    assert.deepEqual(asked[0]?.items, ['The build failed: no. Mend it.', 'Show Log']);
  });

  test('an error of another bundle counts as ours', async () => {
    // dist/line.js has its own copy of the class.
    const foreign = Object.assign(new Error('Away.'), {
      name: 'LensError',
      code: 'image/engine-gone',
      advice: 'Start it.',
    });
    const asked = await attempt(foreign);
    assert.deepEqual(asked[0]?.items, ['Away. Start it.', 'Choose the Engine', 'Show Log']);
  });

  test('a registry that wants a sign-in, and a setting that is wrong, lead there', async () => {
    const offered = async (code: LensError['code']) =>
      (await attempt(new LensError(code, 'No.', 'Do it.')))[0]?.items.slice(1);
    assert.deepEqual(await offered('registry/unauthorized'), ['Sign In', 'Show Log']);
    assert.deepEqual(await offered('plan/bad-network'), ['Change the Setting', 'Show Log']);
  });

  test('a defect says so, without its stack', async () => {
    const asked = await attempt(new TypeError('x is undefined'));
    assert.match(
      asked[0]?.message ?? '',
      /failed in a way that it should not: x is undefined\. Please report/,
    );
  });

  test('a cancelled task says nothing', async () => {
    assert.deepEqual(await attempt(new DOMException('This operation was aborted', 'AbortError')), []);
  });

  test('who asks the same at the same time gets the same answer, and who asks something else another', async () => {
    const services = testServices('/nonexistent');
    const [count, word] = [new TaskKind<number>('ask'), new TaskKind<string>('ask')];
    let begun = 0;
    let answer = (): void => undefined;
    const answered = new Promise<void>((resolve) => (answer = resolve));
    const ask = (about: string) =>
      services.tasks.run(count, 'oci:/one', 'One', () => answered.then(() => ++begun), { about });
    try {
      const asked = [ask('a'), ask('a'), ask('b')];
      const other = services.tasks.run(word, 'oci:/one', 'One', () => answered.then(() => 'a word'));
      answer();
      const [first, joined, second] = await Promise.all(asked);
      assert.equal(first, joined);
      assert.notEqual(first, second);
      assert.equal(begun, 2);
      assert.equal(await other, 'a word');
    } finally {
      services.dispose();
    }
  });

  test('Cancel reaches the work as a signal at once, and other images go on', async () => {
    const services = testServices('/nonexistent');
    const notifications = watchNotifications();
    try {
      const forever = (signal: AbortSignal) =>
        new Promise<never>((_, reject) => {
          signal.addEventListener('abort', () => {
            reject(signal.reason as Error); // `abort()` without an argument gives an AbortError.
          });
        });
      let oneIsTold = false;
      const one = services.tasks.run(WAIT, 'oci:/one', 'One', ({ signal }) => {
        signal.addEventListener('abort', () => (oneIsTold = true));
        return forever(signal);
      });
      let otherEnded = false;
      const other = services.tasks.run(WAIT, 'oci:/two', 'Two', async ({ signal }) => {
        await forever(signal).finally(() => (otherEnded = true));
      });
      await until('both run', () => notifications.titles.length === 2);
      notifications.cancel('One');
      assert.equal(oneIsTold, true, 'before the click has ended');
      await assert.rejects(one, { name: 'AbortError' });
      assert.equal(otherEnded, false);
      notifications.cancel('Two');
      await assert.rejects(other, { name: 'AbortError' });
      await until('none runs', () => notifications.titles.length === 0);
    } finally {
      notifications.dispose();
      services.dispose();
    }
  });

  test('a task says its step, how much of what is done, how fast, and how long it will take', async () => {
    const services = testServices('/nonexistent');
    const notifications = watchNotifications();
    const clock = Date.now;
    let now = clock();
    try {
      await services.tasks.run(WAIT, 'oci:/one', 'One', ({ onProgress }) => {
        Date.now = () => now;
        const step = { step: 'Scanning layer 1 of 2', total: 400_000_000, unit: 'bytes' } as const;
        onProgress({ ...step, done: 0 });
        // Too soon after the one before for anybody to read.
        onProgress({ ...step, done: 1_000_000 });
        now += 4000;
        onProgress({ ...step, done: 100_000_000 });
        now += 200_000;
        onProgress({ ...step, done: 102_000_000 });
        onProgress({ step: 'Counting', done: 1234, unit: 'files' });
        onProgress({ step: 'Waiting' });
        Date.now = clock;
        return Promise.resolve();
      });
      assert.deepEqual(notifications.messages('One'), [
        'Scanning layer 1 of 2 · 0 B of 400 MB · 0 %',
        'Scanning layer 1 of 2 · 100 MB of 400 MB · 25 % · 25 MB/s · 12 s left',
        'Scanning layer 1 of 2 · 102 MB of 400 MB · 26 % · 500 kB/s · 10 min left',
        'Counting · 1,234',
        'Waiting',
      ]);
    } finally {
      Date.now = clock;
      notifications.dispose();
      services.dispose();
    }
  });

  test('the same task on the same image joins the running one, which goes on when who joined it leaves', async () => {
    const services = testServices('/nonexistent');
    const notifications = watchNotifications();
    let begun = 0;
    let end: (value: string) => void = () => undefined;
    const work = () => {
      begun++;
      return new Promise<string>((resolve) => (end = resolve));
    };
    try {
      const first = services.tasks.run(ANSWER, 'oci:/one', 'One', work);
      const leaving = new AbortController();
      const second = services.tasks.run(ANSWER, 'oci:/one', 'One', work);
      const third = services.tasks.run(ANSWER, 'oci:/one', 'One', work, { signal: leaving.signal });
      const other = services.tasks.run(OTHER, 'oci:/one', 'Another', () => Promise.resolve('other'));
      assert.equal(await other, 'other');
      assert.deepEqual(notifications.titles, ['One']);
      leaving.abort();
      await assert.rejects(third, { name: 'AbortError' });
      end('done');
      assert.deepEqual(await Promise.all([first, second]), ['done', 'done']);
      assert.equal(begun, 1);
    } finally {
      notifications.dispose();
      services.dispose();
    }
  });
});
