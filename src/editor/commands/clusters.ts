/** Where images run: the snapshotter's config, its doctor, files for a cluster, and a measure on one. */
import { existsSync } from 'node:fs';
import * as vscode from 'vscode';
import type { MeasurePlan, MeasureWish } from '../../cluster/measure/plan';
import type { Measurement } from '../../cluster/measure/types';
import { parsePort } from '../../ports';
import { requireTrust } from '../actions';
import { homeOf, parseKey, shortName } from '../keys';
import { pickKnownImage, problem } from '../questions';
import { saveFile } from '../save';
import type { Services } from '../services';
import { askInSteps, BACK, enter, pick, type Place } from '../steps';
import { language } from '../language';
import { translated } from '../room-texts';
import { TaskKind } from '../tasks';
import { registryOptions } from '../work/reach';
import { keyOfArgument, uriOf } from './arguments';
import type { Bench, CommandTable } from './table';

const DIAGNOSE = new TaskKind<string>('diagnose');
const PLAN_MEASURE = new TaskKind<MeasurePlan>('measure-plan');
const MEASURE = new TaskKind<Measurement>('measure');

/** Milliseconds that one start of a measure may take. */
const START_LIMIT = 900_000;
const ROUNDS = 3;

export function clusterCommands({ services }: Pick<Bench, 'services'>): CommandTable {
  return {
    lintSnapshotterConfig: (argument) => lint(services, uriOf(argument)),
    diagnose: (argument) => diagnose(services, keyOfArgument(argument)),
    generateClusterFiles: () => generate(services),
    measureOnCluster: () => measure(services),
  };
}

/** Results that are to be read at length, as a document of its own that nobody has to save. */
async function show(language: 'markdown' | 'diff' | 'plaintext', content: string): Promise<void> {
  const document = await vscode.workspace.openTextDocument({ language, content });
  await vscode.window.showTextDocument(document, { preview: true });
}

async function lint(services: Services, uri: vscode.Uri | undefined): Promise<void> {
  if (uri) await vscode.window.showTextDocument(uri);
  const document = vscode.window.activeTextEditor?.document;
  if (!document) {
    void vscode.window.showInformationMessage(
      vscode.l10n.t('Open a config.toml, or the YAML that holds one, and call this again.'),
    );
    return;
  }
  const { lintFile } = await services.snapshotter();
  const { configs, findings } = lintFile(document.getText(), document.fileName);
  const name = vscode.workspace.asRelativePath(document.uri);
  if (findings.length > 0) {
    // The document's diagnostics are these very findings.
    const problems = vscode.l10n.t('Show Problems');
    const text = vscode.l10n.t("{0} findings in the snapshotter's config of {1}.", findings.length, name);
    if ((await vscode.window.showWarningMessage(text, problems)) === problems)
      await vscode.commands.executeCommand('workbench.actions.view.problems');
    return;
  }
  void vscode.window.showInformationMessage(
    configs === 0
      ? vscode.l10n.t('{0} holds no config of the snapshotter.', name)
      : vscode.l10n.t("Nothing is wrong in the snapshotter's config of {0}.", name),
  );
}

