import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import type { TarEntries } from '../../../src/layer/types';
import type { ImageConfig } from '../../../src/oci/types';
import { readTrace } from '../../../src/trace/file';
import { mapTrace } from '../../../src/trace/map';
import type { StartupTrace, Touch, TraceEvent, TraceHeader, TraceMapping } from '../../../src/trace/types';
import { fixture } from '../../support/paths';
import { Random } from '../../support/random';
import { fakeEntries, type FakeEntry } from '../../support/scans';
import { readTruth } from '../../support/truth';

const HEADER: TraceHeader = {
  v: 1,
  op: 'start',
  t0_unix_ns: '1795296669972111977',
  clock: 'monotonic',
  unit: 'us',
  mode: 'ptrace-seccomp',
  level: 2,
};
const CONFIG: ImageConfig = {
  architecture: 'amd64',
  os: 'linux',
  rootfs: { type: 'layers', diff_ids: [] },
};

/** A trace of these events, one microsecond apart, on these layers; the lowest is first. */
function map(
  layers: readonly (readonly FakeEntry[])[],
  list: readonly Untimed[],
  config = CONFIG,
): TraceMapping {
  const events = list.map((event, index) => ({ pid: 1, t: index, ...event }));
  const trace: StartupTrace = { header: HEADER, events, footer: undefined };
  return mapTrace(trace, { layers: layers.map(fakeEntries), config });
}
type Untimed = TraceEvent extends infer Event
  ? Event extends TraceEvent
    ? Omit<Event, 't' | 'pid'> & { t?: number }
    : never
  : never;

const open = (path: string, fl?: number): Untimed => ({ op: 'open', path, ...(fl !== undefined && { fl }) });
const read = (path: string, off: number, len: number): Untimed => ({ op: 'read', path, off, len });
/** `layer/entry [start,end) kind`, for comparison. */
const brief = ({ touches }: TraceMapping): string[] =>
  touches.map(
    ({ layer, entry, start, end, kind, executable }: Touch) =>
      `${layer}/${entry} ${start}-${end} ${kind}${executable ? ' x' : ''}`,
  );

