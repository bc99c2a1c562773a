/** What may come between a measure and its API server: sign-ins that fail, aborts at bad moments, pods that get no node. */
import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { access, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { suite, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { V1Pod } from '@kubernetes/client-node';
import { openCluster } from '../../../src/cluster/access';
import { follow } from '../../../src/cluster/measure/follow';
import { MEASURE_LABEL, planMeasure } from '../../../src/cluster/measure/plan';
import { runMeasure } from '../../../src/cluster/measure/run';
import { LensError } from '../../../src/errors';
import { lensError } from '../../support/errors';
import { temporaryFolder } from '../../support/folders';
import {
  anySignal,
  CLEAR,
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
import { request } from '../../support/kubernetes/kubelet';

const PODS = `/api/v1/namespaces/${NAMESPACE}/pods`;
const needsPlayed = { skip: REAL !== undefined && 'a real server is not held up on purpose' };

suite('a pod that clears a node', together, () => {
  const cases = [
    ['finds no room', '0/1 nodes are available: 1 Insufficient cpu', /from node-0: 0\/1 nodes are available/],
    ['stays where it is', '', /from node-0: it took longer than 0\.3 s\.$/],
  ] as const;
  for (const [name, unscheduled, message] of cases) {
    test(`${name}: that is said, and nothing is left`, { timeout: 900_000 }, async (t) => {
      const there = await testCluster(t, {
        nodes: 1,
        fate: (image) => (image === CLEAR.image ? { unscheduled } : {}),
      });
      // There already, so that clearing comes first.
      await setNode(there.url, 'node-0', 'True', [PLAIN]);
      await assert.rejects(
        measure(there, { clear: CLEAR, timeout: unscheduled === '' ? 300 : 600_000 }),
        lensError('cluster/cannot-clear', message),
      );
    });
  }
});

test(
  'a pod that a finalizer holds is given up by name, and the others go',
  { timeout: 60_000, ...needsPlayed },
  async (t) => {
    const { cluster, played, url } = await testCluster(t);
    assert.ok(played);
    const plan = await planMeasure(cluster, WISH);
    // Left by a start that was cut off.
    const labels = { [MEASURE_LABEL]: plan.id };
    const other = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'z-other', labels }, spec: {} };
    await request(url, 'POST', PODS, other);
    played.finalizers = ['example.com/hold', 'example.com/audit'];
    const [planned] = plan.starts;
    const name = planned?.pod.metadata.name ?? '';
    await assert.rejects(runMeasure(cluster, plan, { signal: anySignal(), patience: 100 }), (error) => {
      const held = `The pod ${name} in namespace ${NAMESPACE} was removed and is still there, held by the finalizers example.com/hold, example.com/audit.`;
      lensError('cluster/left-behind', new RegExp(`; they end by themselves\\. ${held}$`))(error);
      assert.ok(error instanceof LensError);
      assert.match(error.advice, new RegExp(`^Let go in place of .* patch pod ${name} --type merge`));
      return true;
    });
    assert.deepEqual(await podsOf(url), [name]);
  },
);

suite('an abort', { ...together, ...needsPlayed }, () => {
  for (const what of ['list events', 'watch pods']) {
    test(`is heard while the API does not answer to "${what}"`, { timeout: 900_000 }, async (t) => {
      const there = await testCluster(t);
      const { played } = there;
      assert.ok(played);
      const stop = new AbortController();
      const release = new AbortController();
      t.after(() => {
        release.abort();
      });
      played.before = (asked) => {
        if (asked !== what) return undefined;
        stop.abort();
        return once(release.signal, 'abort');
      };
      await assert.rejects(measure(there, {}, stop.signal), { name: 'AbortError' });
      assert.ok(!played.writes.some((write) => write.startsWith('POST') && write.endsWith('pods')));
    });
  }

  test('while a pod is being made leaves none behind, though the API stores it late', async (t) => {
    const there = await testCluster(t);
    const stop = new AbortController();
    assert.ok(there.played);
    there.played.before = (asked) => {
      if (asked !== 'create pods') return undefined;
      stop.abort();
      return sleep(300);
    };
    await assert.rejects(measure(there, {}, stop.signal), { name: 'AbortError' });
    // Time enough for a pod that nobody waited for.
    await sleep(400);
    assert.deepEqual(await podsOf(there.url), []);
  });
});

suite('a watch', { ...together, ...needsPlayed }, () => {
  test('outlives a sign-in that fails when it connects anew', { timeout: 900_000 }, async (t) => {
    const broken = path.join(await temporaryFolder(t), 'broken');
    const { played, ...there } = await testCluster(t, {
      fate: () => ({
        during: async () => {
          await writeFile(broken, '');
          played?.breakWatches();
          while (
            await access(broken).then(
              () => true,
              () => false,
            )
          )
            await sleep(10);
        },
      }),
    });
    const credential = {
      apiVersion: 'client.authentication.k8s.io/v1',
      kind: 'ExecCredential',
      // Over already, so that each call signs in again.
      status: { token: 'secret-token', expirationTimestamp: '2020-01-01T00:00:00Z' },
    };
    const exec = {
      apiVersion: credential.apiVersion,
      command: 'sh',
      args: ['-c', `rm "$0" 2>/dev/null && exit 1; echo '${JSON.stringify(credential)}'`, broken],
      interactiveMode: 'Never',
    };
    await writeFile(there.file, kubeconfig(there.url, { exec }));
    const cluster = openCluster({ kubeconfig: there.file, namespace: NAMESPACE });
    const { starts } = await measure({ ...there, played, cluster });
    assert.deepEqual(
      starts.map(({ gaps, seen }) => [gaps, seen.ready !== undefined]),
      [
        [true, true],
        [true, true],
      ],
    );
  });

  /** Follows all pods, and notes what is told of them. */
  async function watched(t: Parameters<typeof testCluster>[0]) {
    const { cluster, played, url } = await testCluster(t, { fate: () => ({ unscheduled: '' }) });
    assert.ok(played);
    const [changed, deleted]: [V1Pod[], V1Pod[]] = [[], []];
    const list = () => cluster.core.listNamespacedPod({ namespace: NAMESPACE });
    const begin = () =>
      follow(cluster, PODS, `metadata.namespace=${NAMESPACE}`, list, {
        onChange: (pod) => changed.push(pod),
        onDelete: (pod) => deleted.push(pod),
        onGap: () => undefined,
        onError: assert.ifError,
      });
    return { played, url, changed, deleted, begin };
  }

  test('tells of a deletion as one, not as a change', { timeout: 900_000 }, async (t) => {
    const { url, changed, deleted, begin } = await watched(t);
    const watch = begin();
    await watch.opened;
    const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p' }, spec: {} };
    await request(url, 'POST', PODS, pod);
    await request(url, 'DELETE', `${PODS}/p`, { gracePeriodSeconds: 0 });
    while (deleted.length === 0) await sleep(10);
    watch.stop();
    assert.notEqual(changed.length, 0);
    assert.ok(!changed.some((one) => one === deleted[0]));
  });

  test('that is stopped while it connects does not stay open', { timeout: 900_000 }, async (t) => {
    const { played, begin } = await watched(t);
    const connecting = new EventEmitter();
    played.before = (what) => {
      if (what !== 'watch pods') return undefined;
      connecting.emit('asked');
      return once(connecting, 'answer');
    };
    const watch = begin();
    await once(connecting, 'asked');
    watch.stop();
    connecting.emit('answer');
    await watch.opened;
    while (played.watching > 0) await sleep(10);
  });
});

test('a fault in a kubeconfig is told of by its line, without the secret that stands there', async (t) => {
  const file = path.join(await temporaryFolder(t), 'config');
  await writeFile(file, 'users:\n- name: u\n  user:\n    token: very-secret: "x\n');
  assert.throws(
    () => openCluster({ kubeconfig: file }),
    (error) => {
      lensError('cluster/bad-kubeconfig', /cannot be read: line 4 is not YAML\.$/)(error);
      assert.ok(error instanceof LensError);
      assert.doesNotMatch(`${error.message} ${String(error.cause)}`, /very-secret/);
      return true;
    },
  );
});
