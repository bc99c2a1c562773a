/** Made-up images for the picture: small and believable, huge, hostile, empty. The same in every run. */
import type { EntryFilter } from '../../src/plan/picture/types';
import type { PlanInput } from '../../src/plan/plan';
import type { Touch, TraceProcess } from '../../src/trace/types';
import { fakeScan, seeded } from './scans';
import type { FakeEntry } from './scans';

const MB = 1_000_000;

/** The filter of a list of files that lets all of them through. */
export const ALL_FILES: EntryFilter = {
  layer: null,
  filter: '',
  touchedOnly: false,
  type: null,
  package: null,
  time: null,
  sort: 'archive',
  descending: false,
};

/** Who runs in the made-up starts: a program, one that it asks something, and a worker that reads late. */
const PROCESSES: readonly TraceProcess[] = [
  { pid: 1, parent: undefined, program: '/usr/bin/python3', start: 0, end: undefined },
  { pid: 7, parent: 1, program: '/usr/bin/uname', start: 90_000, end: 130_000 },
  { pid: 12, parent: 1, program: '/usr/bin/python3', start: 600_000, end: undefined },
];

interface LayerRecipe {
  readonly instruction: string;
  readonly files: number;
  /** Bytes of the average file. */
  readonly size: number;
  readonly folder: string;
  /** One file that is read in parts. */
  readonly bigFile?: number;
  readonly ratio?: number;
  /** Share of the files that the start reads. */
  readonly read: number;
}

function digestOf(index: number): string {
  const random = seeded(index + 1);
  return `sha256:${Array.from({ length: 64 }, () => Math.floor(random() * 16).toString(16)).join('')}`;
}

function imageOf(reference: string, recipes: readonly LayerRecipe[], traced: boolean): PlanInput {
  const random = seeded(recipes.length);
  const touches: Touch[] = [];
  const layers = recipes.map((recipe, layer) => {
    const entries: FakeEntry[] = [{ name: `${recipe.folder}/`, type: 'dir' }];
    for (let file = 0; file < recipe.files; file++) {
      entries.push({
        name: `${recipe.folder}/part${file % 40}/file-${file}.so`,
        size: Math.ceil(recipe.size * 2 * random()),
      });
    }
    if (recipe.bigFile !== undefined)
      entries.push({ name: `${recipe.folder}/model.bin`, size: recipe.bigFile });
    const scan = fakeScan({
      digest: digestOf(layer),
      entries,
      ratio: recipe.ratio ?? 0.4,
      blockEvery: 40_000,
    });
    // The files of a start lie in clusters, as packages do.
    let inside = false;
    entries.forEach(({ size = 0, type }, entry) => {
      if (random() < 0.02) inside = random() < recipe.read;
      const big = recipe.bigFile !== undefined && entry === entries.length - 1;
      if (type === 'dir' || (!inside && !big)) return;
      const at = Math.floor(random() * 1_200_000);
      const ranges = big
        ? [0, 0.31, 0.32, 0.88].map((part) => [part * size, part * size + 65_536])
        : [[0, size]];
      for (const [start = 0, end = 0] of ranges) {
        touches.push({
          layer,
          entry,
          start: Math.floor(start),
          end: Math.min(size, Math.floor(end)),
          at,
          pid: at < 600_000 ? 1 : 12,
          kind: 'read',
          executable: false,
        });
      }
    });
    return {
      descriptor: {
        mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip',
        digest: scan.digest,
        size: scan.compressedSize,
      },
      scan,
      instruction: recipe.instruction,
    };
  });
  touches.sort((a, b) => a.at - b.at);
  const files = new Set(touches.map((touch) => `${touch.layer}:${touch.entry}`)).size;
  return {
    image: { reference, digest: digestOf(999), platform: 'linux/amd64' },
    layers,
    ...(traced && {
      mapping: {
        touches,
        files,
        coverage: {
          mapped: files,
          excluded: 12,
          unmapped: [{ path: '/tmp/cache', reason: 'not-in-image' as const }],
        },
        readyAt: 1_330_000,
        processes: PROCESSES,
      },
    }),
  };
}

