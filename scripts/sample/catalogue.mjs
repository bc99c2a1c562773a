// The data file of the sample: a shop's catalogue of 64 MiB of which a start needs three short sections. Made from a
// seed, so it is the same on every machine; product pictures are noise, so it compresses as such files do (to about half).
//
// Header, 4096 bytes: `CATALOG1`, then as unsigned 64-bit little-endian numbers how many sections the first page
// needs, and offset and length of each: the list of categories, the featured products, and the release line.

const SIZE = 64 * 1024 * 1024;
const HEADER = 4096;
const CATEGORIES = [
  'kettles',
  'lamps',
  'chairs',
  'stools',
  'rugs',
  'clocks',
  'vases',
  'desks',
  'mirrors',
  'baskets',
];
const ADJECTIVES = [
  'plain',
  'oak',
  'linen',
  'brass',
  'round',
  'tall',
  'folding',
  'woven',
  'enamel',
  'quiet',
  'amber',
  'slate',
];
const MAKERS = ['Aalto & Sons', 'Brook Works', 'Calder', 'Dune', 'Ember Hall', 'Fjord', 'Grove', 'Harrow'];

/** The catalogue's bytes: `size` of them. */
export function catalogue(size = SIZE) {
  const random = generator(20261122);
  const file = Buffer.alloc(size);
  const pick = (list) => list[random() % list.length];
  const product = (id) => ({
    id,
    name: `${pick(ADJECTIVES)} ${pick(CATEGORIES).slice(0, -1)}`,
    category: pick(CATEGORIES),
    maker: pick(MAKERS),
    cents: 900 + (random() % 40000),
    stock: random() % 60,
  });

  let end = HEADER;
  const section = (bytes) => {
    end += bytes.copy(file, end);
    return { offset: end - bytes.length, length: bytes.length };
  };
  const products = (until) => {
    for (let id = end; end + 1024 < until; id++) {
      section(Buffer.from(`${JSON.stringify(product(id))}\n`));
      const picture = 50 + (random() % 100);
      for (let i = 0; i < picture; i++) file[end++] = random() >>> 24;
    }
  };

  const categories = section(
    Buffer.from(JSON.stringify(CATEGORIES.map((name) => ({ name, products: 2000 + (random() % 900) })))),
  );
  products(size * 0.45);
  const featured = section(Buffer.from(JSON.stringify(Array.from({ length: 1200 }, (_, i) => product(i)))));
  products(size - HEADER);
  const release = section(Buffer.from('catalogue 2026-11: 10 categories, 1200 featured products\n'));

  file.write('CATALOG1', 'latin1');
  file.writeBigUInt64LE(3n, 8);
  [categories, featured, release].forEach(({ offset, length }, i) => {
    file.writeBigUInt64LE(BigInt(offset), 16 + 16 * i);
    file.writeBigUInt64LE(BigInt(length), 24 + 16 * i);
  });
  return file;
}

/** Marsaglia's xorshift32: unsigned 32-bit numbers, the same everywhere. */
export function generator(seed) {
  let x = seed;
  return () => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return x >>> 0;
  };
}
