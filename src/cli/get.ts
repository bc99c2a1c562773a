import { randomUUID } from 'node:crypto';
import { open, rename, rm } from 'node:fs/promises';
import { LensError, messageOf } from '../errors';
import type { LayerResult } from '../image/scan';
import { fileContent } from '../layer/file-content';
import type { LayerScan } from '../layer/types';
import { ImageTree } from '../trace/tree';
import { defineCommand, EXIT, PLATFORM_FLAG, UsageError } from './command';
import { REGISTRY_FLAGS } from './registry-flags';

/** One file of one layer. */
interface Place {
  readonly layer: number;
  readonly entry: number;
}

export const getCommand = defineCommand({
  name: 'get',
  summary: 'Reads one file out of an image, by the spans that hold it only.',
  usage: 'get IMAGE PATH [flags]',
  positionals: 2,
  flags: {
    output: { type: 'string', short: 'o', value: 'FILE', help: 'Write to this file instead of stdout.' },
    layer: { type: 'string', value: 'N', help: "That layer's own file, also where a later layer hides it." },
    ...PLATFORM_FLAG,
    ...REGISTRY_FLAGS,
  },
  async run(session, { flags, positionals: [reference = '', wanted = ''] }) {
    const { output } = flags;
    if (flags.layer !== undefined && !/^\d{1,4}$/.test(flags.layer)) {
      throw new UsageError(`--layer takes the number of a layer, 0 for the lowest, not "${flags.layer}".`);
    }
    const image = await session.open(reference, flags.platform, flags);
    const results = await session.scan(image);
    const scans = results.map((result) => ('scan' in result ? result.scan : undefined));
    const place =
      flags.layer === undefined
        ? findInImage(scans, results, wanted)
        : findInLayer(scans[Number(flags.layer)], Number(flags.layer), wanted);
    const scan = scans[place.layer];
    const blob = image.layers[place.layer]?.blob;
    if (!scan || !blob) throw new Error('A file was found in a layer that was not scanned.');
    const offset = scan.entries.offset(place.entry);
    const size = scan.entries.size(place.entry);
    const content = fileContent(scan, blob, place.entry, session.signal);

    if (output !== undefined) await writeFile(output, content);
    else if (!flags.json) for await (const chunk of content) await session.terminal.write(chunk);
    const document = {
      version: 1 as const,
      path: scan.entries.name(place.entry),
      layer: place.layer,
      digest: scan.digest,
      offset,
      size,
      file: output ?? null,
    };
    if (flags.json) session.terminal.json(document);
    return EXIT.done;
  },
});

function findInImage(
  scans: readonly (LayerScan | undefined)[],
  results: readonly LayerResult[],
  wanted: string,
): Place {
  const found = new ImageTree(scans.map((scan) => scan?.entries)).resolve(wanted);
  if (found.found === 'file') return found;
  const unread = results.filter((result) => !('scan' in result)).length;
  const hidden = unread > 0 ? ` ${unread} layers could not be read.` : '';
  throw new LensError(
    'cli/no-such-file',
    found.found === 'not-in-image'
      ? `A container of the image has no file ${wanted}.${hidden}`
      : `${wanted} is no regular file of the image (${found.found}).`,
    'Look for it with "soci-lens inspect --files"; a file that a later layer hides is read with --layer.',
  );
}

/** The last entry of that name, as it would be unpacked. */
function findInLayer(scan: LayerScan | undefined, layer: number, wanted: string): Place {
  const clean = (name: string): string => name.replace(/^(?:\.?\/)+/, '');
  if (scan) {
    for (let entry = scan.entries.length - 1; entry >= 0; entry--) {
      if (scan.entries.type(entry) === 'reg' && clean(scan.entries.name(entry)) === clean(wanted)) {
        return { layer, entry };
      }
    }
  }
  throw new LensError(
    'cli/no-such-file',
    scan
      ? `Layer ${layer} has no regular file ${wanted}.`
      : `The image has no layer ${layer} that can be read.`,
    'Look for it with "soci-lens inspect --files".',
  );
}

async function writeFile(file: string, content: AsyncIterable<Uint8Array>): Promise<void> {
  const temporary = `${file}.${randomUUID()}`;
  try {
    const handle = await open(temporary, 'wx').catch((error: unknown) => {
      throw new LensError(
        'cli/cannot-write',
        `${file} cannot be written: ${messageOf(error)}.`,
        'Name a file in a folder that can be written.',
        { cause: error },
      );
    });
    try {
      for await (const chunk of content) await handle.writeFile(chunk);
    } finally {
      await handle.close();
    }
    await rename(temporary, file);
  } finally {
    await rm(temporary, { force: true });
  }
}
