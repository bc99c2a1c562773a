import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fixture } from './paths';

/** One whole image as the real soci CLI converted it: test/fixtures/golden/README.md. */
export interface ImageCase {
  readonly name: string;
  readonly spanSize: number;
  readonly minLayerSize: number;
  readonly args: readonly string[];
  readonly twice: boolean;
  readonly exit: number;
  readonly in: unknown;
  /** Missing where the conversion failed, as `blobs`. */
  readonly out?: unknown;
  /** Hex digests of everything in the result. */
  readonly blobs?: readonly string[];
}

export function imageCases(): ImageCase[] {
  return JSON.parse(readFileSync(fixture('golden/images/cases.json'), 'utf8')) as ImageCase[];
}

/** Writes the OCI layout that a case begins with: its index.json and the blobs below it, and no others. */
export async function writeInput(image: ImageCase, dir: string): Promise<void> {
  await mkdir(path.join(dir, 'blobs/sha256'), { recursive: true });
  await writeFile(path.join(dir, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  await writeFile(path.join(dir, 'index.json'), JSON.stringify(image.in));
  await copyNamed(image.in, dir);
}

/** Copies every blob of the pool that a document names, and what those name. */
async function copyNamed(document: unknown, dir: string): Promise<void> {
  for (const [, hex = ''] of JSON.stringify(document).matchAll(/"sha256:([0-9a-f]{64})"/g)) {
    const source = fixture('golden/images/blobs/sha256', hex);
    const target = path.join(dir, 'blobs/sha256', hex);
    if (!existsSync(source) || existsSync(target)) continue;
    await cp(source, target);
    const bytes = await readFile(source);
    if (bytes[0] === 0x7b && bytes.length < 65536) await copyNamed(JSON.parse(bytes.toString()), dir);
  }
}