describe('the files of an image as a container sees them', () => {
  test('the topmost layer wins, and whiteouts hide what lies below them only', () => {
    const layers: FakeEntry[][] = [
      [
        { name: 'a/', type: 'dir' },
        { name: 'a/one', size: 1 },
        { name: 'a/two', size: 2 },
        { name: 'a/sub/three', size: 3 },
        { name: 'b/four', size: 4 },
      ],
      [
        { name: './a/.wh.one' },
        { name: './a/two', size: 22 },
        { name: 'b/.wh..wh..opq' },
        { name: 'b/five', size: 5 },
        { name: 'a/sub/.wh.three' },
        { name: 'a/sub/three', size: 33 },
      ],
    ];
    const mapping = map(
      layers,
      ['/a/one', '/a/two', '/a/sub/three', '/b/four', '/b/five'].map((path) => read(path, 0, -1)),
    );
    assert.deepEqual(brief(mapping), ['1/1 0-22 read', '1/5 0-33 read', '1/3 0-5 read']);
    assert.deepEqual(mapping.coverage.unmapped, [
      { path: '/a/one', reason: 'not-in-image' },
      { path: '/b/four', reason: 'not-in-image' },
    ]);
  });

  test('a file in the place of a folder drops what was in it, and a folder in the place of a link is one', () => {
    const layers: FakeEntry[][] = [
      [
        { name: 'd/x', size: 1 },
        { name: 'lib', type: 'symlink', linkname: 'usr/lib' },
        { name: 'usr/lib/so', size: 2 },
      ],
      [
        { name: 'd', size: 9 },
        { name: 'lib/own', size: 3 },
      ],
      [{ name: 'd/y', size: 4 }],
    ];
    const mapping = map(
      layers,
      ['/d/x', '/d/y', '/lib/so', '/lib/own'].map((path) => read(path, 0, -1)),
    );
    assert.deepEqual(brief(mapping), ['2/0 0-4 read', '1/1 0-3 read']);
  });

  test('symbolic links: within the way, at its end, upwards, absolute, and in circles', () => {
    const layers: FakeEntry[][] = [
      [
        { name: 'usr/lib/libc.so', size: 10 },
        { name: 'lib', type: 'symlink', linkname: 'usr/lib' },
        { name: 'app/conf/target', size: 20 },
        { name: 'app/conf/link1', type: 'symlink', linkname: 'target' },
        { name: 'app/conf/link2', type: 'symlink', linkname: '../conf/link1' },
        { name: 'app/dir', type: 'symlink', linkname: '/app/conf/' },
        { name: 'out', type: 'symlink', linkname: '../../../app/conf/target' },
        { name: 'round', type: 'symlink', linkname: 'about' },
        { name: 'about', type: 'symlink', linkname: 'round' },
      ],
    ];
    const mapping = map(
      layers,
      ['/lib/libc.so', '/app/dir/link2', '/out', '/round', '/app/../lib/./libc.so'].map((path) =>
        read(path, 0, 5),
      ),
    );
    assert.deepEqual(brief(mapping), ['0/0 0-5 read', '0/2 0-5 read']);
    assert.deepEqual(mapping.coverage, {
      mapped: 4,
      excluded: 0,
      unmapped: [{ path: '/round', reason: 'symlink-loop' }],
    });
    const chain = (length: number): FakeEntry[] => [
      ...Array.from({ length }, (_, index) => ({
        name: `l${index}`,
        type: 'symlink' as const,
        linkname: `l${index + 1}`,
      })),
      { name: `l${length}`, size: 1 },
    ];
    assert.equal(map([chain(40)], [read('/l0', 0, 1)]).files, 1);
    assert.deepEqual(map([chain(41)], [read('/l0', 0, 1)]).coverage.unmapped, [
      { path: '/l0', reason: 'symlink-loop' },
    ]);
  });

  test('hard links lead to the data within their own archive', () => {
    const layers: FakeEntry[][] = [
      [{ name: 'app/a', size: 7 }],
      [
        { name: './app/a', size: 5 },
        { name: './app/b', type: 'hardlink', linkname: './app/a' },
        { name: './app/c', type: 'hardlink', linkname: 'app/b' },
        { name: './app/lost', type: 'hardlink', linkname: 'app/none' },
        { name: './app/self', type: 'hardlink', linkname: 'app/self' },
      ],
    ];
    const mapping = map(
      layers,
      ['/app/c', '/app/b', '/app/lost', '/app/self'].map((path) => read(path, 1, 100)),
    );
    assert.deepEqual(brief(mapping), ['1/0 1-5 read']);
    assert.deepEqual(
      mapping.coverage.unmapped.map(({ reason }) => reason),
      ['not-a-file', 'not-a-file'],
    );
  });

  test('names that are not UTF-8 are compared by their bytes', () => {
    const layer = fakeEntries([
      { name: Uint8Array.of(0x66, 0xf0), size: 3 },
      { name: Uint8Array.of(0x66, 0xf1), size: 4 },
    ]);
    const event: TraceEvent = {
      op: 'read',
      t: 0,
      pid: 1,
      path: '/f\uFFFD',
      path_b64: 'L2bx',
      off: 0,
      len: -1,
    };
    const mapping = mapTrace(
      { header: HEADER, events: [event], footer: undefined },
      { layers: [layer], config: CONFIG },
    );
    assert.deepEqual(brief(mapping), ['0/1 0-4 read']);
  });

  test('folders, devices, and layers that could not be read', () => {
    const layers: FakeEntry[][] = [
      [
        { name: 'etc/', type: 'dir' },
        { name: 'fifo', type: 'fifo' },
      ],
    ];
    const mapping = map(layers, [open('/etc'), open('/fifo'), open('/')]);
    assert.deepEqual(mapping.touches, []);
    assert.deepEqual(mapping.coverage, {
      mapped: 2,
      excluded: 0,
      unmapped: [{ path: '/fifo', reason: 'not-a-file' }],
    });
    const trace = {
      header: HEADER,
      events: [{ op: 'open', t: 0, pid: 1, path: '/x' }] as const,
      footer: undefined,
    };
    assert.equal(mapTrace(trace, { layers: [undefined], config: CONFIG }).coverage.unmapped.length, 1);
  });
});