async function diagnose(services: Services, argument: string | undefined): Promise<void> {
  const title = vscode.l10n.t('Diagnose Lazy Loading');
  const inRegistry = ({ reference }: { readonly reference: string }) => homeOf(reference) === 'registry';
  const key = argument ?? (await pickKnownImage(services, title, inRegistry));
  if (key === undefined) return;
  const place = { title, step: 1, of: 1 };
  const ways = [
    { label: vscode.l10n.t('What the registry shows'), value: 'registry' as const },
    { label: vscode.l10n.t("… and a node's config.toml"), value: 'config' as const },
    { label: vscode.l10n.t("… and a log of the node's snapshotter"), value: 'log' as const },
  ];
  const way = await pick(place, vscode.l10n.t('What shall be looked at?'), ways);
  if (way === undefined || way === BACK) return;
  const [file] = way === 'registry' ? [] : ((await vscode.window.showOpenDialog({ title })) ?? []);
  if (way !== 'registry' && !file) return;
  const text = file && Buffer.from(await vscode.workspace.fs.readFile(file)).toString();
  const report = await services.tasks.run(
    DIAGNOSE,
    key,
    vscode.l10n.t('Diagnosing {0}', shortName(key)),
    async ({ signal, onProgress }) => {
      const line = await services.line();
      const { reference, platform = 'linux/amd64' } = parseKey(key);
      const source = line.parseReference(reference);
      if (source.transport !== 'docker') throw new Error(`${key} lies in no registry.`);
      const { host, repository, digest, tag } = source.registry;
      const options = { ...registryOptions(services, line), signal };
      const client = line.connectRegistry(host, repository, options);
      const anonymous = line.connectAnonymously(host, repository, options);
      try {
        const image = await line.gatherImage(client, anonymous, digest ?? tag ?? 'latest', {
          ...{ reference, platform: line.parsePlatform(platform), signal, onProgress },
        });
        const diagnosis = line.diagnose(image, {
          config: way === 'config' && file && text !== undefined ? { name: file.fsPath, text } : undefined,
          log: way === 'log' ? text : undefined,
        });
        return line.describeDiagnosis(diagnosis, translated);
      } finally {
        await Promise.all([client.close(), anonymous.close()]);
      }
    },
    { about: [way, file?.fsPath].join(' ') },
  );
  await show('plaintext', report);
}

interface FilesWish {
  readonly node?: string;
  readonly installer?: string;
}

async function generate(services: Services): Promise<void> {
  const rooms = await services.snapshotter();
  const title = vscode.l10n.t('Generate Cluster Files');
  const answers = await askInSteps<FilesWish>(title, {}, [
    async (known, place) => {
      const node = await enter(
        place,
        vscode.l10n.t("The nodes' instance type, or vcpu=N,mem=GIB,net=MBITS"),
        {
          value: known.node ?? rooms.DEFAULT_NODE_SPEC,
          problem: (text) => problem(() => rooms.parseNodeSpec(text)),
        },
      );
      return typeof node === 'string' ? { ...known, node } : node;
    },
    async (known, place) => {
      const prompt = vscode.l10n.t('The image that brings the snapshotter to the nodes, as NAME@sha256:…');
      const installer = await enter(place, prompt, {
        value: known.installer,
        problem: (text) => problem(() => rooms.pinned(text)),
      });
      return typeof installer === 'string' ? { ...known, installer } : installer;
    },
  ]);
  if (answers?.node === undefined || answers.installer === undefined) return;
  const [folder] =
    (await vscode.window.showOpenDialog({ title, canSelectFolders: true, canSelectFiles: false })) ?? [];
  if (!folder) return;
  const node = rooms.parseNodeSpec(answers.node);
  const files = rooms.clusterFiles(
    { namespace: rooms.DEFAULT_NAMESPACE, installerImage: answers.installer },
    node,
  );
  const places = [...files].map(([path, text]) => ({ uri: vscode.Uri.joinPath(folder, path), text }));
  const there = places.filter(({ uri }) => existsSync(uri.fsPath));
  if (there.length > 0) {
    const overwrite = vscode.l10n.t('Overwrite');
    const question = vscode.l10n.t('{0} files are there already and would be replaced.', there.length);
    if ((await vscode.window.showWarningMessage(question, { modal: true }, overwrite)) !== overwrite) return;
  }
  for (const { uri, text } of places) {
    await vscode.workspace.fs.createDirectory(vscode.Uri.joinPath(uri, '..'));
    await saveFile(uri, Buffer.from(text));
  }
  await vscode.window.showTextDocument(vscode.Uri.joinPath(folder, 'overlays/lazy/config.toml'));
  void vscode.window.showInformationMessage(
    vscode.l10n.t(
      '{0} files are written. Look at them, then: kubectl apply --kustomize {1}',
      places.length,
      vscode.Uri.joinPath(folder, 'overlays/lazy').fsPath,
    ),
  );
}

