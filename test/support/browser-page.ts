/** The page of the span map in a plain browser: with the real host model behind it, only VS Code is missing. */
import path from 'node:path';
import { readFile } from 'node:fs/promises';
import { build } from 'esbuild';
import { startBrowser } from '../../scripts/browser.mjs';
import type { Browser, Page } from 'playwright-core';
import { LensError, messageOf } from '../../src/errors';
import { pageHtml } from '../../src/plan/page';
import type { Picture } from '../../src/plan/picture';
import { pictureHandlers } from '../../src/plan/picture/handlers';
import { serve } from '../../src/protocol';
import type { Handlers, HostEnd, ToPage, WireError } from '../../src/protocol';
import { repoRoot } from './paths';
import { THEMES } from './themes';
import type { ThemeName } from './themes';

export { startBrowser as launchBrowser };

const ADDRESS = 'http://page.test/';
/** Milliseconds that whatever comes about may take: a machine may be busy with much else. */
const PATIENCE = 90_000;

/** Bundles the page as the product does, once per test file. */
export async function bundlePage(): Promise<string> {
  const outdir = path.join(repoRoot, 'out/page');
  await build({
    absWorkingDir: repoRoot,
    entryPoints: { spanMap: 'webview/main.ts' },
    bundle: true,
    minify: true,
    platform: 'browser',
    target: 'es2022',
    format: 'iife',
    outdir,
    logLevel: 'warning',
  });
  return outdir;
}

export interface OpenPage {
  readonly page: Page;
  readonly host: HostEnd;
  /** What the browser complained about: errors, refused resources. */
  readonly complaints: string[];
}

export interface OpenOptions {
  readonly theme?: ThemeName;
  readonly width?: number;
  readonly height?: number;
  readonly scale?: number;
  readonly forcedColors?: 'active';
  /** Let things move; tests stand still by default. */
  readonly motion?: boolean;
  /** What VS Code would have kept of an earlier page. */
  readonly state?: unknown;
  /** Called at each question, so that a test can put a new picture in place. */
  readonly picture: () => Picture;
  readonly actions?: Partial<Handlers>;
  readonly language?: string;
  /** What the page says in that language, by its English. */
  readonly texts?: Readonly<Record<string, string>>;
  /** Runs before the page's own. */
  readonly script?: string;
}

export async function openPage(browser: Browser, bundle: string, options: OpenOptions): Promise<OpenPage> {
  const context = await browser.newContext({
    viewport: { width: options.width ?? 1280, height: options.height ?? 900 },
    deviceScaleFactor: options.scale ?? 1,
    ...(options.forcedColors && { forcedColors: options.forcedColors }),
    reducedMotion: options.motion === true ? 'no-preference' : 'reduce',
  });
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE);
  const complaints: string[] = [];
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text());
  });
  const none = (): { done: null } => ({ done: null });
  const host = serve(
    (message: ToPage) => {
      // The page may be closed while an answer is on its way.
      page.evaluate(`window.postMessage(${JSON.stringify(message)}, '*')`).catch(() => undefined);
    },
    {
      ...pictureHandlers(options.picture),
      find: none,
      comparables: () => ({ list: [] }),
      compare: () => Promise.reject(new Error('There is nothing to compare with.')),
      recommend: ({ settings }) => ({ best: options.picture().best(settings), build: [] }),
      createIndex: none,
      createBestIndex: none,
      recordStart: none,
      optimizeImage: none,
      exportReport: none,
      exportMap: none,
      exportFiles: none,
      openEntry: none,
      saveEntry: none,
      revealEntry: none,
      ...options.actions,
    },
    wireError,
  );
  await page.exposeFunction('toHost', (message: unknown) => host.receive(message));
  await page.addInitScript({ content: stubOfVsCode(options.theme ?? 'dark', options.state ?? null) });
  if (options.script !== undefined) await page.addInitScript({ content: options.script });
  await page.route(`${ADDRESS}**`, async (route) => {
    const name = new URL(route.request().url()).pathname.slice(1);
    if (name === '') {
      const body = pageHtml({
        script: `${ADDRESS}spanMap.js`,
        style: `${ADDRESS}spanMap.css`,
        cspSource: ADDRESS.slice(0, -1),
        nonce: 'Rand0m',
        language: options.language ?? 'en',
        texts: options.texts ?? {},
      });
      await route.fulfill({ contentType: 'text/html', body });
    } else if (name === 'spanMap.js' || name === 'spanMap.css') {
      await route.fulfill({
        contentType: name.endsWith('js') ? 'text/javascript' : 'text/css',
        body: await readFile(path.join(bundle, name)),
      });
    } else {
      await route.fulfill({ status: 404, body: '' });
    }
  });
  await page.goto(ADDRESS);
  await page.waitForSelector('main[aria-busy="false"]');
  // What is drawn by then stands on the canvases in the frame after the next.
  await page.evaluate('new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))');
  return { page, host, complaints };
}

export function wireError(error: unknown): WireError {
  return error instanceof LensError
    ? { code: error.code, message: error.message, advice: error.advice }
    : { code: 'page/failed', message: messageOf(error), advice: 'Look at the log.' };
}

/** Puts a page into another theme, as VS Code does with one that is open. */
export function wear(page: Page, theme: ThemeName): Promise<unknown> {
  return page.evaluate(dressing(theme));
}

const KINDS: Readonly<Record<ThemeName, string>> = {
  dark: 'vscode-dark',
  light: 'vscode-light',
  'hc-dark': 'vscode-high-contrast',
  'hc-light': 'vscode-high-contrast-light',
};

/** The script that gives the page a theme's class and colours, and takes away those of the one before. */
function dressing(theme: ThemeName): string {
  return `(() => {
    const { style } = document.documentElement;
    for (const name of [...style]) if (name.startsWith('--vscode-')) style.removeProperty(name);
    for (const [name, value] of Object.entries(${JSON.stringify(THEMES[theme])})) style.setProperty('--vscode-' + name, value);
    document.body.dataset.vscodeThemeKind = document.body.className = ${JSON.stringify(KINDS[theme])};
  })()`;
}

/** The script that stands for VS Code in the page: its API, and its theme's colours. */
function stubOfVsCode(theme: ThemeName, state: unknown): string {
  return `
    globalThis.acquireVsCodeApi = () => ({
      postMessage: (message) => void toHost(message),
      getState: () => (${JSON.stringify(state)}),
      setState: (state) => { globalThis.savedState = state; },
    });
    document.addEventListener('securitypolicyviolation', (event) => {
      console.error('Refused by the policy:', event.violatedDirective, event.blockedURI, event.sample, event.lineNumber);
    });
    new MutationObserver(() => {
      if (document.querySelector('main').ariaBusy === 'false') globalThis.drawnAt ??= performance.now();
    }).observe(document, { subtree: true, attributeFilter: ['aria-busy'] });
    new MutationObserver((records, observer) => {
      if (document.body === null) return;
      observer.disconnect();
      ${dressing(theme)};
    }).observe(document, { childList: true, subtree: true });`;
}
