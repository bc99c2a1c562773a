/** The editor in another language: a made-up one, in which every text that can be translated stands in brackets. */
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import * as vscode from 'vscode';
import { Actions } from '../../src/editor/actions';
import { DockerfileLenses } from '../../src/editor/lens';
import { translated } from '../../src/editor/room-texts';
import type { Node } from '../../src/editor/tree';
import {
  answering,
  extension,
  sample,
  sampleTrace,
  testServices,
  testTree,
  until,
  workspace,
  type Asked,
} from './support';

/** What is left bare: two words that stand in no brackets and are no data. */
function bare(texts: readonly string[], data: readonly string[]): string[] {
  return texts.filter((text) => {
    let rest = data.reduce((left, one) => left.replaceAll(one, ''), text);
    // From the innermost brackets outwards.
    while (/⟦[^⟦⟧]*⟧/.test(rest)) rest = rest.replace(/⟦[^⟦⟧]*⟧/g, '');
    return /[A-Za-z]{2,} [a-z]{2,}/.test(rest);
  });
}

/** Every text in what was asked. */
function textsOf(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  if (Array.isArray(value)) return value.flatMap(textsOf);
  if (typeof value !== 'object' || value === null) return [];
  const { message, items, label, description, detail, title } = value as Partial<
    Asked & vscode.QuickPickItem & { title: string }
  >;
  return [message, items, label, description, detail, title].flatMap(textsOf);
}

