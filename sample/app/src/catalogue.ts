export interface Product {
  id: number;
  name: string;
  category: string;
  maker: string;
  cents: number;
  stock: number;
}

const FILE = '/catalogue/catalogue.db';

async function range(offset: number, length: number): Promise<ArrayBuffer> {
  const response = await fetch(FILE, { headers: { Range: `bytes=${offset}-${offset + length - 1}` } });
  if (response.status !== 206) throw new Error(`The catalogue answered ${response.status}.`);
  return response.arrayBuffer();
}

/** Reads the sections that the first page needs, and nothing else of the 64 MiB: the header says where they are. */
export async function readCatalogue(): Promise<{
  categories: { name: string; products: number }[];
  featured: Product[];
  release: string;
}> {
  const header = new DataView(await range(0, 4096));
  const section = async (i: number): Promise<string> =>
    new TextDecoder().decode(
      await range(
        Number(header.getBigUint64(16 + 16 * i, true)),
        Number(header.getBigUint64(24 + 16 * i, true)),
      ),
    );
  const [categories, featured, release] = await Promise.all([section(0), section(1), section(2)]);
  return { categories: JSON.parse(categories), featured: JSON.parse(featured), release };
}
