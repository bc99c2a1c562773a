import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deflateRawSync } from 'node:zlib';
import type { ImageConfig } from '../../../src/oci/types';
import { readElf, readLoaderCache } from '../../../src/trace/guess/elf';
import { guessStart } from '../../../src/trace/guess/guess';
import { manifestOf } from '../../../src/trace/guess/jvm';
import { requiresOf } from '../../../src/trace/guess/node';
import { importsOf } from '../../../src/trace/guess/python';
import { lensError } from '../../support/errors';
import { fakeEntries, type FakeEntry } from '../../support/scans';

/** A 64-bit ELF file that maps itself at its own offsets: just what the loader looks at. */
function elf({
  loader,
  needed = [],
  runpath,
  rpath,
}: {
  loader?: string;
  needed?: string[];
  runpath?: string;
  rpath?: string;
}): Buffer {
  const file = Buffer.alloc(1024);
  file.write('\x7fELF\x02\x01\x01', 'latin1');
  file.writeUInt16LE(62, 18);
  file.writeBigUInt64LE(64n, 32);
  file.writeUInt16LE(56, 54);
  file.writeUInt16LE(3, 56);
  let text = 512;
  const string = (value: string): number => {
    const at = text;
    text += file.write(`${value}\0`, at, 'latin1');
    return at;
  };
  const interpreter = loader === undefined ? undefined : string(loader);
  const strings = text++;
  const tags = [
    ...needed.map((name) => [1, string(name) - strings]),
    ...(runpath === undefined ? [] : [[29, string(runpath) - strings]]),
    ...(rpath === undefined ? [] : [[15, string(rpath) - strings]]),
    [5, strings],
    [0, 0],
  ];
  tags.forEach((pair, index) => {
    pair.forEach((word, half) => file.writeBigUInt64LE(BigInt(word), 256 + index * 16 + half * 8));
  });
  const segments = [
    [1, 0, 1024],
    [2, 256, tags.length * 16],
    [interpreter === undefined ? 0 : 3, interpreter ?? 0, 64],
  ] as const;
  segments.forEach(([type, offset, size], index) => {
    const at = 64 + index * 56;
    file.writeUInt32LE(type, at);
    file.writeBigUInt64LE(BigInt(offset), at + 8);
    file.writeBigUInt64LE(BigInt(offset), at + 16);
    file.writeBigUInt64LE(BigInt(size), at + 32);
  });
  return file;
}

/** `struct cache_file_new` with plain entries. */
function loaderCache(entries: readonly (readonly [name: string, path: string, flags: number])[]): Buffer {
  const file = Buffer.alloc(2048);
  file.write('glibc-ld.so.cache1.1', 'latin1');
  file.writeUInt32LE(entries.length, 20);
  let text = 48 + entries.length * 24;
  entries.forEach(([name, path, flags], index) => {
    const at = 48 + index * 24;
    file.writeInt32LE(flags, at);
    for (const [field, value] of [
      [4, name],
      [8, path],
    ] as const) {
      file.writeUInt32LE(text, at + field);
      text += file.write(`${value}\0`, text, 'latin1');
    }
  });
  return file;
}

type Content = Readonly<Record<string, string | Buffer | { readonly link: string }>>;

/** The files that the guess names, for an image of one layer. */
async function guess(
  content: Content,
  config: NonNullable<ImageConfig['config']>,
  command?: readonly string[],
): Promise<string[]> {
  const list = Object.entries(content).map(([name, value]): FakeEntry =>
    typeof value === 'object' && 'link' in value
      ? { name, type: 'symlink', linkname: value.link }
      : { name, size: value.length },
  );
  const values = Object.values(content);
  const trace = await guessStart(
    {
      reference: 'test',
      config: { architecture: 'amd64', os: 'linux', rootfs: { type: 'layers', diff_ids: [] }, config },
      layers: [fakeEntries(list)],
      read: (_layer, entry) => {
        const value = values[entry];
        if (value === undefined || (typeof value === 'object' && 'link' in value)) throw new Error('no file');
        return Promise.resolve(Buffer.from(value));
      },
    },
    { command },
  );
  assert.equal(trace.header.mode, 'guess');
  assert.equal(trace.footer?.reason, 'guessed');
  return trace.events.flatMap((event) => (event.op === 'open' ? [event.path] : []));
}

