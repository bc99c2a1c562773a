import assert from 'node:assert/strict';
import { LensError } from '../../src/errors';

export function isLens(error: unknown, code: LensError['code']): error is LensError {
  return error instanceof LensError && error.code === code;
}

/** For `assert.rejects` and `assert.throws`: a LensError of this code that says what failed and what to do about it. */
export function lensError(code: LensError['code'], message?: RegExp): (error: unknown) => true {
  return (error) => {
    if (!(error instanceof LensError)) throw error;
    assert.equal(error.code, code, error.message);
    assert.match(error.message, message ?? /\w/);
    assert.match(error.message, /\.$/, 'the message is a sentence');
    assert.match(error.advice, /\w.*\.$/, 'the advice is a sentence');
    return true;
  };
}
