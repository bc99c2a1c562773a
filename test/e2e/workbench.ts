/** The hands of a person at a VS Code in the browser: what the tests click, type and look at. */
import { mkdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { setTimeout } from 'node:timers/promises';
import type { Frame, Locator, Page } from 'playwright-core';
import { repoRoot } from '../support/paths';

/** A colour theme of each kind: its name, the class of the workbench, and what pages are told. Dark is the one that tests begin with. */
const THEMES = {
  light: ['Light Modern', 'vs', 'vscode-light'],
  'hc-dark': ['Dark High Contrast', 'hc-black', 'vscode-high-contrast'],
  'hc-light': ['Light High Contrast', 'hc-light', 'vscode-high-contrast-light'],
  dark: ['Dark Modern', 'vs-dark', 'vscode-dark'],
} as const;
export type Theme = keyof typeof THEMES;

/** Milliseconds that the workbench may take to come up, and a part of it to follow. */
const COLD = 300_000;
const WARM = 90_000;

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
    // A panel that has just come up takes the focus when it is loaded, and the file that was asked for waits behind it.
    for (let tries = 0; tries < 20 && !(await this.isActive(name)); tries++) {
      await (await this.quickOpen('Control+p', name, name)).click();
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
    await (await this.quickOpen('F1', `>${title}`, title)).click();
  }

  /** Opens a quick pick by its key and writes into it; resolves with the row of this label once it is there. */
  async quickOpen(key: string, text: string, label: string): Promise<Locator> {
    const input = this.page.locator('.quick-input-widget input');
    const row = this.row(label).first();
    // A window that has just come up may not hear the first key, and a list that still goes away may take the text instead.
    for (let tries = 0; tries === 0 || (tries < 20 && !(await row.isVisible())); tries++) {
      await this.page.keyboard.press(key);
      await input.waitFor({ timeout: 3000 }).catch(() => undefined);
      await input.fill(text, { timeout: 1000 }).catch(() => undefined);
      await row.waitFor({ timeout: 5000 }).catch(() => undefined);
    }
    await row.waitFor();
    return row;
  }

  /** A row of the quick pick that is open, by the beginning of its label. */
  row(label: string): Locator {
    const name = this.page.locator('.label-name', {
      hasText: new RegExp(`^${label.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}`),
    });
    return this.page.locator('.quick-input-list .monaco-list-row', { has: name });
  }

  /** Chooses from the quick pick that is open by a part of what a row says, which may be far down. */
  async pick(text: string): Promise<void> {
    const row = this.page.locator('.quick-input-list .monaco-list-row', { hasText: text }).first();
    // The list may still be on its way.
    await this.page.locator('.quick-input-list .monaco-list-row').first().waitFor();
    await this.page.locator('.quick-input-widget input').fill(text);
    await row.click();
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

  /** Opens the walkthrough, or comes back to it. */
  async openWalkthrough(): Promise<void> {
    await this.command('SOCI: Open Walkthrough');
    await this.page.getByText('Get Started with SOCI Lens').first().waitFor();
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

  /** Chooses from the context menu of a row. */
  async menu(item: Locator, entry: RegExp): Promise<void> {
    await item.click({ button: 'right' });
    const choice = this.page.getByRole('menuitem', { name: entry });
    await choice.click();
    // VS Code takes no click in a menu that has only just opened.
    for (let tries = 0; tries < 20 && (await choice.isVisible()); tries++) {
      await choice.waitFor({ state: 'detached', timeout: 500 }).catch(() => undefined);
      await choice.click({ timeout: 500 }).catch(() => undefined);
    }
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

  /** Chooses a colour theme in its list, as a person does. */
  async theme(theme: Theme): Promise<void> {
    const [label, workbench, page] = THEMES[theme];
    const chosen = this.page.locator(`.monaco-workbench.${workbench}`);
    if (!(await chosen.isVisible())) {
      await this.command('Preferences: Color Theme');
      await this.row('Dark Modern').first().waitFor();
      await this.type(label);
      await chosen.waitFor();
    }
    for (const frame of this.page.frames()) {
      if (frame.name() === 'active-frame')
        await frame.waitForSelector(`body[data-vscode-theme-kind="${page}"]`);
    }
  }

  /** Does `look` in each theme, dark at last, takes a picture for people under `name`, and closes what `look` opened. */
  async inEachTheme(
    name: string,
    look: (theme: Theme) => Promise<void> = () => Promise.resolve(),
    close: () => Promise<void> = () => Promise.resolve(),
  ): Promise<void> {
    for (const theme of Object.keys(THEMES) as Theme[]) {
      await this.theme(theme);
      await look(theme);
      await this.screenshot(`${name}-${theme}`);
      await close();
    }
  }

  /** A picture for people; nothing compares it. */
  async screenshot(name: string): Promise<void> {
    const folder = path.join(repoRoot, 'out', 'screenshots');
    await mkdir(folder, { recursive: true });
    await this.page.screenshot({ path: path.join(folder, `${name}.png`) });
  }

  /** Takes a picture of a test that failed, and leaves whatever it left open, so that the next one begins as it would have. */
  async afterTest(context: object): Promise<void> {
    if (!('passed' in context) || context.passed !== false || !('name' in context)) return;
    await this.screenshot(`failed ${String(context.name)}`.replace(/\W+/g, '-'));
    for (let i = 0; i < 3; i++) await this.page.keyboard.press('Escape');
  }

  /** Moves the editor in front into a window of its own, which goes with it. */
  async moveEditor(): Promise<Workbench> {
    const opened = this.page.context().waitForEvent('page');
    await this.command('View: Move Editor into New Window');
    return new Workbench(await opened, this.url, this.workspace);
  }

  /** A window beside this one: of the same browser, VS Code and folder, with an extension host of its own. */
  async secondWindow(): Promise<Workbench> {
    const second = new Workbench(await this.page.context().newPage(), this.url, this.workspace);
    await second.open();
    return second;
  }
}

/** What axe finds wrong inside `selector`, in the window or in a page of ours: rule and element. */
export async function violations(
  where: Page | Frame,
  selector: string,
  disabled: readonly string[] = [],
): Promise<string[]> {
  await where.evaluate(await readFile(createRequire(__filename).resolve('axe-core/axe.min.js'), 'utf8'));
  const rules = Object.fromEntries(disabled.map((rule) => [rule, { enabled: false }]));
  return where.evaluate(
    async ([context, options]) => {
      const { axe } = globalThis as unknown as {
        axe: {
          run(
            context: string,
            options: object,
          ): Promise<{ violations: { id: string; nodes: { html: string }[] }[] }>;
        };
      };
      const found = await axe.run(context, options);
      return found.violations.flatMap(({ id, nodes }) =>
        nodes.map(({ html }) => `${id}: ${html.slice(0, 200)}`),
      );
    },
    [selector, { resultTypes: ['violations'], rules }] as const,
  );
}
