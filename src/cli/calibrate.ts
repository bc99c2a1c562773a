import { formatBytes, formatCount, formatMany } from '../plan/format';
import { COSTS } from '../plan/costs';
import { DEFAULT_NETWORK, parseNetwork } from '../plan/network';
import { parseNode } from '../plan/node';
import { measurePace } from '../registry/measure';
import { isLoopback } from '../registry/proxy';
import { parseReference } from '../image/reference';
import { keepCalibration, readCalibration, type MeasuredNetwork } from './calibration';
import { defineCommand, EXIT, PLATFORM_FLAG, typed, UsageError } from './command';
import { withRegistry } from './push';
import { REGISTRY_FLAGS } from './registry-flags';

export const calibrateCommand = defineCommand({
  name: 'calibrate',
  summary: 'Measures the way to a registry by a few small downloads, for the forecasts of every plan.',
  usage: 'calibrate docker://HOST/NAME[:TAG] [flags]',
  positionals: 1,
  flags: {
    node: {
      type: 'string',
      value: 'NODE',
      help: 'Take every plan for this machine from now on: an instance type or figures, as plan --node.',
    },
    ...PLATFORM_FLAG,
    ...REGISTRY_FLAGS,
  },
  async run(session, { flags, positionals: [reference = ''] }) {
    const source = typed(() => parseReference(reference));
    if (source.transport !== 'docker') throw new UsageError('calibrate takes docker://HOST/NAME[:TAG].');
    const { node } = flags;
    if (node !== undefined) typed(() => parseNode(node));
    const { registry } = source;
    const image = await session.open(reference, flags.platform, flags);
    const largest = image.layers
      .map(({ descriptor }) => descriptor)
      .reduce((a, b) => (b.size > a.size ? b : a), image.manifest.config);
    const pace = await withRegistry(session, registry, flags, (client) =>
      measurePace(client, largest, session.signal),
    );
    const registryMs = Math.min(COSTS.request, pace.answerMs);
    const measured: MeasuredNetwork = {
      rttMs: rounded(pace.answerMs - registryMs),
      registryMs: rounded(registryMs),
      bytesPerSecond: Math.round(pace.bytesPerSecond ?? parseNetwork(DEFAULT_NETWORK).bytesPerSecond),
      connections:
        flags['plain-http'] || isLoopback(new URL(`http://${registry.host}`).hostname) ? 'tcp' : 'tls',
      measured: new Date().toISOString(),
    };
    const before = await readCalibration(session);
    const file = await keepCalibration(session, {
      ...before,
      registries: { ...before.registries, [registry.host]: measured },
      ...(node !== undefined && { node }),
    });
    const { requests, bytes } = pace;
    const document = { version: 1 as const, registry: registry.host, ...measured, requests, bytes, file };
    if (flags.json) session.terminal.json(document);
    else {
      const rate =
        pace.bytesPerSecond === null
          ? 'the largest layer is too small to tell the rate'
          : `${formatBytes(measured.bytesPerSecond)}/s`;
      session.terminal.result(
        `${registry.host} from this machine: an answer after ${formatCount(rounded(pace.answerMs))} ms, ${rate} (${formatMany(requests, 'request')}, ${formatBytes(bytes)}).\nPlans of its images take these figures where no --network is given. A node may be nearer: there, run this on the node.`,
      );
    }
    return EXIT.done;
  },
});

/** To a tenth of a millisecond. */
function rounded(milliseconds: number): number {
  return Math.round(milliseconds * 10) / 10;
}
