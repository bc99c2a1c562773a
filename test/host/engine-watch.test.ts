/** How the view of images follows the engine; the engine is a made-up one that can go away and come back. */
import assert from 'node:assert/strict';
import { setTimeout } from 'node:timers/promises';
import * as vscode from 'vscode';
import { EngineWatch } from '../../src/editor/engine-watch';
import type { Line } from '../../src/editor/services';
import { connect } from '../../src/editor/work/reach';
import { until } from './support';

suite('the watch over the engine', () => {
  let isThere: boolean;
  let asked: number;
  let tag: string;
  /** What happens between the first answer of the engine and its first event. */
  let beforeListening: () => void;
  /** Ends the stream of events that is listened to. */
  let leave: () => void;
  let watch: EngineWatch;
  const log = vscode.window.createOutputChannel('SOCI Lens (watch)', { log: true });
  const engineReached = new vscode.EventEmitter<void>();
  // Of the line, what a watch asks for.
  const line = {
    connectEngine: () => (isThere ? Promise.resolve({}) : Promise.reject(new Error('Nobody answers.'))),
    listImages: () => {
      asked++;
      return Promise.resolve([{ id: 'sha256:1', tags: [tag], created: 2, size: 10 }]);
    },
    async *imageChanges() {
      beforeListening();
      yield;
      await new Promise<void>((resolve) => (leave = resolve));
    },
  } as unknown as Line;
  const services = { log, engineReached, line: () => Promise.resolve(line) };
  /** As any command does that needs the engine. */
  const command = () => connect(services, new AbortController().signal);
  const listed = () => until('its images', () => watch.images !== undefined);
  /** Listed once more when it listens, so that nothing is missed in between. */
  const listening = () => until('that it listens', () => asked === 2);
  const lost = () => until('that it is gone', () => watch.images === undefined);

  setup(async () => {
    isThere = true;
    asked = 0;
    tag = 'shop:1.0';
    beforeListening = () => undefined;
    watch = new EngineWatch(services);
    watch.start();
    await listed();
    await listening();
  });
  teardown(() => {
    watch.dispose();
  });
  suiteTeardown(() => {
    log.dispose();
    engineReached.dispose();
  });

  test('takes an engine up again that another command reaches first', async () => {
    isThere = false;
    leave();
    await lost();
    await assert.rejects(command());
    assert.equal(watch.images, undefined);
    isThere = true;
    asked = 0;
    await command();
    await listed();
    await listening();
  });

  test('asks the engine that the settings name, once they name another', async () => {
    const settings = vscode.workspace.getConfiguration('sociLens');
    tag = 'other:1.0';
    try {
      await settings.update('engine.host', 'unix:///other.sock', vscode.ConfigurationTarget.Global);
      await until('the images of the other', () => watch.images?.[0]?.tags[0] === 'other:1.0');
    } finally {
      await settings.update('engine.host', undefined, vscode.ConfigurationTarget.Global);
    }
  });

  test('asks nothing more of an engine that it has, whoever reaches it', async () => {
    await command();
    await command();
    await setTimeout(100);
    assert.equal(asked, 2);
  });

  test('sees an image that comes before it listens, and tells of no change that is none', async () => {
    watch.stop();
    let told = 0;
    const listener = watch.onDidChange(() => told++);
    asked = 0;
    beforeListening = () => (tag = 'shop:2.0');
    watch.start();
    await until('the new image', () => watch.images?.[0]?.tags[0] === 'shop:2.0');
    assert.equal(told, 1, 'the first answer was the one that it had');
    listener.dispose();
  });

  test('asks nothing while nobody looks', async () => {
    leave();
    await lost();
    watch.stop();
    await command();
    await setTimeout(100);
    assert.equal(watch.images, undefined);
    assert.equal(asked, 2);
  });
});
