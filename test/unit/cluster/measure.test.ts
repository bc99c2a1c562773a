import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { suite, test } from 'node:test';
import { openCluster } from '../../../src/cluster/access';
import { describeMeasurePlan, type MeasureWish, planMeasure } from '../../../src/cluster/measure/plan';
import { runMeasure } from '../../../src/cluster/measure/run';
import { measureNotes, measureTable, summarize } from '../../../src/cluster/measure/summary';
import { pullDuration } from '../../../src/cluster/measure/timeline';
import { runInProcess } from '../../support/cli';
import { lensError } from '../../support/errors';
import { temporaryFolder } from '../../support/folders';
import {
  anySignal,
  CLEAR,
  INDEXED,
  kubeconfig,
  measure,
  NAMESPACE,
  PLAIN,
  podsOf,
  REAL,
  setNode,
  testCluster,
  together,
  WISH,
} from '../../support/kubernetes/cluster';
import { type Fate, request } from '../../support/kubernetes/kubelet';

suite('a measure on a cluster', together, () => {
  test('both variants, turn and turn about, each on a fresh node; every step with its time and spread', async (t) => {
    const there = await testCluster(t, {
      nodes: 5,
      fate: (image) => ({ pullTook: image === PLAIN ? '1m2.5s' : '850ms' }),
    });
    await setNode(there.url, 'node-0', 'True', [PLAIN]);
    const plan = await planMeasure(there.cluster, { ...WISH, rounds: 2 });
    assert.deepEqual(
      plan.starts.map(({ node, variant }) => `${node} ${variant}`),
      ['node-1 without', 'node-2 with', 'node-3 with', 'node-4 without'],
    );
    const measurement = await measure(there, { rounds: 2 });
    assert.deepEqual(there.kubelet.images, [PLAIN, INDEXED, INDEXED, PLAIN]);
    const rows = summarize(measurement);
    const pull = rows.find(({ figure }) => figure === 'pull');
    assert.deepEqual([pull?.without?.median, pull?.with?.median], [62_500, 850]);
    for (const { seen } of measurement.starts) {
      const times = [seen.scheduled, seen.pulling, seen.pulled, seen.created, seen.started, seen.ready];
      assert.ok(
        times.every((time) => time !== undefined && time > 0),
        JSON.stringify(seen),
      );
    }
    const ready = rows.find(({ figure }) => figure === 'ready');
    const readyOf = (variant: string) =>
      measurement.starts.flatMap((start) => (start.variant === variant ? (start.seen.ready ?? []) : []));
    for (const variant of ['without', 'with'] as const) {
      const times = readyOf(variant);
      const [least, most] = [Math.min(...times), Math.max(...times)];
      assert.deepEqual(ready?.[variant], { least, most, median: (least + most) / 2, count: 2 });
    }
    const { rows: table } = measureTable(measurement);
    assert.deepEqual(
      [table[0]?.[0], table[0]?.[1], table[0]?.[3]],
      ['Pulling, as the node says', '62.5 (62.5–62.5)', '73.5 ×'],
    );
    assert.match(measureNotes(measurement)[0] ?? '', /"Pulled" is not "ready"/);
  });

  test('one node whose image is removed after each start, and before the first where it was there', async (t) => {
    const there = await testCluster(t, { nodes: 1 });
    await setNode(there.url, 'node-0', 'True', [INDEXED]);
    const plan = await planMeasure(there.cluster, { ...WISH, clear: CLEAR });
    assert.match(describeMeasurePlan(there.cluster, plan), new RegExp(`^- ${INDEXED} on node-0`, 'm'));
    await measure(there, { clear: CLEAR });
    assert.deepEqual(there.kubelet.images, [CLEAR.image, PLAIN, CLEAR.image, INDEXED, CLEAR.image]);
  });

  test('events that expired and a clock that is off are said; the times hold', async (t) => {
    const there = await testCluster(t, {
      fate: (image) => (image === PLAIN ? { silent: true } : { clockAhead: 3_600_000 }),
    });
    const measurement = await measure(there);
    const [without, indexed] = measurement.starts;
    assert.deepEqual(Object.keys(without?.seen ?? {}), ['ready']);
    assert.ok((indexed?.seen.ready ?? Infinity) < 600_000, 'an hour of skew is in no time');
    const notes = measureNotes(measurement).join('\n');
    assert.match(notes, /clock of node-1 is 3[56]\d\d s ahead/);
    assert.match(notes, /1 of 2 starts have steps that no event told of/);
    assert.equal(measureTable(measurement).rows[1]?.[1], 'not seen');
  });

  test('a watch that breaks, and a history that is forgotten meanwhile, are made up for', async (t) => {
    if (REAL !== undefined) {
      t.skip('a real server is not broken on purpose');
      return;
    }
    const there = await testCluster(t, {
      fate: () => ({
        during: () => {
          there.played?.breakWatches({ forget: true });
          return Promise.resolve();
        },
      }),
    });
    const { starts } = await measure(there);
    assert.ok(starts.every(({ seen }) => seen.pulled !== undefined && seen.ready !== undefined));
  });
});

