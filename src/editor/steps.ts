/** Questions in steps: quick picks and input boxes with a way back. */
import * as vscode from 'vscode';

/** What a step gives when the person wants the one before it. */
export const BACK = Symbol('back');

/** Where a step stands among those that are asked. */
export interface Place {
  readonly title: string;
  readonly step: number;
  readonly of: number;
}

/** Asks one thing and gives what is known then; `BACK`, or undefined when the person leaves. */
export type Step<T> = (known: T, place: Place) => Promise<T | typeof BACK | undefined>;

/** Asks step after step. The answer of a step that is asked again replaces the old one. */
export async function askInSteps<T>(
  title: string,
  start: T,
  steps: readonly Step<T>[],
): Promise<T | undefined> {
  const answers = [start];
  for (;;) {
    const known = answers.at(-1);
    const step = steps[answers.length - 1];
    if (known === undefined || !step) return known;
    const answer = await step(known, { title, step: answers.length, of: steps.length });
    if (answer === undefined) return undefined;
    if (answer === BACK) answers.pop();
    else answers.push(answer);
  }
}

export interface Choice<T> extends vscode.QuickPickItem {
  readonly value?: T;
}

/**
 * @param items may come later; the list shows that it is busy until then
 * @param last the value that was chosen the last time: it stands first and is marked
 */
export async function pick<T>(
  place: Place,
  placeholder: string,
  items: readonly Choice<T>[] | Promise<readonly Choice<T>[]>,
  last?: T,
): Promise<T | typeof BACK | undefined> {
  const box = vscode.window.createQuickPick<Choice<T>>();
  dress(box, place);
  box.placeholder = placeholder;
  box.matchOnDescription = true;
  box.matchOnDetail = true;
  box.busy = true;
  void Promise.resolve(items).then((found) => {
    const first = found.find(({ value }) => value !== undefined && value === last);
    box.items = first ? [first, ...found.filter((one) => one !== first)] : found;
    box.busy = false;
  });
  return shown(box, () => box.selectedItems[0]?.value);
}

/** Several of a list, none to begin with; undefined when the person leaves. */
export async function pickMany<T>(
  place: Place,
  placeholder: string,
  items: readonly Choice<T>[],
): Promise<readonly T[] | undefined> {
  const box = vscode.window.createQuickPick<Choice<T>>();
  dress(box, place);
  box.placeholder = placeholder;
  box.canSelectMany = true;
  box.items = items;
  const chosen = await shown(box, () => box.selectedItems.flatMap(({ value }) => value ?? []));
  return chosen === BACK ? undefined : chosen;
}

/** @param problem what is wrong with the text, looked at with each key */
export async function enter(
  place: Place,
  prompt: string,
  options: {
    readonly value?: string | undefined;
    readonly placeholder?: string;
    readonly password?: boolean;
    readonly problem?: (text: string) => string | undefined;
  } = {},
): Promise<string | typeof BACK | undefined> {
  const box = vscode.window.createInputBox();
  dress(box, place);
  box.prompt = prompt;
  box.value = options.value ?? '';
  box.placeholder = options.placeholder;
  box.password = options.password === true;
  box.ignoreFocusOut = true;
  const check = () => (box.value === '' ? undefined : options.problem?.(box.value.trim()));
  box.validationMessage = check();
  box.onDidChangeValue(() => {
    box.validationMessage = check();
  });
  return shown(box, () => {
    const text = options.password ? box.value : box.value.trim();
    return text === '' || check() !== undefined ? undefined : text;
  });
}

function dress(
  box: Pick<vscode.InputBox, 'title' | 'step' | 'totalSteps' | 'buttons'>,
  { title, step, of }: Place,
): void {
  box.title = title;
  // One question alone is no row of steps.
  if (of > 1) [box.step, box.totalSteps] = [step, of];
  if (step > 1) box.buttons = [vscode.QuickInputButtons.Back];
}

/** Shows a box until it is answered, left, or the way back is taken; an answer that is none keeps it open. */
function shown<T>(
  box: Pick<
    vscode.InputBox,
    'show' | 'hide' | 'dispose' | 'onDidAccept' | 'onDidHide' | 'onDidTriggerButton'
  >,
  answer: () => T | undefined,
): Promise<T | typeof BACK | undefined> {
  return new Promise((resolve) => {
    box.onDidAccept(() => {
      const value = answer();
      if (value === undefined) return;
      resolve(value);
      box.hide();
    });
    box.onDidTriggerButton(() => {
      resolve(BACK);
      box.hide();
    });
    box.onDidHide(() => {
      // Nothing any more where an answer was given.
      resolve(undefined);
      box.dispose();
    });
    box.show();
  });
}
