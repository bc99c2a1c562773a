import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { TestContext } from 'node:test';

/** A new folder that is removed when the test ends. */
export async function temporaryFolder(t: Pick<TestContext, 'after'>): Promise<string> {
  const dir = await mkdtemp(path.join(tmpdir(), 'soci-lens-test-'));
  t.after(() => rm(dir, { recursive: true, force: true }));
  return dir;
}