suite('a measure that goes wrong leaves nothing behind', together, () => {
  const failures: readonly [name: string, fate: Fate, code: string, message: RegExp][] = [
    [
      'an image that does not come',
      { pullError: 'unauthorized' },
      'pod-failed',
      /ErrImagePull: unauthorized/,
    ],
    ['an image that was there', { warm: true }, 'not-cold', /on the node already/],
    [
      'a node without the runtime',
      { sandboxError: 'failed to get sandbox runtime: no runtime for "soci" is configured' },
      'no-runtime',
      /no runtime for "soci"/,
    ],
    ['a container that ends', { exit: 3 }, 'pod-failed', /ended with 3/],
  ];
  for (const [name, fate, code, message] of failures) {
    test(name, async (t) => {
      const there = await testCluster(t, { fate: (_, count) => (count === 1 ? fate : {}) });
      await assert.rejects(measure(there), lensError(`cluster/${code}`, message));
      // The other variant had its turn all the same.
      assert.deepEqual(there.kubelet.images, [PLAIN, INDEXED]);
    });
  }

  test('a node that goes away in the middle', async (t) => {
    const there = await testCluster(t, {
      fate: (image) => (image === INDEXED ? { during: () => leave('node-1') } : {}),
    });
    const leave = async (node: string) => {
      await request(there.url, 'DELETE', `/api/v1/nodes/${node}`);
    };
    await assert.rejects(
      measure(there),
      lensError('cluster/node-gone', /with SOCI on node-1 .* removed from the cluster/),
    );
  });

  test('single starts that fail are told of, and the others count: a silent node, a pod removed', async (t) => {
    const there = await testCluster(t, {
      nodes: 4,
      fate: (_, count) =>
        [
          { during: () => setNode(there.url, 'node-0', 'Unknown').then(() => undefined) },
          {},
          { during: removeOne },
          {},
        ][count - 1] ?? {},
    });
    const removeOne = async () => {
      const [name] = await podsOf(there.url);
      await request(there.url, 'DELETE', `/api/v1/namespaces/${NAMESPACE}/pods/${name}`, {
        gracePeriodSeconds: 1,
      });
    };
    const { starts, failed } = await measure(there, { rounds: 2 });
    assert.equal(starts.length, 2);
    assert.deepEqual(
      failed.map(({ error }) => error.code),
      ['cluster/node-gone', 'cluster/pod-gone'],
    );
  });

  test('an image that never gets ready', async (t) => {
    const there = await testCluster(t, { fate: () => ({ stuck: true }) });
    await assert.rejects(
      measure(there, { timeout: 500 }),
      lensError('cluster/not-ready-in-time', /was not ready after 0\.5 s, the last step seen is/),
    );
  });

  test('an abort while it pulls', async (t) => {
    const stop = new AbortController();
    const there = await testCluster(t, {
      fate: () => ({
        during: () => {
          stop.abort();
          return Promise.resolve();
        },
      }),
    });
    await assert.rejects(measure(there, {}, stop.signal), { name: 'AbortError' });
  });
});