test('ELF: the loader and the closure of NEEDED by RUNPATH, RPATH, the cache and the usual folders', async () => {
  const content: Content = {
    'bin/server': elf({
      loader: '/lib64/ld.so.2',
      needed: ['liba.so', 'libc.so.6', 'libnone.so'],
      runpath: '$ORIGIN/../own',
    }),
    lib64: { link: 'usr/lib64' },
    'usr/lib64/ld.so.2': elf({}),
    'own/liba.so': elf({ needed: ['libb.so'] }),
    'own/libb.so': 'a RUNPATH does not hold for what the libraries need',
    'usr/lib/libb.so': elf({ needed: ['libd.so'], rpath: '/deep' }),
    'deep/libd.so': elf({ needed: ['libe.so'] }),
    'deep/libe.so': elf({}),
    'opt/libc.so.6': elf({}),
    'etc/ld.so.cache': loaderCache([
      ['libc.so.6', '/wrong/machine', 0x0a03],
      ['libc.so.6', '/opt/libc.so.6', 0x0303],
    ]),
  };
  assert.deepEqual(await guess(content, { Entrypoint: ['server'] }), [
    '/bin/server',
    '/usr/lib64/ld.so.2',
    '/etc/ld.so.cache',
    '/own/liba.so',
    '/usr/lib/libb.so',
    '/deep/libd.so',
    '/deep/libe.so',
    '/opt/libc.so.6',
  ]);
});

test('ELF: the folders of Debian without a cache, as in an image without a distribution', async () => {
  const content: Content = {
    app: elf({ loader: '/lib64/ld.so.2', needed: ['libssl.so.3', 'libc.so.6'] }),
    'lib64/ld.so.2': elf({}),
    'lib/x86_64-linux-gnu/libc.so.6': elf({}),
    'usr/lib/x86_64-linux-gnu/libssl.so.3': elf({}),
    'usr/lib/aarch64-linux-gnu/libc.so.6': 'of another machine',
  };
  assert.deepEqual(await guess(content, { Entrypoint: ['/app'] }), [
    '/app',
    '/lib64/ld.so.2',
    '/usr/lib/x86_64-linux-gnu/libssl.so.3',
    '/lib/x86_64-linux-gnu/libc.so.6',
  ]);
});

test('ELF: musl has folders of its own, a list of them, and a RUNPATH that holds for libraries too', async () => {
  const content: Content = {
    app: elf({
      loader: '/lib/ld-musl-x86_64.so.1',
      needed: ['libc.musl-x86_64.so.1', 'liba.so'],
      runpath: '/own',
    }),
    'lib/ld-musl-x86_64.so.1': elf({}),
    'lib/libc.musl-x86_64.so.1': { link: 'ld-musl-x86_64.so.1' },
    'own/liba.so': elf({ needed: ['libb.so', 'libx.so'] }),
    'own/libb.so': elf({}),
    'usr/local/lib/libx.so': elf({}),
    'usr/lib/libx.so': 'comes later',
    'etc/ld.so.cache': loaderCache([['libx.so', '/usr/lib/libx.so', 0x0303]]),
  };
  const found = ['/app', '/lib/ld-musl-x86_64.so.1', '/own/liba.so', '/own/libb.so'];
  assert.deepEqual(await guess(content, { Entrypoint: ['/app'] }), [...found, '/usr/local/lib/libx.so']);
  const list = { ...content, 'etc/ld-musl-x86_64.path': '/lib:/opt\n/usr/lib\n' };
  const [app, loader, ...rest] = found;
  assert.deepEqual(await guess(list, { Entrypoint: ['/app'] }), [
    ...[app, loader, '/etc/ld-musl-x86_64.path'],
    ...rest,
    '/usr/lib/libx.so',
  ]);
});

