import type { Waste } from '../plan/blame/waste';
import { formatBytes, formatCount, formatSeconds, formatShare, formatSize } from '../plan/format';
import type { Forecast } from '../plan/types';
import type { Budget, IndexDemand } from './budget';

/** What is known of the image, and of what it is compared with. */
export interface Facts {
  /** Of the mode that the nodes pull in; missing when no budget needs it. */
  readonly forecast?: Forecast | undefined;
  /** With spans of how many bytes the forecast was made, and where that size comes from. */
  readonly spanSize?: {
    readonly bytes: number;
    readonly from: 'the index' | 'the budget' | 'the recommendation';
  };
  /** Bytes of all layers, compressed. */
  readonly size: number;
  /** `null` when there is no image of that name yet. */
  readonly base?: { readonly reference: string; readonly size: number | null } | undefined;
  readonly waste?: Waste | undefined;
  /** Missing when no budget needs it. */
  readonly index?: IndexFacts | undefined;
}

export interface IndexFacts {
  /** Digests; empty when there is none. */
  readonly digests: readonly string[];
  /** Image manifests without an index, by platform. */
  readonly missing: readonly string[];
  /** What verification found wrong, each a sentence; missing when it was not asked for. */
  readonly problems?: readonly string[];
}

/** `skipped`: nothing there yet to compare with. */
export type Verdict = 'held' | 'broken' | 'skipped';

export interface Check {
  /** The key of the budget. */
  readonly budget: keyof Budget;
  readonly title: string;
  readonly verdict: Verdict;
  /** In the unit of the budget; null where there is no number. */
  readonly measured: number | null;
  readonly allowed: number | IndexDemand;
  /** Both as people read them. */
  readonly shown: { readonly measured: string; readonly allowed: string };
  /** What was found, in a sentence. */
  readonly message: string;
  /** What to do about it; empty when it holds. */
  readonly advice: string;
}

/** Holds an image against each budget that is named, in the order of `BUDGETS`. */
export function judge(budget: Budget, facts: Facts): Check[] {
  const { forecast, spanSize, base, waste } = facts;
  const spans = spanSize ? `, with spans of ${formatSize(spanSize.bytes)} (${spanSize.from})` : '';
  const growth = base?.size == null ? null : facts.size - base.size;
  const wasted = waste ? waste.replacedBytes + waste.removedBytes : null;
  const grown = growthSentence(facts, growth);
  const hidden =
    waste === undefined || wasted === null
      ? ''
      : `Later layers hide ${formatBytes(wasted)} of ${formatBytes(waste.fileBytes)}`;
  const checks = [
    limit('startBytes', budget.startBytes, forecast?.bytes, formatBytes, {
      title: 'Bytes fetched until ready',
      message: (shown) => `The start fetches ${shown} until it is ready${spans}`,
      advice:
        'Open the plan: it shows which files cost most, and which span size or prefetch list would cost less.',
    }),
    limit('startRequests', budget.startRequests, forecast?.requests, formatCount, {
      title: 'Requests until ready',
      message: (shown) => `The start makes ${shown} requests until it is ready${spans}`,
      advice: 'Take larger spans, or put the files that the start reads into one layer.',
    }),
    limit('readySeconds', budget.readySeconds, forecast?.totalSeconds, formatSeconds, {
      title: 'Forecast to ready',
      message: (shown) => `The service is ready ${shown} after the order to pull, by forecast${spans}`,
      advice: 'See in the plan whether the network, the requests or unpacking take the time.',
    }),
    limit('growthBytes', budget.growthBytes, growth, formatBytes, {
      title: 'Growth of the image',
      message: () => grown,
      advice: 'Compare the layers of both images with `soci-lens inspect`.',
    }),
    limit(
      'growthShare',
      budget.growthShare,
      growth === null ? null : growth / Math.max(1, base?.size ?? 0),
      share,
      {
        title: 'Growth of the image, relative',
        message: () => grown,
        advice: 'Compare the layers of both images with `soci-lens inspect`.',
      },
    ),
    limit('wasteBytes', budget.wasteBytes, wasted, formatBytes, {
      title: 'Hidden files',
      message: () => hidden,
      advice: WASTE_ADVICE,
    }),
    limit(
      'wasteShare',
      budget.wasteShare,
      wasted === null ? null : wasted / Math.max(1, waste?.fileBytes ?? 0),
      share,
      {
        title: 'Hidden files, relative',
        message: () => hidden,
        advice: WASTE_ADVICE,
      },
    ),
    indexCheck(budget.index, facts.index),
  ];
  return checks.filter((check) => check !== undefined);
}

