import { defaultOf, findKey } from './config-keys';
import type { ConfigView } from './config-view';
import { removeEntry, replace, setKey } from './edits';
import type { Finding } from './findings';
import { isAtLeast } from './releases';
import type { TomlEntry } from './toml';

export const DEFAULT_SOCKET = '/run/containerd/containerd.sock';
/** Where the snapshotter itself listens. */
export const SNAPSHOTTER_SOCKET = '/run/soci-snapshotter-grpc/soci-snapshotter-grpc.sock';

/** Times, retries, sockets, keychains, mirrors, and what makes a node unsafe. */
export function lintGeneral(view: ConfigView, containerdSocket: string | undefined): Finding[] {
  return [
    ...units(view),
    ...waits(view),
    ...sharedRetries(view),
    ...checkInterval(view),
    ...sockets(view, containerdSocket),
    ...keychains(view),
    ...mirrors(view),
    ...safety(view),
    ...storage(view),
  ];
}

/** Seconds where milliseconds are read, and the other way round. */
function units(view: ConfigView): Finding[] {
  return view.document.entries.flatMap((entry): Finding[] => {
    const key = findKey(entry.path);
    if (entry.content.kind !== 'integer' || key?.unit === undefined) return [];
    const { value } = entry.content;
    const usual = Number(defaultOf(key, view.release));
    const isTooSmall =
      key.unit === 'ms' && usual >= 3000 && value > 0 && value < 1000 && value <= usual / 100;
    const isTooLarge = key.unit === 's' && usual >= 30 && value >= usual * 100 && value % 1000 === 0;
    if (!isTooSmall && !isTooLarge) return [];
    const meant = isTooSmall ? value * 1000 : value / 1000;
    const name = entry.path.at(-1) ?? '';
    return [
      {
        rule: 'wrong-unit',
        severity: 'warning',
        at: entry.value,
        message: isTooSmall
          ? `${name} is in milliseconds: ${value} is ${value / 1000} s.`
          : `${name} is in seconds: ${value} is ${Math.round(value / 360) / 10} hours.`,
        reason: isTooSmall
          ? `${key.about} It looks as if seconds were meant.`
          : `${key.about} It looks as if milliseconds were meant.`,
        fix: { title: `Write ${meant}`, edits: [replace(entry.value, String(meant))] },
      },
    ];
  });
}

function waits(view: ConfigView): Finding[] {
  return [
    ['http.MinWaitMsec', 'http.MaxWaitMsec'],
    ['blob.min_wait_msec', 'blob.max_wait_msec'],
  ].flatMap(([low = '', high = '']): Finding[] => {
    const entry = view.entry(high) ?? view.entry(low);
    if (!entry || view.isUnknown(low) || view.isUnknown(high) || view.number(low) <= view.number(high)) {
      return [];
    }
    return [
      {
        rule: 'retry-waits',
        severity: 'warning',
        at: entry.value,
        message: `The first pause between tries (${view.number(low)} ms) is above the longest (${view.number(high)} ms).`,
        reason: 'Every pause is then the longest one, and they do not grow.',
        fix: { title: `Remove ${low.split('.')[1] ?? ''}`, edits: removal(view, low) },
      },
    ];
  });
}

function removal(view: ConfigView, path: string) {
  const entry = view.entry(path);
  return entry ? [removeEntry(view.document, entry)] : [];
}

/**
 * Since 0.10 the defaults are filled in before the file is read (config.go NewConfig), so `[blob]` never takes over what
 * `[http]` says, though docs/config.md says so. Shown with the config reader of each release.
 */
function sharedRetries(view: ConfigView): Finding[] {
  if (!isAtLeast(view.release, '0.10')) return [];
  const pairs = [
    ['http.MaxRetries', 'blob.max_retries'],
    ['http.MinWaitMsec', 'blob.min_wait_msec'],
    ['http.MaxWaitMsec', 'blob.max_wait_msec'],
  ] as const;
  return pairs.flatMap(([http, blob]): Finding[] => {
    const entry = view.entry(http);
    if (entry?.content.kind !== 'integer' || view.entry(blob) || view.number(http) === view.number(blob)) {
      return [];
    }
    return [
      {
        rule: 'retries-not-shared',
        severity: 'note',
        at: entry.key,
        message: `${http.replace('.', '] ').replace(/^/, '[')} does not hold for spans; ${blob.replace('.', '] ').replace(/^/, '[')} does, and it stays at ${view.number(blob)}.`,
        reason: 'Its documentation says otherwise, but since release 0.10 each has its own default.',
        fix: {
          title: `Set ${blob} as well`,
          edits: [setKey(view.document, blob.split('.'), String(entry.content.value))],
        },
      },
    ];
  });
}

