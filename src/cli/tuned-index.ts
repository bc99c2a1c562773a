/** What a recorded start decides about an index, and which flags decide in its place. */
import { createPlanner } from '../plan/plan';
import type { Best, IndexWish } from '../plan/types';
import { DEFAULT_MIN_LAYER_SIZE } from '../soci/layers';
import { parseBytes, UsageError } from './command';
import { planInput, readCircumstances, readListWish, type ListFlags } from './plan-input';
import type { RegistryFlagValues } from './registry-flags';
import type { Session } from './session';

export interface TunedFlags extends ListFlags {
  readonly 'span-size'?: string | undefined;
  readonly 'min-layer-size'?: string | undefined;
  readonly 'prefetch-from-trace'?: boolean | undefined;
  readonly format?: string | undefined;
  readonly indexer?: string | undefined;
}

/**
 * What is left to the recorded start: everything that no flag says. Undefined without `--trace`.
 *
 * @throws UsageError where flags need a trace, exclude each other, or leave a trace nothing to say
 */
export function readWish(flags: TunedFlags): IndexWish | undefined {
  const { trace, 'span-size': size, 'min-layer-size': minimum, 'prefetch-from-trace': forced } = flags;
  const list = readListWish(flags);
  const hasList = list.prefetchSet !== undefined || list.prefetchSeconds !== undefined;
  if (forced && list.prefetch === 'never')
    throw new UsageError('--prefetch-from-trace and --no-prefetch exclude each other.');
  if (trace === undefined) {
    const asks = [
      size === 'auto' && '--span-size auto',
      minimum === 'auto' && '--min-layer-size auto',
      forced && '--prefetch-from-trace',
      hasList && '--prefetch-set and --prefetch-seconds',
      list.prefetch === 'never' && '--no-prefetch',
    ].find((one) => typeof one === 'string');
    if (asks !== undefined) throw new UsageError(`${asks} needs --trace: the recorded start tells.`);
    return undefined;
  }
  const spanSize = size === undefined || size === 'auto' ? undefined : parseBytes(size, 'span-size');
  const byProgram = flags.indexer === 'soci';
  if (byProgram && (forced || hasList))
    throw new UsageError('Lists of spans need the built-in indexer: soci takes whole files only.');
  const always = forced === true || hasList;
  if (spanSize !== undefined && minimum !== 'auto' && !always)
    throw new UsageError(
      '--trace has nothing to say beside --span-size BYTES: leave the size out, or add --prefetch-from-trace.',
    );
  return {
    ...list,
    spanSize,
    // A person who says the span size means the usual smallest layer, as without a trace.
    minLayerSize:
      minimum === undefined
        ? spanSize && DEFAULT_MIN_LAYER_SIZE
        : minimum === 'auto'
          ? undefined
          : parseBytes(minimum, 'min-layer-size'),
    ...(always && { prefetch: 'always' }),
    ...(byProgram && { prefetch: 'never', byLayer: false }),
    version: flags.format === 'v1' ? 1 : 2,
  };
}

/** The best index for the recorded start, and the digests of the image's layers that it speaks of. */
export async function tuneIndex(
  session: Session,
  reference: string,
  wish: IndexWish,
  flags: TunedFlags &
    RegistryFlagValues & {
      readonly platform?: readonly string[] | undefined;
      readonly output?: string | undefined;
      readonly network: string | undefined;
      readonly node: string | undefined;
    },
): Promise<{ readonly best: Best | null; readonly digests: readonly string[] }> {
  const image = await session.open(reference, flags.platform?.[0], flags);
  const input = await planInput(image, await session.scan(image), { traceFiles: flags.trace });
  const { best } = createPlanner(input).plan({
    ...(await readCircumstances(session, flags, [flags.output, reference])),
    best: wish,
  });
  return { best, digests: input.layers.map(({ descriptor }) => descriptor.digest) };
}
