import type { RegistryName } from '../image/reference';
import type { OnProgress } from '../progress';
import type { RegistryClient } from '../registry/client';
import { applyClean, type CleanItem, type KeptBlob, planClean } from '../soci/clean';
import type { MadeItem } from './types';

/** Lets `work` use a repository, and closes what that opened. */
export type WithRegistry = <T>(
  name: RegistryName,
  work: (client: RegistryClient) => Promise<T>,
) => Promise<T>;

export interface IndexItem extends MadeItem {
  readonly kind: CleanItem['kind'];
  readonly steps: CleanItem['steps'];
}

/**
 * What was made for an image in its registry, and what stays although it belongs to that.
 *
 * @throws what `planClean` does
 */
export async function findIndexes(
  name: RegistryName,
  within: WithRegistry,
  options: { readonly signal: AbortSignal; readonly onProgress?: OnProgress },
): Promise<{ readonly items: IndexItem[]; readonly kept: readonly KeptBlob[] }> {
  const { items, kept } = await within(name, (client) => planClean(client, name.tag ?? 'latest', options));
  return {
    items: items.map((item) => ({
      id: `${name.host}/${name.repository}${item.name}`,
      kind: item.kind,
      size: item.size,
      steps: item.steps,
      remove: (signal) => within(name, (client) => applyClean(client, [item], { signal })),
    })),
    kept,
  };
}
