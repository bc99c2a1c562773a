import * as vscode from 'vscode';
import { isAbort, messageOf, type LensError } from '../errors';
import type { WireError } from '../protocol';
import type { NextStep } from './commands/next';
import { translated } from './room-texts';

/** What a person can do about an error, as a button. */
interface Action {
  readonly title: string;
  readonly command: string;
  readonly argument?: string;
}

/** Action by error code; codes that are not here have their advice only. */
function actionFor(code: string): Action | undefined {
  switch (code) {
    case 'image/no-engine':
    case 'image/old-engine':
    case 'image/engine-gone':
    case 'trace/engine-gone':
      return {
        title: vscode.l10n.t('Choose the Engine'),
        command: 'workbench.action.openSettings',
        argument: 'sociLens.engine',
      };
    case 'image/not-found':
    case 'image/bad-reference':
      return { title: vscode.l10n.t('Choose an Image'), command: 'sociLens.inspectImage' };
    case 'editor/untrusted':
      return { title: vscode.l10n.t('Manage Workspace Trust'), command: 'workbench.trust.manage' };
    case 'editor/not-in-engine':
      return { title: vscode.l10n.t('Use a Recorded Start'), command: 'sociLens.importTrace' };
    case 'registry/unauthorized':
    case 'registry/denied':
      return { title: vscode.l10n.t('Sign In'), command: 'sociLens.signIn' };
    case 'trace/bad-rule':
      return {
        title: vscode.l10n.t('Change the Rule'),
        command: 'workbench.action.openSettings',
        argument: 'sociLens.trace',
      };
    case 'plan/bad-network':
    case 'plan/bad-node':
      return changeSetting('sociLens.plan');
    case 'registry/tls':
      return changeSetting('sociLens.registry');
    case 'registry/proxy':
      return changeSetting('http.proxy');
    case 'editor/soci-cannot':
      return changeSetting('sociLens.indexer');
    case 'soci/no-cli':
    case 'soci/cli-too-old':
      return changeSetting('sociLens.soci.path');
    default:
      return undefined;
  }
}

function changeSetting(argument: string): Action {
  return { title: vscode.l10n.t('Change the Setting'), command: 'workbench.action.openSettings', argument };
}

/**
 * The one place where an error becomes a notification: what failed and what to do, one action, and the log. A cancelled
 * task says nothing. Resolves when the notification is gone, so callers do not wait for it.
 *
 * @param instead what the command that failed can do in place of what was asked for
 */
export async function showError(
  error: unknown,
  log: vscode.LogOutputChannel,
  instead?: NextStep,
): Promise<void> {
  if (isAbort(error)) return;
  log.error(error instanceof Error ? (error.stack ?? error.message) : String(error));
  if (error instanceof Error && error.cause !== undefined) log.error(`Caused by: ${messageOf(error.cause)}`);
  const { code, message, advice } = describe(error);
  const action = actionFor(code);
  const showLog = vscode.l10n.t('Show Log');
  const chosen = await vscode.window.showErrorMessage(
    `${message} ${advice}`,
    ...(action ? [action.title] : []),
    ...(instead ? [instead.title] : []),
    showLog,
  );
  if (chosen === showLog) log.show();
  else if (chosen !== undefined && chosen === instead?.title) await instead.run();
  else if (chosen !== undefined && action)
    await vscode.commands.executeCommand(action.command, action.argument);
}

/** The rooms are a bundle of their own with a class of their own, so `instanceof` would not see theirs. */
export function isLensError(error: unknown): error is LensError {
  return error instanceof Error && error.name === 'LensError' && 'code' in error && 'advice' in error;
}

/** Any error in the three fields that notification and page show. */
export function describe(error: unknown): WireError {
  if (isLensError(error))
    return { code: error.code, message: translated(error.message), advice: translated(error.advice) };
  if (isAbort(error)) {
    return { code: 'editor/cancelled', message: vscode.l10n.t('The task was cancelled.'), advice: '' };
  }
  return {
    code: 'editor/defect',
    message: vscode.l10n.t(
      'SOCI Lens failed in a way that it should not: {0}.',
      messageOf(error).replace(/\.$/, ''),
    ),
    advice: vscode.l10n.t('Please report it with the log.'),
  };
}