const WASTE_ADVICE = 'Remove files in the step that makes them: a later step only hides them.';

/** Shares of budgets are small, so they are told with one digit more than elsewhere. */
function share(value: number): string {
  return `${(value * 100).toFixed(1)} %`;
}

function growthSentence({ size, base }: Facts, growth: number | null): string {
  if (!base) return '';
  if (growth === null || base.size === null) return `There is no ${base.reference} yet to compare with`;
  const change = `${formatBytes(Math.abs(growth))} ${growth < 0 ? 'smaller' : 'larger'}`;
  return `The image has ${formatBytes(size)}, ${change} than ${base.reference} (${formatShare(Math.abs(growth) / Math.max(1, base.size))})`;
}

interface Wording {
  readonly title: string;
  /** Without the full stop. */
  readonly message: (shown: string) => string;
  readonly advice: string;
}

/** A number that may not be exceeded. A measured `null` has nothing to be compared with yet. */
function limit(
  budget: keyof Budget,
  allowed: number | undefined,
  measured: number | null | undefined,
  format: (value: number) => string,
  { title, message, advice }: Wording,
): Check | undefined {
  if (allowed === undefined) return undefined;
  if (measured === undefined) throw new Error(`${budget} was not measured.`);
  const shown = { measured: measured === null ? '' : format(measured), allowed: format(allowed) };
  const verdict = measured === null ? 'skipped' : measured <= allowed ? 'held' : 'broken';
  const sentence = message(shown.measured);
  return {
    budget,
    title,
    verdict,
    measured,
    allowed,
    shown,
    message: verdict === 'broken' ? `${sentence}; at most ${shown.allowed} are allowed.` : `${sentence}.`,
    advice: verdict === 'broken' ? advice : '',
  };
}

function indexCheck(allowed: IndexDemand | undefined, facts: IndexFacts | undefined): Check | undefined {
  if (allowed === undefined) return undefined;
  if (facts === undefined) throw new Error('The index was not looked for.');
  const { digests, missing, problems = [] } = facts;
  const base = { budget: 'index', title: 'SOCI index', measured: null, allowed } as const;
  if (digests.length === 0 || missing.length > 0) {
    const where = missing.length > 0 ? ` for ${missing.join(', ')}` : '';
    return {
      ...base,
      verdict: 'broken',
      shown: { measured: 'missing', allowed },
      message: `The image has no SOCI index${where}, so nodes pull it whole.`,
      advice: 'Make one with `soci-lens index IMAGE --output docker://…`, and gate what that pushed.',
    };
  }
  if (problems.length > 0) {
    const more = problems.length > 1 ? ` (and ${formatCount(problems.length - 1)} more)` : '';
    return {
      ...base,
      verdict: 'broken',
      shown: { measured: 'wrong', allowed },
      message: `The SOCI index does not hold: ${problems[0] ?? ''}${more}`,
      advice: '`soci-lens verify` lists everything that is wrong; make the index anew.',
    };
  }
  const verified = facts.problems !== undefined;
  return {
    ...base,
    verdict: 'held',
    shown: { measured: verified ? 'verified' : 'present', allowed },
    message: `The image has the SOCI index ${digests.join(', ')}${verified ? ', and it holds' : ''}.`,
    advice: '',
  };
}
