import { homedir } from 'node:os';
import path from 'node:path';
import { connectEngine, type Engine } from '../image/engine';
import { openImage } from '../image/open';
import { parseReference } from '../image/reference';
import { scanImage, scanKey, type LayerResult } from '../image/scan';
import type { Image } from '../image/types';
import { openScanCache, type ScanCache } from '../layer/cache';
import { createScanPool, type ScanPool, type ScanPoolOptions } from '../layer/pool';
import { parsePlatform } from '../oci/platform';
import type { KnownScan, ScanLayer } from '../soci/layers';
import type { InflateSpan } from '../soci/verify-ztoc';
import type { Limit } from '../registry/rate';
import { typed } from './command';
import { registryOptions, type RegistryFlagValues } from './registry-flags';
import type { Terminal } from './terminal';

/** What one run of the program shares: made when first asked for, ended with `close`. */
export class Session {
  private enginePromise: Promise<Engine> | undefined;
  private readonly pool: ScanPool;

  constructor(
    readonly terminal: Terminal,
    readonly signal: AbortSignal,
    pool: ScanPoolOptions,
  ) {
    this.pool = createScanPool(pool);
  }

  /** zlib's level for layers that are compressed here, 0–9; the usual one where not set. */
  gzipLevel: number | undefined;

  /** How fast requests may follow each other; as fast as they can where not set. */
  limit: Limit | undefined;

  readonly cacheDir = defaultCacheDir(process.env, process.platform);

  /** The Docker engine, by `DOCKER_HOST` or the Docker context. */
  readonly engine = (): Promise<Engine> => {
    this.enginePromise ??= connectEngine({ signal: this.signal });
    return this.enginePromise;
  };

  /** For those who read a whole layer anyway: its digest is checked on the way. */
  readonly scanLayer: ScanLayer = (layer, blob, compression, options) =>
    this.pool.scan(blob, compression, { ...options, expectedDigest: layer.digest });

  readonly inflateSpan: InflateSpan = (span, signal) => this.pool.inflate(span, signal);

  /** What an earlier pass over these very bytes has kept. */
  readonly knownScan: KnownScan = (layer, compression) => this.scans.get(scanKey(layer.digest, compression));

  private get scans(): ScanCache {
    return openScanCache(path.join(this.cacheDir, 'scans'));
  }

  /** @param spanSize for which the layers are scanned that have to be compressed first, in bytes */
  async open(
    reference: string,
    platform: string | undefined,
    registry: RegistryFlagValues,
    spanSize?: number,
  ): Promise<Image> {
    typed(() => parseReference(reference));
    return openImage(reference, {
      platform: platform === undefined ? undefined : typed(() => parsePlatform(platform)),
      engine: this.engine,
      cacheDir: path.join(this.cacheDir, 'images'),
      level: this.gzipLevel,
      indexing: { pool: this.pool, cache: this.scans, spanSize },
      registry: { ...registryOptions(registry), limit: this.limit },
      signal: this.signal,
      onProgress: this.terminal.progress,
    });
  }

  scan(image: Image): Promise<LayerResult[]> {
    return scanImage(image, {
      pool: this.pool,
      cache: this.scans,
      signal: this.signal,
      onProgress: this.terminal.progress,
    });
  }

  async close(): Promise<void> {
    await this.pool.close();
  }
}

/** Where exported images and scans are kept, by the custom of the operating system; `SOCI_LENS_CACHE` overrides it. */
export function defaultCacheDir(env: NodeJS.ProcessEnv, platform: NodeJS.Platform): string {
  if (env['SOCI_LENS_CACHE']) return path.resolve(env['SOCI_LENS_CACHE']);
  if (platform === 'win32') {
    return path.join(env['LOCALAPPDATA'] ?? path.join(homedir(), 'AppData', 'Local'), 'soci-lens', 'cache');
  }
  if (platform === 'darwin') return path.join(homedir(), 'Library', 'Caches', 'soci-lens');
  return path.join(env['XDG_CACHE_HOME'] ?? path.join(homedir(), '.cache'), 'soci-lens');
}
