import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmod, cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, suite, test, type TestContext } from 'node:test';
import { promisify } from 'node:util';
import { parse } from 'yaml';
import { connectRegistry } from '../../src/registry/client';
import { temporaryFolder } from '../support/folders';
import { fixture, repoRoot } from '../support/paths';
import { startRegistry, type TestRegistry } from '../support/registry';

const run = promisify(execFile);

interface Step {
  readonly name?: string;
  readonly uses?: string;
  readonly if?: string;
  readonly run?: string;
}
interface Workflow {
  readonly env: Readonly<Record<string, string>>;
  readonly jobs: { readonly image: { readonly steps: readonly Step[] } };
}
interface GitLab {
  readonly image: { readonly script: readonly string[] };
}

/** The example under a heading of docs/ci.md, and the budget at its beginning. */
async function example(heading: string): Promise<string> {
  const text = await readFile(path.join(repoRoot, 'docs/ci.md'), 'utf8');
  const [, , rest = ''] = new RegExp(`(^|\n)## ${heading}\n([^]*?)(\n## |$)`).exec(text) ?? [];
  const [, block] = /```yaml\n([^]*?)```/.exec(rest) ?? [];
  assert.ok(block, `docs/ci.md has an example for ${heading}`);
  return block;
}

let registry: TestRegistry;
before(async () => {
  registry = await startRegistry();
});
after(() => registry.stop());

/** A repository with the service `shop`, the budget of docs/ci.md, and the tools of a runner on its PATH. */
async function checkout(t: TestContext): Promise<{ dir: string; env: NodeJS.ProcessEnv }> {
  const dir = path.join(await temporaryFolder(t), 'shop');
  await cp(fixture('images/scratchapp'), dir, { recursive: true });
  await run('sh', ['prepare.sh'], { cwd: dir });
  const budget = /```json\n([^]*?)```/.exec(await readFile(path.join(repoRoot, 'docs/ci.md'), 'utf8'))?.[1];
  await writeFile(path.join(dir, 'soci-lens.json'), budget ?? '');
  const bin = path.join(dir, '.bin');
  await mkdir(bin);
  const program = path.join(bin, 'soci-lens');
  await writeFile(program, `#!/bin/sh\nexec "${process.execPath}" "${repoRoot}/dist/cli.js" "$@"\n`);
  await chmod(program, 0o755);
  const env = {
    ...process.env,
    PATH: `${bin}:${process.env['PATH'] ?? ''}`,
    SOCI_LENS_CACHE: path.join(dir, '.cache'),
    DOCKER_CONFIG: path.join(dir, '.docker'),
    DOCKER_BUILDKIT: '0',
  };
  return { dir, env };
}

/** Runs one script as a runner does: in bash, ending at the first command that fails. */
async function script(
  text: string,
  dir: string,
  env: NodeJS.ProcessEnv,
): Promise<{ code: number; output: string }> {
  const outcome = await run('bash', ['-eo', 'pipefail', '-c', text], {
    cwd: dir,
    env,
    maxBuffer: 1 << 24,
  }).catch((error: unknown) => error as { code: number; stdout: string; stderr: string });
  return { code: 'code' in outcome ? outcome.code : 0, output: `${outcome.stdout}${outcome.stderr}` };
}

/** Runs the steps of the workflow that are scripts. Resolves with the names of those that ran and the one that failed. */
async function workflow(
  dir: string,
  env: NodeJS.ProcessEnv,
): Promise<{ ran: string[]; failed?: string; log: string }> {
  const { env: own, jobs } = parse(await example('GitHub Actions')) as Workflow;
  const expressions: Readonly<Record<string, boolean | string>> = {
    'vars.REGISTRY': registry.host,
    "github.ref == 'refs/heads/main'": true,
  };
  const fill = (text: string) =>
    text.replace(/\$\{\{ (.*?) \}\}/g, (_, name: string) => {
      assert.ok(name in expressions, name);
      return String(expressions[name]);
    });
  const variables = Object.fromEntries(Object.entries(own).map(([name, text]) => [name, fill(text)]));
  const ran: string[] = [];
  let [failed, log]: [string | undefined, string] = [undefined, ''];
  for (const step of jobs.image.steps) {
    const always = step.if === '${{ !cancelled() }}';
    if (step.run === undefined || (failed !== undefined && !always)) continue;
    if (step.if !== undefined && !always) assert.equal(fill(step.if), 'true');
    const { code, output } = await script(step.run, dir, { ...env, ...variables });
    log += output;
    ran.push(step.name ?? '');
    if (code !== 0) failed ??= step.name ?? '';
  }
  return { ran, log, ...(failed !== undefined && { failed }) };
}

suite('the pipelines of docs/ci.md', { concurrency: false }, () => {
  test('GitHub Actions: the first image is pushed, one that grew too much is not', async (t) => {
    const { dir, env } = await checkout(t);
    const summary = path.join(dir, 'summary.md');
    const [first, second] = ['1', '2'].map((sha) => ({
      ...env,
      GITHUB_SHA: sha,
      GITHUB_STEP_SUMMARY: summary,
    }));
    const good = await workflow(dir, first!);
    assert.equal(good.failed, undefined, good.log);
    assert.ok(good.ran.includes('Push as main'));
    assert.match(
      await readFile(summary, 'utf8'),
      /keeps its budget[^]*Growth of the image, relative \| – \| 10\.0 % \| ➖ skipped/,
    );
    const client = connectRegistry(registry.host, 'shop');
    t.after(() => client.close());
    assert.deepEqual((await client.tags()).sort(), ['1', 'main']);

    await writeFile(path.join(dir, 'blob.bin'), randomBytes(20 << 20));
    await rm(path.join(dir, 'indexed'), { recursive: true });
    const bad = await workflow(dir, second!);
    assert.equal(bad.failed, 'Gate', bad.log);
    assert.deepEqual(bad.ran, ['Build', 'Record a start', 'Index', 'Gate', 'Summary']);
    assert.match(await readFile(summary, 'utf8'), /breaks its budget/);
    assert.match(await readFile(path.join(dir, 'gate.sarif'), 'utf8'), /"ruleId": "growthShare"/);
    assert.deepEqual((await client.tags()).sort(), ['1', 'main']);
  });

  test('GitLab CI', async (t) => {
    const { dir, env } = await checkout(t);
    const { image } = parse(await example('GitLab CI')) as GitLab;
    const recorded = await script(
      'docker build -q --tag shop:built . && soci-lens trace docker-daemon:shop:built --ready listen=8080 -o .soci-lens/start.soci-trace.jsonl',
      dir,
      env,
    );
    assert.equal(recorded.code, 0, recorded.output);
    const variables = { CI_REGISTRY_IMAGE: `${registry.host}/gitlab/shop`, CI_COMMIT_REF_SLUG: 'a-branch' };
    for (const line of image.script) {
      const { code, output } = await script(line, dir, { ...env, ...variables });
      assert.equal(code, 0, `${line}\n${output}`);
    }
    assert.match(await readFile(path.join(dir, 'gate.xml'), 'utf8'), /failures="0" skipped="1"/);
    const client = connectRegistry(registry.host, 'gitlab/shop');
    t.after(() => client.close());
    assert.deepEqual(await client.tags(), ['a-branch']);
  });
});