suite('in another language', () => {
  const original = { t: vscode.l10n.t, bundle: Object.getOwnPropertyDescriptor(vscode.l10n, 'bundle') };
  let bundle: Record<string, string>;

  suiteSetup(async () => {
    await extension().activate();
    const file = path.join(extension().extensionPath, 'l10n', 'bundle.l10n.de.json');
    bundle = JSON.parse(await readFile(file, 'utf8')) as Record<string, string>;
    const t = (message: string, ...args: (string | number | boolean)[]) =>
      `⟦${original.t(message, ...args)}⟧`;
    Object.defineProperty(vscode.l10n, 't', { value: t, configurable: true, writable: true });
    Object.defineProperty(vscode.l10n, 'bundle', { value: bundle, configurable: true });
  });
  test('a bundle is gone through once, however often progress is said', () => {
    let read = 0;
    const watched = new Proxy(bundle, {
      ownKeys(target) {
        read++;
        return Reflect.ownKeys(target);
      },
    });
    const l10n = { t: vscode.l10n.t, bundle: watched };
    const said = [1, 2, 3].map((layer) => translated(`Scanning layer ${layer} of 3`, l10n));
    assert.equal(new Set(said).size, 3);
    assert.ok(read === 1, `gone through ${read} times`);
  });

  suiteTeardown(() => {
    Object.defineProperty(vscode.l10n, 't', { value: original.t, configurable: true, writable: true });
    if (original.bundle) Object.defineProperty(vscode.l10n, 'bundle', original.bundle);
  });

  test('tree and lenses say nothing bare', async () => {
    const scratch = await mkdtemp(path.join(tmpdir(), 'soci-lens-language-'));
    const services = testServices(scratch);
    const actions = new Actions(services);
    const tree = testTree(services, actions, [{ id: 'sha256:1', tags: ['shop:1.0'], created: 2, size: 10 }]);
    try {
      const { steps } = await actions.open(sample);
      await actions.useTraces(sample, [vscode.Uri.file(sampleTrace)]);
      const texts: string[] = [];
      const walk = async (node: Node | undefined, depth: number): Promise<void> => {
        // A page of the tree is alike from top to end.
        for (const child of (await tree.getChildren(node)).slice(0, 8)) {
          const item = tree.getTreeItem(child);
          const { tooltip } = await Promise.resolve(tree.resolveTreeItem(item, child));
          const said = item.accessibilityInformation?.label;
          texts.push(...[item.label, item.description, said, tooltip].flatMap(textsOf));
          if (tooltip instanceof vscode.MarkdownString) texts.push(tooltip.value);
          // The engine's own image cannot be opened here.
          if (depth < 4 && item.label !== 'shop:1.0') await walk(child, depth + 1);
        }
      };
      await walk(undefined, 0);
      assert.ok(
        texts.some((text) => text.includes('⟦')),
        'the made-up language is spoken',
      );
      assert.deepEqual(bare(texts, steps.flatMap(textsOf)), []);

      const document = await vscode.workspace.openTextDocument(path.join(workspace, 'Dockerfile'));
      const lenses = new DockerfileLenses(services.store);
      const titles = lenses.provideCodeLenses(document).map(({ command }) => command?.title ?? '');
      lenses.dispose();
      assert.ok(titles.length > 0);
      assert.deepEqual(bare(titles, []), []);
    } finally {
      tree.dispose();
      services.dispose();
      await rm(scratch, { recursive: true, force: true });
    }
  });

  test("the snapshotter's config is judged, mended and explained with nothing bare", async () => {
    const content = `# soci-snapshotter 0.15
[blob]
valid_interval = 60
check_always = true
fetching_timeout_msec = 5
max_concurrent_unpacks = 3
valid_intervall = 1
[pull_modes.parallel_pull_unpack]
enable = true
concurrent_download_chunk_size = "8mib"
`;
    const document = await vscode.workspace.openTextDocument({ language: 'toml', content });
    await vscode.window.showTextDocument(document);
    const findings = await until('the findings', () => {
      const found = vscode.languages.getDiagnostics(document.uri);
      return found.length >= 4 && found;
    });
    const said = findings.map(({ message }) => message);
    assert.ok(
      said.every((message) => message.includes('⟦')),
      said.join('\n'),
    );
    const { uri } = document;
    const whole = new vscode.Range(0, 0, document.lineCount, 0);
    const fixes = await vscode.commands.executeCommand<vscode.CodeAction[]>(
      'vscode.executeCodeActionProvider',
      ...[uri, whole, vscode.CodeActionKind.QuickFix.value],
    );
    assert.ok(fixes.length > 0);
    const hovers = await vscode.commands.executeCommand<vscode.Hover[]>(
      'vscode.executeHoverProvider',
      ...[uri, document.positionAt(content.indexOf('valid_interval'))],
    );
    const hints = hovers
      .flatMap(({ contents }) => contents)
      .map((one) => (one instanceof vscode.MarkdownString ? one.value : ''));
    assert.ok(
      hints.some((hint) => hint.includes('⟦')),
      hints.join('\n'),
    );
    assert.deepEqual(bare([...said, ...fixes.map(({ title }) => title), ...hints], []), []);
    await vscode.commands.executeCommand('workbench.action.revertAndCloseActiveEditor');
  });

  test('commands ask and answer nothing bare', async () => {
    const run = (name: string, answers: Parameters<typeof answering>[0], ...args: unknown[]) =>
      answering(answers, () => vscode.commands.executeCommand(`sociLens.${name}`, ...args));
    await vscode.commands.executeCommand('sociLens.openSample');
    const asked = [
      ...(await run('inspectImage', {}, 'oci:/nowhere/at/all')),
      ...(await run('tuneSpanSize', {})),
      ...(await run('createIndex', { createInputBox: 'docker://not/a/folder' })),
      ...(await run('createIndex', {
        createInputBox: `oci:${path.join(workspace, 'never-made')}`,
        createQuickPick: 'Prefetch what',
      })),
      ...(await run('verifyIndex', {})),
      ...(await run('signIn', { createInputBox: 'no host' })),
      ...(await run('sortFiles', {})),
      ...(await run('filterFiles', {})),
      ...(await run('clearCache', {})),
      ...(await run('openLayerFile', { createInputBox: '/no/such/file' })),
    ];
    assert.ok(asked.length >= 8, `${asked.length} questions`);
    const order = asked.find(({ kind }) => kind === 'showInformationMessage');
    // What the forecast and the rooms say stands in paragraphs below the facts.
    assert.match(JSON.stringify(order?.items), /⟦To: .*\\n\\n⟦/);
    const { key } = { key: 'docker://registry.example' };
    assert.deepEqual(bare(textsOf(asked), [key]), []);
  });

  test('an error of a room is known by its template, and what is filled in stays', () => {
    const l10n = {
      bundle: { ...bundle },
      t: (template: string, ...filled: unknown[]) => [template, ...filled].join('|'),
    };
    const say = (text: string) => translated(text, l10n as Pick<typeof vscode.l10n, 'bundle' | 't'>);
    assert.equal(say('The engine has no image "a:b".'), 'The engine has no image "{0}".|a:b');
    assert.equal(
      say('The OCI layout /tmp/of {0} is damaged: its index is gone.'),
      'The OCI layout {0} is damaged: {1}.|/tmp/of {0}|its index is gone',
    );
    assert.equal(say('Something that nobody has translated'), 'Something that nobody has translated');
    assert.equal(
      translated('The engine has no image "a:b".', { ...l10n, bundle: undefined } as typeof vscode.l10n),
      'The engine has no image "a:b".',
    );
  });
});
