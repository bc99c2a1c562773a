import * as vscode from 'vscode';
import type { Actions } from './actions';
import { showError } from './errors';
import type { Node } from './tree';
import { TRACE_MIME } from './traces-tree';

const URI_LIST = 'text/uri-list';

/** Lets recorded starts, of the view beside or of the explorer, be dropped on an image: they are laid on it. */
export class TraceDrop implements vscode.TreeDragAndDropController<Node> {
  readonly dragMimeTypes = [];
  readonly dropMimeTypes = [TRACE_MIME, URI_LIST];
  readonly #actions: Actions;
  readonly #log: vscode.LogOutputChannel;

  constructor(actions: Actions, log: vscode.LogOutputChannel) {
    this.#actions = actions;
    this.#log = log;
  }

  async handleDrop(target: Node | undefined, data: vscode.DataTransfer): Promise<void> {
    const key = imageOf(target);
    const list = (await data.get(URI_LIST)?.asString()) ?? '';
    const traces = list
      .split(/\r?\n/)
      .filter((line) => line.endsWith('.soci-trace.jsonl'))
      .map((line) => vscode.Uri.parse(line, true));
    if (key === undefined || traces.length === 0) return;
    try {
      await this.#actions.useTraces(key, traces);
    } catch (error) {
      void showError(error, this.#log);
    }
  }
}

/** The image that an item belongs to. */
function imageOf(node: Node | undefined): string | undefined {
  for (let at = node; at && at.kind !== 'home'; at = at.parent)
    if (at.kind === 'image' || at.kind === 'platform') return at.reference;
  return undefined;
}
