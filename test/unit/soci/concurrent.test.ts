import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { ahead, mapConcurrently, oneAtATime } from '../../../src/soci/concurrent';

test('results are in order and no more than the limit run at once', async () => {
  let running = 0;
  let most = 0;
  const results = await mapConcurrently([5, 1, 4, 2, 3, 0], 2, async (item, index) => {
    most = Math.max(most, ++running);
    await sleep(item);
    running--;
    return `${index}:${item}`;
  });
  assert.deepEqual(results, ['0:5', '1:1', '2:4', '3:2', '4:3', '5:0']);
  assert.equal(most, 2);
  assert.deepEqual(await mapConcurrently([], 3, () => Promise.resolve(1)), []);
});

test('the first failure is thrown after the others have been told to stop and have ended', async () => {
  let ended = 0;
  const work = async (item: number, _: number, signal: AbortSignal) => {
    if (item === 2) throw new Error('two');
    await sleep(10_000, undefined, { signal }).finally(() => ended++);
  };
  await assert.rejects(mapConcurrently([1, 2, 3, 4], 2, work), /two/);
  assert.equal(ended, 1);
});

test('an abort from outside ends it with its reason', async () => {
  const stop = new AbortController();
  const work = (_: number, __: number, signal: AbortSignal) => sleep(10_000, undefined, { signal });
  const all = mapConcurrently([1, 2, 3], 2, work, stop.signal);
  stop.abort();
  await assert.rejects(all, { name: 'AbortError' });
});

test('working ahead: in order, a few at once, and all has ended when it ends', async () => {
  let running = 0;
  let most = 0;
  const work = async (item: number) => {
    most = Math.max(most, ++running);
    await sleep(item);
    running--;
    if (item === 3) throw new Error('three');
    return item * 2;
  };
  const results: number[] = [];
  for await (const result of ahead([5, 1, 4, 2, 0], 2, work)) results.push(result);
  assert.deepEqual(results, [10, 2, 8, 4, 0]);
  assert.equal(most, 3);
  await assert.rejects(async () => {
    for await (const result of ahead([1, 3, 20, 2], 2, work)) results.push(result);
  }, /three/);
  assert.equal(running, 0);
});

test('one at a time: in the order of the calls, also behind one that fails', async () => {
  const inTurn = oneAtATime();
  const log: string[] = [];
  const work = (name: string, time: number) => async () => {
    log.push(`${name} begins`);
    await sleep(time);
    log.push(`${name} ends`);
    if (name === 'b') throw new Error(name);
    return name;
  };
  const results = [inTurn(work('a', 5)), inTurn(work('b', 1)), inTurn(work('c', 0))];
  assert.deepEqual(
    (await Promise.allSettled(results)).map(({ status }) => status),
    ['fulfilled', 'rejected', 'fulfilled'],
  );
  assert.deepEqual(log, ['a begins', 'a ends', 'b begins', 'b ends', 'c begins', 'c ends']);
});