interface MeasureAnswers {
  readonly context?: string;
  readonly plain?: string;
  readonly indexed?: string;
  readonly port?: number;
}

/** Asks, shows what would be done to which cluster, asks again, and only then does it. */
async function measure(services: Services): Promise<void> {
  requireTrust(vscode.l10n.t('a kubeconfig may run programs to sign in'));
  const rooms = await services.snapshotter();
  const cluster = await services.kubernetes();
  const title = vscode.l10n.t('Measure on a Cluster');
  const { contexts, current } = cluster.listContexts();
  const byDigest =
    (name: 'plain' | 'indexed', prompt: string) => async (known: MeasureAnswers, place: Place) => {
      const text = await enter(place, prompt, {
        value: known[name] ?? services.answers.get<string>(`measure.${name}`),
        placeholder: 'registry.example/team/service@sha256:…',
        problem: (value) => problem(() => rooms.pinned(value)),
      });
      if (typeof text === 'string') await services.answers.update(`measure.${name}`, text);
      return typeof text === 'string' ? { ...known, [name]: text } : text;
    };
  const answers = await askInSteps<MeasureAnswers>(title, {}, [
    async (known, place) => {
      const items = contexts.map(({ name, server }) => ({ label: name, description: server, value: name }));
      const context = await pick(place, vscode.l10n.t('Which cluster?'), items, current);
      return typeof context === 'string' ? { ...known, context } : context;
    },
    byDigest('plain', vscode.l10n.t('The image without an index, by digest')),
    byDigest('indexed', vscode.l10n.t('The image with its index, by digest')),
    async (known, place) => {
      const port = await enter(place, vscode.l10n.t('The port on which it is ready'), {
        value: String(known.port ?? ''),
        problem: (text) =>
          parsePort(text) === undefined ? vscode.l10n.t('A port is a number from 1 to 65535.') : undefined,
      });
      return typeof port === 'string' ? { ...known, port: Number(port) } : port;
    },
  ]);
  if (answers?.plain === undefined || answers.indexed === undefined || answers.context === undefined) return;
  const { plain, indexed, port } = answers;
  const wish: MeasureWish = { plain, indexed, port, rounds: ROUNDS, timeout: START_LIMIT };
  const chosen = cluster.openCluster({ context: answers.context });
  const work = vscode.l10n.t('Measuring in {0}', chosen.context);
  const about = `${plain} ${indexed} at ${port}`;
  const plan = await services.tasks.run(
    PLAN_MEASURE,
    chosen.context,
    work,
    ({ signal }) => cluster.planMeasure(chosen, wish, signal),
    { about },
  );
  await show('diff', cluster.describeMeasurePlan(chosen, plan, translated));
  const go = vscode.l10n.t('Measure');
  const question = vscode.l10n.t('Measure in {0} at {1}?', chosen.context, chosen.server);
  const detail = vscode.l10n.t(
    '{0} pods are made in namespace {1}, one after the other, and removed again. The document behind this shows them.',
    plan.starts.length,
    chosen.namespace,
  );
  if ((await vscode.window.showWarningMessage(question, { modal: true, detail }, go)) !== go) return;
  const result = await services.tasks.run(
    MEASURE,
    chosen.context,
    work,
    (task) => cluster.runMeasure(chosen, plan, task),
    { about },
  );
  const { head, rows } = cluster.measureTable(result, translated, language);
  const row = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  const table = [row(head), row(head.map(() => '---')), ...rows.map(row)].join('\n');
  const notes = cluster.measureNotes(result).map((note) => `- ${translated(note)}`);
  await show('markdown', `# ${chosen.context}\n\n${table}\n\n${notes.join('\n')}\n`);
}
