import { LOG_MEANINGS, type LogMeaning } from './log-meanings';

/** A meaning with the lines that have it. */
export interface LogFinding extends Omit<LogMeaning, 'pattern'> {
  readonly count: number;
  /** From 1 on. */
  readonly firstLine: number;
  /** The message of the first one. */
  readonly example: string;
}

export interface LogReport {
  readonly lines: number;
  /** Of the last start in the log. */
  readonly version: string | undefined;
  /** Bad ones first, then in the order of the log. */
  readonly findings: readonly LogFinding[];
}

/** Long enough for an error with a digest or two. */
const EXAMPLE_LENGTH = 240;
const RANK = { bad: 0, good: 1, info: 2 } as const;

/** Explains a log of the snapshotter: `journalctl` in any output format, a file of JSON lines, or text. */
export function explainLog(text: string): LogReport {
  const found = new Map<string, { meaning: LogMeaning; count: number; firstLine: number; example: string }>();
  let version: string | undefined;
  let lines = 0;
  for (const line of text.split('\n')) {
    lines++;
    if (line.trim() === '') continue;
    const meaning = LOG_MEANINGS.find(({ pattern }) => pattern.test(line));
    if (!meaning) continue;
    const before = found.get(meaning.id);
    if (before) before.count++;
    else found.set(meaning.id, { meaning, count: 1, firstLine: lines, example: messageIn(line) });
    if (meaning.id === 'starting')
      version = /version\\?"?[:=]\s*\\?"?v?(\d+\.\d+\.\d+)/.exec(line)?.[1] ?? version;
  }
  const findings = [...found.values()].map(({ meaning, ...seen }) => ({
    id: meaning.id,
    kind: meaning.kind,
    meaning: meaning.meaning,
    ...(meaning.fix !== undefined && { fix: meaning.fix }),
    ...seen,
  }));
  return {
    lines,
    version,
    findings: findings.sort((a, b) => RANK[a.kind] - RANK[b.kind] || a.firstLine - b.firstLine),
  };
}

/** The message and error of a line of JSON, else the line. */
function messageIn(line: string): string {
  const json = /\{.*\}/.exec(line)?.[0];
  let message = line.trim();
  if (json !== undefined) {
    try {
      const fields: unknown = JSON.parse(json);
      if (typeof fields === 'object' && fields !== null) {
        const parts = ['msg', 'MESSAGE', 'error'].flatMap((name) => {
          const value: unknown = Reflect.get(fields, name);
          return typeof value === 'string' ? [value] : [];
        });
        if (parts.length > 0) message = parts.join(': ');
      }
    } catch {
      // Not JSON after all: the line is its own message.
    }
  }
  return message.length > EXAMPLE_LENGTH ? `${message.slice(0, EXAMPLE_LENGTH)}…` : message;
}
