import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sentences } from '../../src/sentences';

const TEXTS = [
  'The engine has no image "{0}".',
  'The engine has no image of that name.',
  '{0} spans make the service ready after about {1}.',
  '{0} ({1} fetches one after the other)',
  'Plain pull',
  '{1} is ready after {0}.',
];
const t = (text: string, ...filled: string[]) => `<${[text, ...filled].join('|')}>`;
const say = sentences(TEXTS, t, 'en');

test('a sentence is known by the template with the most text of its own', () => {
  assert.equal(say('The engine has no image "a:b".'), '<The engine has no image "{0}".|a:b>');
  assert.equal(say('The engine has no image of that name.'), '<The engine has no image of that name.>');
});

test('what is filled in may be a sentence too, and places may be in any order', () => {
  assert.equal(
    say('4 MiB spans make the service ready after about 5.4 s (12 fetches one after the other).'),
    '<{0} spans make the service ready after about {1}.|4 MiB|<{0} ({1} fetches one after the other)|5.4 s|12>>',
  );
  assert.equal(say('Plain pull is ready after 8 s.'), '<{1} is ready after {0}.|8 s|<Plain pull>>');
});

test('several sentences in a row are said one by one', () => {
  assert.equal(
    say('A is ready after 8.5 s. The engine has no image "c".'),
    '<{1} is ready after {0}.|8.5 s|A> <The engine has no image "{0}".|c>',
  );
});

test('what no template made stays as it is', () => {
  assert.equal(say('Something else entirely. And more.'), 'Something else entirely. And more.');
  assert.equal(sentences([], String, 'de')('Plain pull'), 'Plain pull');
});

test('amounts that are filled in are written as the language writes them; versions, ports and digests are none', () => {
  const inGerman = sentences(['The engine has no image "{0}".', '{1} is ready after {0}.'], t, 'de');
  for (const [english, german] of [
    ['5.4 s', '5,4 s'],
    ['1,234.50 MB of 2 GB', '1.234,50 MB of 2 GB'],
    ['1,234,567', '1.234.567'],
    ['release 0.15', 'release 0.15'],
    ['a:5000/b:1.5', 'a:5000/b:1.5'],
    ['sha256:1,234', 'sha256:1,234'],
    ['1.5 sheep', '1.5 sheep'],
  ])
    assert.equal(
      inGerman(`Layer 2 is ready after ${english}.`),
      `<{1} is ready after {0}.|${german}|Layer 2>`,
    );
});
