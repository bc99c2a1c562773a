import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseDockerfile } from '../../../src/image/dockerfile';
import { instructionLines } from '../../../src/image/dockerfile-lines';
import { Random } from '../../support/random';

const brief = (text: string) =>
  instructionLines(text).map(({ keyword, startLine, endLine }) => `${keyword} ${startLine}-${endLine}`);

test('continuations run over comments and empty lines', () => {
  assert.deepEqual(brief('FROM a\nRUN one \\\n# two\n\n  three\nCMD x'), ['FROM 0-0', 'RUN 1-4', 'CMD 5-5']);
  assert.deepEqual(
    brief('RUN echo \\\\\nCMD x'),
    ['RUN 0-0', 'CMD 1-1'],
    'an escaped escape does not continue',
  );
});

test('the escape directive holds only on top of the file', () => {
  assert.deepEqual(brief('# syntax=x\n# escape=`\nRUN a `\n b\r\nCMD x\\'), ['RUN 2-3', 'CMD 4-4']);
  assert.deepEqual(brief('# a comment\n# escape=`\nRUN a `\nCMD x'), ['RUN 2-2', 'CMD 3-3']);
});

test('here-documents end at their names, several after one another, and hold no instructions', () => {
  assert.deepEqual(brief('RUN <<A\nFROM x\nA\nFROM y'), ['RUN 0-2', 'FROM 3-3']);
  assert.deepEqual(brief('COPY <<-"A" <<B /to/\n1\n\tA\n2\nB\nFROM y'), ['COPY 0-4', 'FROM 5-5']);
  assert.deepEqual(brief('RUN cat <<A && \\\n true\nx\nA\nFROM y'), ['RUN 0-3', 'FROM 4-4']);
  assert.deepEqual(brief('RUN echo "<<A"\nFROM y'), ['RUN 0-0', 'FROM 1-1'], 'quoted, it is text');
  assert.deepEqual(
    brief('LABEL a=<<A\nFROM y'),
    ['LABEL 0-0', 'FROM 1-1'],
    'only RUN, COPY and ADD have them',
  );
});

test('lower case, leading blanks and a missing end are no trouble', () => {
  assert.deepEqual(brief('  from a\nrun b \\'), ['FROM 0-0', 'RUN 1-1']);
  assert.deepEqual(brief('RUN <<A\nnever ends'), ['RUN 0-1']);
  assert.deepEqual(brief(''), []);
});

test('agrees with the whole parse on Dockerfiles made by chance', () => {
  const random = new Random(7);
  const pieces: [string, ...string[]] = [
    'FROM scratch',
    'FROM a AS b',
    'RUN true',
    'RUN one && \\\n    two',
    'RUN a \\\n# comment\n  b',
    'COPY a b',
    'COPY <<EOF /x\nline one\nEOF',
    'RUN <<EOF\nFROM nowhere\nEOF',
    '# comment',
    '',
    'ENV A=1 \\\n    B=2',
    'CMD ["x"]',
  ];
  for (let round = 0; round < 200; round++) {
    const text = random.list(0, 12, () => random.pick(pieces)).join('\n');
    const whole = parseDockerfile(text).instructions.map(
      ({ keyword, startLine, endLine }) => `${keyword} ${startLine}-${endLine}`,
    );
    assert.deepEqual(brief(text), whole, text);
  }
});