function checkInterval(view: ConfigView): Finding[] {
  const entry = view.entry('blob.valid_interval');
  if (!entry || !view.flag('blob.check_always')) return [];
  return [
    {
      rule: 'check-interval',
      severity: 'note',
      at: entry.key,
      message: 'valid_interval does nothing beside check_always.',
      reason:
        'The snapshotter sets it to 0 then, and checks before each fetch: one more round trip for each span.',
      fix: { title: 'Remove valid_interval', edits: [removeEntry(view.document, entry)] },
    },
  ];
}

function sockets(view: ConfigView, containerdSocket: string | undefined): Finding[] {
  const store = view.entry('content_store.containerd_address');
  const cri = view.entry('cri_keychain.image_service_path');
  const badPaths = [store, cri].flatMap((entry) => (entry ? socketPath(entry) : []));
  if (badPaths.length > 0 || view.isUnknown('content_store.containerd_address')) return badPaths;
  const used = trimSocket(view.text('content_store.containerd_address'));
  const handedOn =
    cri?.content.kind === 'string' && view.flag('cri_keychain.enable_keychain')
      ? trimSocket(cri.content.value)
      : undefined;
  const real = containerdSocket ?? handedOn;
  if (real === undefined || real === used || real === SNAPSHOTTER_SOCKET) return [];
  return [
    {
      rule: 'containerd-socket',
      severity: 'error',
      at: store?.value ?? cri?.value ?? { start: 0, end: 0 },
      message: `The snapshotter looks for containerd at ${used}, but it is at ${real}.`,
      reason:
        'It reads manifests there, with the content store "soci" too. Each layer without a ztoc then waits 10 s and is left to the container runtime: 11.4 s of pull instead of 1.2 s were measured.',
      fix: {
        title: `Set containerd_address to ${real}`,
        edits: [setKey(view.document, ['content_store', 'containerd_address'], JSON.stringify(real))],
      },
    },
  ];
}

