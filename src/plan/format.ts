/** Numbers as people read them; used by the page, the report and the command line alike. */

const KIB = 1024;
const BINARY = ['B', 'KiB', 'MiB', 'GiB'] as const;
const DECIMAL = ['B', 'kB', 'MB', 'GB', 'TB'] as const;

function scale(value: number, step: number, units: readonly string[]): string {
  let unit = 0;
  let rest = value;
  while (rest >= step && unit < units.length - 1) {
    rest /= step;
    unit++;
  }
  const digits = unit === 0 || rest >= 100 ? 0 : rest >= 10 ? 1 : 2;
  return `${new Intl.NumberFormat('en', { maximumFractionDigits: digits }).format(rest)} ${units[unit] ?? ''}`;
}

/** A span size or a threshold, in powers of two: `4 MiB`. */
export function formatSize(bytes: number): string {
  return scale(bytes, KIB, BINARY);
}

/** An amount of data, in powers of ten: `111 MB`. */
export function formatBytes(bytes: number): string {
  return scale(bytes, 1000, DECIMAL);
}

/** `5.4 s`, `0.12 s`, `132 s`. */
export function formatSeconds(seconds: number): string {
  const digits = seconds >= 100 ? 0 : seconds >= 1 ? 1 : 2;
  return `${new Intl.NumberFormat('en', { maximumFractionDigits: digits, minimumFractionDigits: digits }).format(seconds)} s`;
}

export function formatCount(count: number): string {
  return new Intl.NumberFormat('en').format(count);
}

/** A part of a whole, 0–1, as `12 %`; small but not nothing is `< 1 %`. */
export function formatShare(share: number): string {
  if (share > 0 && share < 0.01) return '< 1 %';
  return `${Math.round(share * 100)} %`;
}

/** A number of bytes as people write it, with `k`, `M` or `G` for powers of 1024: `65536`, `64k`, `4M`; else `undefined`. */
export function parseSize(text: string): number | undefined {
  const [, digits, unit = ''] = /^(\d{1,12})([kMG]?)(?:iB)?$/.exec(text) ?? [];
  const bytes = Number(digits) * KIB ** ['', 'k', 'M', 'G'].indexOf(unit);
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}
