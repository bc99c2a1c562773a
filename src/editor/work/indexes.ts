/** Making, pushing, listing and checking SOCI indexes. */
import { randomUUID } from 'node:crypto';
import { rm } from 'node:fs/promises';
import * as path from 'node:path';
import * as vscode from 'vscode';
import { LensError } from '../../errors';
import type { RegistryName } from '../../image/reference';
import type { Image } from '../../image/types';
import { formatPlatform } from '../../oci/platform';
import type { OriginReport } from '../../optimize/stale';
import type { BlobStore } from '../../soci/store';
import type { VerifyReport } from '../../soci/verify';
import { homeOf, parseKey } from '../keys';
import type { Decision } from './decide';
import type { Line, Services } from '../services';
import { readSettings } from '../settings';
import type { Opened, Survey } from '../store';
import type { Task } from '../tasks';
import type { IndexedBytes } from './bytes';
import { registryOptions, withRegistry, withStore } from './reach';
import { indexBySoci } from './soci-indexer';

/**
 * Makes the image that carries its SOCI index (v2), or the index that refers to the image (v1), and puts it where it shall go.
 * What is made on the way does not stay.
 *
 * @returns the digest of what the destination names now: the image with v2, the SOCI index with v1
 */
export async function createIndex(
  services: Services,
  key: string,
  { lies, opened }: Pick<IndexedBytes, 'lies' | 'opened'>,
  destination: string,
  decision: Decision,
  task: Task,
): Promise<string> {
  const { format, spanSize, minLayerSize, prefetchSpans } = decision;
  const line = await services.line();
  const target = readDestination(line, destination);
  const scratch = path.join(services.folders.cache, 'made', randomUUID());
  const output = target.transport === 'oci' ? path.resolve(target.path) : scratch;
  const make = format === 'v1' ? line.attachLayout : line.convertLayout;
  task.onProgress({ step: vscode.l10n.t('Making the index') });
  const pool = line.createScanPool();
  try {
    if (readSettings(opened.scope).indexer === 'soci') {
      await indexBySoci(services, opened, output, decision, task);
      const made = await line.openLayout(output);
      if (target.transport === 'docker') {
        const all = { folder: output, rest: made, tag: undefined };
        await pushTo(services, target.registry, all, opened, format, task);
      }
      const { digest } = (await made.root()).descriptor;
      services.store.update(key, { index: { digest, destination } });
      return digest;
    }
    return await withStore(services, lies, task.signal, async (source, tag) => {
      const { index, perPlatform } = await make(source, await line.createLayout(output), {
        spanSize,
        minLayerSize,
        prefetchSpans,
        platforms: [opened.image.platform],
        copy: target.transport === 'oci',
        ...(tag !== undefined && { tag }),
        scan: (layer, blob, compression, options) =>
          pool.scan(blob, compression, { ...options, expectedDigest: layer.digest }),
        knownScan: (layer) => Promise.resolve(scanOf(opened, layer.digest)),
        onLine: (text: string) => {
          services.log.info(text);
        },
        ...task,
      });
      if (target.transport === 'docker')
        await pushTo(services, target.registry, { folder: output, rest: source, tag }, opened, format, task);
      const digest = format === 'v1' ? (perPlatform[0]?.sociIndex.digest ?? '') : index.digest;
      services.store.update(key, { index: { digest, destination } });
      return digest;
    });
  } finally {
    await pool.close();
    await rm(scratch, { recursive: true, force: true });
  }
}

/** Pushes an image that carries its index from a layout to a registry. @returns its digest there */
export async function pushIndexed(
  services: Services,
  key: string,
  registry: RegistryName,
  task: Task,
): Promise<string> {
  const line = await services.line();
  const source = line.parseReference(parseKey(key).reference);
  if (source.transport !== 'oci') throw new Error(`${key} is no layout.`);
  const layout = await line.openLayout(source.path);
  return withRegistry(services, registry, task.signal, async (client) => {
    const { digest } = await line.pushLayout(layout, client, registry.tag ?? 'latest', {
      ...(source.tag !== undefined && { source: source.tag }),
      ...task,
    });
    return digest;
  });
}

