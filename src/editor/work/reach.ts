/** How engine and registries are reached, with the settings and sign-ins of the editor. */
import * as vscode from 'vscode';
import type { Engine } from '../../image/engine';
import type { RegistryName } from '../../image/reference';
import type { RegistryClient, RegistryOptions } from '../../registry/client';
import type { BlobStore } from '../../soci/store';
import { parseKey } from '../keys';
import type { Line, Services } from '../services';
import { readSettings } from '../settings';

/** Asks the engine who it is, and notes for the views whether it answered. */
export async function connect(
  services: Pick<Services, 'line' | 'engineReached'>,
  signal: AbortSignal,
): Promise<Engine> {
  const { connectEngine } = await services.line();
  const { engineHost, engineContext } = readSettings();
  const note = (hasEngine: boolean) =>
    vscode.commands.executeCommand('setContext', 'sociLens.hasEngine', hasEngine);
  try {
    const engine = await connectEngine({ host: engineHost, context: engineContext, signal });
    await note(true);
    services.engineReached.fire();
    return engine;
  } catch (error) {
    signal.throwIfAborted();
    await note(false);
    throw error;
  }
}

/**
 * Plain HTTP is only ever switched on: where it is usual, on this machine, the client knows by itself. A sign-in that was made
 * here goes before one of `docker login`, since the person made it for this.
 */
export function registryOptions({ signIns }: Services, line: Line): RegistryOptions {
  const { plainHttp, caFile, proxy, noProxy } = readSettings();
  return {
    ...(plainHttp && { plainHttp }),
    caFile,
    proxy,
    noProxy,
    credentials: async (host) => (await signIns.get(host)) ?? line.dockerCredentials(host),
  };
}

/** Lets `work` read an image where it lies: in a layout or a registry; one of the engine in the layout that it was saved to. */
export async function withStore<T>(
  services: Services,
  key: string,
  signal: AbortSignal,
  work: (store: BlobStore, tag: string | undefined) => Promise<T>,
): Promise<T> {
  const line = await services.line();
  const { reference } = parseKey(key);
  const source = line.parseReference(reference);
  if (source.transport === 'oci') return work(await line.openLayout(source.path), source.tag);
  const layout = services.store.get(key)?.opened?.image.layout;
  if (layout !== undefined) return work(await line.openLayout(layout), undefined);
  if (source.transport !== 'docker' && source.transport !== 'any') {
    throw new Error(`${key} lies neither in a layout nor in a registry.`);
  }
  const { registry } = source;
  const name = registry.digest ?? registry.tag ?? 'latest';
  return withRegistry(services, registry, signal, (client) =>
    work(line.registryStore(client, name, signal), undefined),
  );
}

/** Lets `work` use a repository. */
export async function withRegistry<T>(
  services: Services,
  { host, repository }: RegistryName,
  signal: AbortSignal,
  work: (client: RegistryClient) => Promise<T>,
): Promise<T> {
  const line = await services.line();
  const client = line.connectRegistry(host, repository, { ...registryOptions(services, line), signal });
  try {
    return await work(client);
  } finally {
    await client.close();
  }
}
