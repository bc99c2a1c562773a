import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { suite, test } from 'node:test';
import { UsageError } from '../../../src/cli/command';
import { openJournal } from '../../../src/cli/many/journal';
import { type Catalogue, isInShard, matches, parseShard, readTasks } from '../../../src/cli/many/list';
import { rateLimit } from '../../../src/registry/rate';
import { markOf } from '../../../src/soci/mark';
import { runInProcess } from '../../support/cli';
import { temporaryFolder } from '../../support/folders';

const DIGEST = `sha256:${'ab'.repeat(32)}`;
const OUTPUT = 'docker://{host}/{repository}:{tag}-soci';

/** A registry of two repositories, one of which an earlier run has indexed. */
const CATALOGUE: Catalogue = {
  repositories: () => Promise.resolve(['team/shop', 'team/cart', 'other/x']),
  tags: ({ repository }) =>
    Promise.resolve(
      repository === 'team/shop'
        ? ['1.0', '1.0-soci', '1.0-soci.soci-lens', `sha256-${'0'.repeat(64)}`, '2.0']
        : ['latest'],
    ),
};
const none: Catalogue = {
  repositories: () => Promise.reject(new Error('not asked')),
  tags: () => Promise.reject(new Error('not asked')),
};

suite('the list of images', () => {
  test('a file: comments, blank lines, digests, and each pair once', async (t) => {
    const file = path.join(await temporaryFolder(t), 'images.txt');
    await writeFile(
      file,
      `# ours\nhost.example/a:1  # first\n\ndocker://host.example/a:1\r\nhost.example/b@${DIGEST}\n`,
    );
    const tasks = await readTasks(file, OUTPUT, none);
    assert.deepEqual(
      tasks.map(({ name }) => name),
      [
        'host.example/a:1 -> host.example/a:1-soci',
        `host.example/b@${DIGEST} -> host.example/b:abababababab-soci`,
      ],
    );
  });

  test('a line that is no image is named with its place', async (t) => {
    const file = path.join(await temporaryFolder(t), 'images.txt');
    await writeFile(file, 'host.example/a:1\nNot An Image\n');
    await assert.rejects(readTasks(file, OUTPUT, none), /images\.txt:2: .*Not An Image/);
    await assert.rejects(readTasks('/nonexistent.txt', OUTPUT, none), /cannot be read/);
  });

  test('what a registry has below a prefix, without what indexing has put there', async () => {
    const names = async (list: string) =>
      (await readTasks(list, OUTPUT, CATALOGUE)).map(({ source }) => `${source.repository}:${source.tag}`);
    assert.deepEqual(await names('docker://host.example/team/*'), [
      'team/shop:1.0',
      'team/shop:2.0',
      'team/cart:latest',
    ]);
    assert.deepEqual(await names('docker://host.example/*'), [
      'team/shop:1.0',
      'team/shop:2.0',
      'team/cart:latest',
      'other/x:latest',
    ]);
    assert.deepEqual(await names('docker://host.example/team/shop:*'), ['team/shop:1.0', 'team/shop:2.0']);
    await assert.rejects(names('team/*'), UsageError);
  });

  test('without an output, indexes go where the images are', async () => {
    const [task] = await readTasks('docker://host.example/team/cart:*', undefined, CATALOGUE);
    assert.deepEqual(task?.destination, task?.source);
  });

  test('patterns match whole names', () => {
    assert.ok(matches('h/a:1', ['h/*:1']));
    assert.ok(matches('h/a:1', ['x', 'h/a:1']));
    assert.equal(matches('h/a:12', ['h/*:1']), false);
    assert.equal(matches('h/aa1', ['h/a.1']), false);
  });
});

