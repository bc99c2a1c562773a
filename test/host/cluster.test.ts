/** The commands about where images run, in VS Code: with a Kubernetes API that is played back, and without any engine. */
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import * as vscode from 'vscode';
import { cleanUpCommands } from '../../src/editor/commands/clean-up';
import { clusterCommands } from '../../src/editor/commands/clusters';
import type { CommandTable } from '../../src/editor/commands/table';
import { ApiServer } from '../support/kubernetes/api-server';
import { Kubelet, request } from '../support/kubernetes/kubelet';
import { answering, shownText, testServices, type TestServices } from './support';

const IMAGE = `host.example/shop@sha256:${'12'.repeat(32)}`;
const FAULTY = '[blob]\nconcurrent_download_chunk_size = "16mb"\n';

suite('where images run', () => {
  let scratch: string;
  let services: TestServices;
  let table: CommandTable;
  const run = (name: string, answers: Parameters<typeof answering>[0] = {}, ...args: unknown[]) =>
    answering(answers, async () => table[name]?.(...args));

  suiteSetup(async () => {
    scratch = await mkdtemp(path.join(tmpdir(), 'soci-lens-cluster-'));
    services = testServices(scratch);
    table = { ...clusterCommands({ services }), ...cleanUpCommands({ services }) };
  });
  suiteTeardown(async () => {
    services.dispose();
    await vscode.commands.executeCommand('workbench.action.closeAllEditors');
    await rm(scratch, { recursive: true, force: true });
  });

  test('lintSnapshotterConfig counts what is wrong in the file, and says so where nothing is', async () => {
    const file = path.join(scratch, 'config.toml');
    await writeFile(file, FAULTY);
    const wrong = await run('lintSnapshotterConfig', {}, vscode.Uri.file(file));
    assert.match(wrong[0]?.message ?? '', /^1 findings in the snapshotter's config of .*config\.toml\.$/);
    const other = path.join(scratch, 'other.yaml');
    await writeFile(other, 'kind: ConfigMap\n');
    const none = await run('lintSnapshotterConfig', {}, vscode.Uri.file(other));
    assert.match(none[0]?.message ?? '', /other\.yaml holds no config of the snapshotter\.$/);
  });

  test('generateClusterFiles asks for node, installer and folder, and before it replaces anything', async () => {
    const folder = path.join(scratch, 'deploy');
    await mkdir(folder);
    const answers = { createInputBox: ['g5.4xlarge', IMAGE], showOpenDialog: [vscode.Uri.file(folder)] };
    const asked = await run('generateClusterFiles', answers);
    assert.match(asked.at(-1)?.message ?? '', /files are written.*kubectl apply --kustomize/);
    assert.match(await readFile(path.join(folder, 'base/daemonset.yaml'), 'utf8'), new RegExp(IMAGE));
    const config = path.join(folder, 'overlays/lazy/config.toml');
    await writeFile(config, '# mine\n');
    const again = await run('generateClusterFiles', { ...answers, createInputBox: ['m6i.large', IMAGE] });
    assert.match(again.at(-1)?.message ?? '', /files are there already/);
    assert.equal(await readFile(config, 'utf8'), '# mine\n');
  });

  test('generateClusterFiles takes no image that a tag alone names', async () => {
    const asked = await run('generateClusterFiles', { createInputBox: ['m6i.large', 'host.example/shop:1'] });
    assert.match(asked.at(-1)?.message ?? '', /not named by its digest/);
  });

  test('measureOnCluster shows what it would do and to whom, does nothing without a yes, and then tells', async () => {
    await onCluster(async (api) => {
      const kubelet = new Kubelet(api.url, 'default');
      try {
        await fill(api.url);
        const answers = { createQuickPick: 'test', createInputBox: [IMAGE, IMAGE, '8080'] };
        const asked = await run('measureOnCluster', answers);
        const question = asked.at(-1);
        assert.equal(question?.kind, 'showWarningMessage');
        assert.equal(question.message, `Measure in test at ${api.url}?`);
        await shownText(/^Context {4}test\n[\s\S]*\+ kind: Pod/);
        assert.deepEqual(kubelet.images, []);
        await run('measureOnCluster', {
          ...answers,
          createInputBox: [IMAGE, IMAGE, '8080'],
          showWarningMessage: 'Measure',
        });
        assert.equal(kubelet.images.length, 6);
        const told = await shownText(/\| Ready \| \d+\.\d \(.*\) \| \d+\.\d \(.*\) \|/);
        assert.match(told, /"Pulled" is not "ready"/);
      } finally {
        await kubelet.stop();
      }
    });
  });

  test('cleanUp asks which clusters, lists what carries our label there, and checks the rights before anything goes', async () => {
    await onCluster(async (api) => {
      const labels = { 'app.kubernetes.io/managed-by': 'soci-lens' };
      const make = (kind: string, where: string, name: string, own = true) =>
        request(api.url, 'POST', where, { kind, metadata: { name, ...(own && { labels }) } });
      await make('ConfigMap', '/api/v1/namespaces/default/configmaps', 'theirs', false);
      await make('ConfigMap', '/api/v1/namespaces/soci/configmaps', 'soci-installer');
      await make('Pod', '/api/v1/namespaces/default/pods', 'soci-measure-1');
      await make('RuntimeClass', '/apis/node.k8s.io/v1/runtimeclasses', 'ours');
      const [which, what] = await run('cleanUp', { createQuickPick: ['test'] });
      assert.deepEqual(
        (which?.items as vscode.QuickPickItem[]).map(({ label, description }) => [label, description]),
        [['test', api.url]],
      );
      assert.deepEqual(
        (what?.items as vscode.QuickPickItem[]).map(({ label }) => label),
        [
          'test/default: Pod/soci-measure-1',
          'test: RuntimeClass/ours',
          'test/soci: ConfigMap/soci-installer',
        ],
      );
      const remove = () =>
        run('cleanUp', {
          createQuickPick: ['test', 'ConfigMap/soci-installer'],
          showWarningMessage: 'Remove',
        });
      api.denied.add('delete configmaps');
      await assert.rejects(remove(), /may not delete configmaps in namespace soci/);
      assert.ok(!api.writes.some((write) => write.startsWith('DELETE')));
      api.denied.clear();
      await remove();
      assert.deepEqual(
        api.writes.filter((write) => write.startsWith('DELETE')),
        ['DELETE /api/v1/namespaces/soci/configmaps/soci-installer'],
      );
    });
  });

  /** Has a kubeconfig lead to an API server that is played back. */
  async function onCluster(work: (api: ApiServer) => Promise<void>): Promise<void> {
    const api = await ApiServer.start();
    const before = process.env['KUBECONFIG'];
    const kubeconfig = path.join(scratch, 'kubeconfig');
    await writeFile(kubeconfig, configOf(api.url));
    process.env['KUBECONFIG'] = kubeconfig;
    try {
      await work(api);
    } finally {
      if (before === undefined) delete process.env['KUBECONFIG'];
      else process.env['KUBECONFIG'] = before;
      api.stop();
    }
  }
});

function configOf(server: string): string {
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'c', cluster: { server, 'insecure-skip-tls-verify': true } }],
    users: [{ name: 'u', user: {} }],
    contexts: [{ name: 'test', context: { cluster: 'c', user: 'u' } }],
    'current-context': 'test',
  });
}

async function fill(url: string): Promise<void> {
  await request(url, 'POST', '/apis/node.k8s.io/v1/runtimeclasses', { metadata: { name: 'soci' } });
  for (let index = 0; index < 6; index++) {
    const status = { conditions: [{ type: 'Ready', status: 'True' }] };
    await request(url, 'POST', '/api/v1/nodes', { metadata: { name: `node-${index}` }, status });
  }
}
