import { LensError } from '../errors';
import type { LayerResult } from '../image/scan';
import { findWaste } from '../plan/blame/waste';
import type { LayerScan } from '../layer/types';
import { formatPlatform } from '../oci/platform';
import { formatBytes, formatCount, formatMany, formatShare } from '../plan/format';
import { defineCommand, EXIT, PLATFORM_FLAG } from './command';
import { DOCKERFILE_FLAG, readSteps } from './instruction';
import { REGISTRY_FLAGS } from './registry-flags';
import { formatTable } from './terminal';

/** What `--files` lists of each layer. */
function listFiles({ entries }: LayerScan): object[] {
  return Array.from({ length: entries.length }, (_, i) => ({
    path: entries.name(i),
    type: entries.type(i),
    size: entries.size(i),
    offset: entries.offset(i),
  }));
}

const problemOf = (result: LayerResult): string | null =>
  'skipped' in result ? result.skipped : 'error' in result ? result.error.message : null;

export const inspectCommand = defineCommand({
  name: 'inspect',
  summary: 'Shows the layers of an image, what they hold and what of it is wasted.',
  usage: 'inspect IMAGE [flags]',
  positionals: 1,
  flags: {
    ...PLATFORM_FLAG,
    ...REGISTRY_FLAGS,
    files: { type: 'boolean', help: 'List every entry of every layer too.' },
    ...DOCKERFILE_FLAG,
  },
  async run(session, { flags, positionals: [reference = ''] }) {
    const { terminal } = session;
    const image = await session.open(reference, flags.platform, flags);
    const steps = await readSteps(image, flags.dockerfile);
    const results = await session.scan(image);
    const scans = results.map((result) => ('scan' in result ? result.scan : undefined));
    const waste = findWaste(scans.map((scan) => scan?.entries));
    const { config = {} } = image.config;

    const layers = results.map((result, index) => {
      const { layer } = result;
      const scan = scans[index];
      return {
        index,
        digest: layer.descriptor.digest,
        mediaType: layer.descriptor.mediaType,
        size: layer.descriptor.size,
        diffId: scan?.diffId ?? layer.diffId ?? null,
        uncompressedSize: scan?.tarSize ?? null,
        files: scan?.entries.length ?? null,
        blocks: scan?.boundaries.length ?? null,
        instruction: steps[index] ?? null,
        problem: problemOf(result),
        warnings: scan?.warnings.map(({ code, message }) => ({ code, message })) ?? [],
        ...(flags.files && scan ? { entries: listFiles(scan) } : {}),
      };
    });
    const wasted = waste.replacedBytes + waste.removedBytes;
    const document = {
      version: 1 as const,
      image: {
        reference,
        source: image.source,
        digest: image.descriptor.digest,
        mediaType: image.descriptor.mediaType,
        config: image.manifest.config.digest,
        platform: formatPlatform(image.platform),
        note: image.bytesNote,
      },
      config: {
        user: config.User ?? '',
        workingDir: config.WorkingDir ?? '',
        entrypoint: config.Entrypoint ?? [],
        command: config.Cmd ?? [],
        env: config.Env ?? [],
        ports: Object.keys(config.ExposedPorts ?? {}),
        volumes: Object.keys(config.Volumes ?? {}),
      },
      layers,
      efficiency: { ...waste, wastedBytes: wasted },
    };

    if (flags.json) {
      terminal.json(document);
    } else {
      const size = layers.reduce((sum, layer) => sum + layer.size, 0);
      terminal.result(
        `${reference}  ${document.image.platform}\n${image.descriptor.digest}\n${image.bytesNote}\n`,
      );
      terminal.result(
        formatTable(
          ['', 'size', 'unpacked', 'files', 'blocks', 'made by'],
          layers.map((layer) => [
            String(layer.index),
            formatBytes(layer.size),
            layer.uncompressedSize === null ? '' : formatBytes(layer.uncompressedSize),
            layer.files === null ? '' : formatCount(layer.files),
            layer.blocks === null ? '' : formatCount(layer.blocks),
            layer.instruction ?? layer.digest,
          ]),
        ),
      );
      terminal.result(
        `\n${formatMany(layers.length, 'layer')}, ${formatBytes(size)} packed. Hidden by later layers: ${formatBytes(wasted)} of ${formatBytes(waste.fileBytes)} (${formatShare(wasted / Math.max(1, waste.fileBytes))}), ${formatBytes(waste.removedBytes)} removed and ${formatBytes(waste.replacedBytes)} replaced.`,
      );
      for (const file of waste.files.slice(0, 5)) {
        terminal.result(`  ${formatBytes(file.bytes)} in layer ${file.layer}, ${file.reason}: ${file.path}`);
      }
      for (const { index, warnings } of layers) {
        for (const { message } of warnings) terminal.result(`About layer ${index}: ${message}`);
      }
      if (flags.files) {
        for (const [index, scan] of scans.entries()) {
          if (!scan) continue;
          terminal.result(`\nLayer ${index}`);
          for (let i = 0; i < scan.entries.length; i++) {
            terminal.result(
              `${scan.entries.type(i).padEnd(8)} ${String(scan.entries.size(i)).padStart(12)}  ${scan.entries.name(i)}`,
            );
          }
        }
      }
    }
    const broken = results.flatMap((result) => ('error' in result ? [result.error] : []));
    for (const { message, advice } of broken) terminal.error(`${message} ${advice}`);
    for (const { index, problem } of layers) {
      if (problem !== null && !('error' in (results[index] ?? {})))
        terminal.info(`Layer ${index} was not scanned: ${problem}.`);
    }
    return broken.some((error) => error instanceof LensError) ? EXIT.failed : EXIT.done;
  },
});