function trimSocket(address: string): string {
  return address.replace(/^unix:\/\//, '');
}

function socketPath(entry: TomlEntry): Finding[] {
  if (entry.content.kind !== 'string' || entry.content.value === '') return [];
  if (trimSocket(entry.content.value).startsWith('/')) return [];
  return [
    {
      rule: 'socket-path',
      severity: 'error',
      at: entry.value,
      message: `"${entry.content.value}" is not the absolute path of a socket.`,
      reason: 'The snapshotter cannot reach containerd there; each layer without a ztoc waits 10 s for it.',
      fix: {
        title: `Write "${DEFAULT_SOCKET}"`,
        edits: [replace(entry.value, JSON.stringify(DEFAULT_SOCKET))],
      },
    },
  ];
}

function keychains(view: ConfigView): Finding[] {
  const off = (
    [
      ['cri_keychain.image_service_path', 'cri_keychain.enable_keychain'],
      ['kubeconfig_keychain.kubeconfig_path', 'kubeconfig_keychain.enable_keychain'],
    ] as const
  ).flatMap(([path, enable]): Finding[] => {
    const entry = view.entry(path);
    const isSet = entry?.content.kind === 'string' && entry.content.value !== '';
    // `enable_keychain = false` in so many words is a choice.
    if (!isSet || view.entry(enable)) return [];
    return [
      {
        rule: 'keychain-off',
        severity: 'warning',
        at: entry.key,
        message: `${entry.path.at(-1) ?? ''} does nothing: the keychain is off.`,
        reason: 'Layers of private images are then asked for without credentials and answered with 401.',
        fix: {
          title: 'Set enable_keychain = true',
          edits: [setKey(view.document, enable.split('.'), 'true')],
        },
      },
    ];
  });
  const cri = view.entry('cri_keychain.image_service_path');
  const loops = cri?.content.kind === 'string' && trimSocket(cri.content.value) === SNAPSHOTTER_SOCKET;
  if (!loops) return off;
  return [
    ...off,
    {
      rule: 'keychain-loop',
      severity: 'error',
      at: cri.value,
      message: 'The CRI keychain hands image requests to the snapshotter itself.',
      reason:
        'It stands between the kubelet and containerd: the kubelet is given the socket of the snapshotter, and the snapshotter that of containerd.',
      fix: {
        title: `Write "${DEFAULT_SOCKET}"`,
        edits: [replace(cri.value, JSON.stringify(DEFAULT_SOCKET))],
      },
    },
  ];
}

/** service/resolver/registry.go: the host of the URL is all that is taken, so without a scheme there is none. */
function mirrors(view: ConfigView): Finding[] {
  return view.document.entries.flatMap((entry): Finding[] => {
    if (entry.path[0] !== 'resolver' || entry.path[3] !== 'mirrors') return [];
    const name = entry.path.at(-1)?.toLowerCase();
    if (
      name === 'host' &&
      entry.content.kind === 'string' &&
      !/^https?:\/\/[^/]+/.test(entry.content.value)
    ) {
      const meant = JSON.stringify(`https://${entry.content.value.replace(/^[a-z]*:?\/\//, '')}`);
      return [
        {
          rule: 'mirror-url',
          severity: 'error',
          at: entry.value,
          message: `"${entry.content.value}" is no URL with a scheme.`,
          reason:
            'The snapshotter takes the host out of the URL and finds none, so the mirror is never asked.',
          fix: { title: `Write ${meant}`, edits: [replace(entry.value, meant)] },
        },
      ];
    }
    if (name === 'insecure' && entry.content.kind === 'boolean' && entry.content.value) {
      return [
        {
          rule: 'mirror-insecure',
          severity: 'warning',
          at: entry.key,
          message: 'The mirror is asked without TLS.',
          reason:
            'Anyone on the way sees the credentials. Spans are checked against the index, but whole layers and the index itself are not protected from being held back.',
        },
      ];
    }
    return [];
  });
}

function safety(view: ConfigView): Finding[] {
  const verification = view.entry('disable_verification') ?? view.entry('allow_no_verification');
  const logs = [view.entry('debug'), view.entry('fuse.log_fuse_operations')];
  const isTrue = (entry: TomlEntry | undefined): entry is TomlEntry =>
    entry?.content.kind === 'boolean' && entry.content.value;
  return [
    ...[verification].filter(isTrue).map((entry): Finding => ({
      rule: 'verification-off',
      severity: 'warning',
      at: entry.key,
      message: 'Spans are served without a check of their digests.',
      reason:
        'A wrong byte from the registry, a mirror or the cache reaches the program. It also saves only the fetch of a header now and then.',
      fix: { title: 'Check digests', edits: [replace(entry.value, 'false')] },
    })),
    ...logs.filter(isTrue).map((entry): Finding => ({
      rule: 'private-log',
      severity: 'warning',
      at: entry.key,
      message: 'The log of the node will hold names of files of every container.',
      reason: 'docs/config.md of the snapshotter says not to in production. It also makes each read slower.',
      fix: { title: 'Switch it off', edits: [replace(entry.value, 'false')] },
    })),
  ];
}

function storage(view: ConfigView): Finding[] {
  const cache = view.entry('filesystem_cache_type');
  const metadata = view.entry('metadata_store');
  const metrics = view.entry('metrics_address');
  const findings: Finding[] = [];
  if (cache?.content.kind === 'string' && cache.content.value === 'memory') {
    findings.push({
      rule: 'cache-in-memory',
      severity: 'warning',
      at: cache.value,
      message: 'Fetched spans are kept in memory, and never given back while an image is mounted.',
      reason:
        'With the background fetch that grows to the whole size of every image on the node, outside the limits of any pod.',
      fix: { title: 'Keep them on disk', edits: [removeEntry(view.document, cache)] },
    });
  }
  if (
    metadata?.content.kind === 'string' &&
    metadata.content.value === 'db-multi' &&
    !isAtLeast(view.release, '0.15')
  ) {
    findings.push({
      rule: 'bad-value',
      severity: 'error',
      at: metadata.value,
      message: `metadata_store = "db-multi" came with release 0.15; release ${view.release} does not start with it.`,
      reason: 'It fails with "unknown metadata store type".',
      fix: { title: 'Write "db"', edits: [replace(metadata.value, '"db"')] },
    });
  }
  if (metrics?.content.kind === 'string' && metrics.content.value !== '' && view.flag('no_prometheus')) {
    findings.push({
      rule: 'metrics-off',
      severity: 'warning',
      at: metrics.key,
      message: 'Nothing listens at metrics_address, for no_prometheus is set.',
      reason: 'Both an address and metrics are needed.',
      fix: { title: 'Remove no_prometheus', edits: removal(view, 'no_prometheus') },
    });
  }
  return findings;
}
