import assert from 'node:assert/strict';
import { test } from 'node:test';
import { matchLayers, parseDockerfile } from '../../../src/image/dockerfile';
import type { HistoryEntry } from '../../../src/oci/types';

const file = `# escape=\\
ARG VERSION=1.2
ARG VARIANT=-slim
FROM debian:\${VERSION}\${VARIANT} AS build
RUN apt-get update \\
  # a comment in the middle
  && apt-get install -y x
FROM build
COPY --chown=1:1 app.py \${HOME}/app.py
WORKDIR /srv
RUN ["touch", "/a b"]
ENV A=1
ENTRYPOINT ["/srv/run"]
`;

/** As the classic builder notes it. */
const classic: HistoryEntry[] = [
  { created_by: '/bin/sh -c #(nop) ADD file:0123 in / ' },
  { created_by: '/bin/sh -c #(nop)  CMD ["bash"]', empty_layer: true },
  { created_by: '/bin/sh -c apt-get update   && apt-get install -y x' },
  { created_by: '/bin/sh -c #(nop) COPY --chown=1:1 file:89ab in /root/app.py ' },
  { created_by: '/bin/sh -c #(nop) WORKDIR /srv' },
  { created_by: 'touch /a b' },
  { created_by: '/bin/sh -c #(nop)  ENV A=1', empty_layer: true },
  { created_by: '/bin/sh -c #(nop)  ENTRYPOINT ["/srv/run"]', empty_layer: true },
];

/** As BuildKit notes it. */
const buildkit: HistoryEntry[] = [
  { created_by: '/bin/sh -c #(nop) ADD file:0123 in / ' },
  { created_by: '/bin/sh -c #(nop)  CMD ["bash"]', empty_layer: true },
  {
    created_by: 'RUN |1 X=y /bin/sh -c apt-get update   && apt-get install -y x # buildkit',
    comment: 'buildkit.dockerfile.v0',
  },
  { created_by: 'COPY --chown=1:1 app.py /root/app.py # buildkit', comment: 'buildkit.dockerfile.v0' },
  { created_by: 'WORKDIR /srv', comment: 'buildkit.dockerfile.v0' },
  { created_by: 'RUN touch /a b # buildkit', comment: 'buildkit.dockerfile.v0' },
  { created_by: 'ENV A=1', comment: 'buildkit.dockerfile.v0', empty_layer: true },
  { created_by: 'ENTRYPOINT ["/srv/run"]', comment: 'buildkit.dockerfile.v0', empty_layer: true },
];

const lines = (text: string, history: HistoryEntry[], target?: string) =>
  matchLayers(parseDockerfile(text), history, target).map((instruction) => instruction?.startLine);

test('stages, variables in FROM, ranges', () => {
  const model = parseDockerfile(file);
  assert.deepEqual(
    model.stages.map(({ name, base, parent, from }) => [name, base, parent?.index, from.startLine]),
    [
      ['build', 'debian:1.2-slim', undefined, 3],
      [undefined, 'build', 0, 7],
    ],
  );
  assert.deepEqual(
    model.stages[0]?.instructions.map(({ keyword, text, startLine, endLine }) => [
      keyword,
      text,
      startLine,
      endLine,
    ]),
    [['RUN', 'RUN apt-get update && apt-get install -y x', 4, 6]],
  );
  assert.equal(parseDockerfile(file, { VERSION: '2' }).stages[0]?.base, 'debian:2-slim');
});

test('a stage on an unknown base is not one on the stage above it', () => {
  const text = 'FROM debian\nRUN one\nFROM $BASE\nRUN two\n';
  assert.equal(parseDockerfile(text).stages[1]?.parent, undefined);
  assert.deepEqual(lines(text, [{ created_by: '/bin/sh -c one' }, { created_by: '/bin/sh -c two' }]), [2, 3]);
});

