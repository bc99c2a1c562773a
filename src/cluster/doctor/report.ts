import { CHECKS, type Verdict } from './checks';
import type { Diagnosis } from './diagnose';

const MARKS: Readonly<Record<Verdict, string>> = {
  green: '✓ yes    ',
  red: '✗ no     ',
  unknown: '? unknown',
};

const ANSWERS = {
  yes: 'will be loaded lazily: nothing stands in the way.',
  no: 'will not be loaded lazily on that node.',
  unknown: 'may be loaded lazily: nothing that is known stands in the way.',
} as const;

/** For people: the answer, the checks with evidence and fix, and the log explained. */
export function describeDiagnosis({ reference, lazy, checks, log }: Diagnosis): string {
  const lines = [`${reference} ${ANSWERS[lazy]}`, ''];
  for (const { id, verdict, evidence, fix } of checks) {
    lines.push(`${MARKS[verdict]}  ${CHECKS[id]}`, `             ${evidence}`);
    if (fix !== undefined) lines.push(`             ${verdict === 'red' ? 'Fix' : 'To know'}: ${fix}`);
  }
  if (log) {
    lines.push(
      '',
      `The log (${log.lines} lines${log.version === undefined ? '' : `, snapshotter ${log.version}`}):`,
    );
    for (const { kind, firstLine, count, example, meaning, fix } of log.findings) {
      lines.push(
        `${{ good: '✓', bad: '✗', info: '·' }[kind]} line ${firstLine}${count > 1 ? `, ${count} times` : ''}: ${meaning}`,
      );
      lines.push(`    ${example}`);
      if (fix !== undefined) lines.push(`    Fix: ${fix}`);
    }
    if (log.findings.length === 0) lines.push('No line of it is one of the snapshotter.');
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
