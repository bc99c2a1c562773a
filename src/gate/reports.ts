import { sarifLog } from '../sarif';
import type { Budget } from './budget';
import type { Check, Verdict } from './judge';

/** What a run of the gate found. */
export interface GateResult {
  /** The image, as it was named. */
  readonly reference: string;
  readonly platform: string;
  /** The budget file, and where its budgets stand in it. */
  readonly file: string;
  readonly lines: Readonly<Partial<Record<keyof Budget, number>>>;
  readonly checks: readonly Check[];
}

/** False when a budget is broken. */
export function isHeld({ checks }: GateResult): boolean {
  return checks.every(({ verdict }) => verdict !== 'broken');
}

/** The shape of `soci-lens gate --json` (docs/cli.md). */
export function gateDocument(result: GateResult) {
  const { reference, platform, file, checks } = result;
  return { version: 1 as const, reference, platform, budget: file, held: isHeld(result), checks };
}

const DESCRIPTIONS: Readonly<Record<keyof Budget, string>> = {
  startBytes: 'The start fetches no more bytes than the budget allows.',
  startRequests: 'The start makes no more requests than the budget allows.',
  readySeconds: 'The service is ready in the time that the budget allows, by forecast.',
  growthBytes: 'The image grows no more than the budget allows.',
  growthShare: 'The image grows no more than the budget allows, relative to its base.',
  wasteBytes: 'Later layers hide no more bytes than the budget allows.',
  wasteShare: 'Later layers hide no larger part of the files than the budget allows.',
  index: 'The image has a SOCI index that holds.',
};

/** The broken budgets as SARIF, each at its line of the budget file. */
export function sarifReport({ reference, file, lines, checks }: GateResult): string {
  const rules = Object.entries(DESCRIPTIONS).map(([id, description]) => ({ id, description }));
  return sarifLog(
    rules,
    checks
      .filter(({ verdict }) => verdict === 'broken')
      .map(({ budget, message, advice }) => ({
        ruleId: budget,
        level: 'error',
        message: `${reference}: ${message} ${advice}`,
        file,
        region: { startLine: lines[budget] ?? 1 },
      })),
  );
}

/** JUnit's XML, as build servers read it: one test case for each budget. */
export function junitReport({ reference, platform, checks }: GateResult): string {
  const count = (verdict: Verdict) => checks.filter((check) => check.verdict === verdict).length;
  const cases = checks.map(({ budget, title, verdict, message, advice }) => {
    const open = `    <testcase classname="${xml(reference)}" name="${xml(`${title} (${budget})`)}"`;
    if (verdict === 'held') return `${open}><system-out>${xml(message)}</system-out></testcase>`;
    if (verdict === 'skipped') return `${open}><skipped message="${xml(message)}"/></testcase>`;
    return `${open}><failure message="${xml(message)}">${xml(advice)}</failure></testcase>`;
  });
  const counts = `tests="${checks.length}" failures="${count('broken')}" skipped="${count('skipped')}"`;
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites ${counts}>`,
    `  <testsuite name="${xml(`soci-lens gate ${reference} ${platform}`)}" ${counts}>`,
    ...cases,
    '  </testsuite>',
    '</testsuites>',
    '',
  ].join('\n');
}

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };

/** XML 1.0 §2.2 knows no control characters, not even escaped. */
function xml(text: string): string {
  return text.replace(/\p{Cc}/gu, ' ').replace(/[&<>"]/g, (character) => ENTITIES[character] ?? character);
}

const MARKS: Readonly<Record<Verdict, string>> = {
  held: '✅ held',
  broken: '❌ broken',
  skipped: '➖ skipped',
};

/** A summary for a pull request, in the Markdown of GitHub and GitLab. */
export function markdownReport(result: GateResult): string {
  const { reference, platform, checks } = result;
  const broken = checks.filter(({ verdict }) => verdict === 'broken');
  return [
    `### ${isHeld(result) ? '✅ The image keeps its budget' : '❌ The image breaks its budget'}`,
    '',
    `${code(reference)}, ${platform}`,
    '',
    '| budget | measured | allowed | |',
    '| --- | ---: | ---: | --- |',
    ...checks.map(
      ({ title, shown, verdict }) =>
        `| ${title} | ${shown.measured || '–'} | ${shown.allowed} | ${MARKS[verdict]} |`,
    ),
    ...(broken.length > 0 ? [''] : []),
    ...broken.map(({ message, advice }) => `- ${escape(message)} ${escape(advice)}`),
    '',
  ].join('\n');
}

/** What came from outside must not become markup. */
function escape(text: string): string {
  return text.replace(/[\\<>|[\]*_~]/g, (character) => `\\${character}`);
}

function code(text: string): string {
  return `\`${text.replaceAll('`', "'").replaceAll('|', '\\|')}\``;
}
