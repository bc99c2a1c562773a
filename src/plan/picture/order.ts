const DIGIT = 16;
const BUCKETS = 1 << DIGIT;

/**
 * Sorts `ids` by `key`, stably: keys are whole numbers from 0 to below 2^48. A radix sort, since a comparator is called
 * ten million times for 500 000 rows and this makes a few passes over them.
 */
export function orderBy(ids: Uint32Array, key: (id: number) => number): Uint32Array {
  const keys = Float64Array.from(ids, key);
  const largest = keys.reduce((a, b) => Math.max(a, b), 0);
  let order = Uint32Array.from(ids, (_, place) => place);
  let next = new Uint32Array(ids.length);
  for (let unit = 1; unit <= largest; unit *= BUCKETS) {
    const digit = (place: number): number => Math.floor((keys[place] ?? 0) / unit) % BUCKETS;
    const begins = new Uint32Array(BUCKETS + 1);
    for (const place of order) count(begins, digit(place) + 1, 1);
    for (let bucket = 0; bucket < BUCKETS; bucket++) count(begins, bucket + 1, begins[bucket] ?? 0);
    for (const place of order) next[count(begins, digit(place), 1)] = place;
    [order, next] = [next, order];
  }
  return order.map((place) => ids[place] ?? 0);
}

/** Adds to one place and gives what was there before. */
function count(places: Uint32Array, place: number, more: number): number {
  const before = places[place] ?? 0;
  places[place] = before + more;
  return before;
}