describe('from events to bytes', () => {
  const big: FakeEntry[] = [
    { name: 'bin/app', size: 10_000_000 },
    { name: 'data', size: 8_000_000 },
    { name: 'run.sh', size: 100 },
  ];

  test('reads are clipped and merged where they meet; the time is that of the first', () => {
    const mapping = map(
      [big],
      [
        open('/data'),
        read('/data', 0, 4096),
        read('/data', 4096, 4096),
        read('/data', 7_999_000, 65536),
        read('/data', 20_000, 100),
        read('/data', 8192, 20_000),
        read('/data', 9_000_000, 100),
      ],
    );
    assert.deepEqual(brief(mapping), ['0/1 0-0 open', '0/1 0-28192 read', '0/1 7999000-8000000 read']);
    assert.deepEqual(
      mapping.touches.map(({ at }) => at),
      [0, 1, 3],
    );
    assert.equal(mapping.files, 1);
  });

  test('a failed call, metadata and what happens after the snapshot touch nothing', () => {
    const mapping = map(
      [big],
      [
        { ...open('/data'), ret: -2 } as Untimed,
        { op: 'stat', path: '/data' },
        { op: 'mark', what: 'ready' },
        { op: 'mark', what: 'snapshot-done' },
        read('/data', 0, 10),
      ],
    );
    assert.deepEqual([mapping.touches, mapping.files, mapping.coverage.mapped], [[], 0, 0]);
  });

  test('pages have the date of the mapping and its protection', () => {
    const mapping = map(
      [big],
      [
        { op: 'mmap', path: '/bin/app', off: 0, len: 10_000_000, prot: 1 },
        open('/data'),
        {
          op: 'pages',
          why: 'exit',
          path: '/bin/app',
          prot: 5,
          r: [
            [4096, 8192],
            [40960, 4096],
          ],
        },
        { op: 'pages', why: 'exit', path: '/bin/app', prot: 1, r: [[4096, 4096]] },
      ],
    );
    assert.deepEqual(brief(mapping), [
      '0/0 4096-12288 page x',
      '0/0 40960-45056 page x',
      '0/0 4096-8192 page',
      '0/1 0-0 open',
    ]);
  });

  test('pages without a protection take it from the mappings, and a program is executable', () => {
    const mapping = map(
      [big],
      [
        { op: 'mmap', path: '/data', off: 0, len: 4096, prot: 5 },
        { op: 'mmap', path: '/data', off: 4096, len: 4096, prot: 3 },
        {
          op: 'pages',
          why: 'exit',
          path: '/data',
          r: [
            [0, 4096],
            [4096, 4096],
          ],
        },
        { op: 'exec', path: '/bin/app' },
        { op: 'pages', why: 'exit', path: '/bin/app', r: [[8192, 4096]] },
      ],
    );
    assert.deepEqual(brief(mapping), [
      '0/1 0-4096 page x',
      '0/1 4096-8192 page',
      '0/0 0-4096 exec',
      '0/0 8192-12288 page x',
    ]);
  });

  test('what the kernel asks for: windows ahead of reads and around pages, unless they come at random', () => {
    const asked = (list: readonly Untimed[]) =>
      (map([big], list).requests ?? []).map(({ entry, start, end }) => `${entry} ${start}-${end}`);
    const pages = { op: 'pages', why: 'ready', path: '/data', r: [[1 << 20, 4096]] } as const;
    const around = `1 ${(1 << 20) - (64 << 10)}-${(1 << 20) + (64 << 10)}`;
    assert.deepEqual(asked([read('/data', 0, 10)]), ['1 0-16384']);
    assert.deepEqual(asked([{ ...pages, prot: 1 }]), [around]);
    assert.deepEqual(asked([{ ...pages, prot: 5, map: [1 << 20, 8192] }]), [
      `1 ${1 << 20}-${(1 << 20) + 8192}`,
    ]);
    const random = { op: 'advise', how: 'random', path: '/data' } as const;
    assert.deepEqual(asked([random, { ...pages, prot: 1 }, read('/data', 0, 10)]), [
      `1 ${1 << 20}-${(1 << 20) + 4096}`,
      '1 0-16384',
    ]);
    assert.deepEqual(asked([{ ...random, fd: 3 }, read('/data', 0, 10), { ...pages, prot: 1 }]), [
      '1 0-4096',
      around,
    ]);
    const next = [read('/data', 81920, 10), read('/data', 86016, 10)] as const;
    assert.deepEqual(asked(next), ['1 81920-102400'], 'the second follows the first: a window');
    assert.deepEqual(
      asked([next[0], open('/data'), next[1]]),
      ['1 81920-90112'],
      'through a descriptor of its own, whose number need not be known',
    );
    assert.deepEqual(asked([open('/data')]), []);
    assert.deepEqual(asked([{ op: 'exec', path: '/bin/app' }]), ['0 0-16384']);
  });

  test('a mapping no page was seen of counts whole when it is small, and not at all when it is large', () => {
    const small: Untimed = { op: 'mmap', path: '/data', off: 4096, len: 4 << 20, prot: 1 };
    assert.deepEqual(brief(map([big], [small])), [`0/1 4096-${4096 + (4 << 20)} page`]);
    const large: Untimed = { op: 'mmap', path: '/data', off: 0, len: (4 << 20) + 1, prot: 1 };
    const mapping = map([big], [large]);
    assert.deepEqual([brief(mapping), mapping.files], [[], 1]);
  });

  test('programs: the head, the interpreter, the script, and the emulator that is not in the image', () => {
    const script = map([big], [{ op: 'exec', path: '/run.sh', real: '/bin/app' }]);
    assert.deepEqual(brief(script).sort(), ['0/0 0-4096 exec', '0/2 0-100 exec']);
    const emulated = map([big], [{ op: 'exec', path: '/bin/app', real: '/usr/bin/qemu-aarch64-static' }]);
    assert.deepEqual(brief(emulated), ['0/0 0-4096 exec']);
  });

  test('what copies a file up needs it whole; what replaces it needs nothing', () => {
    const O_WRONLY = 1;
    const O_TRUNC = 0o1000;
    const links: FakeEntry[] = [...big, { name: 'link', type: 'symlink', linkname: 'data' }];
    assert.deepEqual(brief(map([links], [open('/run.sh', O_WRONLY)])), ['0/2 0-0 open', '0/2 0-100 copy-up']);
    assert.deepEqual(brief(map([links], [open('/run.sh', O_WRONLY | O_TRUNC), read('/run.sh', 0, 9)])), []);
    assert.deepEqual(brief(map([links], [{ op: 'meta', path: '/link' }])), ['0/1 0-8000000 copy-up']);
    assert.deepEqual(brief(map([links], [{ op: 'meta', path: '/link', nofollow: 1 }])), []);
  });

  test('what is not the image’s is left out and counted', () => {
    const config = { ...CONFIG, config: { Volumes: { '/var/lib/db/': {} } } };
    const layer: FakeEntry[] = [
      'etc/hosts',
      'etc/hostsfile',
      'var/lib/db/x',
      'gone (deleted)',
      'proc/self',
    ].map((name) => ({ name, size: 1 }));
    const paths = [
      '/etc/hosts',
      '/etc/hostsfile',
      '/var/lib/db/x',
      '/gone (deleted)',
      '/proc/self',
      'pipe:[1]',
      '/memfd:x',
    ];
    const mapping = map(
      [layer],
      paths.map((path) => read(path, 0, 1)),
      config,
    );
    assert.deepEqual(brief(mapping), ['0/1 0-1 read']);
    assert.deepEqual(mapping.coverage, { mapped: 1, excluded: 6, unmapped: [] });
  });
});

