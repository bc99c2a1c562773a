import { randomUUID } from 'node:crypto';
import * as path from 'node:path';
import * as vscode from 'vscode';
import { LensError, messageOf } from '../errors';

/**
 * Writes a file that the person chose a place for, beside its place first, so that it appears whole or not at all.
 *
 * @throws LensError `editor/cannot-write`
 */
export async function saveFile(file: vscode.Uri, content: Uint8Array): Promise<void> {
  const { fs } = vscode.workspace;
  const draft = vscode.Uri.joinPath(file, '..', `.${path.posix.basename(file.path)}.${randomUUID()}`);
  try {
    await fs.writeFile(draft, content);
    await fs.rename(draft, file, { overwrite: true });
  } catch (error) {
    await Promise.resolve(fs.delete(draft)).catch(() => undefined);
    throw new LensError(
      'editor/cannot-write',
      vscode.l10n.t('{0} cannot be written: {1}', file.fsPath, messageOf(error)),
      vscode.l10n.t('Make room there, or choose another place.'),
      { cause: error },
    );
  }
}