test('what is no ELF file, or a broken one, needs nothing', () => {
  assert.equal(readElf(Buffer.from('#!/bin/sh')), undefined);
  const whole = elf({ loader: '/l', needed: ['a', 'b'] });
  for (let length = 0; length < whole.length; length += 7) readElf(whole.subarray(0, length));
  for (let at = 0; at < 600; at++) {
    const broken = Buffer.from(whole);
    broken.fill(0xff, at, at + 8);
    readElf(broken);
    readLoaderCache(broken, 62);
  }
  assert.deepEqual([...readLoaderCache(loaderCache([['a', '/a', 0x0303]]).subarray(0, 60), 62)], []);
});

test('scripts: the interpreter of #!, what a shell script runs, and programs that start others', async () => {
  const content: Content = {
    'entry.sh':
      '#!/usr/bin/env bash\nset -e\n# exec /bin/never\nif [ -f /x ]; then /bin/check; fi\nA=1\nexec tini -- "$@"\n',
    'usr/bin/env': elf({}),
    'usr/bin/bash': elf({}),
    'bin/check': elf({}),
    'bin/never': elf({}),
    'usr/local/bin/tini': elf({}),
    'usr/local/bin/gosu': elf({}),
    'srv/run': elf({}),
  };
  assert.deepEqual(
    await guess(content, { Entrypoint: ['/entry.sh'], Cmd: ['gosu', 'app', './run'], WorkingDir: '/srv' }),
    [
      '/entry.sh',
      '/usr/bin/env',
      '/usr/bin/bash',
      '/bin/check',
      '/usr/local/bin/tini',
      '/usr/local/bin/gosu',
      '/srv/run',
    ],
  );
  const shell = { 'bin/sh': elf({}), 'bin/a': elf({}), 'bin/b': elf({}) };
  assert.deepEqual(await guess(shell, { Cmd: ['/bin/sh', '-c', 'a && exec b'] }), [
    '/bin/sh',
    '/bin/a',
    '/bin/b',
  ]);
  assert.deepEqual(await guess(shell, { Entrypoint: ['/bin/a'], Cmd: ['x'] }, ['y']), ['/bin/a']);
  await assert.rejects(guess(shell, { Cmd: ['/bin/c'] }), lensError('trace/command-not-found', /\/bin\/c/));
  await assert.rejects(guess(shell, {}), lensError('trace/no-command', /ENTRYPOINT/));
  const split = { ...shell, 'usr/bin/env': elf({}), 'bin/one': '#!/usr/bin/env -S A=1 a --flag\n' };
  assert.deepEqual(await guess(split, { Cmd: ['one'] }), ['/bin/one', '/usr/bin/env', '/bin/a']);
  const valued = { ...shell, 'usr/bin/nice': elf({}), 'sbin/tini': elf({}) };
  assert.deepEqual(await guess(valued, { Cmd: ['tini', '-e', '143', '--', 'nice', '-n', '5', 'a', '-b'] }), [
    '/sbin/tini',
    '/usr/bin/nice',
    '/bin/a',
  ]);
  const loop = { 'bin/x': '#!/bin/x\n' };
  assert.deepEqual(await guess(loop, { Cmd: ['x'] }), ['/bin/x']);
});

