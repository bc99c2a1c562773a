/** Having the `soci` program make the index, where `sociLens.indexer` says so. */
import * as vscode from 'vscode';
import { LensError } from '../../errors';
import type { Services } from '../services';
import { readSettings } from '../settings';
import type { Opened } from '../store';
import type { Task } from '../tasks';
import type { Decision } from './decide';

/**
 * Writes the image with its index to the folder `output` by `soci convert --standalone`, which needs neither containerd nor root.
 *
 * @throws LensError `editor/soci-cannot` for what it does not do, and what the program itself gives
 */
export async function indexBySoci(
  services: Services,
  { image, plan }: Opened,
  output: string,
  decision: Decision,
  { signal, onProgress }: Task,
): Promise<void> {
  if (decision.format === 'v1') {
    throw cannot(
      vscode.l10n.t('The soci program makes an index of version 1 only of an image that is in containerd.'),
      vscode.l10n.t('Set sociLens.index.format to v2, or sociLens.indexer to built-in.'),
    );
  }
  if (image.layout === undefined) {
    throw cannot(
      vscode.l10n.t('The soci program indexes an OCI layout, and this image lies in a registry.'),
      vscode.l10n.t('Set sociLens.indexer to built-in.'),
    );
  }
  if (decision.prefetched > 0) {
    throw cannot(
      vscode.l10n.t('The soci program lists whole files to fetch before the start, not single spans.'),
      vscode.l10n.t('Choose to fetch nothing, or set sociLens.indexer to built-in.'),
    );
  }
  const { findSociCli, runSociCli } = await services.line();
  const onLine = (text: string): void => {
    services.log.info(text);
  };
  const cli = await findSociCli(readSettings().sociPath, { signal });
  const name = `${cli.file} ${cli.version.join('.')}`;
  onProgress({ step: vscode.l10n.t('Making the index with {0}', name) });
  await runSociCli(
    cli,
    {
      format: 'v2',
      standalone: true,
      source: image.layout,
      destination: output,
      // It knows one size for all layers.
      spanSize: typeof decision.spanSize === 'number' ? decision.spanSize : plan.choice.spanSize,
      minLayerSize: decision.minLayerSize,
      platforms: [image.platform],
    },
    { signal, onLine },
  );
}

function cannot(why: string, advice: string): LensError {
  return new LensError('editor/soci-cannot', why, advice);
}
