// node scripts/l10n.mjs [LANGUAGE…]: lists the texts of the editor that a bundle of l10n/ does not have, as JSON to translate, and
// those that it need not have any more. The tests hold the bundles complete.
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { globSync } from './glob.mjs';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');

/** The files whose texts people see. */
const editorFiles = () => [
  path.join(root, 'src/extension.ts'),
  ...globSync(path.join(root, 'src/editor'), /\.ts$/),
];

/** @returns every text that is given to `vscode.l10n.t`, sorted */
function editorTexts() {
  const texts = new Set();
  for (const file of editorFiles()) {
    const source = ts.createSourceFile(file, readFileSync(file, 'utf8'), ts.ScriptTarget.Latest, true);
    const visit = (node) => {
      if (ts.isCallExpression(node) && node.expression.getText(source) === 'vscode.l10n.t') {
        const [text] = node.arguments;
        if (!text || !ts.isStringLiteralLike(text))
          throw new Error(`${file}: vscode.l10n.t takes a text as it is, not ${text?.getText(source)}.`);
        texts.add(text.text);
      }
      ts.forEachChild(node, visit);
    };
    visit(source);
  }
  return [...texts].sort();
}

const texts = editorTexts();
const reports = process.argv.slice(2).map((language) => {
  const file = path.join(root, `l10n/bundle.l10n.${language}.json`);
  const bundle = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : {};
  const missing = texts.filter((text) => !(text in bundle));
  const stale = Object.keys(bundle).filter((text) => !texts.includes(text));
  return { language, missing, stale };
});
console.log(JSON.stringify(reports, undefined, 2));
