#!/usr/bin/env node
// Stands in for the VS Code executable where @vscode/test-electron starts one: takes its arguments, opens code-server in a
// browser without a window with the extension under development, and exits with the code of the test run.
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { launchBrowser } from './browser.mjs';
import { startServer } from './vscode-host.mjs';

/** Milliseconds for the whole run, the tests included: only what hangs takes so long, however busy the machine is. */
const TIMEOUT = 1_200_000;

const [workspace] = process.argv.slice(2).filter((argument) => !argument.startsWith('--'));
const option = (name) =>
  process.argv.find((argument) => argument.startsWith(`--${name}=`))?.slice(name.length + 3);
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, () => process.exit(130));

const server = await startServer({
  workspace,
  smokeTestDriver: true,
  extensionsDir: option('extensions-dir'),
  userDataDir: option('user-data-dir'),
});
const { context, close } = await launchBrowser();
let page;
try {
  page = await context.newPage();
  const exit = new Promise((resolve) => {
    void page.exposeFunction('codeAutomationExit', resolve);
    void page.exposeFunction('codeAutomationLog', () => undefined);
  });
  const remote = (file) => `vscode-remote://127.0.0.1:${server.port}${file}`;
  const payload = JSON.stringify([
    ['extensionDevelopmentPath', remote(option('extensionDevelopmentPath'))],
    ['extensionTestsPath', remote(option('extensionTestsPath'))],
  ]);
  const url = `${server.url}?folder=${encodeURI(workspace)}&payload=${encodeURIComponent(payload)}`;
  await page.goto(url, { timeout: TIMEOUT });
  const late = new Promise((_, reject) => {
    setTimeout(() => reject(new Error(`The tests did not end within ${TIMEOUT / 1000} s.`)), TIMEOUT).unref();
  });
  process.exitCode = await Promise.race([exit, late]);
} catch (error) {
  console.error(error.message);
  const screenshots = path.join(import.meta.dirname ?? '.', '../out/screenshots');
  await mkdir(screenshots, { recursive: true });
  await page?.screenshot({ path: path.join(screenshots, 'host-suite.png') });
  process.exitCode = 1;
} finally {
  await close();
  await server.stop();
}
process.exit();