test('variables without a value leave the base unknown; defaults and replacements are used', () => {
  const base = (text: string) => parseDockerfile(text).stages[0]?.base;
  assert.equal(base('ARG V\nFROM x:$V\n'), undefined);
  assert.equal(base('FROM x:${V:-7}\n'), '7'.replace('7', 'x:7'));
  assert.equal(base('ARG D=1\nFROM x${D:+-debug}\n'), 'x-debug');
  assert.equal(base('FROM scratch\n'), 'scratch');
  assert.deepEqual(parseDockerfile('').stages, []);
});

test('CRLF and another escape character give the same model as LF', () => {
  const crlf = parseDockerfile(file.replaceAll('\n', '\r\n'));
  assert.deepEqual(crlf, parseDockerfile(file));
  const backtick = parseDockerfile('# escape=`\nFROM x\nRUN a `\n  b\nCOPY C:\\in D:\\out\n');
  assert.deepEqual(
    backtick.instructions.map(({ text }) => text),
    ['FROM x', 'RUN a b', 'COPY C:\\in D:\\out'],
  );
});

for (const [builder, history] of [
  ['the classic builder', classic],
  ['BuildKit', buildkit],
] as const) {
  test(`every layer of ${builder} is matched, over stages, with the base image's own layers at FROM`, () => {
    assert.deepEqual(lines(file, history), [3, 4, 8, 9, 10]);
  });
}

test('the classic builder of Docker 20.10 writes no space behind --chown', () => {
  const glued = classic.map(({ created_by = '', ...rest }) => ({
    created_by: created_by.replace('1:1 file:', '1:1file:'),
    ...rest,
  }));
  assert.deepEqual(lines(file, glued), [3, 4, 8, 9, 10]);
});

test('a build of an earlier stage', () => {
  assert.deepEqual(lines(file, buildkit.slice(0, 3), 'build'), [3, 4]);
  assert.deepEqual(lines(file, buildkit.slice(0, 3), 'nothing of this name'), [undefined, undefined]);
});

test('here-documents', () => {
  const text =
    'FROM scratch\nRUN <<EOF\necho a\necho b\nEOF\nCOPY <<-"X" /etc/x\nhello\nX\nRUN python3 <<P\nprint(1)\nP\n';
  const model = parseDockerfile(text);
  assert.deepEqual(
    model.stages[0]?.instructions.map(({ startLine, endLine }) => [startLine, endLine]),
    [
      [1, 4],
      [5, 7],
      [8, 10],
    ],
  );
  const history = [
    { created_by: 'RUN /bin/sh -c echo a\necho b\n # buildkit' },
    { created_by: 'COPY X /etc/x # buildkit' },
    { created_by: 'RUN /bin/sh -c python3 <<P\nprint(1)\nP # buildkit' },
  ];
  assert.deepEqual(lines(text, history), [1, 5, 8]);
});

test('a Dockerfile that was changed after the build: what still fits is known, the rest is not', () => {
  const changed = file.replace('install -y x', 'install -y x y');
  assert.deepEqual(lines(changed, classic), [undefined, undefined, 8, 9, 10]);
  const shortened = file.replace('RUN ["touch", "/a b"]\n', '');
  // COPY and the rest fit, one layer has no instruction any more.
  assert.deepEqual(lines(shortened, classic), [3, 4, 8, 9, undefined]);
});

test('a squashed image and a foreign one are unknown, not guessed', () => {
  assert.deepEqual(lines(file, [{ comment: 'merge sha256:1 to sha256:2' }]), [undefined]);
  assert.deepEqual(
    lines(file, [{ created_by: 'RUN other # buildkit' }, { created_by: 'COPY a b # buildkit' }]),
    [undefined, undefined],
  );
  assert.deepEqual(lines('', classic), new Array(5).fill(undefined));
});

test('one of two equal steps cannot be told from the other when the history has only one', () => {
  const text = 'FROM x\nRUN a\nRUN b\nRUN a\nRUN c\n';
  assert.deepEqual(lines(text, [{ created_by: '/bin/sh -c a' }, { created_by: '/bin/sh -c c' }]), [
    undefined,
    4,
  ]);
  assert.deepEqual(
    lines(
      text,
      ['a', 'b', 'a', 'c'].map((command) => ({ created_by: `/bin/sh -c ${command}` })),
    ),
    [1, 2, 3, 4],
  );
});
