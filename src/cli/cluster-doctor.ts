import { diagnose } from '../cluster/doctor/diagnose';
import { connectAnonymously, gatherImage } from '../cluster/doctor/evidence';
import { describeDiagnosis, diagnosisJson } from '../cluster/doctor/report';
import { parseReference } from '../image/reference';
import { parsePlatform } from '../oci/platform';
import { connectRegistry } from '../registry/client';
import { defineCommand, EXIT, typed, UsageError } from './command';
import { NODE_FLAGS, readRelease, readText } from './lint-config';
import { REGISTRY_FLAGS, registryOptions } from './registry-flags';

export const clusterDoctorCommand = defineCommand({
  name: 'cluster doctor',
  summary: 'Will this image be loaded lazily on that node? Every check with its evidence and its fix.',
  usage: 'cluster doctor docker://HOST/NAME:TAG [--config FILE] [--log FILE] [flags]',
  positionals: 1,
  flags: {
    config: { type: 'string', value: 'FILE', help: "The node's config.toml, or what writes it." },
    log: {
      type: 'string',
      value: 'FILE',
      help: 'The log of the snapshotter: journalctl --unit soci-snapshotter; - is stdin.',
    },
    'soci-version': NODE_FLAGS['soci-version'],
    containerd: { type: 'string', value: 'VERSION', help: 'The version of containerd on the node.' },
    'containerd-socket': NODE_FLAGS['containerd-socket'],
    platform: NODE_FLAGS.platform,
    ...REGISTRY_FLAGS,
  },
  async run(session, { flags, positionals: [reference = ''] }) {
    const source = typed(() => parseReference(reference));
    if (source.transport !== 'docker') {
      throw new UsageError(`This verb takes docker://HOST/NAME:TAG, not ${reference}.`);
    }
    const platform = typed(() => parsePlatform(flags.platform ?? 'linux/amd64'));
    const release = readRelease(flags['soci-version']);
    const { config, log } = flags;
    const configText = config === undefined ? undefined : await readText(config, session.signal);
    const logText = log === undefined ? undefined : await readText(log, session.signal);

    const { host, repository, digest, tag } = source.registry;
    const options = { ...registryOptions(flags), signal: session.signal };
    const client = connectRegistry(host, repository, options);
    const anonymous = connectAnonymously(host, repository, options);
    try {
      const image = await gatherImage(client, anonymous, digest ?? tag ?? 'latest', {
        reference,
        platform,
        signal: session.signal,
        onProgress: session.terminal.progress,
      });
      const diagnosis = diagnose(image, {
        release,
        containerd: flags.containerd,
        containerdSocket: flags['containerd-socket'],
        config:
          config === undefined || configText === undefined ? undefined : { name: config, text: configText },
        log: logText,
      });
      if (flags.json) session.terminal.json(diagnosisJson(diagnosis));
      else session.terminal.result(describeDiagnosis(diagnosis));
      return diagnosis.lazy === 'no' ? EXIT.notHeld : EXIT.done;
    } finally {
      await Promise.all([client.close(), anonymous.close()]);
    }
  },
});
