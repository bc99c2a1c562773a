/** The hands of a person at a VS Code in the browser: what the tests click, type and look at. */
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout } from 'node:timers/promises';
import type { Frame, Locator, Page } from 'playwright-core';
import { repoRoot } from '../support/paths';

/** Milliseconds that the workbench may take to come up, and a part of it to follow. */
const COLD = 60_000;
const WARM = 30_000;

/** What the runner of the suite says by the environment. */
export function given(name: string): string {
  const value = process.env[name];
  if (value === undefined) throw new Error(`${name} is not set; run npm run test:e2e.`);
  return value;
}

export class Workbench {
  constructor(
    readonly page: Page,
    private readonly url: string,
    private readonly workspace: string,
  ) {
    page.setDefaultTimeout(WARM);
  }

  /** Opens the window; resolves when the extension's icon is in the activity bar. */
  async open(): Promise<void> {
    await this.page.goto(`${this.url}?folder=${encodeURI(this.workspace)}`);
    await this.ready();
  }

  /** Reloads the window as a person does, so that VS Code keeps what it has to keep. */
  async reload(): Promise<void> {
    const loaded = this.page.waitForEvent('load');
    await this.command('Developer: Reload Window');
    await loaded;
    await this.ready();
  }

  private async ready(): Promise<void> {
    await this.page.locator('.monaco-workbench').waitFor({ timeout: COLD });
    await this.page.locator('.activitybar .action-label[aria-label*="SOCI Lens"]').waitFor({ timeout: COLD });
  }

  /** Opens a file of the workspace by quick open. */
  async openFile(name: string): Promise<void> {
    const input = this.page.locator('.quick-input-widget input');
    // A panel that has just come up takes the focus when it is loaded, and the file that was asked for waits behind it.
    for (let tries = 0; tries < 5 && !(await this.isActive(name)); tries++) {
      await this.page.keyboard.press('Control+p');
      await input.fill(name);
      await this.row(name).first().click();
      await this.tab(name)
        .waitFor({ timeout: 3000 })
        .catch(() => undefined);
    }
    await this.tab(name).waitFor();
  }

  /** The tab in front, if it is this one. */
  tab(name: string): Locator {
    return this.page.locator('.tab.active', { hasText: name });
  }

  private async isActive(name: string): Promise<boolean> {
    return (await this.tab(name).count()) > 0;
  }

  /** Runs a command by its title in the palette. */
  async command(title: string): Promise<void> {
    await this.page.keyboard.press('F1');
    const input = this.page.locator('.quick-input-widget input');
    await input.waitFor();
    await input.fill(`>${title}`);
    await this.row(title).first().click();
  }

  /** A row of the quick pick that is open, by the beginning of its label. */
  row(label: string): Locator {
    const name = this.page.locator('.label-name', {
      hasText: new RegExp(`^${label.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}`),
    });
    return this.page.locator('.quick-input-list .monaco-list-row', { has: name });
  }

  /** Answers the input box that is open. */
  async type(text: string): Promise<void> {
    const input = this.page.locator('.quick-input-widget input');
    await input.waitFor();
    await input.fill(text);
    await input.press('Enter');
  }

  lens(text: string | RegExp): Locator {
    return this.page.locator('.codelens-decoration a', { hasText: text });
  }

  /** The modal dialog; `choose` clicks one of its buttons. */
  get dialog(): Locator {
    return this.page.locator('.monaco-dialog-box');
  }

  async choose(button: string): Promise<void> {
    await this.dialog.locator('.monaco-button', { hasText: new RegExp(`^${button}$`) }).click();
    await this.dialog.waitFor({ state: 'detached' });
  }

  toast(text: string | RegExp): Locator {
    return this.page.locator('.notification-toast', { hasText: text });
  }

  async showTree(): Promise<void> {
    const icon = this.page.locator('.activitybar .action-item', {
      has: this.page.locator('.action-label[aria-label*="SOCI Lens"]'),
    });
    // A click on the view that is open would close it.
    if (!(await icon.getAttribute('class'))?.includes('checked')) await icon.click();
    await this.page.locator('.sidebar .composite.title', { hasText: 'SOCI Lens' }).waitFor();
    await this.#settled();
  }

  /** Waits until the rows of the tree stay: VS Code gives the element of a row to another one while the list still grows. */
  async #settled(): Promise<void> {
    const rows = () => this.page.locator('.sidebar .monaco-list-row').allInnerTexts();
    let before: string | undefined;
    for (let now = (await rows()).join('\n'); now !== before; now = (await rows()).join('\n')) {
      before = now;
      await setTimeout(500);
    }
  }

  /** The steps of the walkthrough that is open, by their marks. */
  steps(state: 'done' | 'open'): Locator {
    const mark = state === 'done' ? 'checked' : 'unchecked';
    return this.page.locator(`.getting-started-step .codicon-getting-started-step-${mark}`);
  }

  /** A row of our view whose label is `text`. */
  item(text: string | RegExp): Locator {
    return this.page.locator('.sidebar .monaco-list-row', { hasText: text });
  }

  /** The page inside the panel that is in front. */
  async panel(): Promise<Frame> {
    const outer = this.page.locator('iframe.webview.ready');
    await outer.first().waitFor();
    const frame = await (await outer.last().elementHandle()).contentFrame();
    const inner = await frame?.waitForSelector('iframe#active-frame');
    const content = inner ? await inner.contentFrame() : null;
    if (!content) throw new Error('The panel has no page.');
    await content.waitForSelector('main[aria-busy="false"]');
    return content;
  }

  /** Chooses a colour theme; `kind` is the class that the workbench then has. */
  async theme(name: string, kind: 'vs' | 'vs-dark'): Promise<void> {
    await this.command('Preferences: Color Theme');
    await this.row('Dark Modern').first().waitFor();
    await this.type(name);
    await this.page.locator(`.monaco-workbench.${kind}`).waitFor();
  }

  /** A picture for people; nothing compares it. */
  async screenshot(name: string): Promise<void> {
    const folder = path.join(repoRoot, 'out', 'screenshots');
    await mkdir(folder, { recursive: true });
    await this.page.screenshot({ path: path.join(folder, `${name}.png`) });
  }
}
