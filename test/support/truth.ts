/** Recorded starts on the real snapshotter (`test/fixtures/truth`): images, traces and what was fetched. */
import { createReadStream, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { createGunzip, gunzipSync } from 'node:zlib';
import type { EntryType, LayerScan } from '../../src/layer/types';
import type { ImageConfig } from '../../src/oci/types';
import { createPlanner } from '../../src/plan/plan';
import type { Planner } from '../../src/plan/plan';
import { readTrace } from '../../src/trace/file';
import { mapTrace } from '../../src/trace/map';
import { fixture } from './paths';
import { fakeEntries, scanOf } from './scans';

interface RecordedImage {
  readonly image: string;
  readonly config: ImageConfig;
  readonly layers: readonly {
    readonly digest: string;
    readonly mediaType: string;
    readonly size: number;
    readonly uncompressedSize: number;
    readonly files: readonly (readonly [
      name: string,
      type: EntryType,
      offset: number,
      size: number,
      linkname: string,
    ])[];
    /** By span size: where each span begins. */
    readonly checkpoints: Readonly<
      Record<string, readonly (readonly [input: number, output: number, bits: number])[]>
    >;
  }[];
}

export interface RecordedRun {
  readonly run: string;
  readonly mode: string;
  readonly spanSize: number | null | Readonly<Record<string, number>>;
  readonly latencyMs: number;
  readonly bandwidthEffective?: number | null;
  readonly bandwidthBytesPerSec: number | null;
  readonly phases: { readonly pullMs: number; readonly startToReadyMs: number; readonly totalMs: number };
  readonly counts: Readonly<Record<string, { readonly n: number; readonly bytes: number } | undefined>>;
  readonly spansByLayer: Readonly<Record<string, readonly number[]>>;
}

export interface RecordedApp {
  readonly config: ImageConfig;
  readonly layers: readonly {
    readonly digest: string;
    readonly mediaType: string;
    readonly size: number;
    readonly scan: LayerScan;
  }[];
  readonly traceFile: string;
  readonly runs: readonly RecordedRun[];
}

export function readTruth(name: 'fx-py' | 'fx-node'): RecordedApp {
  const folder = fixture('truth', name);
  // The fixtures are ours; their shape is the one above.
  const image = JSON.parse(
    gunzipSync(readFileSync(path.join(folder, `${name}-image.json.gz`))).toString(),
  ) as RecordedImage;
  return {
    config: image.config,
    layers: image.layers.map((layer) => ({
      digest: layer.digest,
      mediaType: layer.mediaType,
      size: layer.size,
      scan: scanOf({
        digest: layer.digest,
        compression: 'gzip',
        compressedSize: layer.size,
        tarSize: layer.uncompressedSize,
        entries: fakeEntries(
          layer.files.map(([file, type, offset, size, linkname]) => ({
            name: file,
            type,
            offset,
            size,
            linkname,
          })),
        ),
        boundaries: blockEnds(layer.checkpoints),
      }),
    })),
    traceFile: path.join(folder, `trace-${name}-1.jsonl.gz`),
    runs: readdirSync(path.join(folder, 'runs')).map(
      (file) => JSON.parse(readFileSync(path.join(folder, 'runs', file), 'utf8')) as RecordedRun,
    ),
  };
}

/**
 * The block ends that carry a checkpoint of some recorded span size. Choosing from them gives back the checkpoints of
 * each of these sizes exactly: a checkpoint stands at the first block end that is far enough, and that one is there.
 */
function blockEnds(
  checkpoints: RecordedImage['layers'][number]['checkpoints'],
): (readonly [number, number, number])[] {
  const all = new Map(
    Object.values(checkpoints).flatMap((list) => list.map((one) => [one[1], one] as const)),
  );
  return [...all.values()].sort((a, b) => a[1] - b[1]);
}

/** Lays the recorded trace on the recorded image. */
export async function planTruth(app: RecordedApp): Promise<Planner> {
  const trace = await readTrace(createReadStream(app.traceFile).pipe(createGunzip()));
  const mapping = mapTrace(trace, {
    layers: app.layers.map((layer) => layer.scan.entries),
    config: app.config,
  });
  // The tracer's first version had no footer and marked readiness by an event.
  const mark = trace.events.find((event) => event.op === 'mark' && event.what === 'ready');
  return createPlanner({
    image: { reference: 'recorded', digest: `sha256:${'1'.repeat(64)}`, platform: 'linux/amd64' },
    layers: app.layers.map(({ digest, mediaType, size, scan }) => ({
      descriptor: { digest, mediaType, size },
      scan,
    })),
    mapping: { ...mapping, readyAt: mapping.readyAt ?? mark?.t },
  });
}
