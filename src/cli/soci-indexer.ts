import path from 'node:path';
import { openLayout } from '../image/layout';
import { parseDestination, parseReference } from '../image/reference';
import { formatCount, formatMany } from '../plan/format';
import {
  findSociCli,
  pushBySociCli,
  runSociCli,
  type SociCli,
  type SociOutput,
  type SociRequest,
} from '../soci/cli-indexer';
import { typed, UsageError } from './command';
import { writeTo } from './destination';
import type { RegistryFlagValues } from './registry-flags';
import type { Session } from './session';

type Asked = Omit<SociRequest, 'source' | 'destination' | 'standalone'>;

/**
 * `index --indexer soci`. Version 2 by `convert --standalone` on a layout, so neither containerd nor root is needed; version 1 by
 * `create` and `push`, for which the image has to be in containerd.
 */
export async function indexBySoci(
  session: Session,
  reference: string,
  output: string,
  asked: Asked,
  flags: RegistryFlagValues & { readonly json: boolean | undefined },
): Promise<void> {
  const { signal, terminal } = session;
  const options = {
    signal,
    onLine: (line: string) => {
      terminal.debug(line);
    },
  };
  const source = typed(() => parseReference(reference));
  const isInRegistry = source.transport === 'docker';
  // The program takes a folder and indexes all that lies in it.
  if (source.transport === 'oci' && source.tag !== undefined)
    throw new UsageError(
      `--indexer soci takes a whole OCI layout: copy ${source.tag} into a folder of its own, and name that.`,
    );
  if (asked.format === 'v1' && (!isInRegistry || reference !== output))
    throw new UsageError(
      '--indexer soci with --format v1 takes docker://HOST/NAME:TAG, and the same as --output.',
    );
  const cli = await findSociCli(undefined, options);
  const said =
    asked.format === 'v1'
      ? await createAndPush(cli, reference, asked, flags, options)
      : await writeTo(
          session,
          typed(() => parseDestination(output)),
          async (folder) => {
            const layout = await layoutOf(session, reference, flags);
            return runSociCli(
              cli,
              { ...asked, source: layout, destination: path.resolve(folder), standalone: true },
              options,
            );
          },
          flags,
        );
  const version = cli.version.join('.');
  const document = { version: 1 as const, output, indexer: { file: cli.file, version }, ...said };
  if (flags.json) terminal.json(document);
  else terminal.result(`${describe(said)} by soci ${version}\n${output}`);
  for (const file of said.missingFiles) terminal.info(`No indexed layer has ${file}; it is not prefetched.`);
}

async function layoutOf(session: Session, reference: string, flags: RegistryFlagValues): Promise<string> {
  const { layout, bytesNote } = await session.open(reference, undefined, flags);
  if (layout === undefined)
    throw new UsageError(
      '--indexer soci takes an image of the engine, an OCI layout or an archive for version 2.',
    );
  session.terminal.info(bytesNote);
  return (await openLayout(layout)).dir;
}

async function createAndPush(
  cli: SociCli,
  reference: string,
  asked: Asked,
  flags: RegistryFlagValues,
  options: { readonly signal: AbortSignal; readonly onLine: (line: string) => void },
): Promise<SociOutput> {
  const source = reference.slice('docker://'.length);
  const said = await runSociCli(cli, { ...asked, source }, options);
  await pushBySociCli(cli, source, asked.platforms, { ...options, plainHttp: flags['plain-http'] ?? false });
  return said;
}

function describe({ ztocs, skipped }: SociOutput): string {
  return `${formatMany(ztocs.length, 'layer')} indexed${skipped.length > 0 ? `, ${formatCount(skipped.length)} left out` : ''}`;
}
