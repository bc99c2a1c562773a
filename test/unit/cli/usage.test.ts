import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { suite, test } from 'node:test';
import { Terminal } from '../../../src/cli/terminal';
import { runInProcess } from '../../support/cli';

const VERBS = [
  'inspect',
  'trace',
  'import-trace',
  'plan',
  'calibrate',
  'index',
  'push',
  'verify',
  'list',
  'show',
  'get',
  'clean',
  'gate',
  'cluster manifests',
  'config',
  'lint-config',
  'cluster doctor',
];

test('without a verb the help goes to stderr, and asked for to stdout', async () => {
  const bare = await runInProcess([]);
  assert.equal(bare.code, 2);
  assert.equal(bare.stdout, '');
  const help = await runInProcess(['--help']);
  assert.equal(help.code, 0);
  for (const verb of VERBS) assert.match(help.stdout, new RegExp(`^  ${verb} `, 'm'));
  assert.ok(bare.stderr.includes(help.stdout.trim()));
});

for (const verb of VERBS) {
  test(`soci-lens ${verb} --help shows usage and every flag`, async () => {
    const { code, stdout } = await runInProcess([...verb.split(' '), '--help']);
    assert.equal(code, 0);
    assert.match(stdout, new RegExp(`^Usage: soci-lens ${verb} `, 'm'));
    assert.match(stdout, /--json /);
  });
}

suite('usage errors end with 2, one sentence and no work', () => {
  const mistakes: readonly [line: string, complaint: RegExp][] = [
    ['frobnicate', /There is no verb "frobnicate"/],
    ['inspect', /Usage: soci-lens inspect IMAGE/],
    ['inspect a b', /Usage: soci-lens inspect IMAGE/],
    ['inspect oci:x --frobnicate', /Unknown option '--frobnicate'/],
    ['inspect oci:x --platform', /--platform.*argument missing/],
    ['inspect oci:x --platform a/b/c/d', /"a\/b\/c\/d"/],
    ['inspect Not:An:Image', /not an image reference/],
    ['inspect oci:x --log-level loud', /--log-level takes error, info or debug/],
    ['inspect oci:x -- more', /Usage: soci-lens inspect IMAGE/],
    ['config --node m6i.huge', /"m6i.huge" describes no node/],
    ['config --mode eager', /--mode takes lazy, parallel, fallback/],
    ['config --soci-version 0.8', /--soci-version takes 0.9/],
    ['cluster', /^ {2}cluster doctor /m],
    ['cluster doctor oci:x', /takes docker:\/\/HOST/],
    ['lint-config x.toml --format xml', /--format takes text, json, sarif/],
    ['lint-config x.toml --image app:1', /takes oci:FOLDER or docker/],
    ['plan oci:x', /--trace is missing/],
    ['plan oci:x --trace t --network fast', /"fast"/],
    ['plan oci:x --trace t --node fast', /"fast"/],
    ['plan oci:x --trace t --span-sizes 1M,big', /--span-sizes takes a number of bytes/],
    ['index oci:x', /--output is missing/],
    ['index oci:x --output there', /does not say where to write to/],
    ['index oci:x --output oci:y --span-size 4MB', /--span-size takes a number of bytes/],
    ['index oci:x --output oci:y --span-size 0', /at least one byte/],
    ['index oci:x --output oci:y --span-size -1', /--span-size/],
    ['index oci:x --output oci:y --span-size auto', /needs --trace/],
    ['index oci:x --output oci:y --min-layer-size auto', /needs --trace/],
    ['index oci:x --output oci:y --prefetch-seconds 1', /needs --trace/],
    ['index oci:x --output oci:y --trace t --span-size 1M', /nothing to say beside --span-size/],
    ['index oci:x --output oci:y --trace t --prefetch-set some', /takes touched or stable/],
    ['index oci:x --output oci:y --trace t --prefetch-set stable', /several starts/],
    ['index oci:x --output oci:y --trace t --prefetch-seconds 0', /a number above 0/],
    ['index oci:x --output oci:y --trace t --no-prefetch --prefetch-from-trace', /exclude each other/],
    ['index oci:x --output oci:y --trace t --no-prefetch --prefetch-seconds 1', /lists nothing/],
    ['index oci:x --output oci:y --trace t --indexer soci --prefetch-from-trace', /whole files only/],
    ['plan oci:x --trace t --prefetch-set stable', /several starts/],
    ['index oci:x --output oci:y --min-layer-size 1.5', /--min-layer-size takes a number of bytes/],
    ['index oci:x --output oci:y --all-platforms --platform linux/amd64', /exclude each other/],
    ['index oci:x --output oci:y --format v3', /--format takes v2 or v1/],
    ['index oci:x --output oci:y --optimizations magic', /There is no optimization "magic"/],
    ['index oci:x --output oci:y --prefetch-files-json /nonexistent.json', /cannot be read/],
    ['push oci:x', /Usage: soci-lens push/],
    ['push x docker://127.0.0.1:1/y', /push takes an OCI layout/],
    ['index oci:x -o oci:y --indexer other', /--indexer takes built-in or soci/],
    ['index oci:x -o oci:y --indexer soci --format v1', /takes docker:/],
    ['trace docker-daemon:x --ready soon', /"soon"/],
    ['trace docker-daemon:x --publish 0:80', /"0:80" is no port/],
    ['trace docker-daemon:x --volume ./here:/there', /whole path/],
    ['trace docker-daemon:x --cpus many', /--cpus takes a positive number/],
    ['trace docker-daemon:x --warm-up index.html', /nothing to ask for/],
    ['trace docker-daemon:x --guess --runs 2', /runs nothing/],
    ['trace docker-daemon:x --timeout never', /--timeout takes a whole number/],
    ['trace docker-daemon:x --env novalue', /--env takes NAME=VALUE/],
    ['import-trace x', /--from is missing/],
    ['import-trace x --from dtrace', /--from takes strace, .*, not "dtrace"/],
    ['get oci:x', /Usage: soci-lens get/],
    ['get oci:x y --layer top', /--layer takes the number/],
    ['list docker-daemon:x', /takes oci:FOLDER or docker:/],
    ['verify docker-daemon:x', /takes oci:FOLDER or docker:/],
    ['cluster manifests', /--output is missing/],
    ['cluster measure --plain a --indexed b --port 65536', /--port takes a number from 1 to 65535/],
    ['cluster manifests --output x', /--installer-image is missing/],
    ['gate', /Usage: soci-lens gate IMAGE/],
    ['gate oci:x --format html', /--format takes text, json, sarif, junit, markdown, not "html"/],
    ['verify oci:x --sample few', /--sample takes a whole number/],
  ];
  for (const [line, complaint] of mistakes) {
    test(`soci-lens ${line}`, async () => {
      const { code, stdout, stderr } = await runInProcess(line.split(' '));
      assert.match(stderr, complaint);
      assert.equal(code, 2);
      assert.equal(stdout, '');
    });
  }
});

test('without a terminal each step is one line with its size, and only where details are asked for', () => {
  const told = (level: 'info' | 'debug'): unknown => {
    const stderr = new PassThrough({ encoding: 'utf8' });
    const terminal = new Terminal(new PassThrough(), stderr, new PassThrough(), level);
    for (const done of [0, 1e6, 2e6]) terminal.progress({ step: 'Reading', done, total: 2e6, unit: 'bytes' });
    terminal.progress({ step: 'Counting', done: 1, total: 2 });
    return stderr.read();
  };
  assert.equal(told('debug'), 'Reading (2 MB)\nCounting\n');
  assert.equal(told('info'), null);
});
