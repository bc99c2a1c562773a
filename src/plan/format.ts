/** Numbers as people read them: in English for the report and the command line, in the language of VS Code in the editor and the page. */

const KIB = 1024;
const BINARY = ['B', 'KiB', 'MiB', 'GiB'] as const;
const DECIMAL = ['B', 'kB', 'MB', 'GB', 'TB'] as const;

export interface Formats {
  /** A span size or a threshold, in powers of two: `4 MiB`. */
  readonly formatSize: (bytes: number) => string;
  /** An amount of data, in powers of ten: `111 MB`. */
  readonly formatBytes: (bytes: number) => string;
  /** `5.4 s`, `0.12 s`, `132 s`. */
  readonly formatSeconds: (seconds: number) => string;
  readonly formatCount: (count: number) => string;
  /** A part of a whole, 0–1, as `12 %`; small but not nothing is `< 1 %`. */
  readonly formatShare: (share: number) => string;
}

/** @param language a BCP 47 tag */
export function formatsOf(language: string): Formats {
  /** Made once for each number of digits: making one takes a hundred times as long as using it. */
  const known = new Map<number, Intl.NumberFormat>();
  const number = (value: number, digits: number, least = 0): string => {
    const key = digits * 10 + least;
    let format = known.get(key);
    if (format === undefined) {
      format = new Intl.NumberFormat(language, {
        maximumFractionDigits: digits,
        minimumFractionDigits: least,
      });
      known.set(key, format);
    }
    return format.format(value);
  };
  const scale = (value: number, step: number, units: readonly string[]): string => {
    let unit = 0;
    let rest = value;
    while (rest >= step && unit < units.length - 1) {
      rest /= step;
      unit++;
    }
    return `${number(rest, unit === 0 || rest >= 100 ? 0 : rest >= 10 ? 1 : 2)} ${units[unit] ?? ''}`;
  };
  return {
    formatSize: (bytes) => scale(bytes, KIB, BINARY),
    formatBytes: (bytes) => scale(bytes, 1000, DECIMAL),
    formatSeconds: (seconds) => {
      const digits = seconds >= 100 ? 0 : seconds >= 1 ? 1 : 2;
      return `${number(seconds, digits, digits)} s`;
    },
    formatCount: (count) => number(count, 3),
    formatShare: (share) => (share > 0 && share < 0.01 ? '< 1 %' : `${Math.round(share * 100)} %`),
  };
}

export const { formatSize, formatBytes, formatSeconds, formatCount, formatShare } = formatsOf('en');

/** So many of a thing, in English: `1 layer`, `2,048 layers`. */
export function formatMany(count: number, one: string, several = `${one}s`): string {
  return `${formatCount(count)} ${count === 1 ? one : several}`;
}

/** A number of bytes as people write it, with `k`, `M` or `G` for powers of 1024: `65536`, `64k`, `4M`; else `undefined`. */
export function parseSize(text: string): number | undefined {
  const [, digits, unit = ''] = /^(\d{1,12})([kMG]?)(?:iB)?$/.exec(text) ?? [];
  const bytes = Number(digits) * KIB ** ['', 'k', 'M', 'G'].indexOf(unit);
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}