test('one million events on one hundred thousand entries, in a few times the time that parsing them takes', (context) => {
  const random = new Random(7);
  const entries: FakeEntry[] = Array.from({ length: 100_000 }, (_, index) => ({
    name: `usr/lib/python3/dist-packages/package${index % 500}/sub${index % 7}/module${index}.py`,
    size: 20_000,
  }));
  const layers = [fakeEntries(entries)];
  const lines = Array.from({ length: 250_000 }, (_, file): string[] => {
    const at = { t: file * 4, pid: 1, path: `/${entries[random.int(0, entries.length - 1)]?.name ?? ''}` };
    return [
      JSON.stringify({ ...at, op: 'open' }),
      JSON.stringify({ ...at, op: 'read', off: 0, len: 4096 }),
      JSON.stringify({ ...at, op: 'read', off: 4096, len: 8192 }),
      JSON.stringify({ ...at, op: 'mmap', off: 0, len: 20_000, prot: 1 }),
    ];
  }).flat();
  // Processor time, not time: other programs must not count.
  const cost = (action: () => unknown): number => {
    const before = process.cpuUsage();
    action();
    return process.cpuUsage(before).user;
  };
  let [laid, parsed] = [Infinity, Infinity];
  // Whoever maps events has read them before. A round that a busy machine spoils is made good by the next.
  for (let round = 0; round < 5 && !(laid < 6 * parsed); round++) {
    let events: TraceEvent[] = [];
    const reading = cost(() => (events = lines.map((line) => JSON.parse(line) as TraceEvent)));
    let mapping: TraceMapping | undefined;
    const laying = cost(() => {
      mapping = mapTrace({ header: HEADER, events, footer: undefined }, { layers, config: CONFIG });
    });
    assert.ok((mapping?.files ?? 0) > 80_000);
    [laid, parsed] = [Math.min(laid, laying), Math.min(parsed, reading)];
  }
  context.diagnostic(`laid in ${laid / 1e6} s, read in ${parsed / 1e6} s`);
  assert.ok(laid < 6 * parsed, `${laid / 1e6} s, reading them ${parsed / 1e6} s`);
});

