import { formatRegistryName, parseReference } from '../image/reference';
import { formatBytes, formatCount } from '../plan/format';
import { applyClean, planClean, type CleanPlan, type CleanStep, type KeptBlob } from '../soci/clean';
import { defineCommand, EXIT, typed, UsageError } from './command';
import { withRegistry } from './push';
import { REGISTRY_FLAGS } from './registry-flags';

export const cleanCommand = defineCommand({
  name: 'clean',
  summary:
    'Removes the SOCI indexes of an image from its registry: v1 indexes, their fallback tag, the -soci tag.',
  usage: 'clean docker://HOST/NAME:TAG [--dry-run] [flags]',
  positionals: 1,
  flags: {
    'dry-run': { type: 'boolean', help: 'Say what would go and what would stay, and change nothing.' },
    ...REGISTRY_FLAGS,
  },
  async run(session, { flags, positionals: [reference = ''] }) {
    const source = typed(() => parseReference(reference));
    if (source.transport !== 'docker' || source.registry.digest !== undefined)
      throw new UsageError(`clean takes a tag in a registry as docker://HOST/NAME:TAG, not ${reference}.`);
    const { registry } = source;
    const { terminal, signal } = session;
    const dryRun = flags['dry-run'] ?? false;
    const options = { signal, onProgress: terminal.progress };
    const plan = await withRegistry(session, registry, flags, async (client) => {
      const planned = await planClean(client, registry.tag ?? 'latest', options);
      if (!flags.json) terminal.result(describe(formatRegistryName(registry), planned, dryRun));
      if (!dryRun) await applyClean(client, planned, options);
      return planned;
    });
    const document = { version: 1 as const, reference, dryRun, ...plan };
    if (flags.json) terminal.json(document);
    return EXIT.done;
  },
});

function describe(name: string, { steps, kept }: CleanPlan, dryRun: boolean): string {
  if (steps.length === 0 && kept.length === 0)
    return `${name} has no SOCI index; there is nothing to remove.`;
  const unnamed = kept.filter(({ why }) => why === 'unnamed');
  const bytes = unnamed.reduce((sum, { size }) => sum + size, 0);
  return [
    ...(steps.length === 0 ? [] : [dryRun ? 'Would go:' : 'Goes:']),
    ...steps.map((step) => `  ${describeStep(step)}`),
    ...(kept.length === 0 ? [] : [dryRun ? 'Would stay:' : 'Stays:']),
    ...kept.filter(({ why }) => why !== 'unnamed').map((blob) => `  ${describeKept(blob)}`),
    ...(unnamed.length === 0
      ? []
      : [
          `  ${formatCount(unnamed.length)} blobs of ${formatBytes(bytes)} that no tag needs: the registry's garbage collection frees them, as only it knows what else names them`,
        ]),
  ].join('\n');
}

function describeStep(step: CleanStep): string {
  if (step.kind === 'unlist')
    return `${formatCount(step.indexes.length)} ${step.indexes.length === 1 ? 'entry' : 'entries'} of the fallback tag ${step.tag}`;
  switch (step.what) {
    case 'index':
      return `the SOCI index ${step.digest}`;
    case 'image':
      return `the image manifest ${step.digest}, which names a SOCI index`;
    case 'tag':
      return `the tag ${step.tag ?? ''} with ${step.digest}`;
  }
}

function describeKept({ kind, digest, size, why, tags }: KeptBlob): string {
  const what = `the ${kind} ${digest} (${formatBytes(size)})`;
  return why === 'only-copy'
    ? `${what}: ${tags.join(', ')} is the image itself and carries its index within it; push the image without one under that tag instead`
    : `${what}: ${tags.join(', ')} ${tags.length === 1 ? 'needs' : 'need'} it`;
}