async function pushTo(
  services: Services,
  registry: RegistryName,
  made: { readonly folder: string; readonly rest: BlobStore; readonly tag: string | undefined },
  { image }: Opened,
  format: Decision['format'],
  task: Task,
): Promise<void> {
  const line = await services.line();
  const layout = await line.openLayout(made.folder);
  const tag = registry.tag ?? 'latest';
  await withRegistry(services, registry, task.signal, async (client) => {
    if (format === 'v2') {
      await line.pushLayout(layout, client, tag, { rest: made.rest, ...task });
      return;
    }
    // An index of version 1 can only refer to an image that is there.
    const imageIsThere = image.layout !== undefined;
    if (imageIsThere && !(await client.headManifest(image.descriptor.digest, task.signal))) {
      const source = made.tag === undefined ? {} : { source: made.tag };
      await line.pushLayout(await line.openLayout(image.layout), client, tag, { ...source, ...task });
    }
    await line.pushReferrers(layout, client, { rest: made.rest, imageIsThere, ...task });
  });
}

/** Looks where an image lies for its platforms and its indexes, and notes them. The engine keeps neither. */
export async function survey(services: Services, key: string, signal: AbortSignal): Promise<Survey> {
  const line = await services.line();
  const before = services.store.get(key)?.survey;
  const images =
    homeOf(key) === 'engine'
      ? []
      : await withStore(services, key, signal, (store, tag) =>
          line.listIndexes(store, { signal, ...(tag !== undefined && { reference: tag }) }),
        );
  const found: Survey = {
    platforms: images.flatMap(({ platform }) => (platform ? [formatPlatform(platform)] : [])),
    indexes: images.flatMap(({ platform, indexes }) =>
      indexes.map(({ version, digest, manifest }) => {
        const layers = line.indexedLayers(manifest);
        const verified = before?.indexes.find((one) => one.digest === digest)?.verified;
        return {
          version,
          digest,
          layers: layers.length,
          spanSizes: [...new Set(layers.flatMap(({ spanSize }) => spanSize ?? []))],
          ztocBytes: layers.reduce((sum, { ztoc }) => sum + ztoc.size, 0),
          ...(platform && images.length > 1 && { platform: formatPlatform(platform) }),
          ...(verified !== undefined && { verified }),
        };
      }),
    ),
  };
  services.store.update(key, { survey: found });
  return found;
}

/** What came of checking an image's indexes; `origins` tells of an optimized image whether it is stale. */
export interface Verified {
  readonly report: VerifyReport;
  readonly origins: readonly OriginReport[];
}

/** Checks every index of an image against the image, each span by an independent decoder, and notes the outcome. */
export async function verify(services: Services, key: string, task: Task): Promise<Verified> {
  const line = await services.line();
  const pool = line.createScanPool();
  try {
    const verified = await withStore(services, key, task.signal, async (store, tag): Promise<Verified> => {
      const report = await line.verifyLayout(store, {
        ...(tag !== undefined && { reference: tag }),
        scan: (layer, blob, compression, options) =>
          pool.scan(blob, compression, { ...options, expectedDigest: layer.digest }),
        inflate: (span, signal) => pool.inflate(span, signal),
        ...task,
      });
      const origins: OriginReport[] = [];
      for (const one of report.platforms) {
        const open = (reference: string, platform?: string): Promise<Image> =>
          line.openImage(reference, {
            cacheDir: path.join(services.folders.cache, 'images'),
            registry: registryOptions(services, line),
            platform: platform === undefined ? undefined : line.parsePlatform(platform),
            ...task,
          });
        const origin = await line.checkOrigin(store, one, { open, signal: task.signal });
        if (origin) origins.push(origin);
      }
      return { report, origins };
    });
    const { report } = verified;
    const { platforms, indexes } = await survey(services, key, task.signal);
    const verdict = new Map(
      report.platforms.map(({ sociIndex, problems, layers }) => [
        sociIndex,
        problems.length === 0 && layers.every((layer) => layer.problems.length === 0),
      ]),
    );
    services.store.update(key, {
      survey: {
        platforms,
        indexes: indexes.map((index) => {
          const holds = verdict.get(index.digest);
          return holds === undefined ? index : { ...index, verified: holds && report.problems.length === 0 };
        }),
      },
    });
    return verified;
  } finally {
    await pool.close();
  }
}

/** @throws LensError for what is no destination, or none that can be written to from here */
export function readDestination(line: Line, text: string) {
  const target = line.parseDestination(text);
  if (target.transport !== 'oci-archive') return target;
  throw new LensError(
    'editor/no-archive',
    vscode.l10n.t('An image with its index cannot be written to an archive yet.'),
    vscode.l10n.t('Write oci:FOLDER or docker://HOST/NAME:TAG.'),
  );
}

function scanOf({ layers }: Opened, digest: string) {
  const result = layers.find(({ layer }) => layer.descriptor.digest === digest);
  if (result && 'error' in result) throw result.error;
  return result && 'scan' in result ? result.scan : undefined;
}
