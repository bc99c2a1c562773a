import { CREDENTIAL_SOURCES, PULL_MODES, chooseSettings, type ConfigWish } from '../cluster/generate';
import { CONTAINERD_VERSIONS, renderSetup, SETUP_FORMS } from '../cluster/node-setup';
import { DEFAULT_NODE_SPEC, parseNodeSpec } from '../cluster/nodes';
import { LATEST_RELEASE } from '../cluster/releases';
import { defineCommand, EXIT, typed, UsageError } from './command';
import { NODE_FLAGS, readImage, readRelease } from './lint-config';
import { writeResult } from './output';
import { REGISTRY_FLAGS } from './registry-flags';

export const configCommand = defineCommand({
  name: 'config',
  summary: "Writes the snapshotter's config.toml for a node, each value with its reason; other forms too.",
  usage: 'config [--node NODE] [--mode MODE] [--form FORM] [flags]',
  positionals: 0,
  flags: {
    node: {
      type: 'string',
      value: 'NODE',
      help: `An instance type, or vcpu=N,mem=GIB,net=MBITS; with iops=N, disk=MBPS, nvme (${DEFAULT_NODE_SPEC}).`,
    },
    mode: { type: 'string', value: 'MODE', help: `${PULL_MODES.join(', ')} (lazy).` },
    form: { type: 'string', value: 'FORM', help: `${SETUP_FORMS.join(', ')} (config).` },
    ...NODE_FLAGS,
    containerd: {
      type: 'string',
      value: 'VERSION',
      help: `${CONTAINERD_VERSIONS.join(', ')}: which form its config has (2.0).`,
    },
    credentials: { type: 'string', value: 'SOURCE', help: `${CREDENTIAL_SOURCES.join(', ')} (cri).` },
    output: { type: 'string', short: 'o', value: 'FILE', help: 'Write to this file instead of stdout.' },
    ...REGISTRY_FLAGS,
  },
  async run(session, { flags }) {
    const form = oneOf(SETUP_FORMS, flags.form ?? 'config', 'form');
    const version = oneOf(CONTAINERD_VERSIONS, flags.containerd ?? '2.0', 'containerd');
    const chosen = {
      release: readRelease(flags['soci-version']) ?? LATEST_RELEASE,
      mode: oneOf(PULL_MODES, flags.mode ?? 'lazy', 'mode'),
      node: typed(() => parseNodeSpec(flags.node ?? DEFAULT_NODE_SPEC)),
      credentials: oneOf(CREDENTIAL_SOURCES, flags.credentials ?? 'cri', 'credentials'),
      containerdSocket: flags['containerd-socket'],
    };
    const image = await readImage(session, flags);
    const wish: ConfigWish = { ...chosen, image, layers: image?.layers };
    const text = renderSetup(form, wish, version);
    if (flags.output !== undefined) {
      await writeResult(flags.output, text, session.signal);
      session.terminal.info(`Written to ${flags.output}.`);
    }
    if (flags.json) {
      const { release, mode, node } = wish;
      const document = {
        version: 1 as const,
        release,
        mode,
        node,
        form,
        settings: chooseSettings(wish),
        text,
      };
      session.terminal.json(document);
    } else if (flags.output === undefined) {
      session.terminal.result(text.trimEnd());
    }
    return EXIT.done;
  },
});

function oneOf<T extends string>(values: readonly T[], value: string, flag: string): T {
  const found = values.find((one) => one === value);
  if (found === undefined) throw new UsageError(`--${flag} takes ${values.join(', ')}, not "${value}".`);
  return found;
}
