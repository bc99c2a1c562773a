import type { V1Pod } from '@kubernetes/client-node';
import type { Stage } from './types';

/** What is taken of an event, as the cluster's API and its log of events have it. */
export interface SeenEvent {
  readonly reason?: string | undefined;
  readonly message?: string | undefined;
}

/** The events of kubelet and scheduler that mark a step (Kubernetes' own names). */
const STEPS: ReadonlyMap<string, Stage> = new Map([
  ['Scheduled', 'scheduled'],
  ['Pulling', 'pulling'],
  ['Pulled', 'pulled'],
  ['Created', 'created'],
  ['Started', 'started'],
]);

export function stageOf({ reason = '' }: SeenEvent): Stage | undefined {
  return STEPS.get(reason);
}

/** The image was on the node before: such a start shows nothing. */
export function wasThere({ reason, message = '' }: SeenEvent): boolean {
  return reason === 'Pulled' && message.includes('already present on machine');
}

/** Why the scheduler has no node for a pod; undefined while it has not said so. */
export function whyUnscheduled({ status }: V1Pod): string | undefined {
  const refusal = status?.conditions?.find(
    ({ type, reason }) => type === 'PodScheduled' && reason === 'Unschedulable',
  );
  return refusal && (refusal.message ?? 'the scheduler has no room');
}

/** What kubelet says that the pull took, in milliseconds: `Successfully pulled image "x" in 2.34s (2.5s including waiting).` */
export function pullDuration({ reason, message = '' }: SeenEvent): number | undefined {
  const duration =
    reason === 'Pulled' ? /" in ((?:[\d.]+(?:ms|µs|us|ns|h|m|s))+)/.exec(message)?.[1] : undefined;
  return duration === undefined ? undefined : goDuration(duration);
}

const UNITS: Readonly<Record<string, number>> = {
  h: 3_600_000,
  m: 60_000,
  s: 1000,
  ms: 1,
  µs: 1e-3,
  us: 1e-3,
  ns: 1e-6,
};

/** A duration as Go writes it (`1m2.5s`), in milliseconds. */
function goDuration(text: string): number {
  let total = 0;
  for (const [, amount, unit = ''] of text.matchAll(/([\d.]+)(ms|µs|us|ns|h|m|s)/g))
    total += Number(amount) * (UNITS[unit] ?? 0);
  return total;
}
