import { once } from 'node:events';
import { createInterface } from 'node:readline/promises';
import { formatBytes, formatCount } from '../plan/format';
import type { OnProgress, Progress } from '../progress';
import { UsageError } from './command';

export type LogLevel = 'error' | 'info' | 'debug';

/** Milliseconds between two drawings of the bar. */
const REDRAW = 100;
const BAR = 24;

/**
 * Where a run writes to: results to stdout, everything else to stderr. The bar is drawn only on a terminal; elsewhere each
 * step is one line, and only when details are asked for.
 */
export class Terminal {
  private drawnAt = 0;
  private drawn = false;
  private step = '';

  constructor(
    private readonly stdout: NodeJS.WritableStream,
    private readonly stderr: NodeJS.WritableStream & { readonly isTTY?: boolean; readonly columns?: number },
    private readonly stdin: NodeJS.ReadableStream & { readonly isTTY?: boolean },
    private level: LogLevel = 'info',
  ) {}

  setLevel(level: LogLevel): void {
    this.level = level;
  }

  /** A result, for people and pipes. */
  result(text: string): void {
    this.clear();
    this.stdout.write(`${text}\n`);
  }

  /** The result of a `--json` run: one document. */
  json(document: { readonly version: 1 }): void {
    this.result(JSON.stringify(document, null, 2));
  }

  /** A part of a result that is no text; resolves when there is room for more. */
  async write(bytes: Uint8Array): Promise<void> {
    this.clear();
    if (!this.stdout.write(bytes)) await once(this.stdout, 'drain');
  }

  error(text: string): void {
    this.line(text);
  }

  info(text: string): void {
    if (this.level !== 'error') this.line(text);
  }

  debug(text: string): void {
    if (this.level === 'debug') this.line(text);
  }

  readonly progress: OnProgress = (progress) => {
    if (this.level === 'error') return;
    if (this.stderr.isTTY !== true) {
      // Written out also where nobody sees it: `Intl` takes 10 ms to begin with, which would else be waited for behind all the work.
      if (progress.step !== this.step) this.debug(stepLine(progress));
      this.step = progress.step;
      return;
    }
    const now = Date.now();
    if (progress.step === this.step && now - this.drawnAt < REDRAW) return;
    this.step = progress.step;
    this.drawnAt = now;
    this.drawn = true;
    const text = progressLine(progress).slice(0, (this.stderr.columns ?? 80) - 1);
    this.stderr.write(`\r${text}\x1b[K`);
  };

  /**
   * Asks before something is changed; only `y` or `yes` is a yes.
   *
   * @param flag that says yes without being asked
   * @throws UsageError where nobody can be asked: then the flag has to say it
   */
  async confirm(question: string, flag: string, signal: AbortSignal): Promise<boolean> {
    if (this.stdin.isTTY !== true)
      throw new UsageError(`Nobody can be asked here; look at it with --dry-run, then give ${flag}.`);
    this.clear();
    const lines = createInterface({ input: this.stdin, output: this.stderr });
    try {
      return /^y(?:es)?$/i.test((await lines.question(`${question} [y/N] `, { signal })).trim());
    } finally {
      lines.close();
    }
  }

  /** Takes the bar away. */
  clear(): void {
    if (this.drawn) this.stderr.write('\r\x1b[K');
    this.drawn = false;
  }

  private line(text: string): void {
    this.clear();
    this.stderr.write(`${text}\n`);
  }
}

function stepLine({ step, total, unit }: Progress): string {
  return total === undefined || unit !== 'bytes' ? step : `${step} (${formatBytes(total)})`;
}

function progressLine({ step, done, total, unit }: Progress): string {
  if (done === undefined) return step;
  const format = unit === 'bytes' ? formatBytes : formatCount;
  if (total === undefined || total <= 0) return `${step}  ${format(done)}`;
  const share = Math.min(1, done / total);
  const filled = Math.round(share * BAR);
  return `${step}  ${'█'.repeat(filled)}${'░'.repeat(BAR - filled)} ${Math.floor(share * 100)} %  ${format(done)} of ${format(total)}`;
}

/** Rows as columns; numbers, which begin with a digit in every row, stand to the right. */
export function formatTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [head, ...rows];
  const widths = head.map((_, column) => Math.max(...all.map((row) => (row[column] ?? '').length)));
  const isNumber = head.map((_, column) =>
    rows.every((row) => /^(?:[\d<−-]|$)/.test(row[column] ?? '') && (row[column] ?? '').length < 16),
  );
  return all
    .map((row) =>
      row
        .map((cell, column) =>
          isNumber[column] ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0),
        )
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