suite('shards', () => {
  test('every task is in exactly one shard, whatever the list around it', () => {
    const names = Array.from({ length: 1000 }, (_, index) => ({ name: `host.example/a:${index}` }));
    for (const count of [1, 2, 3, 7]) {
      const sizes = new Array<number>(count).fill(0);
      for (const task of names) {
        const mine = sizes.map((_, index) => isInShard(task, { index, count }));
        assert.equal(mine.filter(Boolean).length, 1);
        sizes[mine.indexOf(true)]! += 1;
      }
      assert.ok(Math.min(...sizes) > 1000 / count / 2, sizes.join(' '));
    }
  });

  test('I/N, or N with the number that a Job gives its pod', () => {
    assert.deepEqual(parseShard('2/4', {}), { index: 2, count: 4 });
    assert.deepEqual(parseShard('2/4', { JOB_COMPLETION_INDEX: '3' }), { index: 2, count: 4 });
    assert.deepEqual(parseShard('4', { JOB_COMPLETION_INDEX: '3' }), { index: 3, count: 4 });
    for (const wrong of ['4/4', '-1/4', '0/0', 'a/b', '', '1/']) {
      assert.throws(() => parseShard(wrong, {}), UsageError, wrong);
    }
    assert.throws(() => parseShard('4', {}), /JOB_COMPLETION_INDEX/);
    assert.throws(() => parseShard('4', { JOB_COMPLETION_INDEX: '4' }), UsageError);
  });
});

suite('the journal', () => {
  test('keeps what is done, for the same settings; a line that was cut off does not count', async (t) => {
    const file = path.join(await temporaryFolder(t), 'done.txt');
    const first = await openJournal(file, 'o1');
    await first.add('a -> b');
    await writeFile(file, `${await readFile(file, 'utf8')}o1\tcut -> o`);
    const second = await openJournal(file, 'o1');
    assert.deepEqual([second.has('a -> b'), second.has('cut -> o')], [true, false]);
    await second.add('c');
    assert.ok((await openJournal(file, 'o1')).has('c'));
    assert.equal((await openJournal(file, 'o2')).has('c'), false);
    await assert.rejects(openJournal('/nonexistent/done.txt', 'o1'), /cannot be used/);
  });
});

test('a mark depends on the source and every setting, not on their order', () => {
  const of = (source: string, options: Record<string, string>) =>
    markOf('1.0-soci', { source, options }).digest;
  assert.equal(of(DIGEST, { a: '1', b: '2' }), of(DIGEST, { b: '2', a: '1' }));
  assert.notEqual(of(DIGEST, { a: '1' }), of(DIGEST, { a: '2' }));
  assert.notEqual(of(DIGEST, {}), of(DIGEST.replaceAll('ab', 'cd'), {}));
  const long = markOf('x'.repeat(128), { source: DIGEST, options: {} }).tag;
  assert.ok(
    long.length <= 128 && long !== markOf(`${'x'.repeat(127)}y`, { source: DIGEST, options: {} }).tag,
  );
});

test('a rate limit spaces requests to one host, and lets others by', async () => {
  const limit = rateLimit(50);
  const started = performance.now();
  await Promise.all(Array.from({ length: 11 }, () => limit('a.example')));
  const one = performance.now() - started;
  // Ten gaps of 20 ms; timers may be early by a millisecond each, never by half.
  assert.ok(one > 150, `${one} ms`);
  const slow = rateLimit(0.01);
  await slow('a.example');
  const stop = new AbortController();
  const waiting = slow('a.example', stop.signal);
  const first = await Promise.race([waiting.then(() => 'a'), slow('b.example').then(() => 'b')]);
  assert.equal(first, 'b', 'another host does not wait');
  stop.abort();
  await assert.rejects(waiting, { name: 'AbortError' });
});

suite('mistakes with many images', () => {
  const mistakes: readonly [line: string, complaint: RegExp][] = [
    ['index a --from-list b --output docker://h.example/{tag}:x', /not both/],
    ['index', /Usage: soci-lens index/],
    ['index a --output oci:b --shard 0/2', /--shard is for --from-list/],
    ['index --from-list b', /--output is missing/],
    [
      'index --from-list b --output docker://h.example/a:1 --trace t --span-size auto',
      /--trace is of one image/,
    ],
    ['index --from-list b --format v1 --output docker://h.example/a:1', /leave --output away/],
    ['index --from-list b --output docker://h.example/a:1 --shard 9/4', /--shard takes I\/N/],
    ['index --from-list b --output docker://h.example/a:1 --rate 0', /--rate takes/],
  ];
  for (const [line, complaint] of mistakes) {
    test(`soci-lens ${line}`, async () => {
      const { code, stderr } = await runInProcess(line.split(' '));
      assert.equal(code, 2, stderr);
      assert.match(stderr, complaint);
    });
  }
});
