const DIGIT = 16;
const BUCKETS = 1 << DIGIT;

/**
 * The places of `keys` in ascending order of the keys, of equal ones in the order they stand: keys are whole numbers from 0
 * to below 2^48. A radix sort, since a comparator is called ten million times for 500 000 rows and this makes a few passes
 * over them.
 */
export function placesInOrder(keys: Float64Array): Uint32Array {
  const { length } = keys;
  let largest = 0;
  let order = new Uint32Array(length);
  for (let place = 0; place < length; place++) {
    order[place] = place;
    largest = Math.max(largest, keys[place] ?? 0);
  }
  let next = new Uint32Array(length);
  const digits = new Uint16Array(length);
  const begins = new Uint32Array(BUCKETS + 1);
  for (let unit = 1; unit <= largest; unit *= BUCKETS) {
    begins.fill(0);
    for (let place = 0; place < length; place++) {
      // Stored in 16 bits, which is the rest by the number of buckets.
      const digit = (digits[place] = Math.floor((keys[place] ?? 0) / unit)) & (BUCKETS - 1);
      begins[digit + 1] = (begins[digit + 1] ?? 0) + 1;
    }
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      begins[bucket + 1] = (begins[bucket + 1] ?? 0) + (begins[bucket] ?? 0);
    }
    for (let at = 0; at < length; at++) {
      const place = order[at] ?? 0;
      const digit = digits[place] ?? 0;
      const to = begins[digit] ?? 0;
      begins[digit] = to + 1;
      next[to] = place;
    }
    [order, next] = [next, order];
  }
  return order;
}
