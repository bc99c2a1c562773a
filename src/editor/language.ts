import * as vscode from 'vscode';
import { formatsOf } from '../plan/format';

/** What the extension speaks: the language of VS Code where there is a bundle of l10n/ for it, else English. */
export const language = vscode.l10n.bundle === undefined ? 'en' : vscode.env.language;

/** Numbers as that language writes them. */
export const { formatSize, formatBytes, formatSeconds, formatCount, formatShare } = formatsOf(language);
