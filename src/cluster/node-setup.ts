import { stringify } from 'yaml';
import { LensError } from '../errors';
import { chooseSettings, renderConfig, type ConfigWish } from './generate';
import { SNAPSHOTTER_SOCKET } from './lint-general';

/** How containerd 1.x, 2.0 and 2.1 are told of a snapshotter (docs/kubernetes.md of the snapshotter). */
export const CONTAINERD_VERSIONS = ['1', '2.0', '2.1'] as const;
export type ContainerdVersion = (typeof CONTAINERD_VERSIONS)[number];

/** What a node is set up with. */
export const SETUP_FORMS = ['config', 'containerd', 'nodeadm', 'user-data', 'bottlerocket'] as const;
export type SetupForm = (typeof SETUP_FORMS)[number];

const ROOT = '/var/lib/soci-snapshotter-grpc';

/** containerd's part: the proxy plugin, and the CRI plugin that uses it. */
export function containerdConfig(version: ContainerdVersion): string {
  const proxy = (annotations: string) =>
    `# The name of the plugin is the name of the snapshotter below.
[proxy_plugins.soci]
type = "snapshot"
address = "${SNAPSHOTTER_SOCKET}"

[proxy_plugins.soci.exports]
# The kubelet measures the use of the disk here, and collects garbage by it.
root = "${ROOT}"
${annotations}`;
  if (version === '1') {
    return `version = 2

${proxy('')}
[plugins."io.containerd.grpc.v1.cri".containerd]
# For all images of the node, the pause image too: Kubernetes knows of one snapshotter only.
snapshotter = "soci"
# Without the annotations the snapshotter is not told which image a layer belongs to, and loads nothing lazily.
disable_snapshot_annotations = false
`;
  }
  if (version === '2.0') {
    return `version = 3

${proxy('')}
[plugins."io.containerd.cri.v1.images"]
# For all images of the node, the pause image too: Kubernetes knows of one snapshotter only.
snapshotter = "soci"
# Without the annotations the snapshotter is not told which image a layer belongs to, and loads nothing lazily.
disable_snapshot_annotations = false
`;
  }
  return `version = 3

${proxy(`# Since containerd 2.1 the transfer service gives the annotations that disable_snapshot_annotations = false gave before.
enable_remote_snapshot_annotations = "true"
`)}
[plugins."io.containerd.cri.v1.images"]
# For all images of the node, the pause image too: Kubernetes knows of one snapshotter only.
snapshotter = "soci"

[[plugins."io.containerd.transfer.v1.local".unpack_config]]
platform = "linux"
snapshotter = "soci"
`;
}

/**
 * `NodeConfig` of nodeadm (Amazon Linux 2023 for EKS): containerd's part, and the kubelet's when credentials come by the CRI.
 * nodeadm merges it with the cluster's own part.
 */
export function nodeadmConfig(wish: ConfigWish, version: ContainerdVersion): string {
  return stringify(
    {
      apiVersion: 'node.eks.aws/v1alpha1',
      kind: 'NodeConfig',
      spec: {
        ...(wish.credentials === 'cri' && {
          kubelet: { config: { imageServiceEndpoint: `unix://${SNAPSHOTTER_SOCKET}` } },
        }),
        containerd: { config: containerdConfig(version) },
      },
    },
    { lineWidth: 0 },
  );
}

/**
 * Bottlerocket's settings. Its lazy modes have none.
 *
 * @throws LensError `cluster/mode-not-in-form`
 */
export function bottlerocketSettings(wish: ConfigWish): string {
  if (wish.mode !== 'parallel') {
    throw new LensError(
      'cluster/mode-not-in-form',
      'Bottlerocket has settings for the parallel pull only.',
      'Choose --mode parallel, or nodes with Amazon Linux for lazy loading.',
    );
  }
  const table = 'pull_modes.parallel_pull_unpack.';
  const lines = chooseSettings(wish).flatMap(({ path, value, why }) => {
    const name = path.slice(table.length);
    if (!path.startsWith(table) || name === 'enable') return [];
    return [`# ${why}`, `${name.replaceAll('_', '-')} = ${JSON.stringify(value)}`];
  });
  return `# User data of Bottlerocket 1.44 or newer: parallel pull on ${wish.node.name}.
[settings.container-runtime]
# Set when the node starts: a change makes Bottlerocket remove all images and containers.
snapshotter = "soci"

[settings.container-runtime-plugins.soci-snapshotter]
pull-mode = "parallel-pull-unpack"

[settings.container-runtime-plugins.soci-snapshotter.parallel-pull-unpack]
${lines.join('\n')}
`;
}

/** User data for an EKS node of Amazon Linux 2023: installs the snapshotter, writes its config and gives nodeadm its part. */
export function userData(wish: ConfigWish, version: ContainerdVersion): string {
  return `MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="SOCI"

--SOCI
Content-Type: text/x-shellscript; charset="us-ascii"

${installScript(wish)}
--SOCI
Content-Type: application/node.eks.aws

---
${nodeadmConfig(wish, version)}
--SOCI--
`;
}

/** The newest patch of each release, which is what a node should have. */
const NEWEST_PATCH: Readonly<Record<string, string>> = { '0.11': '0.11.1', '0.12': '0.12.1' };

function installScript(wish: ConfigWish): string {
  const version = NEWEST_PATCH[wish.release] ?? `${wish.release}.0`;
  return `#!/bin/bash
set -euo pipefail
# Images of Amazon Linux for EKS have the snapshotter since 2025; others get the release, its digest checked.
if ! command -v soci-snapshotter-grpc >/dev/null; then
  arch=$(uname -m | sed 's/aarch64/arm64/;s/x86_64/amd64/')
  archive="soci-snapshotter-${version}-linux-$arch.tar.gz"
  release="https://github.com/awslabs/soci-snapshotter/releases/download/v${version}"
  cd "$(mktemp -d)"
  curl --silent --show-error --location --fail --remote-name "$release/$archive"
  curl --silent --show-error --location --fail --remote-name "$release/$archive.sha256sum"
  sha256sum --check "$archive.sha256sum"
  tar --extract --gzip --file "$archive" --directory /usr/local/bin soci-snapshotter-grpc
  curl --silent --show-error --location --fail --output /etc/systemd/system/soci-snapshotter.service \\
    "https://raw.githubusercontent.com/awslabs/soci-snapshotter/v${version}/soci-snapshotter.service"
fi
mkdir -p /etc/soci-snapshotter-grpc
cat > /etc/soci-snapshotter-grpc/config.toml <<'CONFIG'
${renderConfig(wish)}CONFIG
systemctl daemon-reload
systemctl enable soci-snapshotter
systemctl restart soci-snapshotter
`;
}

/** One of the forms. Throws what the form does. */
export function renderSetup(form: SetupForm, wish: ConfigWish, version: ContainerdVersion): string {
  switch (form) {
    case 'config':
      return renderConfig(wish);
    case 'containerd':
      return containerdConfig(version);
    case 'nodeadm':
      return nodeadmConfig(wish, version);
    case 'user-data':
      return userData(wish, version);
    case 'bottlerocket':
      return bottlerocketSettings(wish);
  }
}
