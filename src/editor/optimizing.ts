/** Which better image a person wants: each way stands there with what it wins and costs, before anything is made. */
import * as vscode from 'vscode';
import type { Candidate, Ways } from '../optimize/forecast';
import { formatBytes, formatSeconds } from './language';
import { shortName } from './keys';
import { detailOf } from './questions';
import { pick } from './steps';

export async function askForWay({ candidates, best }: Ways): Promise<Candidate | undefined> {
  const [usual] = candidates;
  const changed = candidates.filter(({ recipe }) => recipe !== undefined);
  const chosen = await pick(
    { title: vscode.l10n.t('Optimize Image'), step: 1, of: 2 },
    vscode.l10n.t('What a container sees stays the same; what nodes fetch for the start does not'),
    [best, ...changed.filter((one) => one !== best)].map((one) => ({
      label: `${nameOf(one)}, ${indexName(one)}`,
      description: vscode.l10n.t(
        'ready after {0} instead of {1}',
        formatSeconds(one.forecast.totalSeconds),
        formatSeconds(usual?.forecast.totalSeconds ?? 0),
      ),
      detail: costs(one),
      value: one,
    })),
  );
  return typeof chosen === 'object' ? chosen : undefined;
}

/** Shows what will be made and where, before anything is written. */
export async function confirmOptimize(key: string, way: Candidate, destination: string): Promise<boolean> {
  const facts = [vscode.l10n.t('To: {0}', destination), `${nameOf(way)}, ${indexName(way)}`, costs(way)];
  const notes = [
    ...(way.index === 'usual'
      ? []
      : [vscode.l10n.t("Its nodes need prefetch switched on in the snapshotter's config.")]),
    vscode.l10n.t('It has to be made anew with each build; Verify Index says when it is stale.'),
    vscode.l10n.t('What the destination holds under this name is replaced.'),
  ];
  const detail = detailOf(facts, notes);
  const go = vscode.l10n.t('Optimize');
  const question = vscode.l10n.t('Optimize {0}?', shortName(key));
  return (await vscode.window.showInformationMessage(question, { modal: true, detail }, go)) === go;
}

function nameOf({ way }: Candidate): string {
  return way === 're-pack' ? vscode.l10n.t('Re-packed layers') : vscode.l10n.t('Start layer');
}

function indexName({ index }: Candidate): string {
  switch (index) {
    case 'usual':
      return vscode.l10n.t('spans of 4 MiB');
    case 'exact':
      return vscode.l10n.t('exact prefetch');
    case 'tuned':
      return vscode.l10n.t('exact prefetch, a span size per layer');
  }
}

function costs({ newBytes, grownBytes }: Candidate): string {
  return vscode.l10n.t(
    '{0} of layers that no other image shares; the image grows by {1}',
    formatBytes(newBytes),
    formatBytes(Math.max(0, grownBytes)),
  );
}
