import { CHECKS, type Verdict } from './checks';
import type { Diagnosis } from './diagnose';

const VERDICT_NOTES: Readonly<Record<Verdict, string>> = {
  green: '✓ yes',
  red: '✗ no',
  unknown: '? unknown',
};
const FIX_NOTES: Readonly<Record<Verdict, string>> = { green: 'To know', red: 'Fix', unknown: 'To know' };

function answer({ reference, lazy }: Diagnosis): string {
  switch (lazy) {
    case 'yes':
      return `${reference} will be loaded lazily: nothing stands in the way.`;
    case 'no':
      return `${reference} will not be loaded lazily on that node.`;
    case 'unknown':
      return `${reference} may be loaded lazily: nothing that is known stands in the way.`;
  }
}

/**
 * For people: the answer, the checks with evidence and fix, and the log explained.
 *
 * @param say says a sentence in the language of the reader
 */
export function describeDiagnosis(
  diagnosis: Diagnosis,
  say: (sentence: string) => string = (sentence) => sentence,
): string {
  const { checks, log } = diagnosis;
  const lines = [say(answer(diagnosis)), ''];
  const width = Math.max(...Object.values(VERDICT_NOTES).map((note) => say(note).length)) + 2;
  const indent = ' '.repeat(width + 2);
  for (const { id, verdict, evidence, fix } of checks) {
    lines.push(`${say(VERDICT_NOTES[verdict]).padEnd(width)}${say(CHECKS[id])}`, `${indent}${say(evidence)}`);
    if (fix !== undefined) lines.push(`${indent}${say(FIX_NOTES[verdict])}: ${say(fix)}`);
  }
  if (log) {
    const { version } = log;
    const head =
      version === undefined
        ? `The log (${log.lines} lines):`
        : `The log (${log.lines} lines, snapshotter ${version}):`;
    lines.push('', say(head));
    for (const { kind, firstLine, count, example, meaning, fix } of log.findings) {
      const place = count > 1 ? `${count} times, first in line ${firstLine}` : `once, in line ${firstLine}`;
      lines.push(`${{ good: '✓', bad: '✗', info: '·' }[kind]} ${say(place)}: ${say(meaning)}`);
      lines.push(`    ${example}`);
      if (fix !== undefined) lines.push(`    ${say(FIX_NOTES.red)}: ${say(fix)}`);
    }
    if (log.findings.length === 0) lines.push(say('No line of it is one of the snapshotter.'));
  }
  return lines.join('\n');
}

/** What `--json` prints (docs/cluster.md). */
export function diagnosisJson({ reference, lazy, checks, log }: Diagnosis) {
  return {
    version: 1 as const,
    reference,
    lazy,
    checks: checks.map(({ id, verdict, evidence, fix }) => ({
      id,
      title: CHECKS[id],
      verdict,
      evidence,
      fix: fix ?? null,
    })),
    log: log ? { lines: log.lines, snapshotter: log.version ?? null, findings: log.findings } : null,
  };
}
