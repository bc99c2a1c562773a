import { formatPlatform, parsePlatform } from '../oci/platform';
import { checkOrigin, type OriginReport } from '../optimize/stale';
import { formatCount, formatMany } from '../plan/format';
import { verifyLayout, type VerifyReport } from '../soci/verify';
import { defineCommand, EXIT, parseCount, typed } from './command';
import { withStore } from './push';
import { REGISTRY_FLAGS } from './registry-flags';

export const verifyCommand = defineCommand({
  name: 'verify',
  summary:
    'Checks a SOCI index against its image: digests, tar offsets, and every span by an independent decoder.',
  usage: 'verify oci:FOLDER[:TAG]|docker://HOST/NAME:TAG [flags]',
  positionals: 1,
  flags: {
    sample: { type: 'string', value: 'N', help: 'Read back N spans of each layer instead of all.' },
    platform: { type: 'string', value: 'OS/ARCH', help: 'Check this platform only.' },
    source: {
      type: 'string',
      value: 'IMAGE',
      help: 'What an optimized image was made of, to see whether it is stale.',
    },
    ...REGISTRY_FLAGS,
  },
  async run(session, { flags, positionals: [reference = ''] }) {
    const sample = flags.sample === undefined ? undefined : parseCount(flags.sample, 'sample');
    const { platform: wanted } = flags;
    const platform = wanted === undefined ? undefined : typed(() => parsePlatform(wanted));
    const { report, origins } = await withStore(session, reference, flags, async (store, tag) => {
      const verified = await verifyLayout(store, {
        scan: session.scanLayer,
        inflate: session.inflateSpan,
        signal: session.signal,
        onProgress: session.terminal.progress,
        ...(tag !== undefined && { reference: tag }),
        ...(sample !== undefined && { sample }),
        ...(platform && { platform }),
      });
      const found: OriginReport[] = [];
      for (const one of verified.platforms) {
        const origin = await checkOrigin(store, one, {
          source: flags.source,
          open: (place, of) => session.open(place, of, flags),
          signal: session.signal,
        });
        if (origin) found.push(origin);
      }
      return { report: verified, origins: found };
    });
    const ok = report.ok && origins.every(({ state }) => state !== 'stale');
    const document = { version: 1 as const, reference, ...report, ok, origins };
    if (flags.json) session.terminal.json(document);
    else session.terminal.result(describe(reference, report, origins));
    return ok ? EXIT.done : EXIT.notHeld;
  },
});

function describe(reference: string, report: VerifyReport, origins: readonly OriginReport[]): string {
  const lines = report.platforms.flatMap((platform) => {
    const name = platform.platform ? formatPlatform(platform.platform) : platform.manifest;
    const checked = platform.layers.reduce((sum, layer) => sum + layer.checkedSpans, 0);
    const spans = platform.layers.reduce((sum, layer) => sum + layer.spans, 0);
    return [
      platform.sociIndex === undefined
        ? `${name}: no SOCI index`
        : `${name}: ${formatMany(platform.layers.length, 'layer')}, ${formatCount(checked)} of ${formatCount(spans)} spans read back, SOCI index ${platform.sociIndex}`,
      ...platform.problems.map((problem) => `  wrong: ${problem}`),
      ...platform.layers.flatMap((layer) => [
        ...layer.problems.map((problem) => `  wrong in layer ${layer.layer}: ${problem}`),
        ...layer.warnings.map((warning) => `  note on layer ${layer.layer}: ${warning}`),
      ]),
    ];
  });
  const verdict = report.ok ? 'The index holds.' : 'The index does not hold.';
  const sources = origins.map(
    ({ state, place, message }) =>
      `${state === 'stale' ? 'stale: ' : ''}${message}${place === undefined ? ' Name it by --source.' : ''}`,
  );
  return [...lines, ...report.problems, ...sources, `${reference}: ${verdict}`].join('\n');
}