const SERVICE: readonly LayerRecipe[] = [
  { instruction: 'ADD base.tar /', files: 3200, size: 24_000, folder: 'usr/lib', read: 0.12 },
  {
    instruction:
      'RUN apt-get update && apt-get install -y --no-install-recommends python3 libopenblas0 liblapack3 && rm -rf /var/lib/apt/lists/*',
    files: 14000,
    size: 30_000,
    folder: 'usr/lib/python3',
    read: 0.1,
  },
  {
    instruction: 'COPY --chown=app data/ /srv/data/',
    files: 2,
    size: 400,
    folder: 'srv/data',
    bigFile: 180 * MB,
    ratio: 0.97,
    read: 0,
  },
  { instruction: 'COPY requirements.txt /app/', files: 1, size: 900, folder: 'app', read: 0 },
  {
    instruction: 'RUN pip install --no-cache-dir -r requirements.txt',
    files: 4200,
    size: 16_000,
    folder: 'usr/local/lib/python3.11/site-packages',
    read: 0.15,
  },
  { instruction: 'COPY src/ /app/', files: 60, size: 4000, folder: 'app/src', read: 1 },
];

/** Half a gigabyte in six layers, with a recorded start. */
export const service = (): PlanInput => imageOf('registry.example/team/service:1.4', SERVICE, true);

/** The same without a recorded start. */
export const untraced = (): PlanInput => imageOf('registry.example/team/service:1.4', SERVICE, false);

/** 127 layers. */
export const manyLayers = (): PlanInput =>
  imageOf(
    'many:layers',
    Array.from({ length: 127 }, (_, layer) => ({
      instruction: `RUN ./step-${layer}.sh`,
      files: 40 + ((layer * 37) % 400),
      size: 120_000,
      folder: `opt/step${layer}`,
      read: (layer % 7) / 20,
    })),
    true,
  );

/** 500 000 files, a share of which the start reads; some 10 000 spans at 256 KiB. */
export const huge = (read = 0.04): PlanInput =>
  imageOf(
    'huge:latest',
    Array.from({ length: 5 }, (_, layer) => ({
      instruction: `COPY part${layer} /srv/part${layer}`,
      files: 100_000,
      size: 5000,
      folder: `srv/part${layer}`,
      read,
    })),
    true,
  );

/** Names that try to become markup, to run from right to left, to be endless, or that are no text at all. */
export function hostile(): PlanInput {
  const scan = fakeScan({
    digest: digestOf(3),
    entries: [
      { name: '<img src=x onerror="window.hacked=1">', size: 300_000 },
      { name: '"><script>window.hacked=1</script>', size: 300_000 },
      { name: `${'long/'.repeat(4000)}name`, size: 300_000 },
      { name: 'gpj.\u202Eexe', size: 300_000 },
      { name: '\uFFFD\u0000\n\t', size: 300_000 },
    ],
  });
  const touches: Touch[] = [0, 1, 2, 3, 4].map((entry) => ({
    layer: 0,
    entry,
    start: 0,
    end: 300_000,
    at: entry,
    pid: 1,
    kind: 'read',
    executable: false,
  }));
  return {
    image: {
      reference: '<img src=x onerror="window.hacked=1">',
      digest: digestOf(4),
      platform: 'linux/amd64',
    },
    layers: [
      {
        descriptor: {
          mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip',
          digest: scan.digest,
          size: scan.compressedSize,
        },
        scan,
        instruction: 'RUN echo "</script><img src=x onerror=window.hacked=1>"',
      },
    ],
    mapping: {
      touches,
      files: 5,
      coverage: {
        mapped: 5,
        excluded: 0,
        unmapped: [{ path: '</ul><script>window.hacked=1</script>', reason: 'not-in-image' }],
      },
      readyAt: undefined,
      processes: [],
    },
  };
}

/** One layer of 20 GB in which no block ends: one giant span. */
export function giant(): PlanInput {
  const size = 20_000 * MB;
  const scan = fakeScan({
    digest: digestOf(6),
    entries: [{ name: 'weights.bin', size }],
    ratio: 1,
    blockEvery: 2 * size,
  });
  const touch: Touch = {
    layer: 0,
    entry: 0,
    start: 0,
    end: 4096,
    at: 5,
    pid: 1,
    kind: 'read',
    executable: false,
  };
  return {
    image: { reference: 'giant:latest', digest: digestOf(7), platform: 'linux/amd64' },
    layers: [
      {
        descriptor: {
          mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip',
          digest: scan.digest,
          size: scan.compressedSize,
        },
        scan,
        instruction: 'COPY weights.bin /',
      },
    ],
    mapping: {
      touches: [touch],
      files: 1,
      coverage: { mapped: 1, excluded: 0, unmapped: [] },
      readyAt: 1_000_000,
    },
  };
}

/** An image without a layer. */
export const empty = (): PlanInput => imageOf('empty:latest', [], false);
