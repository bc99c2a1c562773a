// The real CLI's results for 85 layers: every entry, checkpoint and span digest, and its verdict on the broken ones.

import { collect } from '../../support/streams';
import { fixture, repoRoot } from '../../support/paths';
import { fileBytes, readAll } from '../../../src/layer/bytes';
import { inflateSpan } from '../../../src/layer/pako-span';
import { scanLayer } from '../../../src/layer/scan';
import { checkpoints, checkpointWindows, readTar, spanDigests, spanTable } from '../../../src/layer/spans';
import type { LayerCompression, TarEntry } from '../../../src/layer/types';
import { LensError } from '../../../src/errors';
import { sentences } from '../../../src/sentences';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import assert from 'node:assert/strict';

interface Row {
  readonly layer: string;
  readonly mediaType: string;
  readonly layerDigest: string;
  readonly spanSize: number;
  readonly error?: string;
}

interface Decoded {
  readonly compressedSize: number;
  readonly uncompressedSize: number;
  readonly files: readonly Readonly<Record<string, unknown>>[];
  readonly spanDigests: readonly string[];
  readonly spanSize: number;
  readonly checkpoints?: readonly { in: number; out: number; bits: number; windowSha256: string }[];
}

// Our own fixtures: their shape is known.
const rows = readJson('ztocs.json') as readonly Row[];

function readJson(name: string): unknown {
  return JSON.parse(readFileSync(fixture('golden', name), 'utf8'));
}

/** What containerd 2.2.9 unpacks of the layers that SOCI refuses: tried with its own `DecompressStream` and `archive.Apply`. */
const READ_BY_CONTAINERD = new Set([
  'bad-empty.tar.gz',
  'bad-global.tar.gz',
  'bad-not-gzip.tar.gz',
  'bad-reserved-flag.tar.gz',
]);

/** What says a sentence in each of the other languages, as the editor does. */
const LANGUAGES = ['de', 'zh-cn'].map((language) => {
  const bundle = JSON.parse(
    readFileSync(path.join(repoRoot, `l10n/bundle.l10n.${language}.json`), 'utf8'),
  ) as Record<string, string>;
  const fill = (text: string, ...filled: string[]): string =>
    (bundle[text] ?? text).replace(/\{(\d)\}/g, (_, place: string) => filled[Number(place)] ?? '');
  return sentences(Object.keys(bundle), fill, language);
});

function compressionOf(mediaType: string): LayerCompression {
  return mediaType.endsWith('gzip') ? 'gzip' : 'tar';
}

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** A text as the golden data write it: what is not UTF-8 as `{ hex }`. */
function text(bytes: Uint8Array): unknown {
  const decoded = Buffer.from(bytes).toString('utf8');
  return Buffer.from(decoded).equals(bytes) ? decoded : { hex: Buffer.from(bytes).toString('hex') };
}

/** An entry as the golden data write it: fields that are empty are left out. */
function golden(entry: TarEntry): Record<string, unknown> {
  return {
    name: text(entry.name),
    type: entry.type,
    offset: entry.offset,
    size: entry.size,
    mode: Number(entry.mode),
    uid: entry.uid,
    gid: entry.gid,
    modTime: entry.modTime,
    ...(entry.linkname.length > 0 && { linkname: text(entry.linkname) }),
    ...(entry.uname.length > 0 && { uname: text(entry.uname) }),
    ...(entry.gname.length > 0 && { gname: text(entry.gname) }),
    ...(entry.devMajor !== 0n && { devmajor: Number(entry.devMajor) }),
    ...(entry.devMinor !== 0n && { devminor: Number(entry.devMinor) }),
    ...(entry.pax.length > 0 && { xattrs: entry.pax.map(([key, value]) => [text(key), text(value)]) }),
  };
}

