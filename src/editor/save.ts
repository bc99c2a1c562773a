import { randomUUID } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import * as path from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import * as vscode from 'vscode';
import { isAbort, LensError, messageOf } from '../errors';
import { isLensError } from './errors';

/**
 * Writes a file that the person chose a place for, beside its place first, so that it appears whole or not at all.
 *
 * @param content in pieces where it may be large
 * @throws LensError `editor/cannot-write`, and what making the content gives
 */
export async function saveFile(
  file: vscode.Uri,
  content: Uint8Array | AsyncIterable<Uint8Array>,
): Promise<void> {
  const { fs } = vscode.workspace;
  const draft = vscode.Uri.joinPath(file, '..', `.${path.posix.basename(file.path)}.${randomUUID()}`);
  try {
    await write(draft, content);
    await fs.rename(draft, file, { overwrite: true });
  } catch (error) {
    await Promise.resolve(fs.delete(draft)).catch(() => undefined);
    if (isAbort(error) || isLensError(error)) throw error;
    throw new LensError(
      'editor/cannot-write',
      vscode.l10n.t('{0} cannot be written: {1}', file.fsPath, messageOf(error)),
      vscode.l10n.t('Make room there, or choose another place.'),
      { cause: error },
    );
  }
}

async function write(file: vscode.Uri, content: Uint8Array | AsyncIterable<Uint8Array>): Promise<void> {
  if (content instanceof Uint8Array) await vscode.workspace.fs.writeFile(file, content);
  else if (file.scheme === 'file') await pipeline(content, createWriteStream(file.fsPath));
  // The file systems of other extensions take a file only whole.
  else await vscode.workspace.fs.writeFile(file, await buffer(Readable.from(content)));
}
