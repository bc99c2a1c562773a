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
      return Promise.resolve([{ id: 'sha256:1', tags: ['shop:1.0'], created: 2, size: 10 }]);
    },
    async *imageChanges() {
      await new Promise<void>((resolve) => (leave = resolve));
      yield* [];
    },
  } as unknown as Line;
  const services = { log, engineReached, line: () => Promise.resolve(line) };
  /** As any command does that needs the engine. */
  const command = () => connect(services, AbortSignal.timeout(1000));
  const listed = () => until('its images', () => watch.images !== undefined);
  const lost = () => until('that it is gone', () => watch.images === undefined);

  setup(async () => {
    isThere = true;
    asked = 0;
    watch = new EngineWatch(services);
    watch.start();
    await listed();
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
    await command();
    await listed();
    assert.equal(asked, 2);
  });

  test('asks nothing more of an engine that it has, whoever reaches it', async () => {
    await command();
    await command();
    await setTimeout(100);
    assert.equal(asked, 1);
  });

  test('asks nothing while nobody looks', async () => {
    leave();
    await lost();
    watch.stop();
    await command();
    await setTimeout(100);
    assert.equal(watch.images, undefined);
    assert.equal(asked, 1);
  });
});
