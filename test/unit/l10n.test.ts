/** That every text a person sees can be translated, and is, in German and Chinese. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { before, test } from 'node:test';
import ts from 'typescript';
import { repoRoot } from '../support/paths';

const LANGUAGES = ['de', 'zh-cn'];

function texts(...name: string[]): Record<string, string> {
  return JSON.parse(readFileSync(path.join(repoRoot, ...name), 'utf8')) as Record<string, string>;
}

/** What a translation may not lose: placeholders, commands behind links, code, and the ids of settings. */
function anchors(text: string): string[] {
  return [
    ...(text.match(/\{\d\}|\((?:command|https?):[^)\s]*\)|`[^`]*`|oci:FOLDER|docker:\/\/HOST\/NAME:TAG/g) ??
      []),
  ].sort();
}

interface Report {
  readonly language: string;
  readonly missing: string[];
  readonly stale: string[];
  readonly rooms: { readonly all: number; readonly missing: string[] };
}
let reports: readonly Report[];
before(() => {
  const options = { cwd: repoRoot, encoding: 'utf8' } as const;
  reports = JSON.parse(
    execFileSync(process.execPath, ['scripts/l10n.mjs', ...LANGUAGES], options),
  ) as Report[];
});

for (const language of LANGUAGES) {
  test(`${language}: the bundle has every text of the editor and its page, and what the rooms say`, () => {
    const report = reports.find((one) => one.language === language)!;
    assert.deepEqual(report.missing, []);
    const { all, missing } = report.rooms;
    assert.ok(all > 100, 'the texts of the rooms are found');
    assert.deepEqual(missing, []);
  });

  test(`${language}: the bundle has nothing that is said no more`, () => {
    const { stale } = reports.find((one) => one.language === language)!;
    assert.deepEqual(stale, [], `node scripts/l10n.mjs --prune ${LANGUAGES.join(' ')}`);
  });

  test(`${language}: the manifest has every text, and none that is gone`, () => {
    assert.deepEqual(
      Object.keys(texts(`package.nls.${language}.json`)).sort(),
      Object.keys(texts('package.nls.json')).sort(),
    );
  });

  test(`${language}: placeholders, links and code are those of the English text`, () => {
    const bundle = texts('l10n', `bundle.l10n.${language}.json`);
    for (const [english, translated] of Object.entries(bundle)) {
      assert.deepEqual(anchors(translated), anchors(english), english);
      assert.notEqual(translated.trim(), '', english);
    }
    const manifest = texts('package.nls.json');
    const translations = texts(`package.nls.${language}.json`);
    for (const [key, english] of Object.entries(manifest))
      assert.deepEqual(anchors(translations[key] ?? ''), anchors(english), key);
  });
}

/** Names and signs that are the same in every language. */
const SAME_EVERYWHERE = /^[\s\d\W]*$|^\S*$|^SOCI Lens$/;

test('no text that people see stands in the manifest itself', () => {
  const manifest = JSON.parse(readFileSync(path.join(repoRoot, 'package.json'), 'utf8')) as {
    contributes: unknown;
  };
  const seen =
    /^(title|name|description|markdownDescription|enumDescriptions|patternErrorMessage|label|contents|displayName|userDescription|contextualTitle|aliases)$/;
  const bare: string[] = [];
  const visit = (value: unknown, key: string, inSchema: boolean): void => {
    if (typeof value === 'string') {
      if (seen.test(key) && !inSchema && !/^%[\w.-]+%$/.test(value)) bare.push(`${key}: ${value}`);
    } else if (Array.isArray(value)) {
      for (const item of value) visit(item, key, inSchema);
    } else if (typeof value === 'object' && value !== null) {
      // The names and schemas of tools are for language models.
      const isTool = 'modelDescription' in value;
      for (const [inner, item] of Object.entries(value))
        visit(item, inner, inSchema || inner === 'inputSchema' || (isTool && inner === 'name'));
    }
  };
  visit(manifest.contributes, '', false);
  assert.deepEqual(bare, []);
});

for (const place of ['src/editor', 'webview'])
  test(`no text that people see stands bare in ${place}`, () => {
    const folder = path.join(repoRoot, place);
    const bare = readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts'))
      // What a chat agent is told is for a language model, which reads English.
      .filter((file) => !file.endsWith('chat-tool.ts'))
      .flatMap((file) => bareTexts(path.join(folder, file)));
    assert.deepEqual(bare, []);
  });

test('a bare text would be found', () => {
  const found = bareTexts('example.ts', "export const title = 'Show the thing'; log.info('not for people');");
  assert.deepEqual(found, ['example.ts: Show the thing']);
});

/** Literals of two words and more that go neither through `vscode.l10n.t` or `t` nor into the log, an import, a class or a defect's message. */
function bareTexts(file: string, text = readFileSync(file, 'utf8')): string[] {
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true);
  const found: string[] = [];
  const isExempt = (node: ts.Node): boolean => {
    if (ts.isImportDeclaration(node)) return true;
    if (ts.isPropertyAssignment(node)) return node.name.getText(source) === 'class';
    if (ts.isNewExpression(node)) return node.expression.getText(source) === 'Error';
    if (!ts.isCallExpression(node)) return false;
    return /^t$|(^|\.)l10n\.t$|(^|[.#])log\.(trace|debug|info|warn|error)$/.test(
      node.expression.getText(source),
    );
  };
  const visit = (node: ts.Node): void => {
    if (isExempt(node)) return;
    const literal = ts.isStringLiteralLike(node)
      ? node.text
      : ts.isTemplateExpression(node)
        ? [node.head.text, ...node.templateSpans.map((span) => span.literal.text)].join(' ')
        : '';
    if (/[A-Za-z]{2,} [a-z]{2,}/.test(literal) && !SAME_EVERYWHERE.test(literal))
      found.push(`${path.basename(file)}: ${literal}`);
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}
