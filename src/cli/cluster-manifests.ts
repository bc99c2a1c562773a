import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { LensError, messageOf } from '../errors';
import { clusterFiles, DEFAULT_NAMESPACE, type ManifestWish } from '../cluster/manifests';
import { DEFAULT_NODE_SPEC, parseNodeSpec } from '../cluster/nodes';
import { defineCommand, EXIT, parseCount, parsePortFlag, required, typed, UsageError } from './command';
import { writeResult } from './output';

const MANIFEST_FLAGS = {
  output: { type: 'string', short: 'o', value: 'FOLDER', help: 'Where the files go.' },
  namespace: { type: 'string', value: 'NAME', help: `The namespace of everything (${DEFAULT_NAMESPACE}).` },
  'installer-image': {
    type: 'string',
    value: 'IMAGE',
    help: 'Brings the snapshotter to the nodes: NAME@sha256:…',
  },
  node: { type: 'string', value: 'NODE', help: `The nodes' instance type (${DEFAULT_NODE_SPEC}).` },
  plain: { type: 'string', value: 'IMAGE', help: 'Compare this image …' },
  indexed: { type: 'string', value: 'IMAGE', help: '… with this, its indexed self.' },
  port: { type: 'string', value: 'PORT', help: 'Where the image listens when it is ready.' },
  list: { type: 'string', value: 'FILE', help: 'Index the images of this list by a Job.' },
  'list-output': {
    type: 'string',
    value: 'DEST',
    help: 'Where the Job puts them, with {host}, {repository}, {tag}.',
  },
  'cli-image': {
    type: 'string',
    value: 'IMAGE',
    help: 'The container image of this command line, for the Job.',
  },
  shards: { type: 'string', value: 'N', help: 'Pods of the Job (4).' },
} as const;

type Flags = Readonly<Partial<Record<keyof typeof MANIFEST_FLAGS, string | undefined>>>;

export const clusterManifestsCommand = defineCommand({
  name: 'cluster manifests',
  summary: 'Writes manifests: an installer for the nodes, a comparison, a Job that indexes many images.',
  usage: 'cluster manifests --output FOLDER --installer-image IMAGE [flags]',
  positionals: 0,
  flags: MANIFEST_FLAGS,
  async run(session, { flags }) {
    const folder = required(flags.output, 'output');
    const node = typed(() => parseNodeSpec(flags.node ?? DEFAULT_NODE_SPEC));
    const wish: Omit<ManifestWish, 'configs'> = {
      namespace: flags.namespace ?? DEFAULT_NAMESPACE,
      installerImage: required(flags['installer-image'], 'installer-image'),
      compare: comparison(flags),
      indexing: await indexing(flags),
    };
    const files = clusterFiles(wish, node);
    for (const [file, text] of files) await writeResult(path.join(folder, file), text, session.signal);
    const document = { version: 1 as const, folder, files: [...files.keys()] };
    if (flags.json) session.terminal.json(document);
    else {
      session.terminal.result([...files.keys()].map((file) => path.join(folder, file)).join('\n'));
      session.terminal.info(
        `Look at them, then: kubectl apply --kustomize ${path.join(folder, 'overlays/lazy')}`,
      );
    }
    return EXIT.done;
  },
});

function comparison({ plain, indexed, port }: Flags): ManifestWish['compare'] {
  if (plain === undefined && indexed === undefined) return undefined;
  return {
    plain: required(plain, 'plain'),
    indexed: required(indexed, 'indexed'),
    port: port === undefined ? undefined : parsePortFlag(port, 'port'),
  };
}

async function indexing(flags: Flags): Promise<ManifestWish['indexing']> {
  if (flags.list === undefined) {
    if (flags['cli-image'] !== undefined) throw new UsageError('--cli-image is for --list.');
    return undefined;
  }
  return {
    image: required(flags['cli-image'], 'cli-image'),
    list: await readFile(flags.list, 'utf8').catch((error: unknown) => {
      throw new LensError(
        'cli/no-list',
        `The list cannot be read: ${messageOf(error)}.`,
        'Name a file with one image per line.',
      );
    }),
    output: flags['list-output'] ?? 'docker://{host}/{repository}:{tag}-soci',
    shards: flags.shards === undefined ? 4 : parseCount(flags.shards, 'shards'),
  };
}