describe('layers of the golden data', () => {
  const sound = new Map(rows.filter((row) => row.error === undefined).map((row) => [row.layer, row]));
  for (const [name, row] of sound) {
    it(`reads ${name} as the CLI does`, async () => {
      const blob = await fileBytes(fixture('golden', 'layers', name));
      const expected = readJson(`decoded/${name}.json`) as Decoded;
      const compression = compressionOf(row.mediaType);
      // The field is read from a gzip's checkpoints; for plain tars it holds something else, and the run had 64 KiB.
      const spanSize = compression === 'gzip' ? expected.spanSize : 65536;
      const scan = await scanLayer(blob, compression, { expectedDigest: row.layerDigest, spanSize });

      assert.equal(scan.compressedSize, expected.compressedSize);
      assert.equal(scan.tarSize, expected.uncompressedSize);
      const entries = Array.from({ length: scan.entries.length }, (_, i) => golden(scan.entries.get(i)));
      assert.deepEqual(entries, expected.files);
      for (let i = 0; i < scan.entries.length; i++) {
        assert.equal(scan.entries.name(i), Buffer.from(scan.entries.get(i).name).toString());
      }

      const points = checkpoints(scan, spanSize);
      const windows = await checkpointWindows(scan, spanSize, undefined);
      assert.deepEqual(
        windows.map((window, i) => ({
          in: points.in[i],
          out: points.out[i],
          bits: points.bits[i],
          windowSha256: sha256(window),
        })),
        expected.checkpoints ?? [],
      );
      assert.deepEqual(await spanDigests(scan, spanSize, undefined), expected.spanDigests);

      // The same from a scan that kept windows and digests for another span size.
      const other = await scanLayer(blob, compression, { spanSize: 100_000 });
      assert.deepEqual(await spanDigests(other, spanSize, blob), expected.spanDigests);
      const remade = await checkpointWindows(other, spanSize, blob);
      assert.deepEqual(remade.map(sha256), expected.checkpoints?.map((point) => point.windowSha256) ?? []);
    });

    it(`reads every span of ${name} back, by both decoders`, async () => {
      const blob = await fileBytes(fixture('golden', 'layers', name));
      const compression = compressionOf(row.mediaType);
      const scan = await scanLayer(blob, compression, { diffId: true });
      const bytes = await readAll(blob, 1 << 24);
      const table = spanTable(scan, 65536);
      const points = checkpoints(scan, 65536);
      const windows = await checkpointWindows(scan, 65536, blob);
      const tar = await collect(readTar(scan, blob, { start: 0, end: scan.streamSize }));
      assert.equal(`sha256:${sha256(tar)}`, scan.diffId);
      for (let span = 0; span < table.length; span++) {
        const { start, end } = table.uncompressed(span);
        const expected = tar.subarray(start, end);
        const ours = await collect(readTar(scan, blob, { start, end }));
        assert.ok(ours.equals(expected), `span ${span}`);
        if (compression === 'tar') continue;
        const range = table.compressed(span);
        const window = windows[span] ?? assert.fail();
        const theirs = inflateSpan(
          bytes.subarray(range.start, range.end),
          window,
          points.bits[span] ?? 0,
          end - start,
        );
        assert.ok(expected.equals(theirs), `span ${span} by pako`);
      }
    });
  }

  const broken = new Map(
    rows.filter((row) => row.error && !row.layer.endsWith('.zst')).map((row) => [row.layer, row]),
  );
  for (const [name, row] of broken) {
    it(`refuses ${name} as the CLI does, and says why`, async () => {
      const blob = await fileBytes(fixture('golden', 'layers', name));
      const code = row.error?.includes('gzip error')
        ? 'layer/bad-gzip'
        : row.error?.includes('unsupported input')
          ? 'layer/unsupported-entry'
          : 'layer/bad-tar';
      await assert.rejects(scanLayer(blob, compressionOf(row.mediaType)), (error: unknown) => {
        assert.ok(error instanceof LensError);
        assert.equal(error.code, code);
        // At which byte of the blob and of the tar, or that not even its beginning is right; and who else fails on it.
        assert.match(
          error.message,
          /byte \d+ of the blob \(byte \d+ of its tar\)|byte \d+ of the tar \(near byte \d+ of the blob\)|first bytes are not/,
        );
        assert.match(
          error.message,
          READ_BY_CONTAINERD.has(name)
            ? /container runtimes .*(all the same|an empty layer)/
            : /container runtimes fail on it too|nor containerd does|containerd does not|where they are a plain tar/,
        );
        assert.match(error.message, code === 'layer/bad-gzip' ? /RFC 195[12] §\d/ : /: [a-z].{20,};/);
        assert.match(error.advice, /^[A-Z].+\.$/);
        for (const say of LANGUAGES) {
          const said = say(`${error.message} ${error.advice}`);
          assert.doesNotMatch(said, /\b(a|at|it|the|of|is|not|runtimes)\b/, 'each part is translated');
        }
        return true;
      });
    });
  }
});