suite('before anything is written', together, () => {
  test('rights that are missing are named, each verb with its resource', async (t) => {
    if (REAL !== undefined) {
      t.skip('the real one is asked as its administrator');
      return;
    }
    const there = await testCluster(t);
    for (const right of ['create pods', 'watch events']) there.played?.denied.add(right);
    await assert.rejects(
      measure(there),
      lensError('cluster/no-rights', /create pods in namespace shop, watch events in namespace shop\.$/),
    );
    assert.deepEqual(there.kubelet.images, []);
    // And where the review says yes and the call is refused all the same.
    there.played?.denied.clear();
    const plan = await planMeasure(there.cluster, WISH);
    there.played?.denied.add('watch pods');
    await assert.rejects(
      runMeasure(there.cluster, plan, { signal: anySignal() }),
      lensError('cluster/no-rights', /refuses it to context test/),
    );
  });

  test('too few fresh nodes, a node that is not there, no runtime class', async (t) => {
    const there = await testCluster(t);
    const plan = (wish: Partial<MeasureWish>) => planMeasure(there.cluster, { ...WISH, ...wish });
    await assert.rejects(
      plan({ rounds: 2 }),
      lensError('cluster/too-few-nodes', /2 rounds need 4 nodes .*; 2 of 2 are/),
    );
    await assert.rejects(plan({ clear: { ...CLEAR, node: 'x' } }), lensError('cluster/no-node', /node x/));
    await request(there.url, 'DELETE', '/apis/node.k8s.io/v1/runtimeclasses/soci', {});
    await assert.rejects(plan({}), lensError('cluster/no-runtime-class', /RuntimeClass soci/));
  });

  test('no cluster, no such context, no kubeconfig, a server that does not answer', async (t) => {
    const dir = await temporaryFolder(t);
    const file = path.join(dir, 'config');
    const open = (context?: string) => openCluster({ kubeconfig: file, context });
    assert.throws(() => open(), lensError('cluster/bad-kubeconfig', /cannot be read/));
    await writeFile(file, kubeconfig('http://127.0.0.1:1'));
    assert.throws(() => open('dev'), lensError('cluster/no-context', /no context dev/));
    assert.equal(open('prod').context, 'prod');
    await assert.rejects(
      planMeasure(open(), WISH),
      lensError('cluster/unreachable', /test at http:\/\/127\.0\.0\.1:1 does not answer/),
    );
    await writeFile(file, '{"apiVersion":"v1","kind":"Config"}');
    assert.throws(() => open(), lensError('cluster/no-cluster', /names a cluster/));
  });
});

suite('cluster measure', together, () => {
  const flags = (file: string) => [
    ...['cluster', 'measure', '--plain', PLAIN, '--indexed', INDEXED, '--port', '8080', '--rounds', '1'],
    ...['--kubeconfig', file, '--namespace', NAMESPACE],
  ];

  test('shows the diff and asks; without anybody to ask it does nothing', async (t) => {
    const there = await testCluster(t);
    const dry = await runInProcess([...flags(there.file), '--dry-run']);
    assert.equal(dry.code, 0, dry.stderr);
    assert.match(dry.stdout, /\+ kind: Pod/);
    const asked = await runInProcess(flags(there.file));
    assert.equal(asked.code, 2);
    assert.match(asked.stderr, /Nobody can be asked here.*--yes/);
    assert.deepEqual(there.kubelet.images, []);
  });

  test('what is typed at the question decides: anything but y and yes leaves the cluster as it is', async (t) => {
    const there = await testCluster(t);
    for (const types of ['n\n', '\n', 'yesterday\n']) {
      const { code, stdout, stderr } = await runInProcess(flags(there.file), { types });
      assert.equal(code, 0, stderr);
      assert.match(stderr, /Do this in test at http:\S+\? \[y\/N\] .*Nothing was done\.\n$/s);
      assert.equal(stdout, '');
      assert.deepEqual(there.kubelet.images, []);
    }
    const { code, stdout, stderr } = await runInProcess(flags(there.file), { types: 'Y\n' });
    assert.equal(code, 0, stderr);
    assert.deepEqual(there.kubelet.images, [PLAIN, INDEXED]);
    assert.match(stdout, /^Ready /m);
  });

  test('with --yes, one document of it', async (t) => {
    const there = await testCluster(t);
    const { code, stdout, stderr } = await runInProcess([...flags(there.file), '--yes', '--json']);
    assert.equal(code, 0, stderr);
    const document = JSON.parse(stdout) as {
      context: string;
      server: string;
      starts: object[];
      notes: string[];
    };
    assert.deepEqual([document.context, document.server, document.starts.length], ['test', there.url, 2]);
  });

  test('a local measure without containerd says so', async () => {
    const { code, stderr } = await runInProcess([
      ...['cluster', 'measure', '--local', '--yes', '--plain', PLAIN, '--indexed', INDEXED],
      ...['--containerd-socket', '/nonexistent/containerd.sock'],
    ]);
    assert.equal(code, 1);
    assert.match(stderr, /No containerd answers at \/nonexistent\/containerd\.sock/);
  });
});

