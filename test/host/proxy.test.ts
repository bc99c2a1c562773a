/** A registry that only a company's proxy knows, as VS Code's own settings name one. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import * as vscode from 'vscode';
import { Actions } from '../../src/editor/actions';
import { startHttpProxy, type HttpProxy } from '../support/http-proxy';
import { startRegistry, type TestRegistry } from '../support/registry';
import { answering, sample, testServices, type TestServices } from './support';

suite("VS Code's http.proxy", () => {
  const host = 'registry.test:5000';
  const destination = `docker://${host}/team/app:1.0`;
  let scratch: string;
  let registry: TestRegistry;
  let proxy: HttpProxy;
  let services: TestServices;
  let actions: Actions;

  /** `undefined` for what the setting is without us. */
  const set = (section: string, name: string, value: unknown) =>
    vscode.workspace.getConfiguration(section).update(name, value, vscode.ConfigurationTarget.Global);

  suiteSetup(async () => {
    scratch = await mkdtemp(path.join(tmpdir(), 'soci-lens-proxy-'));
    registry = await startRegistry();
    proxy = await startHttpProxy({ [host]: registry.host });
    services = testServices(scratch);
    actions = new Actions(services);
    await set('http', 'proxy', `http://${proxy.host}`);
    await set('sociLens', 'registry.plainHttp', true);
  });

  suiteTeardown(async () => {
    await set('http', 'proxy', undefined);
    await set('http', 'noProxy', undefined);
    await set('sociLens', 'registry.plainHttp', undefined);
    services.dispose();
    await proxy.stop();
    await registry.stop();
    await rm(scratch, { recursive: true, force: true });
  });

  /** Requests to the registry; VS Code itself may have some of its own. */
  const asked = (method: string) =>
    proxy.log.filter((line) => line.startsWith(`${method} http://${host}/v2/team/app/`));

  test('an index is pushed through it, and the image read back', async () => {
    const answers = { createInputBox: destination, showInformationMessage: 'Create and Push' };
    await answering(answers, () => actions.createIndex(sample));
    assert.ok(
      asked('PUT').some((line) => line.endsWith('/manifests/1.0')),
      proxy.log.join('\n'),
    );
    proxy.log.length = 0;
    const { image, layers } = await actions.inspect(destination);
    assert.equal(image.source, 'registry');
    assert.ok(layers.every((layer) => 'scan' in layer));
    assert.ok(asked('GET').length > layers.length, proxy.log.join('\n'));
  });

  test('a host that http.noProxy names is asked directly', async () => {
    await set('http', 'noProxy', ['registry.test']);
    proxy.log.length = 0;
    await assert.rejects(actions.inspect(destination), { code: 'registry/absent' });
    assert.deepEqual(asked('GET'), []);
  });
});
