import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { openCluster } from '../../../src/cluster/access';
import { type MeasureWish, planMeasure } from '../../../src/cluster/measure/plan';
import { runMeasure } from '../../../src/cluster/measure/run';
import { temporaryFolder } from '../folders';
import { ApiServer } from './api-server';
import { type Fate, Kubelet, request } from './kubelet';

export const NAMESPACE = 'shop';
const DIGEST = '12'.repeat(32);
export const PLAIN = `host.example/shop@sha256:${DIGEST}`;
export const INDEXED = `host.example/shop-soci@sha256:${DIGEST}`;
export const WISH: MeasureWish = { plain: PLAIN, indexed: INDEXED, port: 8080, rounds: 1, timeout: 600_000 };
export const CLEAR = {
  image: `host.example/crictl@sha256:${DIGEST}`,
  socket: '/run/containerd/containerd.sock',
};
/**
 * A real kube-apiserver, as `kubectl proxy` offers it, in place of the one that is played back: with it the same tests say
 * whether the played one answers as the real one does.
 */
export const REAL = process.env['SOCI_LENS_TEST_KUBERNETES'];

/** Each test has a played server of its own; they share a real one. */
export const together = { concurrency: REAL === undefined };

/** A cluster of so many nodes, whose kubelets treat pods as told. */
export async function testCluster(
  t: TestContext,
  { nodes = 2, fate }: { readonly nodes?: number; fate?: (image: string, started: number) => Fate } = {},
) {
  const played = REAL === undefined ? await ApiServer.start() : undefined;
  const url = played?.url ?? REAL ?? '';
  if (!played) await prepareReal(url);
  const make = (what: string, body: unknown) => request(url, 'POST', what, body);
  await make('/apis/node.k8s.io/v1/runtimeclasses', {
    apiVersion: 'node.k8s.io/v1',
    kind: 'RuntimeClass',
    metadata: { name: 'soci' },
    handler: 'soci',
  });
  const names = Array.from({ length: nodes }, (_, index) => `node-${index}`);
  for (const name of names) {
    await make('/api/v1/nodes', { apiVersion: 'v1', kind: 'Node', metadata: { name } });
    await setNode(url, name, 'True');
  }
  let started = 0;
  const kubelet = new Kubelet(
    url,
    NAMESPACE,
    ({ spec }) => fate?.(spec.containers[0].image, ++started) ?? {},
  );
  t.after(async () => {
    await kubelet.stop();
    played?.stop();
  });
  const file = path.join(await temporaryFolder(t), 'config');
  await writeFile(file, kubeconfig(url));
  return { url, played, kubelet, file, cluster: openCluster({ kubeconfig: file, namespace: NAMESPACE }) };
}

async function prepareReal(url: string): Promise<void> {
  const { items } = (await request(url, 'GET', '/api/v1/nodes')) as {
    items: { metadata: { name: string } }[];
  };
  for (const { metadata } of items) await request(url, 'DELETE', `/api/v1/nodes/${metadata.name}`);
  await request(url, 'DELETE', '/apis/node.k8s.io/v1/runtimeclasses/soci').catch(() => undefined);
  const namespace = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: NAMESPACE } };
  await request(url, 'POST', '/api/v1/namespaces', namespace).catch(() => undefined);
}

export function setNode(
  url: string,
  name: string,
  ready: string,
  images: readonly string[] = [],
): Promise<unknown> {
  const conditions = [{ type: 'Ready', status: ready, message: 'kubelet stopped posting node status.' }];
  const status = { conditions, images: images.map((image) => ({ names: [image], sizeBytes: 1 })) };
  return request(url, 'PATCH', `/api/v1/nodes/${name}/status`, { status }, 'application/merge-patch+json');
}

/** Who signs in. A token would go through the proxy to the real one, which does not know it. */
const USER = REAL === undefined ? { token: 'secret-token' } : {};

export function kubeconfig(server: string, user: object = USER): string {
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'c', cluster: { server, 'insecure-skip-tls-verify': true } }],
    users: [{ name: 'u', user }],
    contexts: [
      { name: 'test', context: { cluster: 'c', user: 'u' } },
      { name: 'prod', context: { cluster: 'c', user: 'u' } },
    ],
    'current-context': 'test',
  });
}

export const anySignal = () => new AbortController().signal;

/** Plans and measures, then sees that nothing of it is left. */
export async function measure(
  { cluster, url }: Awaited<ReturnType<typeof testCluster>>,
  wish: Partial<MeasureWish> = {},
  signal = anySignal(),
) {
  try {
    const plan = await planMeasure(cluster, { ...WISH, ...wish });
    return await runMeasure(cluster, plan, { signal });
  } finally {
    assert.deepEqual(await podsOf(url), [], 'every pod is gone again');
  }
}

export async function podsOf(url: string): Promise<string[]> {
  const { items } = (await request(url, 'GET', `/api/v1/namespaces/${NAMESPACE}/pods`)) as {
    items: { metadata: { name: string } }[];
  };
  return items.map(({ metadata }) => metadata.name);
}
