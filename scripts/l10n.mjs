// node scripts/l10n.mjs [LANGUAGE…]: lists the texts that a bundle of l10n/ does not have, as JSON to translate, and those that it
// need not have any more. The editor's own texts are those that it gives to `vscode.l10n.t`, the page's those that it gives to `t`; of
// the rooms below it, the errors and the steps of their progress, and all sentences of those that the page shows. The tests hold the
// bundles to it. `--prune` takes out of the bundles what is said no more.
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import ts from 'typescript';
import { globSync } from './glob.mjs';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');

/** The rooms whose errors and progress the editor shows. */
const ROOMS = ['layer', 'registry', 'image', 'trace', 'soci', 'plan', 'optimize', 'cluster', 'cleanup'];

/**
 * Those all of whose sentences the editor or the page shows, or an error of theirs is made of; but for the files that write or read
 * what is English everywhere: pages and pictures, image configs, databases, what only the command line says.
 */
const SPOKEN =
  /[\\/](plan|optimize|layer[\\/](faults|tar|warnings)|cluster[\\/](measure|doctor|lint|hover|config-keys))\b/;
const WRITTEN = /[\\/](plan[\\/]report|svg|page|write|sqlite|lint-report|measure[\\/]local)\b/;

/** Calls `visit` with each node of each file. */
function eachNode(files, visit) {
  for (const file of files) {
    const source = ts.createSourceFile(file, readFileSync(file, 'utf8'), ts.ScriptTarget.Latest, true);
    const walk = (node) => {
      visit(node, source);
      ts.forEachChild(node, walk);
    };
    walk(source);
  }
}

/** @returns every text that the files give to the function of this name */
function textsGivenTo(name, files) {
  const texts = new Set();
  eachNode(files, (node, source) => {
    if (!ts.isCallExpression(node) || node.expression.getText(source) !== name) return;
    const [text] = node.arguments;
    if (!text || !ts.isStringLiteralLike(text))
      throw new Error(`${source.fileName}: ${name} takes a text as it is, not ${text?.getText(source)}.`);
    texts.add(text.text);
  });
  return texts;
}

/** @returns every text of the editor and of its page */
function editorTexts() {
  const inRoot = (name) => path.join(root, name);
  return new Set([
    ...textsGivenTo('vscode.l10n.t', [
      inRoot('src/extension.ts'),
      ...globSync(inRoot('src/editor'), /\.ts$/),
    ]),
    ...textsGivenTo('t', [inRoot('src/plan/page.ts'), ...globSync(inRoot('webview'), /\.ts$/)]),
  ]);
}

/** @returns the messages and advice of every `LensError` of the rooms and what they say beside them, with `{0}` for what is filled in */
function roomTexts() {
  const texts = new Set();
  const files = ROOMS.flatMap((room) => globSync(path.join(root, 'src', room), /\.ts$/));
  eachNode(files, (node) => {
    if (ts.isNewExpression(node) && node.expression.getText() === 'LensError') {
      for (const argument of node.arguments?.slice(1, 3) ?? []) collect(argument, texts);
    } else if (ts.isPropertyAssignment(node) && node.name.getText() === 'step') {
      collect(node.initializer, texts);
      // A measure's variants are words of its sentences.
    } else if (ts.isVariableDeclaration(node) && /_NOTES$|^VARIANTS$/.test(node.name.getText())) {
      eachText(node, texts);
    }
  });
  for (const file of files) {
    const inRoom = path.relative(root, file);
    if (SPOKEN.test(inRoom) && !WRITTEN.test(inRoom)) eachSentence(file, texts);
  }
  return texts;
}

/** Every text of two words and more, but for what is imported, looked for, indented or said by a defect. */
function eachSentence(file, texts) {
  const isLookedFor = (node) => ts.isCallExpression(node) && /\.includes$/.test(node.expression.getText());
  const walk = (node) => {
    if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node) || ts.isNewExpression(node)) return;
    if (isLookedFor(node)) return;
    const found = new Set();
    collect(node, found);
    for (const text of found)
      if (/^(?=\S).*[A-Za-z]{2,},? [a-z\d{[]|^[A-Z][a-z]+ /s.test(text)) texts.add(text);
    ts.forEachChild(node, walk);
  };
  walk(ts.createSourceFile(file, readFileSync(file, 'utf8'), ts.ScriptTarget.Latest, true));
}

/** Every text in a table of texts. */
function eachText(node, texts) {
  if (ts.isStringLiteralLike(node) || ts.isTemplateExpression(node)) collect(node, texts);
  else ts.forEachChild(node, (child) => eachText(child, texts));
}

/** The sentences that an expression may come to: both sides of a choice, and a template with its places numbered. */
function collect(node, texts) {
  if (ts.isParenthesizedExpression(node)) collect(node.expression, texts);
  else if (ts.isConditionalExpression(node))
    [node.whenTrue, node.whenFalse].forEach((one) => collect(one, texts));
  else if (ts.isStringLiteralLike(node)) texts.add(node.text);
  else if (ts.isTemplateExpression(node)) {
    for (const { expression } of node.templateSpans) collectWords(expression, texts);
    const parts = node.templateSpans.map(({ literal }, place) => `{${place}}${literal.text}`);
    const text = node.head.text + parts.join('');
    // A template of nothing but places has nothing to translate.
    if (/[A-Za-z]{3}/.test(text)) texts.add(text);
  }
}

/** The words that a template may be filled with, where it chooses between them itself. */
function collectWords(node, texts) {
  if (!ts.isConditionalExpression(node)) return;
  for (const one of [node.whenTrue, node.whenFalse])
    if (ts.isStringLiteralLike(one) && /^[a-z]{3,}$/.test(one.text)) texts.add(one.text);
}

const { positionals: languages, values: options } = parseArgs({
  allowPositionals: true,
  options: { prune: { type: 'boolean' } },
});
const [editor, rooms] = [editorTexts(), roomTexts()];
const isSaid = (text) => editor.has(text) || rooms.has(text);
const reports = languages.map((language) => {
  const file = path.join(root, `l10n/bundle.l10n.${language}.json`);
  let bundle = JSON.parse(readFileSync(file, 'utf8'));
  if (options.prune) {
    bundle = Object.fromEntries(Object.entries(bundle).filter(([text]) => isSaid(text)));
    writeFileSync(file, `${JSON.stringify(bundle, undefined, 2)}\n`);
  }
  return {
    language,
    missing: [...editor].filter((text) => !(text in bundle)).sort(),
    stale: Object.keys(bundle).filter((text) => !isSaid(text)),
    rooms: { all: rooms.size, missing: [...rooms].filter((text) => !(text in bundle)).sort() },
  };
});
console.log(JSON.stringify(reports, undefined, 2));
