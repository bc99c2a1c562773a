/** Looking at images and their starts. */
import * as vscode from 'vscode';
import { formatBytes, formatCount, formatSeconds, formatSize } from '../language';
import type { SpanSizeRow } from '../../plan/types';
import { fingerprint } from '../dockerfiles';
import { showError } from '../errors';
import { sampleKey, shortName } from '../keys';
import { imageChoice, pickDockerfile, pickImage, pickKnownImage } from '../questions';
import { askInSteps, BACK, pick, type Place } from '../steps';
import { summaryUri } from '../summaries';
import { cannotRun } from '../work/record';
import { askedKey, keyOfArgument, stageOf, uriOf } from './arguments';
import { nextCommand, sayDone } from './next';
import type { Bench, CommandTable } from './table';

/** Two images to compare, as far as they are known. */
interface Pair {
  readonly first?: string;
  readonly second?: string;
}

export function imageCommands(bench: Bench): CommandTable {
  const { services, actions, maps } = bench;
  const { store } = services;

  return {
    async buildAndInspect(argument) {
      const dockerfile = await pickedDockerfile(argument, vscode.l10n.t('Build and Inspect Image'));
      if (!dockerfile) return;
      const key = await actions.build(dockerfile, stageOf(argument)?.target);
      await maps.showGrowing(key, actions.inspect(key));
    },
    async inspectImage(argument) {
      const key = keyOfArgument(argument) ?? (await pickImage(services, vscode.l10n.t('Inspect Image')));
      if (key === undefined) return;
      if (key === sampleKey(services.folders)) maps.show(await actions.openSample());
      else await maps.showGrowing(key, actions.inspect(key));
    },
    async openSample() {
      maps.show(await actions.openSample());
    },
    async profileStartup(argument) {
      const key = await askedKey(bench, argument, vscode.l10n.t('Profile Start of Image'));
      if (key === undefined) return;
      const show = (done: string) => {
        maps.show(key);
        sayDone(done, nextCommand(vscode.l10n.t('Create Index'), 'createAndPushIndex', key));
      };
      const guess = async () => {
        await actions.guess(key).then(show, (error: unknown) => showError(error, services.log));
      };
      try {
        const done = await actions.profile(key);
        if (done !== null) show(done);
      } catch (error) {
        if (!cannotRun(error)) throw error;
        // Nobody waits for what is chosen.
        void showError(error, services.log, { title: vscode.l10n.t('Guess the Start'), run: guess });
      }
    },
    async showSpanMap(argument) {
      const key = await askedKey(bench, argument, vscode.l10n.t('Show Span Map'));
      if (key === undefined) return;
      await maps.showGrowing(key, actions.open(key));
    },
    async tuneSpanSize(argument) {
      const title = vscode.l10n.t('Tune Span Size');
      const key = await askedKey(bench, argument, title);
      if (key === undefined) return;
      const { plan, scope: dockerfile } = await actions.open(key);
      const items = plan.rows.map((row) => ({
        label: formatSize(row.spanSize),
        description: row.spanSize === plan.choice.spanSize ? vscode.l10n.t('recommended') : '',
        detail: costOf(row),
        value: String(row.spanSize),
      }));
      const recommended = plan.rows.find(({ spanSize }) => spanSize === plan.choice.spanSize);
      const auto = {
        label: vscode.l10n.t('Follow the recommendation'),
        description: formatSize(plan.choice.spanSize),
        ...(recommended && { detail: costOf(recommended) }),
        value: 'auto',
      };
      const section = vscode.workspace.getConfiguration('sociLens', dockerfile);
      const chosen = await pick(
        { title, step: 1, of: 1 },
        vscode.l10n.t('Span size of the indexes that are made from here'),
        [auto, ...items],
        String(section.get('index.spanSize')),
      );
      if (chosen === undefined || chosen === BACK) return;
      const { Global, Workspace, WorkspaceFolder } = vscode.ConfigurationTarget;
      // A value of the Dockerfile's own folder would win over one of the workspace.
      const isOfFolder = section.inspect('index.spanSize')?.workspaceFolderValue !== undefined;
      const scope = isOfFolder ? WorkspaceFolder : vscode.workspace.workspaceFolders ? Workspace : Global;
      await section.update('index.spanSize', chosen, scope);
      const said = chosen === 'auto' ? auto.label : formatSize(Number(chosen));
      sayDone(
        vscode.l10n.t('Span size: {0}.', said),
        nextCommand(vscode.l10n.t('Create Index'), 'createAndPushIndex', key),
      );
    },
    async importTrace(argument) {
      const key = await askedKey(bench, argument, vscode.l10n.t('Use a Recorded Start'));
      if (key === undefined) return;
      const files = await vscode.window.showOpenDialog({
        title: vscode.l10n.t('Use a Recorded Start'),
        canSelectMany: true,
        filters: { [vscode.l10n.t('Recorded starts')]: ['jsonl'] },
      });
      if (!files) return;
      await actions.useTraces(key, files);
      maps.show(key);
    },
    async useTrace(argument) {
      const trace = uriOf(argument);
      const key = await askedKey(bench, undefined, vscode.l10n.t('Lay the Start on an Image'));
      if (!trace || key === undefined) return;
      await actions.useTraces(key, [trace]);
      maps.show(key);
    },
    async compare(argument) {
      const title = vscode.l10n.t('Compare Two Images');
      if (store.all.length < 2) {
        const none = vscode.l10n.t('Look at another image first: it takes two to compare.');
        void vscode.window.showInformationMessage(none);
        return;
      }
      const askFirst = async (known: Pair, place: Place) => {
        const first = await pick(place, vscode.l10n.t('Image'), store.all.map(imageChoice), known.first);
        return typeof first === 'string' ? { first } : first;
      };
      const askSecond = async ({ first = '' }: Pair, place: Place) => {
        const others = store.all.filter(({ reference }) => reference !== first);
        const prompt = vscode.l10n.t('Compare {0} with', shortName(first));
        const second = await pick(place, prompt, others.map(imageChoice));
        return typeof second === 'string' ? { first, second } : second;
      };
      const given = keyOfArgument(argument);
      const { first, second } =
        (given === undefined
          ? await askInSteps<Pair>(title, {}, [askFirst, askSecond])
          : await askInSteps<Pair>(title, { first: given }, [askSecond])) ?? {};
      if (first === undefined || second === undefined) return;
      await Promise.all([actions.open(first), actions.open(second)]);
      const name = `${shortName(first)} ↔ ${shortName(second)}`;
      await vscode.commands.executeCommand('vscode.diff', summaryUri(first), summaryUri(second), name);
    },
    async chooseImage(argument) {
      const title = vscode.l10n.t('Choose the Image of a Dockerfile');
      const dockerfile = await pickedDockerfile(argument, title);
      if (!dockerfile) return;
      const target = stageOf(argument)?.target;
      const ofFile = store.ofDockerfile(dockerfile, target);
      const known = [...ofFile, ...store.all.filter((one) => !ofFile.includes(one))];
      if (known.length === 0) {
        void vscode.window.showInformationMessage(vscode.l10n.t('No image has been looked at yet.'));
        return;
      }
      const chosen = await pick(
        { title, step: 1, of: 1 },
        vscode.workspace.asRelativePath(dockerfile),
        known.map(imageChoice),
        ofFile[0]?.reference,
      );
      if (chosen === undefined || chosen === BACK) return;
      if (!ofFile.some(({ reference }) => reference === chosen)) {
        const document = await vscode.workspace.openTextDocument(dockerfile);
        await actions.assign(chosen, {
          uri: dockerfile.toString(),
          text: fingerprint(document.getText()),
          chosen: true,
          ...(target !== undefined && { target }),
        });
      }
      store.choose(dockerfile, target, chosen);
    },
    async exportReport(argument) {
      const key = await askedKey(bench, argument, vscode.l10n.t('Export Report'));
      if (key === undefined) return;
      const done = await actions.exportReport(key);
      if (done !== null) void vscode.window.showInformationMessage(done);
    },
    async forgetImage(argument) {
      const key =
        keyOfArgument(argument) ?? (await pickKnownImage(services, vscode.l10n.t('Remove from List')));
      if (key !== undefined) store.forget(key);
    },
  };
}

/** What a start costs with a span size. */
function costOf({ touchedSpans, spans, spanBytes, lazy }: SpanSizeRow): string {
  return [
    vscode.l10n.t('{0} of {1} spans', formatCount(touchedSpans), formatCount(spans)),
    formatBytes(spanBytes),
    vscode.l10n.t('{0} requests', formatCount(lazy.requests)),
    vscode.l10n.t('ready after {0}', formatSeconds(lazy.totalSeconds)),
  ].join(' · ');
}

async function pickedDockerfile(argument: unknown, title: string): Promise<vscode.Uri | undefined> {
  return stageOf(argument)?.dockerfile ?? pickDockerfile(title);
}
