/**
 * Where the figures of an axis from `start` to `end` stand: at multiples of 1, 2 or 5 times a power of ten, since those can be
 * read at a glance, and at most `most` of them.
 */
export function ticks(start: number, end: number, most: number): number[] {
  const least = Math.max((end - start) / Math.max(1, most), Number.MIN_VALUE);
  const power = 10 ** Math.floor(Math.log10(least));
  const step = power * ([1, 2, 5].find((times) => power * times >= least) ?? 10);
  const first = Math.ceil(start / step);
  const count = Math.max(0, Math.floor(end / step) - first + 1);
  return Array.from({ length: count }, (_, index) => (first + index) * step);
}
