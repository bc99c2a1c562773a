import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, test } from 'node:test';
import { createLayout } from '../../../src/image/layout-writer';
import {
  findSociCli,
  parseSociOutput,
  parseSociVersion,
  pushBySociCli,
  runSociCli,
  sociArguments,
  type SociRequest,
  type SociVersion,
} from '../../../src/soci/cli-indexer';
import { convertLayout } from '../../../src/soci/convert';
import { runInProcess } from '../../support/cli';
import { lensError } from '../../support/errors';
import { makeFakeSoci } from '../../support/fake-soci';
import { temporaryFolder } from '../../support/folders';
import { goldenImage, goldenImages, scanHere, writeGoldenLayout } from '../../support/golden';

const request = { format: 'v2', source: 'in', destination: 'out', spanSize: 65536, minLayerSize: 0 } as const;

test('versions', () => {
  assert.deepEqual(parseSociVersion('soci version v0.15.0 3c9a41 \n'), [0, 15, 0]);
  assert.deepEqual(parseSociVersion('soci version 0.11.1'), [0, 11, 1]);
  assert.equal(parseSociVersion('soci version unknown'), undefined);
});

describe('the arguments that each version understands', () => {
  const sizes = '--span-size 65536 --min-layer-size 0';
  const all: Partial<SociRequest> = { platforms: 'all', optimizations: ['xattr'], force: true };
  const lines: readonly [version: SociVersion, asked: Partial<SociRequest>, expected: string | RegExp][] = [
    [[0, 11, 1], {}, `convert ${sizes} in out`],
    [[0, 11, 1], all, `convert ${sizes} --all-platforms --optimizations xattr in out`],
    [[0, 11, 1], { standalone: true }, /0\.11\.1 cannot work without containerd; that came with 0\.13\.0/],
    [[0, 11, 1], { prefetchFiles: ['a'] }, /cannot have files fetched/],
    [[0, 9, 0], {}, /cannot convert images/],
    [[0, 9, 0], { format: 'v1', platforms: 'all' }, `create ${sizes} --all-platforms in`],
    [[0, 12, 0], all, `convert ${sizes} --all-platforms --optimizations xattr --force in out`],
    [
      [0, 15, 0],
      { standalone: true, prefetchFiles: ['/a', 'b'] },
      `convert --standalone --format oci-dir ${sizes} --prefetch-file /a --prefetch-file b in out`,
    ],
    [
      [0, 15, 0],
      { format: 'v1', platforms: [{ os: 'linux', architecture: 'arm64', variant: 'v8' }] },
      `--content-store soci create ${sizes} --platform linux/arm64/v8 in`,
    ],
  ];
  for (const [version, asked, expected] of lines) {
    test(`${version.join('.')} ${JSON.stringify(asked)}`, () => {
      const make = () => sociArguments(version, { ...request, ...asked }).join(' ');
      if (typeof expected === 'string') assert.equal(make(), expected);
      else assert.throws(make, lensError('soci/cli-too-old', expected));
    });
  }
});

describe('what the CLI printed when it was recorded', () => {
  for (const image of goldenImages().filter(({ exit }) => exit === 0)) {
    test(`${image.name} is read as what our own indexer says`, async (t) => {
      const dir = await temporaryFolder(t);
      const lines: string[] = [];
      const flag = (name: string) =>
        image.args.flatMap((arg, at) => (image.args[at - 1] === name ? [arg] : []));
      const { perPlatform } = await convertLayout(
        await writeGoldenLayout(path.join(dir, 'in'), image),
        await createLayout(path.join(dir, 'out')),
        {
          spanSize: image.spanSize,
          minLayerSize: image.minLayerSize,
          platforms: 'all',
          prefetchFiles: flag('--prefetch-file'),
          scan: scanHere,
          onLine: (line) => lines.push(line),
        },
      );
      const sorted = (output: readonly string[]) => {
        const { ztocs, prefetch, skipped } = parseSociOutput(output.join('\n'));
        const key = (items: readonly { readonly layer: string }[]) =>
          [
            ...new Set(
              items.map(({ layer, ...rest }) => JSON.stringify([layer, { ...rest, reused: undefined }])),
            ),
          ].sort();
        return [key(ztocs), key(prefetch), key(skipped)];
      };
      assert.deepEqual(sorted(image.output), sorted(lines));
      assert.ok(parseSociOutput(image.output.join('\n')).ztocs.length > 0);
      const missing = [...new Set(perPlatform.flatMap(({ missingFiles }) => missingFiles))];
      assert.deepEqual(parseSociOutput(image.output.join('\n')).missingFiles, missing);
    });
  }
});

