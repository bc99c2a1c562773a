// The browser of the suites: Debian's Chromium, or another one of that family that is installed.
import { existsSync } from 'node:fs';
import path from 'node:path';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'microsoft-edge'];
const PLACES = ['/usr/bin', '/usr/local/bin', '/snap/bin', '/Applications/Google Chrome.app/Contents/MacOS'];

/** Path of a browser, or undefined when there is none. `CHROMIUM` wins. */
export function findBrowser() {
  const given = process.env.CHROMIUM;
  if (given) return given;
  const folders = [...(process.env.PATH ?? '').split(path.delimiter), ...PLACES];
  return [...NAMES, 'Google Chrome']
    .flatMap((name) => folders.map((folder) => path.join(folder, name)))
    .find((file) => existsSync(file));
}

/** Starts it without a window. */
export async function startBrowser() {
  const executablePath = findBrowser();
  if (!executablePath) throw new Error('No Chromium, Chrome or Edge was found; CHROMIUM may name one.');
  const { chromium } = await import('playwright-core');
  return chromium.launch({
    executablePath,
    timeout: 300_000,
    args: [
      // Root has no sandbox of its own; as anybody else the browser keeps it.
      ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []),
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
}

/** The same with one window of its own. */
export async function launchBrowser({ viewport = { width: 1280, height: 800 }, colorScheme = 'dark' } = {}) {
  const browser = await startBrowser();
  const context = await browser.newContext({ viewport, colorScheme });
  return { browser, context, close: () => browser.close() };
}
