import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { describe, test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { findDuplicates } from '../../../../src/plan/blame/duplicates';
import { ownerOf } from '../../../../src/plan/blame/owners';
import { findOwners } from '../../../../src/plan/blame/packages';
import { layerOf, type TestFile, type TestLayer } from '../../../support/images';
import { fixture } from '../../../support/paths';

/** The package of each file, `name version`, by the path in the archive. */
async function ownersOf(layers: readonly TestLayer[]): Promise<Record<string, string>> {
  const owners = await findOwners(layers);
  assert.deepEqual(owners.notes, []);
  return Object.fromEntries(
    layers.flatMap(({ scan }, layer) =>
      Array.from({ length: scan.entries.length }, (_, entry): [string, string] => {
        const found = owners.packages[ownerOf(owners, layer, entry) ?? -1];
        return [scan.entries.name(entry), found ? `${found.manager} ${found.name} ${found.version}` : ''];
      }).filter(([, owner]) => owner !== ''),
    ),
  );
}

const file = (name: string, data = 'x'): TestFile => ({ name, data });

describe('packages', () => {
  test('dpkg: by the list of each package, through links, of installed packages only', async () => {
    const layers = [
      await layerOf([
        { name: 'bin', type: 'symlink', linkname: 'usr/bin' },
        { name: 'usr/bin/', type: 'dir' },
        file('usr/bin/bash'),
        file('usr/lib/libc.so'),
        file('usr/bin/gone'),
        file(
          'var/lib/dpkg/status',
          [
            'Package: bash\nStatus: install ok installed\nVersion: 5.2-15\nArchitecture: amd64\nDescription: shell\n it is: one',
            'Package: libc6\nStatus: install ok installed\nArchitecture: amd64\nMulti-Arch: same\nVersion: 2.36',
            'Package: gone\nStatus: deinstall ok config-files\nVersion: 1',
          ].join('\n\n'),
        ),
        file('var/lib/dpkg/info/bash.list', '/.\n/bin\n/bin/bash\n'),
        file('var/lib/dpkg/info/libc6:amd64.list', '/usr/lib/libc.so\n'),
        file('var/lib/dpkg/info/gone.list', '/usr/bin/gone\n'),
      ]),
    ];
    assert.deepEqual(await ownersOf(layers), {
      'usr/bin/bash': 'dpkg bash 5.2-15',
      'usr/lib/libc.so': 'dpkg libc6 2.36',
    });
  });

  // rpm 4.18 wrote the SQLite database; Oracle's db5.3_load made the Berkeley DB of its values, as rpm did up to RHEL 8.
  for (const [kind, database] of [
    ['SQLite', 'rpmdb.sqlite'],
    ['a Berkeley DB', 'Packages'],
    ['a Berkeley DB of a big-endian machine', 'Packages-big-endian'],
  ] as const) {
    test(`rpm, ${kind}: two packages that were installed, one of them over several pages`, async () => {
      const text = await readFile(fixture('packages', `${database}.gz.base64`), 'latin1');
      const many = ['a', 'b', 'c'].flatMap((folder) =>
        Array.from({ length: 60 }, (_, i) => `opt/many/${folder}/file-${i + 1}`),
      );
      const tiny = ['usr/bin/tiny', 'usr/share/soci-tiny/data', 'usr/share/soci-tiny/more'];
      const own: TestFile = {
        name: `var/lib/rpm/${database.replace(/-.*/, '')}`,
        data: gunzipSync(Buffer.from(text, 'base64')),
      };
      const layers = [await layerOf([own, ...[...many, ...tiny, 'usr/bin/other'].map((path) => file(path))])];
      assert.deepEqual(
        await ownersOf(layers),
        Object.fromEntries([
          ...many.map((path) => [path, 'rpm soci-many 2.0-1']),
          ...tiny.map((path) => [path, 'rpm soci-tiny 1.2-3']),
        ]),
      );
    });
  }

  test('a Berkeley DB that is cut, or whose pages lead in circles, is called damaged', async () => {
    const text = await readFile(fixture('packages', 'Packages.gz.base64'), 'latin1');
    const whole = gunzipSync(Buffer.from(text, 'base64'));
    const circle = Buffer.from(whole);
    // Each overflow page (type 7) leads to itself and holds one byte.
    for (let page = 4096; page < circle.length; page += 4096)
      if (circle[page + 25] === 7) {
        circle.writeUInt32LE(page / 4096, page + 16);
        circle.writeUInt16LE(1, page + 22);
      }
    for (const data of [whole.subarray(0, whole.length / 2), circle]) {
      const owners = await findOwners([await layerOf([{ name: 'var/lib/rpm/Packages', data }])]);
      assert.match(owners.notes.join(), /rpm database could not be read: the RPM database is damaged/);
    }
  });

  test('an SQLite database whose records run in circles is called damaged', async () => {
    const text = await readFile(fixture('packages', 'rpmdb.sqlite.gz.base64'), 'latin1');
    const data = gunzipSync(Buffer.from(text, 'base64'));
    const size = data.readUInt16BE(16);
    // The long record's overflow pages begin with the number of the next: each leads to itself now.
    let changed = 0;
    for (let page = size; page < data.length; page += size) {
      const next = data.readUInt32BE(page);
      if (next === 0 || next > data.length / size) continue;
      data.writeUInt32BE(page / size + 1, page);
      changed++;
    }
    assert.ok(changed > 0);
    const owners = await findOwners([await layerOf([{ name: 'var/lib/rpm/rpmdb.sqlite', data }])]);
    assert.match(owners.notes.join(), /the RPM database is damaged \(page \d+ is part of two things\)/);
  });

  test('a database in a form that is not read is named', async () => {
    const owners = await findOwners([await layerOf([file('usr/lib/sysimage/rpm/Packages.db')])]);
    assert.match(owners.notes.join(), /Packages\.db is an NDB database, as SUSE has it/);
  });

  test('dpkg in distroless images: a paragraph and a list of digests per package', async () => {
    const layers = [
      await layerOf([
        file('./etc/ssl/cert.pem'),
        file('./var/lib/dpkg/status.d/ca-certificates', 'Package: ca-certificates\nVersion: 2023\n'),
        file('./var/lib/dpkg/status.d/ca-certificates.md5sums', 'd41d8cd9  etc/ssl/cert.pem\n'),
      ]),
    ];
    assert.deepEqual(await ownersOf(layers), { './etc/ssl/cert.pem': 'dpkg ca-certificates 2023' });
  });

  test('apk: folders and files; the topmost database counts, and the topmost copy of a file', async () => {
    const installed = (version: string): string =>
      `C:Q1=\nP:musl\nV:${version}\nF:lib\nR:ld-musl.so.1\na:0:0:755\n\nP:other\nV:1\nF:\n`;
    const layers = [
      await layerOf([file('lib/ld-musl.so.1'), file('lib/apk/db/installed', installed('1.2.3'))]),
      await layerOf([file('lib/ld-musl.so.1', 'new'), file('lib/apk/db/installed', installed('1.2.4'))]),
    ];
    const owners = await findOwners(layers);
    assert.deepEqual([ownerOf(owners, 0, 0), ownerOf(owners, 1, 0)], [undefined, 0]);
    assert.equal(owners.packages[0]?.version, '1.2.4');
  });

  test('pip and npm: by RECORD, and by the innermost folder of node_modules', async () => {
    const site = 'usr/lib/python3/site-packages';
    const layers = [
      await layerOf([
        file(`${site}/numpy/core.so`),
        file(`${site}/odd,name.py`),
        file(`usr/bin/f2py`),
        file(
          `${site}/numpy-1.26.4.dist-info/RECORD`,
          'numpy/core.so,sha256=x,1\n"odd,name.py",,\n../../../bin/f2py,,\n',
        ),
        file('app/node_modules/a/package.json', '{"version":"1.0.0"}'),
        file('app/node_modules/a/index.js'),
        file('app/node_modules/a/node_modules/@s/b/package.json', '{"version":"2.0.0"}'),
        file('app/node_modules/a/node_modules/@s/b/lib/x.js'),
        file('app/node_modules/a/test/package.json', '{"version":"9.9.9"}'),
        file('app/node_modules/broken/package.json', '{'),
        file('app/server.js'),
      ]),
    ];
    assert.deepEqual(await ownersOf(layers), {
      [`${site}/numpy/core.so`]: 'pip numpy 1.26.4',
      [`${site}/odd,name.py`]: 'pip numpy 1.26.4',
      'usr/bin/f2py': 'pip numpy 1.26.4',
      'app/node_modules/a/package.json': 'npm a 1.0.0',
      'app/node_modules/a/index.js': 'npm a 1.0.0',
      'app/node_modules/a/test/package.json': 'npm a 1.0.0',
      'app/node_modules/a/node_modules/@s/b/package.json': 'npm @s/b 2.0.0',
      'app/node_modules/a/node_modules/@s/b/lib/x.js': 'npm @s/b 2.0.0',
      'app/node_modules/broken/package.json': 'npm broken ',
    });
  });

  test('a file that two claim belongs to the system package', async () => {
    const layers = [
      await layerOf([
        file('usr/lib/node_modules/npm/package.json', '{"version":"10.0.0"}'),
        file('var/lib/dpkg/status', 'Package: nodejs\nStatus: install ok installed\nVersion: 20\n'),
        file('var/lib/dpkg/info/nodejs.list', '/usr/lib/node_modules/npm/package.json\n'),
      ]),
    ];
    assert.deepEqual(await ownersOf(layers), {
      'usr/lib/node_modules/npm/package.json': 'dpkg nodejs 20',
    });
  });

  test('a damaged database is named, and the others count', async () => {
    const layers = [
      await layerOf([
        file('usr/lib/sysimage/rpm/rpmdb.sqlite', 'SQLite format 3\0 and nothing more'),
        file('app/node_modules/a/package.json', '{"version":"1.0.0"}'),
      ]),
    ];
    const owners = await findOwners(layers);
    assert.match(owners.notes.join(), /rpm database could not be read/);
    assert.equal(owners.packages.length, 1);
  });
});

describe('duplicates', () => {
  const data = (seed: string): string => seed.repeat(5000);

  test('equal contents of visible files, over all layers', async () => {
    const layers = [
      await layerOf([
        file('a', data('a')),
        file('b', data('b')),
        file('copy-of-a', data('a')),
        file('hidden', data('a')),
        { name: 'link', type: 'hardlink', linkname: 'a' },
        file('tiny1', '1'),
        file('tiny2', '1'),
      ]),
      await layerOf([file('deep/a', data('a')), file('hidden', 'other')]),
    ];
    const { bytes, groups, dearest } = await findDuplicates(layers);
    assert.deepEqual([bytes, groups], [10_000, 1]);
    assert.deepEqual(dearest, [
      {
        bytes: 5000,
        count: 3,
        copies: [
          { layer: 0, path: 'a' },
          { layer: 0, path: 'copy-of-a' },
          { layer: 1, path: 'deep/a' },
        ],
      },
    ]);
  });

  test('an abort passes through', async () => {
    const layers = [await layerOf([file('a', data('a')), file('b', data('b'))])];
    const stop = AbortSignal.abort(new Error('enough'));
    await assert.rejects(findDuplicates(layers, { signal: stop }), /enough/);
  });
});
