// The small sample: an image that the extension makes by itself where there is no engine and no network, so that everything in
// it comes from a seed. A shop front again: its entrypoint reads the parts of the catalogue that the first page needs and becomes
// the server, which reads the pages and the libraries that they use. Its start is recorded in small.soci-trace.jsonl.
import { archive, file } from './archive.mjs';
import { catalogue, generator } from './catalogue.mjs';
import { reader, storefront } from './programs.mjs';

const MODULES = 1200;
/** Bytes of the catalogue: the layer is larger packed than what indexes leave out by default. */
const CATALOGUE = 24 * 1024 * 1024;
const WORDS =
  'const export function return value props state render item list price stock kettle lamp chair'.split(' ');

const moduleName = (index) => `app/lib/module-${String(index).padStart(4, '0')}.js`;
/** What the pages import. */
const USED = Array.from({ length: 48 }, (_, i) => moduleName((i * 151) % MODULES));
/** Removed by a step of its own, too late to save a byte. */
const REMOVED = Array.from({ length: 60 }, (_, i) => moduleName(MODULES - 1 - i));

function libraries() {
  const random = generator(20261123);
  return Array.from({ length: MODULES }, (_, index) => {
    const words = Array.from({ length: 200 + (random() % 1200) }, () => WORDS[random() % WORDS.length]);
    return file(moduleName(index), `// ${index}\n${words.join(' ')}\n`);
  });
}

const CMD = ['/app/server.js', '/app/page.html', ...USED.map((name) => `/${name}`)];

/** What the image's config says beside its layers. */
export const smallConfig = {
  User: '65532:65532',
  Env: ['PATH=/usr/local/bin:/usr/bin'],
  Entrypoint: ['/usr/bin/storefront'],
  Cmd: CMD,
  WorkingDir: '/app',
};

/** Its layers from the lowest on: the step that makes each, and its tar. */
export async function smallLayers() {
  return [
    {
      step: 'COPY runtime /',
      tar: await archive([
        file('etc/passwd', 'root:x:0:0:root:/:/sbin/nologin\nshop:x:65532:65532:shop:/app:/sbin/nologin\n'),
        file('usr/bin/storefront', storefront('amd64'), 0o755),
        file('usr/local/bin/esbuild', reader(), 0o755),
      ]),
    },
    { step: 'COPY lib /app/lib', tar: await archive(libraries()) },
    {
      step: 'RUN rm app/lib/module-11*',
      tar: await archive(REMOVED.map((name) => file(name.replace(/(?=module)/, '.wh.'), ''))),
    },
    {
      step: 'COPY catalogue /data',
      tar: await archive([
        { name: 'data/current', type: 'symlink', linkname: 'releases/2026-11', mode: 0o777 },
        file('data/releases/2026-11/catalogue.db', catalogue(CATALOGUE)),
      ]),
    },
    {
      step: 'COPY app /app',
      tar: await archive([
        file('app/server.js', `import '${USED.join("';\nimport '")}';\n`),
        file('app/page.html', '<!doctype html>\n<title>Shop</title>\n<script src="server.js"></script>\n'),
      ]),
    },
  ];
}
