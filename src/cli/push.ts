import { writeArchive } from '../image/archive';
import { openLayout, type OciLayout } from '../image/layout';
import { createLayout } from '../image/layout-writer';
import { formatRegistryName, parseDestination, parseReference, type RegistryName } from '../image/reference';
import { formatBytes, formatCount, formatMany } from '../plan/format';
import type { OnProgress } from '../progress';
import { connectRegistry, type RegistryClient } from '../registry/client';
import { SOCI_INDEX_V1 } from '../soci/index';
import { pushLayout, type PushResult } from '../soci/push';
import { pushReferrers } from '../soci/referrers';
import { registryStore, type BlobStore } from '../soci/store';
import { defineCommand, EXIT, typed, UsageError } from './command';
import { REGISTRY_FLAGS, registryOptions, type RegistryFlagValues } from './registry-flags';
import type { Session } from './session';

/** Lets `work` use a repository, with the credentials of the Docker configuration. */
export async function withRegistry<T>(
  session: Session,
  name: RegistryName,
  flags: RegistryFlagValues,
  work: (client: RegistryClient) => Promise<T>,
): Promise<T> {
  const client = connectRegistry(name.host, name.repository, {
    ...registryOptions(flags),
    limit: session.limit,
    signal: session.signal,
  });
  try {
    return await work(client);
  } finally {
    await client.close();
  }
}

/** Lets `work` read an image where it lies: an OCI layout or a repository of a registry. */
export async function withStore<T>(
  session: Session,
  reference: string,
  flags: RegistryFlagValues,
  work: (store: BlobStore, tag: string | undefined) => Promise<T>,
): Promise<T> {
  const source = typed(() => parseReference(reference));
  if (source.transport === 'oci') return work(await openLayout(source.path), source.tag);
  if (source.transport !== 'docker') {
    throw new UsageError(`This verb takes oci:FOLDER or docker://HOST/NAME:TAG, not ${reference}.`);
  }
  const { registry } = source;
  const name = registry.digest ?? registry.tag ?? 'latest';
  return withRegistry(session, registry, flags, (client) =>
    work(registryStore(client, name, session.signal), undefined),
  );
}

/**
 * Pushes the image of a layout to one tag; of a layout with indexes of version 1 these alone, to the image that is there.
 * `rest` is where the blobs are that the layout leaves out.
 */
export async function pushTo(
  session: Session,
  layout: OciLayout,
  name: RegistryName,
  flags: RegistryFlagValues,
  options: { readonly source?: string; readonly rest?: BlobStore; readonly onProgress?: OnProgress } = {},
): Promise<PushResult> {
  const each = { onProgress: session.terminal.progress, ...options, signal: session.signal };
  return withRegistry(session, name, flags, async (client) => {
    if (!layout.index.manifests.some(({ artifactType }) => artifactType === SOCI_INDEX_V1))
      return pushLayout(layout, client, name.tag ?? 'latest', each);
    const { indexes, ...sent } = await pushReferrers(layout, client, each);
    return { digest: indexes[0] ?? '', ...sent };
  });
}

/** The same into a folder: every blob that is missing there, then its index.json. */
async function copyTo(session: Session, layout: OciLayout, folder: string): Promise<PushResult> {
  const { descriptor } = await layout.root();
  const blobs = await layout.blobs();
  const writer = await createLayout(folder);
  let [uploaded, bytes] = [0, 0];
  try {
    for (const blob of blobs) {
      if (await writer.has(blob.digest)) continue;
      await writer.takeBlob(await layout.blob(blob), blob, { signal: session.signal });
      uploaded++;
      bytes += blob.size;
    }
    session.signal.throwIfAborted();
    await writer.finish(layout.index.manifests);
  } catch (error) {
    await writer.abort();
    throw error;
  }
  return { digest: descriptor.digest, uploaded, skipped: blobs.length - uploaded, bytes };
}

/** The same into an archive, whole each time. */
async function archiveTo(session: Session, layout: OciLayout, file: string): Promise<PushResult> {
  const { descriptor } = await layout.root();
  const blobs = await layout.blobs();
  await writeArchive(layout, file, { signal: session.signal, onProgress: session.terminal.progress });
  const bytes = blobs.reduce((sum, { size }) => sum + size, 0);
  return { digest: descriptor.digest, uploaded: blobs.length, skipped: 0, bytes };
}

export const pushCommand = defineCommand({
  name: 'push',
  summary: 'Pushes an indexed OCI layout to a registry: blobs that are missing there, then manifests.',
  usage: 'push oci:FOLDER[:TAG] docker://HOST/NAME:TAG|oci:FOLDER|oci-archive:FILE [flags]',
  positionals: 2,
  flags: REGISTRY_FLAGS,
  async run(session, { flags, positionals: [from = '', to = ''] }) {
    const source = typed(() => parseReference(from));
    const target = typed(() => parseDestination(to));
    if (source.transport !== 'oci') {
      throw new UsageError(`push takes an OCI layout as oci:FOLDER, not ${from}.`);
    }
    const layout = await openLayout(source.path);
    const result =
      target.transport === 'docker'
        ? await pushTo(session, layout, target.registry, flags, {
            ...(source.tag !== undefined && { source: source.tag }),
          })
        : target.transport === 'oci'
          ? await copyTo(session, layout, target.path)
          : await archiveTo(session, layout, target.path);
    const destination = target.transport === 'docker' ? formatRegistryName(target.registry) : target.path;
    const document = { version: 1 as const, destination, ...result };
    if (flags.json) session.terminal.json(document);
    else {
      session.terminal.result(
        `${destination}: ${result.digest}\n${formatMany(result.uploaded, 'blob')} uploaded (${formatBytes(result.bytes)}), ${formatCount(result.skipped)} were there already.`,
      );
    }
    return EXIT.done;
  },
});
