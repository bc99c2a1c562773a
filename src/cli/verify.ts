import { openLayout } from '../image/layout';
import { parseReference } from '../image/reference';
import { parsePlatform } from '../oci/platform';
import { formatCount } from '../plan/format';
import { verifyLayout } from '../soci/verify';
import { defineCommand, EXIT, parseCount, typed, UsageError } from './command';

export const verifyCommand = defineCommand({
  name: 'verify',
  summary:
    'Checks a SOCI index against its image: digests, tar offsets, and every span by an independent decoder.',
  usage: 'verify IMAGE [flags]',
  positionals: 1,
  flags: {
    sample: { type: 'string', value: 'N', help: 'Read back N spans of each layer instead of all.' },
    platform: { type: 'string', value: 'OS/ARCH', help: 'Check this platform only.' },
  },
  async run(session, { flags, positionals: [reference = ''] }) {
    const source = typed(() => parseReference(reference));
    const { platform } = flags;
    if (source.transport !== 'oci')
      throw new UsageError(`verify takes an OCI layout as oci:FOLDER, not ${reference}.`);
    const layout = await openLayout(source.path);
    const report = await verifyLayout(layout, {
      signal: session.signal,
      onProgress: session.terminal.progress,
      ...(flags.sample !== undefined && { sample: parseCount(flags.sample, 'sample') }),
      ...(platform !== undefined && { platform: typed(() => parsePlatform(platform)) }),
    });
    const document = { version: 1 as const, reference, ...report };
    if (flags.json) session.terminal.json(document);
    else {
      session.terminal.result(`${reference}: ${formatCount(0)}`);
    }
    return report.ok ? EXIT.done : EXIT.notHeld;
  },
});