test('Python: compiled modules, packages, relative imports, extensions, a virtual environment', async () => {
  const lib = 'usr/lib/python3.11';
  const content: Content = {
    'venv/bin/python': { link: '/usr/bin/python3' },
    'usr/bin/python3': { link: 'python3.11' },
    'usr/bin/python3.11': elf({}),
    'venv/pyvenv.cfg': 'home = /usr/bin\n',
    [`${lib}/encodings/__init__.py`]: '',
    [`${lib}/encodings/__pycache__/__init__.cpython-311.pyc`]: '',
    [`${lib}/json/__init__.py`]:
      'def load():\n    import never\nfrom .decoder import (\n    A,  # remark\n    B)\n',
    [`${lib}/json/decoder.py`]:
      '"""\nimport never\n"""\ntry:\n    import _json\nexcept ImportError:\n    pass\n',
    [`${lib}/never.py`]: '',
    [`${lib}/lib-dynload/_json.cpython-311-x86_64-linux-gnu.so`]: elf({ needed: ['libz.so'] }),
    'lib/libz.so': elf({}),
    'venv/lib/python3.11/site-packages/web/__init__.py': 'from . import routes, VERSION\n',
    'venv/lib/python3.11/site-packages/web/routes.py': '',
    'app/main.py': 'import json, web as w\nimport helper\nif TYPE_CHECKING:\n    import never\n',
    'app/helper.py': '',
  };
  const files = await guess(content, {
    Entrypoint: ['/venv/bin/python', '-u'],
    Cmd: ['main.py'],
    WorkingDir: '/app',
  });
  assert.deepEqual(files, [
    '/usr/bin/python3.11',
    '/venv/pyvenv.cfg',
    `/${lib}/encodings/__pycache__/__init__.cpython-311.pyc`,
    '/app/main.py',
    `/${lib}/json/__init__.py`,
    `/${lib}/json/decoder.py`,
    `/${lib}/lib-dynload/_json.cpython-311-x86_64-linux-gnu.so`,
    '/lib/libz.so',
    '/venv/lib/python3.11/site-packages/web/__init__.py',
    '/venv/lib/python3.11/site-packages/web/routes.py',
    '/app/helper.py',
  ]);
  assert.deepEqual(importsOf('import a.b as c, d; \nfrom .. import e\nclass X:\n    import f\n'), [
    { from: 'a.b', names: [] },
    { from: 'd', names: [] },
    { from: '..', names: ['e'] },
    { from: 'f', names: [] },
  ]);
});

test('Node.js: relative files, packages by their manifests, exports, folders, links', async () => {
  const content: Content = {
    'usr/bin/node': elf({}),
    'app/server.js':
      "const a = require('./lib'); require('left'); require('node:fs'); require('@s/p/sub'); // require('never')\n//require('never')\n",
    'app/package.json': '{"type":"commonjs"}',
    'app/lib/index.js': "module.exports = require('../data.json')",
    'app/data.json': '{}',
    'app/node_modules/left': { link: '../../store/left' },
    'store/left/package.json': '{"main":"./dist/left"}',
    'store/left/dist/left.js': "require('./native.node')",
    'store/left/dist/native.node': elf({ needed: [] }),
    'app/node_modules/@s/p/package.json':
      '{"exports":{".":"./x.js","./sub":{"import":"./sub.mjs","require":"./sub.cjs"}}}',
    'app/node_modules/@s/p/sub.cjs': '',
    'app/node_modules/@s/p/sub.mjs': '',
  };
  const files = await guess(content, {
    Cmd: ['node', '--enable-source-maps', 'server.js'],
    WorkingDir: '/app',
  });
  assert.deepEqual(files.sort(), [
    '/app/data.json',
    '/app/lib/index.js',
    '/app/node_modules/@s/p/package.json',
    '/app/node_modules/@s/p/sub.cjs',
    '/app/package.json',
    '/app/server.js',
    '/store/left/dist/left.js',
    '/store/left/dist/native.node',
    '/store/left/package.json',
    '/usr/bin/node',
  ]);
  assert.deepEqual(requiresOf("import x from 'a';\nexport * from \"b\";\nimport 'c'; /* require('d') */"), [
    'a',
    'b',
    'c',
  ]);
});