/** `layer:window` of all bytes that were touched. */
function windows(touches: readonly Touch[], layers: readonly TarEntries[], size: number): Set<string> {
  const found = new Set<string>();
  for (const { layer, entry, start, end } of touches) {
    const data = layers[layer]?.offset(entry) ?? 0;
    for (let at = Math.floor((data + start) / size); end > start && at <= (data + end - 1) / size; at++) {
      found.add(`${layer}:${at}`);
    }
  }
  return found;
}

describe('against what a FUSE file system under the same start was asked for', () => {
  const app = readTruth(fixture('truth', 'fx-py'));
  const layers = app.layers.map(({ scan }) => scan.entries);
  const target = { layers, config: app.config };

  /** The log's opens and reads as events: an independent recording of the same image. */
  function fuse(): TraceMapping {
    const lines = gunzipSync(readFileSync(fixture('traces', 'fuse-py-b.jsonl.gz')))
      .toString()
      .trim()
      .split('\n');
    const events = lines.flatMap((line): TraceEvent[] => {
      // The fixture is ours; its lines are of this shape.
      const { t, pid, op, path, off, len } = JSON.parse(line) as Record<'t' | 'pid' | 'off' | 'len', number> &
        Record<'op' | 'path', string>;
      if (op === 'open') return [{ op, t, pid, path }];
      return op === 'read' ? [{ op, t, pid, path, off, len }] : [];
    });
    return mapTrace({ header: HEADER, events, footer: undefined }, target);
  }

  test('files and windows of the tracer’s recording', async () => {
    const truth = fuse();
    const traced = mapTrace(await readTrace(fixture('traces', 'py-l2new.jsonl.gz')), target);
    const files = (mapping: TraceMapping) =>
      new Set(mapping.touches.map(({ layer, entry }) => `${layer}/${entry}`));
    assert.deepEqual(files(traced), files(truth));
    assert.deepEqual(traced.coverage.unmapped, []);
    for (const [size, recallFloor, precisionFloor] of [
      [4 << 20, 1, 1],
      [1 << 20, 0.97, 0.99],
      [64 << 10, 0.9, 0.95],
    ] as const) {
      const [wanted, found] = [windows(truth.touches, layers, size), windows(traced.touches, layers, size)];
      const hits = [...wanted].filter((one) => found.has(one)).length;
      const [recall, precision] = [hits / wanted.size, hits / found.size];
      assert.ok(recall >= recallFloor && precision >= precisionFloor, `${size}: ${recall} ${precision}`);
    }
  });

  for (const name of ['fx-py', 'fx-node'] as const) {
    test(`${name}: a trace of the same image leads to entries without a rest`, async () => {
      const { config, layers: described, traceFile } = readTruth(fixture('truth', name));
      const mapping = mapTrace(await readTrace(traceFile), {
        config,
        layers: described.map(({ scan }) => scan.entries),
      });
      assert.deepEqual(mapping.coverage.unmapped, []);
      assert.equal(mapping.files, name === 'fx-py' ? 1153 : 2857);
      assert.ok(mapping.touches.every((touch, index) => touch.at >= (mapping.touches[index - 1]?.at ?? 0)));
      assert.ok(mapping.touches.some(({ executable }) => executable));
    });
  }
});
