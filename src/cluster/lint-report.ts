import { sarifLog } from '../sarif';
import type { Edit } from './edits';
import { RULES, type Finding } from './findings';
import type { LintReport } from './lint';
import { textPosition, type TextPosition } from './positions';

/** Findings in the words and shapes that people and programs take. */
export interface FileReport extends LintReport {
  /** As it was named. */
  readonly file: string;
  readonly text: string;
}

/** What `--json` prints (docs/cluster.md). */
export function lintJson({ file, text, configs, findings }: FileReport) {
  return {
    version: 1 as const,
    file,
    configs,
    findings: findings.map(({ rule, severity, message, reason, at, fix }) => ({
      rule,
      severity,
      ...spread(text, at),
      message,
      reason,
      fix: fix
        ? {
            title: fix.title,
            edits: fix.edits.map((edit: Edit) => ({ ...spread(text, edit), text: edit.text })),
          }
        : null,
    })),
  };
}

/** A SARIF log, fixes and all. */
export function lintSarif({ file, text, findings }: FileReport): string {
  return sarifLog(
    Object.entries(RULES).map(([id, description]) => ({ id, description })),
    findings.map(({ rule, severity, message, reason, at, fix }) => ({
      ruleId: rule,
      level: severity,
      message: `${message} ${reason}`,
      file,
      region: sarifRegion(text, at),
      ...(fix && {
        fix: {
          description: fix.title,
          replacements: fix.edits.map((edit) => ({ region: sarifRegion(text, edit), text: edit.text })),
        },
      }),
    })),
  );
}

/** For people: a line for each finding as compilers write it, with its reason and its fix below. */
export function describeFindings({ file, text, configs, findings }: FileReport): string {
  const lines = findings.map((finding) => describeOne(file, text, finding));
  const places = configs === 1 ? '' : ` in ${configs} configs`;
  const counts = (['error', 'warning', 'note'] as const)
    .map((severity) => [severity, findings.filter((one) => one.severity === severity).length] as const)
    .filter(([, count]) => count > 0)
    .map(([severity, count]) => `${count} ${severity}${count === 1 ? '' : 's'}`);
  return [
    ...lines,
    counts.length === 0 ? `${file}: nothing found${places}.` : `${counts.join(', ')}${places}.`,
  ].join('\n');
}

function describeOne(
  file: string,
  text: string,
  { at, severity, rule, message, reason, fix }: Finding,
): string {
  const { line, column } = textPosition(text, at.start);
  return [
    `${file}:${line}:${column}: ${severity}: ${message} [${rule}]`,
    `  ${reason}`,
    ...(fix ? [`  Fix: ${fix.title}.`] : []),
  ].join('\n');
}

function spread(text: string, { start, end }: { readonly start: number; readonly end: number }) {
  const from = textPosition(text, start);
  const to = textPosition(text, end);
  return { line: from.line, column: from.column, endLine: to.line, endColumn: to.column };
}

function sarifRegion(text: string, at: { readonly start: number; readonly end: number }) {
  const from: TextPosition = textPosition(text, at.start);
  const to = textPosition(text, at.end);
  return { startLine: from.line, startColumn: from.column, endLine: to.line, endColumn: to.column };
}
