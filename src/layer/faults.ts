import { LensError } from '../errors';
import { Fault } from './inflate/inflater';
import type { TarFault } from './tar';

/** Where and how a gzip stream is broken. */
export interface GzipFault {
  readonly fault: Fault;
  /** Bytes of the blob before the place. */
  readonly in: number;
  /** Bytes of the tar before the place. */
  readonly out: number;
  /** Members that are complete. */
  readonly members: number;
}

const RFC1951 = '1951 §';
const RFC1952 = '1952 §';

/** Each rule in words, as the end of a sentence, and the RFC where it stands. */
const RULES: Readonly<Record<Fault, readonly [rule: string, source: string]>> = {
  [Fault.None]: ['nothing is wrong', ''],
  [Fault.Empty]: ['the blob is empty, and even an empty gzip file has a header', `${RFC1952}2.2`],
  [Fault.Truncated]: ['the stream ends too early: bytes are missing', `${RFC1952}2.2`],
  [Fault.Magic]: ['this is not a gzip stream: its first bytes are not 1f 8b', `${RFC1952}2.3.1`],
  [Fault.Method]: ['the compression method is not DEFLATE', `${RFC1952}2.3.1`],
  [Fault.ReservedFlags]: ['the header sets reserved flags, which zlib refuses', `${RFC1952}2.3.1.2`],
  [Fault.HeaderText]: [
    'the file name or comment in the header is longer than 511 bytes, which Go refuses',
    `${RFC1952}2.3.1`,
  ],
  [Fault.HeaderCrc]: ['the checksum of the header, FHCRC, does not match', `${RFC1952}2.3.1`],
  [Fault.BlockType]: ['a block has the reserved type 3', `${RFC1951}3.2.3`],
  [Fault.StoredLength]: ['the two lengths of a stored block contradict each other', `${RFC1951}3.2.4`],
  [Fault.SymbolCounts]: ['a block announces more symbols than there are', `${RFC1951}3.2.7`],
  [Fault.LengthCode]: ['the code of the code lengths is not a Huffman code', `${RFC1951}3.2.7`],
  [Fault.RepeatNothing]: [
    'the first code length of a block repeats one that is not there',
    `${RFC1951}3.2.7`,
  ],
  [Fault.RepeatTooLong]: ['the code lengths of a block repeat past their end', `${RFC1951}3.2.7`],
  [Fault.NoEndOfBlock]: ['a block has no code for its end', `${RFC1951}3.2.7`],
  [Fault.LiteralCode]: ['the code of literals and lengths is not a Huffman code', `${RFC1951}3.2.2`],
  [Fault.DistanceCode]: ['the code of distances is not a Huffman code', `${RFC1951}3.2.2`],
  [Fault.UnusedLiteral]: ['a literal or length that does not exist is used', `${RFC1951}3.2.5`],
  [Fault.UnusedDistance]: ['a distance that does not exist is used', `${RFC1951}3.2.5`],
  [Fault.TooFarBack]: ['a match reaches back before the beginning of the data', `${RFC1951}3.2.5`],
  [Fault.Crc]: ['the CRC-32 of the data does not match the trailer', `${RFC1952}2.3.1`],
  [Fault.Size]: ['the length of the data does not match ISIZE in the trailer', `${RFC1952}2.3.1`],
};

const FAILS = 'container runtimes fail on it too';
/** What containerd and Docker do with the few streams that SOCI refuses and they do not: they look at the bytes, and read with Go. */
const RUNTIMES: Readonly<Partial<Record<Fault, string>>> = {
  [Fault.Empty]: 'container runtimes take it for an empty layer',
  [Fault.Magic]: 'container runtimes go by the bytes, and unpack it all the same where they are a plain tar',
  [Fault.ReservedFlags]:
    'container runtimes that decode with Go ignore them and unpack the layer all the same',
};

/** The verdict on a broken gzip stream. The `soci` CLI says `gzip error: -3` to all of them. */
export function gzipError(fault: GzipFault): LensError {
  const place = `at byte ${fault.in} of the blob (byte ${fault.out} of its tar)`;
  if (fault.fault === Fault.Magic && fault.members > 0) {
    return new LensError(
      'layer/bad-gzip',
      `Bytes follow the end of the layer's gzip stream ${place}, and they do not begin another one (RFC 1952 §2.2); some tools ignore them, but neither SOCI nor containerd does.`,
      'Compress the layer again, or push the image again from the tool that built it.',
    );
  }
  const [rule, source] = RULES[fault.fault];
  const runtimes = RUNTIMES[fault.fault] ?? FAILS;
  if (fault.in === 0 && fault.fault === Fault.Magic) {
    return new LensError(
      'layer/bad-gzip',
      `The layer is called gzip by its media type, but ${rule} (RFC ${source}); ${runtimes}.`,
      'Check how the image was pushed: the media type of the layer and its bytes must agree.',
    );
  }
  return new LensError(
    'layer/bad-gzip',
    `The layer's gzip stream is broken ${place}: ${rule} (RFC ${source}); ${runtimes}.`,
    'Fetch or build the image again; a damaged copy in a registry has to be pushed anew.',
  );
}

/** The verdict on a broken tar in a sound blob. `blobAt` is about where in the blob it was found. */
export function tarError(fault: TarFault, blobAt: number): LensError {
  const place = `at byte ${fault.at} of the tar (near byte ${blobAt} of the blob)`;
  if (fault.kind === 'entry') {
    const isGlobal = fault.rule.includes('global');
    const runtimes = isGlobal
      ? 'container runtimes unpack the layer all the same'
      : 'containerd does not unpack it either';
    return new LensError(
      'layer/unsupported-entry',
      `The layer cannot be indexed because of its entry ${place}: ${fault.rule}; ${runtimes}.`,
      isGlobal
        ? 'Leave the layer out of the index by a higher minimum layer size, or add its files with COPY instead of an archive made by `git archive`.'
        : 'Write the layer with GNU tar’s --format=posix or another tool that makes plain entries.',
    );
  }
  return new LensError(
    'layer/bad-tar',
    `The layer's tar is broken ${place}: ${fault.rule}; ${FAILS}.`,
    fault.kind === 'cut'
      ? 'Build the layer again: a part of it is missing.'
      : 'Build the layer again with a tool that writes valid tar archives.',
  );
}

/** The blob is not what its name says. */
export function digestError(expected: string, actual: string, size: number): LensError {
  return new LensError(
    'layer/digest-mismatch',
    `The layer's ${size} bytes have the digest ${actual}, but ${expected} was expected: the copy is damaged or incomplete.`,
    'Fetch the image again; if that does not help, push it again from where it was built.',
  );
}

/** The rule that an entry of a kind that SOCI does not index breaks; `flag` is its type. */
export function unsupportedEntry(flag: string): string {
  const kinds: Readonly<Record<string, string>> = {
    g: 'a pax global header',
    '7': 'a contiguous file',
    S: 'an old GNU sparse file',
  };
  return `it is ${kinds[flag] ?? 'an entry'} of type '${printable(flag)}', which SOCI does not index`;
}

/** For messages: control characters and what is not ASCII stand as escapes. */
export function printable(text: string): string {
  return JSON.stringify(text)
    .slice(1, -1)
    .replace(/[\x7f-\uffff]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
