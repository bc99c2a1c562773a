/** The hands of a person at a VS Code in the browser: what the tests click, type and look at. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Frame, Locator, Page } from 'playwright-core';
import { repoRoot } from '../support/paths';

/** Milliseconds that the workbench may take to come up, and a part of it to follow. */
const COLD = 60_000;
const WARM = 30_000;

export class Workbench {
  constructor(
    readonly page: Page,
    private readonly url: string,
    private readonly workspace: string,
  ) {
    page.setDefaultTimeout(WARM);
  }

  /** Opens the window, or opens it anew; resolves when the extension's icon is in the activity bar. */
  async open(): Promise<void> {
    await this.page.goto(`${this.url}?folder=${encodeURI(this.workspace)}`);
    await this.page.locator('.monaco-workbench').waitFor({ timeout: COLD });
    await this.page.locator('.activitybar .action-label[aria-label*="SOCI Lens"]').waitFor({ timeout: COLD });
  }

  /** Opens a file of the workspace by quick open. */
  async openFile(name: string): Promise<void> {
    await this.page.keyboard.press('Control+p');
    const input = this.page.locator('.quick-input-widget input');
    await input.fill(name);
    await this.row(name).first().waitFor();
    await this.page.keyboard.press('Enter');
    await this.page.locator(`.tab.active[data-resource-name="${name}"]`).waitFor();
  }

  /** Runs a command by its title in the palette. */
  async command(title: string): Promise<void> {
    await this.page.keyboard.press('F1');
    const input = this.page.locator('.quick-input-widget input');
    await input.waitFor();
    await input.fill(`>${title}`);
    await this.row(title).first().waitFor();
    await this.page.keyboard.press('Enter');
  }

  /** A row of the quick pick that is open. */
  row(text: string): Locator {
    return this.page.locator('.quick-input-list .monaco-list-row', { hasText: text });
  }

  /** Answers the input box that is open. */
  async type(text: string): Promise<void> {
    const input = this.page.locator('.quick-input-widget input');
    await input.waitFor();
    await input.fill(text);
    await this.page.keyboard.press('Enter');
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
    await this.page.locator('.pane-header', { hasText: 'Images' }).waitFor();
  }

  /** A row of our view whose label is `text`. */
  item(text: string | RegExp): Locator {
    return this.page.locator('.sidebar .monaco-list-row', { hasText: text });
  }

  /** The page inside the panel that is in front. */
  async panel(): Promise<Frame> {
    const outer = this.page.locator('iframe.webview.ready');
    await outer.first().waitFor();
    const frame = await (await outer.last().elementHandle())?.contentFrame();
    const inner = await frame?.waitForSelector('iframe#active-frame');
    const content = inner ? await inner.contentFrame() : null;
    if (!content) throw new Error('The panel has no page.');
    await content.waitForSelector('main[aria-busy="false"]');
    return content;
  }

  /** Writes the user's settings as the settings editor would; VS Code follows the file. */
  async settings(userData: string, change: Record<string, unknown>): Promise<void> {
    const file = path.join(userData, 'User', 'settings.json');
    const before = JSON.parse(await readFile(file, 'utf8')) as object;
    await writeFile(file, JSON.stringify({ ...before, ...change }));
  }

  /** A picture for people; nothing compares it. */
  async screenshot(name: string): Promise<void> {
    const folder = path.join(repoRoot, 'out', 'screenshots');
    await mkdir(folder, { recursive: true });
    await this.page.screenshot({ path: path.join(folder, `${name}.png`) });
  }
}
