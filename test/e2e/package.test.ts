import assert from 'node:assert/strict';
import { readFileSync, statSync } from 'node:fs';
import { test } from 'node:test';

const vsix = process.env['SOCI_LENS_VSIX'] ?? '';

/** The names in a zip archive, by its own directory (APPNOTE.TXT, §4.3.12 and §4.3.16). */
function names(): string[] {
  const zip = readFileSync(vsix);
  const end = zip.lastIndexOf('PK\x05\x06', undefined, 'latin1');
  let at = zip.readUInt32LE(end + 16);
  return Array.from({ length: zip.readUInt16LE(end + 10) }, () => {
    const [name, extra, comment] = [28, 30, 32].map((field) => zip.readUInt16LE(at + field));
    const start = at + 46;
    at = start + (name ?? 0) + (extra ?? 0) + (comment ?? 0);
    return zip.toString('utf8', start, start + (name ?? 0));
  }).sort();
}

test('the VSIX holds what it should and nothing else', () => {
  const tracers = ['amd64', 'arm64'].map((name) => `extension/dist/tracer/tracer-${name}`);
  assert.deepEqual(
    names(),
    [
      '[Content_Types].xml',
      'extension.vsixmanifest',
      'extension/LICENSE.txt',
      'extension/changelog.md',
      'extension/dist/dockerode.js',
      'extension/dist/extension.js',
      'extension/dist/findings-worker.js',
      'extension/dist/icon.png',
      'extension/dist/kubernetes.js',
      'extension/dist/layer-worker.js',
      'extension/dist/line.js',
      'extension/dist/snapshotter.js',
      'extension/dist/undici.js',
      'extension/dist/webview/spanMap.css',
      'extension/dist/webview/spanMap.js',
      'extension/l10n/bundle.l10n.de.json',
      'extension/l10n/bundle.l10n.zh-cn.json',
      'extension/media/activity.svg',
      'extension/media/icon.svg',
      'extension/media/walkthrough/build.md',
      'extension/media/walkthrough/index.md',
      'extension/media/walkthrough/look.md',
      'extension/media/walkthrough/profile.md',
      'extension/media/walkthrough/use.md',
      'extension/package.json',
      'extension/package.nls.de.json',
      'extension/package.nls.json',
      'extension/package.nls.zh-cn.json',
      'extension/readme.md',
      'extension/schemas/soci-lens.schema.json',
      'extension/sample/small.soci-trace.jsonl',
      ...tracers,
    ].sort(),
  );
});

test('the VSIX is smaller than 4 MB', () => {
  const { size } = statSync(vsix);
  assert.ok(size < 4_000_000, `${size} bytes`);
});
