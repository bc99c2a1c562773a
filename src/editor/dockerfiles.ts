import { createHash } from 'node:crypto';
import * as path from 'node:path';
import * as vscode from 'vscode';

/** Dockerfiles by name, whichever extension gives the language; only on disk, since an engine has to read them. */
export const DOCKERFILES: vscode.DocumentSelector = [
  { scheme: 'file', language: 'dockerfile' },
  { scheme: 'file', pattern: '**/{Dockerfile,Dockerfile.*,Containerfile,Containerfile.*}' },
  { scheme: 'file', pattern: '**/*.{dockerfile,Dockerfile}' },
];

const GLOB = '**/{Dockerfile,Dockerfile.*,*.dockerfile,*.Dockerfile,Containerfile,Containerfile.*}';

/** The Dockerfiles of the workspace, nearest to its root first. */
export async function findDockerfiles(): Promise<vscode.Uri[]> {
  const found = await vscode.workspace.findFiles(GLOB, '**/node_modules/**', 200);
  const depth = (uri: vscode.Uri) => uri.path.split('/').length;
  return found
    .filter((uri) => !uri.path.endsWith('.dockerignore'))
    .sort((a, b) => depth(a) - depth(b) || a.path.localeCompare(b.path));
}

/**
 * The name for the image of a Dockerfile: its place in the workspace, with a tag that no release has, so that a build from here never
 * takes over a name of the person's own. `services/api/Dockerfile.dev` in `shop` → `shop-services-api-dev:soci-lens`. A stage that is
 * not the last one stands behind it.
 */
export function imageName(dockerfile: vscode.Uri, target?: string): string {
  const folder = vscode.workspace.getWorkspaceFolder(dockerfile);
  const inside = folder ? path.relative(folder.uri.fsPath, path.dirname(dockerfile.fsPath)) : '';
  const root = folder?.name ?? path.basename(path.dirname(dockerfile.fsPath));
  const variant = path
    .basename(dockerfile.fsPath)
    .replace(/^(Dockerfile|Containerfile)\.?|\.dockerfile$/gi, '');
  const name = [root, ...inside.split(path.sep), variant, target ?? '']
    .join('-')
    .toLowerCase()
    // Docker's rule for a part of a name (distribution/reference): letters, digits, single separators inside.
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '');
  return `${name || 'image'}:soci-lens`;
}

/** Tells whether a Dockerfile is still the same text, however its lines end. */
export function fingerprint(text: string): string {
  return createHash('sha256')
    .update(text.replace(/^\ufeff/, '').replace(/\r\n?/g, '\n'))
    .digest('hex');
}
