/** How either side checks what arrives: small functions that give a value back as its type, or throw. */

/** A message that is not of this protocol. Its text names the place and what was expected there, never the content. */
export class ProtocolError extends Error {
  constructor(where: string, expected: string) {
    super(`${where} is not ${expected}.`);
    this.name = 'ProtocolError';
  }
}

/** Gives `value` back as a `T`, or throws ProtocolError. `where` is the path to it, for the message. */
export type Check<T> = (value: unknown, where: string) => T;

/** Longest text and list that either side takes: far above what the picture sends, far below what would hurt. */
const LONGEST_TEXT = 16_384;
/** A picture in base64 is longer, and stays below the megabyte that a message may have. */
const LONGEST_LONG_TEXT = 1_000_000;
const LONGEST_LIST = 20_000;

export const number =
  (min: number, max: number, whole: boolean): Check<number> =>
  (value, where) => {
    if (typeof value !== 'number' || !(value >= min && value <= max) || (whole && !Number.isInteger(value))) {
      throw new ProtocolError(where, `${whole ? 'a whole number' : 'a number'} from ${min} to ${max}`);
    }
    return value;
  };

export const count = number(0, Number.MAX_SAFE_INTEGER, true);
export const amount = number(0, Number.MAX_VALUE, false);

const textOf =
  (longest: number): Check<string> =>
  (value, where) => {
    if (typeof value !== 'string' || value.length > longest) throw new ProtocolError(where, 'a text');
    return value;
  };

export const text = textOf(LONGEST_TEXT);
export const longText = textOf(LONGEST_LONG_TEXT);

export const flag: Check<boolean> = (value, where) => {
  if (typeof value !== 'boolean') throw new ProtocolError(where, 'true or false');
  return value;
};

export const oneOf =
  <const T extends string>(values: readonly T[]): Check<T> =>
  (value, where) => {
    const found = values.find((one) => one === value);
    if (found === undefined) throw new ProtocolError(where, `one of ${values.join(', ')}`);
    return found;
  };

export const optional =
  <T>(check: Check<T>): Check<T | undefined> =>
  (value, where) =>
    value === undefined ? undefined : check(value, where);

export const orNull =
  <T>(check: Check<T>): Check<T | null> =>
  (value, where) =>
    value === null ? null : check(value, where);

export const list =
  <T>(check: Check<T>): Check<T[]> =>
  (value, where) => {
    if (!Array.isArray(value) || value.length > LONGEST_LIST) throw new ProtocolError(where, 'a list');
    return value.map((item, index) => check(item, `${where}[${index}]`));
  };

export const pair =
  <T>(check: Check<T>): Check<readonly [T, T]> =>
  (value, where) => {
    const [a, b] = Array.isArray(value) && value.length === 2 ? (value as unknown[]) : [];
    if (a === undefined || b === undefined) throw new ProtocolError(where, 'a pair');
    return [check(a, `${where}[0]`), check(b, `${where}[1]`)];
  };

/** An object with exactly these fields: what is not named does not get through. */
export const object =
  <T extends object>(fields: { readonly [K in keyof T]-?: Check<T[K]> }): Check<T> =>
  (value, where) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      throw new ProtocolError(where, 'an object');
    const source = new Map<string, unknown>(Object.entries(value));
    const result: Partial<T> = {};
    for (const key in fields) {
      const checked = fields[key](source.get(key), `${where}.${key}`);
      if (checked !== undefined) result[key] = checked;
    }
    return result as T; // Every key of T that is not optional has been set by the loop above.
  };

export const nothing = object<Record<string, never>>({});
