/** What VS Code's extension host calls: runs the suite with Mocha and writes its report. */
import Mocha from 'mocha';
import { readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';

/** Milliseconds: only what hangs takes so long, however busy the machine is. */
const TIMEOUT = 300_000;

export function run(): Promise<void> {
  const only = new RegExp(process.env['SOCI_LENS_FILES'] ?? '');
  const mocha = new Mocha({ ui: 'tdd', timeout: TIMEOUT, forbidOnly: process.env['CI'] !== undefined });
  for (const file of readdirSync(__dirname).sort()) {
    if (file.endsWith('.test.js') && only.test(file)) mocha.addFile(path.join(__dirname, file));
  }
  const report = {
    passed: 0,
    failed: 0,
    skipped: 0,
    failures: [] as { name: string; file: string | undefined; error: string }[],
    passes: [] as string[],
  };
  return new Promise((resolve, reject) => {
    mocha
      .run((failures) => {
        const file = process.env['SOCI_LENS_REPORT'];
        if (file !== undefined) writeFileSync(file, JSON.stringify(report, undefined, 2));
        if (failures === 0) resolve();
        else reject(new Error(`${failures} tests failed`));
      })
      .on('pass', (test) => {
        report.passed++;
        report.passes.push(`${test.fullTitle()} (${test.duration ?? 0} ms)`);
      })
      .on('pending', () => report.skipped++)
      .on('fail', (test, error: Error) => {
        report.failed++;
        report.failures.push({
          name: test.fullTitle(),
          file: test.file,
          error: error.stack ?? error.message,
        });
      });
  });
}