suite('cluster clean', together, () => {
  test('lists what carries our label, takes single ones, and leaves what is of others', async (t) => {
    const there = await testCluster(t);
    const labels = { 'app.kubernetes.io/managed-by': 'soci-lens' };
    const make = (path: string, kind: string, name: string, own = true) =>
      request(there.url, 'POST', path, {
        apiVersion: 'v1',
        kind,
        metadata: { name, ...(own && { labels }) },
      });
    const maps = `/api/v1/namespaces/${NAMESPACE}/configmaps`;
    await make(maps, 'ConfigMap', 'soci-installer');
    await make(maps, 'ConfigMap', 'soci-images');
    await make(maps, 'ConfigMap', 'theirs', false);
    const clean = async (...flags: string[]) => {
      const own = ['--kubeconfig', there.file, '--namespace', NAMESPACE, '--json'];
      const { code, stdout, stderr } = await runInProcess(['cluster', 'clean', ...own, ...flags]);
      assert.equal(code, 0, stderr);
      return (JSON.parse(stdout) as { items: { id: string }[] }).items.map(({ id }) => id).sort();
    };
    const both = ['ConfigMap/soci-images', 'ConfigMap/soci-installer'];
    assert.deepEqual(await clean('--dry-run'), both);
    assert.deepEqual(await clean('--only', 'ConfigMap/soci-images', '--yes'), ['ConfigMap/soci-images']);
    assert.deepEqual(await clean('--yes'), ['ConfigMap/soci-installer']);
    assert.deepEqual(await clean('--dry-run'), []);
    const { items } = (await request(there.url, 'GET', maps)) as { items: { metadata: { name: string } }[] };
    assert.ok(items.some(({ metadata }) => metadata.name === 'theirs'));
  });

  test('what it may not see or remove is named, verb by verb, before anything goes', async (t) => {
    const there = await testCluster(t);
    const { played } = there;
    if (!played) {
      t.skip('a real API server allows its administrator everything');
      return;
    }
    const labels = { 'app.kubernetes.io/managed-by': 'soci-lens' };
    const home = `/api/v1/namespaces/${NAMESPACE}`;
    for (const [kind, resource] of [
      ['ConfigMap', 'configmaps'],
      ['Pod', 'pods'],
    ] as const)
      await request(there.url, 'POST', `${home}/${resource}`, {
        ...{ apiVersion: 'v1', kind, metadata: { name: 'ours', labels } },
      });
    const clean = (...flags: string[]) =>
      runInProcess(['clean', '--cluster', '--kubeconfig', there.file, '--namespace', NAMESPACE, ...flags]);
    for (const denied of ['list runtimeclasses', 'list jobs', 'delete pods']) played.denied.add(denied);
    const dry = await clean('--dry-run');
    assert.equal(dry.code, 1);
    assert.match(dry.stdout, /^Context test at http\S+, namespace \S+:\nPod\/ours.*\nConfigMap\/ours/);
    assert.match(
      dry.stderr,
      new RegExp(
        `may not list jobs in namespace ${NAMESPACE}, list runtimeclasses\\.\n.*kubectl create role`,
      ),
    );
    played.writes.length = 0;
    const refused = await clean('--yes');
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, new RegExp(`may not delete pods in namespace ${NAMESPACE}\\.`));
    assert.deepEqual(
      played.writes.filter((write) => write.startsWith('DELETE')),
      [],
    );
    const { stderr } = await clean('--only', 'ConfigMap/ours', '--yes');
    assert.match(stderr, /1 removed\./);
  });
});

test('durations as kubelet writes them', () => {
  const of = (text: string) =>
    pullDuration({
      reason: 'Pulled',
      message: `Successfully pulled image "a" in ${text} (${text} including waiting).`,
    });
  assert.deepEqual([of('1h2m3.5s'), of('250ms'), of('12.345s')], [3_723_500, 250, 12_345]);
  assert.equal(
    pullDuration({ reason: 'Pulled', message: 'Container image "a" already present on machine' }),
    undefined,
  );
  assert.equal(pullDuration({ reason: 'Started', message: 'x" in 3s' }), undefined);
});
