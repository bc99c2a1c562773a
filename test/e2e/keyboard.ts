/**
 * The hands of a person without a mouse. No key is pressed twice: VS Code hears each, but does some things only when its extension host
 * has answered. So each key waits for what gives it a meaning, and then for what it does.
 */
import type { Frame, Locator, Page } from 'playwright-core';
import type { Workbench } from './workbench';

/** The element that has the focus, which the shadows of the toolkit's elements hide from the document. */
const FOCUS = `(() => {
  let focus = document.activeElement;
  while (focus?.shadowRoot?.activeElement) focus = focus.shadowRoot.activeElement;
  return focus;
})()`;
const FIELD = '.quick-input-widget input:focus';
const ROW = '.sidebar .monaco-list:focus .monaco-list-row.focused';

export class Keyboard {
  readonly #bench: Workbench;
  readonly #page: Page;
  /** The field of the palette, of a list to pick from and of a question, while it hears the keys. */
  readonly #field: Locator;

  constructor(bench: Workbench) {
    this.#bench = bench;
    this.#page = bench.page;
    this.#field = bench.page.locator(FIELD);
  }

  async press(key: string, effect: Locator): Promise<void> {
    await this.#page.keyboard.press(key);
    await effect.waitFor({ state: 'attached' });
  }

  /** Opens a file of the workspace by quick open. */
  async openFile(name: string): Promise<void> {
    await this.press('Control+p', this.#field);
    await this.take(name, name);
    await this.editor(name).waitFor();
  }

  /** Goes from the first line of the editor in front to another one. */
  async goToLine(last: number): Promise<void> {
    for (let line = 2; line <= last; line++)
      await this.press('ArrowDown', this.#page.locator('.statusbar', { hasText: `Ln ${line}, Col 1` }));
  }

  /** Runs a command by its title in the palette. */
  async command(title: string): Promise<void> {
    await this.press('F1', this.#field);
    await this.take(`>${title}`, title);
  }

  /** Writes into the field that asks, and confirms it, with the row that begins with this label; resolves when it was taken. */
  async take(text: string, row?: string): Promise<void> {
    await this.#field.waitFor();
    await this.#page.keyboard.press('Control+a');
    await this.#page.keyboard.type(text);
    const chosen = this.#page.locator('.quick-input-list .monaco-list-row.focused');
    if (row !== undefined) await this.#bench.row(row).and(chosen).waitFor();
    await this.#page.keyboard.press('Enter');
    await this.#page.waitForFunction(`document.querySelector('${FIELD}')?.value !== ${JSON.stringify(text)}`);
  }

  /** Takes what the modal dialog offers first, which is this button. */
  async confirm(button: string): Promise<void> {
    const { dialog } = this.#bench;
    await dialog.locator('.monaco-button:focus', { hasText: button }).waitFor();
    await this.#page.keyboard.press('Enter');
    await dialog.waitFor({ state: 'detached' });
  }

  /** The editor of a file, while it hears the keys; its tab is there before. */
  editor(name: string): Locator {
    return this.#page.locator(`.monaco-editor.focused[data-uri*="/${name}"]`);
  }

  /** The row of our trees that has the focus, if it is this one. */
  row(text: string | RegExp): Locator {
    return this.#page.locator(ROW).and(this.#bench.item(text));
  }

  /** Goes down the tree to a row once it is there: before the children of the row above are, the key would lead past them. */
  async goDown(text: string | RegExp): Promise<void> {
    await this.#bench.item(text).first().waitFor();
    const focused = `document.querySelector('${ROW}')?.ariaLabel`;
    while ((await this.row(text).count()) === 0) {
      const before = JSON.stringify(await this.#page.evaluate(focused));
      await this.#page.keyboard.press('ArrowDown');
      await this.#page.waitForFunction(`![undefined, ${before}].includes(${focused})`);
    }
  }

  /** The page of a panel takes the focus when it has come up. */
  async inPanel(): Promise<void> {
    await this.#page.waitForFunction(`document.activeElement?.matches('iframe.webview.ready')`);
  }

  /** Goes on with Tab until an element of the page in the panel has the focus. */
  async tabTo(panel: Frame, goal: Locator): Promise<void> {
    const focused = goal.and(panel.locator(':focus, :focus-within'));
    while ((await focused.count()) === 0) {
      const before = await panel.evaluateHandle(FOCUS);
      await this.#page.keyboard.press('Tab');
      await panel.waitForFunction(`(before) => ${FOCUS} !== before`, before);
    }
  }
}
