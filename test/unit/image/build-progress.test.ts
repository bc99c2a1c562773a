import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseBuildMessage } from '../../../src/image/build-progress';
import { needsBuildKit, parseDockerfile } from '../../../src/image/dockerfile';

test("the classic builder's messages", () => {
  const read = (value: unknown) => parseBuildMessage(JSON.stringify(value));
  assert.deepEqual(read({ stream: 'Step 1/3 : FROM x\n' }), {
    lines: ['Step 1/3 : FROM x'],
    step: 'Step 1/3 : FROM x',
  });
  assert.deepEqual(read({ stream: ' ---> Running in 1\n' }), { lines: [' ---> Running in 1'] });
  assert.deepEqual(read({ status: 'Pulling' }), { lines: ['Pulling'] });
  assert.deepEqual(read({ aux: { ID: 'sha256:1' } }), { lines: [], imageId: 'sha256:1' });
  assert.deepEqual(read({ errorDetail: { message: 'no' }, error: 'no' }), { lines: [], error: 'no' });
  for (const nothing of [{}, null, 1, { stream: '\n' }, { aux: {} }])
    assert.deepEqual(read(nothing), { lines: [] });
  assert.deepEqual(parseBuildMessage(''), { lines: [] });
  assert.deepEqual(parseBuildMessage('not json'), { lines: ['not json'] });
});

/** A field with a length (protobuf wire type 2). */
const bytes = (number: number, content: Buffer | string): Buffer => {
  const data = Buffer.from(content);
  const length = data.length < 128 ? [data.length] : [(data.length & 0x7f) | 0x80, data.length >> 7];
  return Buffer.concat([Buffer.of((number << 3) | 2, ...length), data]);
};
const trace = (...parts: Buffer[]) =>
  parseBuildMessage(
    JSON.stringify({ id: 'moby.buildkit.trace', aux: Buffer.concat(parts).toString('base64') }),
  );

test("BuildKit's messages: steps, cached steps, errors, output", () => {
  const time = bytes(5, Buffer.of(8, 1));
  const done = bytes(6, Buffer.of(8, 2));
  const name = bytes(3, '[2/3] RUN a');
  const cached = Buffer.of(4 << 3, 1);
  assert.deepEqual(trace(bytes(1, Buffer.concat([name, time]))), {
    lines: ['[2/3] RUN a'],
    step: '[2/3] RUN a',
  });
  assert.deepEqual(trace(bytes(1, Buffer.concat([name, cached, time, done]))), {
    lines: ['[2/3] RUN a (cached)'],
  });
  assert.deepEqual(trace(bytes(1, Buffer.concat([name, time, done]))), { lines: [] });
  assert.deepEqual(trace(bytes(1, Buffer.concat([name, time, done, bytes(7, 'exit code: 1')]))), {
    lines: ['[2/3] RUN a: exit code: 1'],
  });
  const log = bytes(3, Buffer.concat([bytes(1, 'sha256:x'), bytes(4, `one\ntwo ${'x'.repeat(200)}\n`)]));
  assert.deepEqual(trace(log), { lines: ['one', `two ${'x'.repeat(200)}`] });
  assert.deepEqual(trace(bytes(1, name).subarray(0, 5)), { lines: [] });
  assert.deepEqual(trace(Buffer.alloc(20, 0xff)), { lines: [] });
});

test('which Dockerfiles need BuildKit', () => {
  const needs = (text: string) => needsBuildKit(parseDockerfile(`FROM x\n${text}\n`));
  const modern = [
    'RUN --mount=type=cache,target=/c make',
    'RUN --network=none make',
    'RUN <<EOF\necho\nEOF',
    'RUN python3 <<P\nprint()\nP',
    'COPY --link a b',
    'COPY --from=y --chmod=755 a b',
    'COPY <<EOF /a\nx\nEOF',
  ];
  for (const text of modern) assert.equal(needs(text), true, text);
  const classic = [
    'RUN make --mount=x',
    'COPY --from=y --chown=1:1 a b',
    'ADD --chown=1 a b',
    'RUN a \\\n  && b',
    'ENV A=<<B',
  ];
  for (const text of classic) assert.equal(needs(text), false, text);
});