describe('a program on the PATH', () => {
  test('is found, called with arguments, in UTC, and its output is read', async (t) => {
    const dir = await temporaryFolder(t);
    const fake = await makeFakeSoci(dir);
    const image = goldenImage('two-layers-one-below-min');
    await fake.reply({ version: 'v0.15.0', stdout: `${image.output.join('\n')}\n` });
    const env = { PATH: `${path.join(dir, 'none')}${path.delimiter}${fake.folder}` };
    const cli = await findSociCli(undefined, { env });
    assert.deepEqual(cli, { file: path.join(fake.folder, 'soci'), version: [0, 15, 0] });
    const lines: string[] = [];
    const said = await runSociCli(
      cli,
      { ...request, source: 'a b; rm -rf /', standalone: true, prefetchFiles: ['with, comma'] },
      { env, onLine: (line) => lines.push(line) },
    );
    assert.equal(said.ztocs.length, 1);
    assert.deepEqual(
      said.skipped.map(({ reason }) => reason),
      ['small'],
    );
    assert.deepEqual(lines, image.output);
    const [call] = await fake.calls();
    assert.deepEqual(call?.slice(-4), ['a b; rm -rf /', 'out', '["with, comma"]', 'TZ=UTC']);
    await pushBySociCli(cli, 'registry.example/a:1', 'all', { env, plainHttp: true });
    assert.deepEqual((await fake.calls())[1]?.slice(0, -1), [
      '--content-store',
      'soci',
      'push',
      '--plain-http',
      '--all-platforms',
      'registry.example/a:1',
    ]);
  });

  test('is called by each of three versions as that one understands it', async (t) => {
    const fake = await makeFakeSoci(await temporaryFolder(t));
    const env = { PATH: fake.folder };
    const sizes = ['--span-size', '65536', '--min-layer-size', '0'];
    const versions = [
      ['0.11.1', { force: true }, ['convert', ...sizes, 'in', 'out', 'TZ=UTC']],
      ['0.12.0', { force: true }, ['convert', ...sizes, '--force', 'in', 'out', 'TZ=UTC']],
      [
        '0.15.0',
        { standalone: true },
        ['convert', '--standalone', '--format', 'oci-dir', ...sizes, 'in', 'out', 'TZ=UTC'],
      ],
    ] as const;
    for (const [version, asked] of versions) {
      await fake.reply({ version: `v${version}`, stdout: '' });
      await runSociCli(await findSociCli(undefined, { env }), { ...request, ...asked }, { env });
    }
    assert.deepEqual(
      await fake.calls(),
      versions.map(([, , expected]) => [...expected]),
    );
  });

  test('that fails has its own words carried over, with what to do', async (t) => {
    const dir = await temporaryFolder(t);
    const fake = await makeFakeSoci(dir);
    const env = { PATH: fake.folder };
    const bad = goldenImage('one-bad-layer').output.filter((line) => line.startsWith('soci: '));
    const failures: readonly [stderr: string, message: RegExp, advice: RegExp][] = [
      [bad.join('\n'), /could not make the index: .*gzip error: -3\.$/, /built-in/],
      ['soci: mkdir /var/lib/soci-snapshotter-grpc/: permission denied', /permission denied/, /needs root/],
      ['soci: image "x": not found', /not found/, /Pull the image into containerd/],
      ['soci: \u001b[31mbad\u0007 thing', /: \[31mbad thing\.$/, /built-in/],
      ['', /exit code 1/, /built-in/],
    ];
    for (const [stderr, message, advice] of failures) {
      await fake.reply({ version: 'v0.15.0', stderr, code: 1 });
      const cli = await findSociCli(undefined, { env });
      await assert.rejects(runSociCli(cli, request, { env }), (error) => {
        lensError('soci/cli-failed', message)(error);
        assert.match((error as { advice: string }).advice, advice);
        return true;
      });
    }
  });

  test('that is not there, or is something else', async (t) => {
    const dir = await temporaryFolder(t);
    await assert.rejects(findSociCli(undefined, { env: { PATH: dir } }), lensError('soci/no-cli'));
    await assert.rejects(findSociCli(path.join(dir, 'x')), lensError('soci/no-cli', /is no program/));
    const fake = await makeFakeSoci(dir);
    await fake.reply({ version: 'of the town' });
    await assert.rejects(
      findSociCli(undefined, { env: { PATH: fake.folder } }),
      lensError('soci/cli-failed', /which version/),
    );
  });

  test('index --indexer soci writes what it made', async (t) => {
    const dir = await temporaryFolder(t);
    process.env['SOCI_LENS_CACHE'] = path.join(dir, 'cache');
    const fake = await makeFakeSoci(dir);
    const image = goldenImage('one-layer');
    const [input, result, out] = ['in', 'result', 'out'].map((name) => path.join(dir, name)) as [
      string,
      string,
      string,
    ];
    const source = await writeGoldenLayout(input, image);
    const options = { spanSize: 65536, minLayerSize: 0, scan: scanHere };
    await convertLayout(source, await createLayout(result), options);
    await fake.reply({ version: 'v0.15.0', stdout: `${image.output.join('\n')}\n`, result });
    const before = process.env['PATH'];
    process.env['PATH'] = `${fake.folder}${path.delimiter}${before ?? ''}`;
    t.after(() => {
      process.env['PATH'] = before;
    });
    const flags = ['--span-size', '64k', '--min-layer-size', '0', '--indexer', 'soci', '--force'];
    const run = await runInProcess(['index', `oci:${input}`, '--output', `oci:${out}`, ...flags]);
    assert.equal(run.code, 0, run.stderr);
    assert.match(run.stdout, /^1 layer indexed by soci 0\.15\.0$/m);
    assert.deepEqual(JSON.parse(await readFile(path.join(out, 'index.json'), 'utf8')), image.out);
    const [call] = await fake.calls();
    assert.deepEqual(call?.slice(0, -1), [
      ...['convert', '--standalone', '--format', 'oci-dir', '--span-size', '65536'],
      ...['--min-layer-size', '0', '--force', input, out],
    ]);
    const v1 = await runInProcess([
      'index',
      `oci:${input}`,
      '-o',
      `oci:${out}`,
      '--format',
      'v1',
      '--indexer',
      'soci',
    ]);
    assert.equal(v1.code, 2);
    // It would index every image of the layout.
    const tagged = await runInProcess(['index', `oci:${input}:one`, '-o', `oci:${out}`, '--indexer', 'soci']);
    assert.equal(tagged.code, 2);
    assert.match(tagged.stderr, /whole OCI layout/);
    assert.equal((await fake.calls()).length, 1);
  });
});