test('Node.js: what npm and its like run by a name of the manifest', async () => {
  const content: Content = {
    'bin/sh': elf({}),
    'usr/bin/env': elf({}),
    'usr/bin/node': elf({}),
    'usr/bin/npm': { link: '../lib/npm/cli.js' },
    'usr/lib/npm/cli.js': '#!/usr/bin/env node\n',
    'app/package.json': '{"scripts":{"start":"node server.js","serve":"tool && never","odd":1}}',
    'app/server.js': '',
    'app/node_modules/.bin/tool': { link: '../tool/tool.js' },
    'app/node_modules/tool/tool.js': "#!/usr/bin/env node\nrequire('./more')\n",
    'app/node_modules/tool/more.js': '',
  };
  const npm = ['/usr/lib/npm/cli.js', '/usr/bin/env', '/usr/bin/node', '/app/package.json'];
  const run = (...words: string[]) => guess(content, { Entrypoint: ['npm'], Cmd: words, WorkingDir: '/app' });
  assert.deepEqual(await run('start'), [...npm, '/bin/sh', '/app/server.js']);
  const tool = ['/app/node_modules/tool/tool.js', '/app/node_modules/tool/more.js'];
  assert.deepEqual(await run('--silent', 'run', 'serve'), [...npm, '/bin/sh', ...tool]);
  for (const words of [['run', 'odd'], ['constructor'], []]) assert.deepEqual(await run(...words), npm);
});

/** A zip archive of one file. */
function zip(name: string, text: string): Buffer {
  const packed = deflateRawSync(text);
  const local = Buffer.alloc(30);
  local.writeUInt32LE(0x04034b50);
  local.writeUInt16LE(name.length, 26);
  const central = Buffer.alloc(46);
  central.writeUInt32LE(0x02014b50);
  central.writeUInt16LE(8, 10);
  central.writeUInt32LE(packed.length, 20);
  central.writeUInt16LE(name.length, 28);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50);
  end.writeUInt16LE(1, 10);
  end.writeUInt32LE(local.length + name.length + packed.length, 16);
  return Buffer.concat([local, Buffer.from(name), packed, central, Buffer.from(name), end]);
}

test('Java: the machine, the class path, and the archives that a manifest names', async () => {
  const jar = zip(
    'META-INF/MANIFEST.MF',
    'Manifest-Version: 1.0\r\nClass-Path: lib/one.jar lib/t\r\n wo.jar\r\n\r\n',
  );
  const content: Content = {
    'usr/bin/java': { link: '/opt/jdk/bin/java' },
    'opt/jdk/bin/java': elf({}),
    'opt/jdk/lib/modules': 'm',
    'opt/jdk/lib/server/libjvm.so': elf({}),
    'srv/app.jar': jar,
    'srv/lib/one.jar': 'no zip',
    'srv/lib/two.jar': jar.subarray(0, 40),
    'srv/classes/com/Main.class': 'c',
  };
  const machine = ['/opt/jdk/bin/java', '/opt/jdk/lib/server/libjvm.so', '/opt/jdk/lib/modules'];
  assert.deepEqual(await guess(content, { Cmd: ['java', '-Xmx1g', '-jar', 'app.jar'], WorkingDir: '/srv' }), [
    ...machine,
    '/srv/app.jar',
    '/srv/lib/one.jar',
    '/srv/lib/two.jar',
  ]);
  const withPath = { Entrypoint: ['java', '-cp', '/srv/classes:/srv/lib/one.jar', 'com.Main', 'arg'] };
  assert.deepEqual(await guess(content, withPath), [
    ...machine,
    '/srv/lib/one.jar',
    '/srv/classes/com/Main.class',
  ]);
  // All archives of a folder, as build tools write it, and words from a file (java(1), "@argfiles").
  const args = { ...content, 'srv/classpath': '"/srv/classes:/srv/lib/*"\n', 'srv/lib/note.txt': '' };
  assert.deepEqual(await guess(args, { Entrypoint: ['java', '-cp', '@/srv/classpath', 'com.Main', '@no'] }), [
    ...machine,
    '/srv/classpath',
    '/srv/lib/one.jar',
    '/srv/lib/two.jar',
    '/srv/classes/com/Main.class',
  ]);
  const modules = ['java', '--module-path=/srv/lib:/srv/app.jar', '-m', 'a.b/a.b.Main'];
  assert.deepEqual(await guess({ ...content, 'srv/app.jar': 'j' }, { Entrypoint: modules }), [
    ...machine,
    '/srv/lib/one.jar',
    '/srv/lib/two.jar',
    '/srv/app.jar',
  ]);
  for (let length = 0; length < jar.length; length++) manifestOf(jar.subarray(0, length));
});
