// A streaming gzip decoder that tells where SOCI checkpoints may stand.
//
//   RFC 1951, DEFLATE  https://www.rfc-editor.org/rfc/rfc1951
//   RFC 1952, gzip     https://www.rfc-editor.org/rfc/rfc1952
//
// The language is AssemblyScript: TypeScript syntax that compiles to WebAssembly, with machine integers and with
// `load`/`store` on linear memory. Each step names the section of the RFC that it follows. Where zlib and Go's
// compress/gzip are stricter than the text, so are we, because the `soci` CLI runs a layer through both.
//
// The host (../inflater.ts) gives input, calls `run` until it asks for something (`Event`), and takes the output from memory
// in place:
//
//   input   [ consumed | unread … inputEnd | slack ]
//   output  [ 32 KiB of history | new output … outputEnd | slack ]
//
// Input is copied to INPUT, or decoded where it stands in the host's part of memory, behind what the engine has for itself. Output
// goes to an area there, and from a full one to the next that the host names.
//
// The slack lets the inner loop read and write a little too far without asking: it never checks each symbol.
// Memory is fixed and small (under 1 MiB), whatever the layer's size; positions over all are 64-bit.

import { Event, Fault } from './codes';

// ---------------------------------------------------------------------------------------------------- memory

/** RFC 1951 §2: a match reaches back 32 KiB at most. */
const WINDOW: u32 = 32768;
/** A chunk of 256 KiB and the rest of the one before it. */
const INPUT_CAPACITY: u32 = (256 << 10) + 4096;
const OUTPUT_CAPACITY: u32 = 256 << 10;
/** One turn of `symbols` reads at most this far past the position that it checked. */
const INPUT_SLACK: u32 = 64;
/** One turn writes at most three literals, a match of 258 bytes, and what a wide copy puts behind it. */
const OUTPUT_SLACK: u32 = 320;
/** No header of a dynamic block is longer: 14 + 19·3 + 316·7 bits (RFC 1951 §3.2.7). */
const BLOCK_HEADER: u32 = 512;
/** Go's gzip reader gives up on a name or comment that has no NUL among its first 512 bytes; so must we. */
const HEADER_TEXT: u32 = 512;

const INPUT: usize = memory.data(INPUT_CAPACITY + 1024, 16);

/** Codes of up to this many bits are decoded by one look-up; longer ones by a second, in a table behind the first. */
const LITERAL_BITS: u32 = 11;
const DISTANCE_BITS: u32 = 8;
const LENGTH_CODE_BITS: u32 = 7;
const LITERAL_MASK: u32 = (1 << LITERAL_BITS) - 1;
const DISTANCE_MASK: u32 = (1 << DISTANCE_BITS) - 1;

// A second table holds at least two symbols, so there are at most half as many as symbols. The table of literals stands at address
// 0 (`--memoryBase` leaves it room), so that nothing has to be added to find an entry: decoding waits for each of these additions.
const LITERALS: usize = 0;
const LITERALS_SIZE: usize = 4 * ((1 << 11) + (288 / 2) * (1 << (15 - 11)));
if (INPUT < LITERALS + LITERALS_SIZE) ERROR('--memoryBase leaves no room for LITERALS');
const DISTANCES: usize = memory.data(4 * ((1 << 8) + (32 / 2) * (1 << (15 - 8))), 16);
const LENGTH_CODES: usize = memory.data(4 * (1 << 7), 16);

/** Code lengths as read from a block's header, one byte each: 286 literals and lengths, then 30 distances. */
const LENGTHS: usize = memory.data(320, 16);
/** Code lengths of the code that packs the code lengths. */
const PACKED_LENGTHS: usize = memory.data(19, 16);
/** How many codes have each length; the symbols sorted by that length; where in them the next one of each length goes. */
const COUNT: usize = memory.data(4 * 16, 16);
const SORTED: usize = memory.data(2 * 288, 16);
const NEXT: usize = memory.data(4 * 16, 16);

// ------------------------------------------------------------------------------------------------------ state

/** What `run` does next. */
const enum State {
  MemberHeader,
  BlockHeader,
  Stored,
  Symbols,
  Trailer,
  End,
}

let state: State = State.MemberHeader;
let failed: Fault = Fault.None;

let input: usize = INPUT; // where the input stands
let inputPos: u32 = 0; // its next unread byte
let inputLen: u32 = 0; // its bytes
let inputBase: u64 = 0; // bytes of the blob before it
let inputIsLast: bool = false; // nothing follows it

let output: usize = 0; // the area for the output
let outputPos: u32 = WINDOW; // end of the output in it
let outputBase: u64 = 0; // bytes of output before output + WINDOW

/** Bits that are read but not used yet, the next one lowest (RFC 1951 §3.1.1). Between steps fewer than 8. */
let bitBuffer: u64 = 0;
let bitCount: u32 = 0;

let isFinalBlock: bool = false;
let storedLeft: u32 = 0;
let fixedTablesReady: bool = false;
/** Where the output of this member begins in the area, or 0 when that is further back than any match may reach. */
let memberStart: u32 = WINDOW;

let lastBoundary: u64 = 0; // output position of the last boundary
let atIn: u64 = 0;
let atBits: u32 = 0;
let crcPromised: u32 = 0;
let sizePromised: u32 = 0;

// ----------------------------------------------------------------------------------------------- for the host

export function inputAddress(): usize {
  return INPUT;
}
/** Bytes of an area for output; the first 32 KiB are history. */
export function areaSize(): u32 {
  return WINDOW + OUTPUT_CAPACITY + OUTPUT_SLACK;
}
/** Where the output ends. */
export function outputEnd(): usize {
  return output + outputPos;
}
/** Uncompressed bytes so far, over all members. */
export function outputTotal(): f64 {
  return <f64>(outputBase + (outputPos - WINDOW));
}
/** Compressed bytes consumed, a partly used one included. */
export function inputTotal(): f64 {
  return <f64>(inputBase + inputPos);
}
export function boundaryIn(): f64 {
  return <f64>atIn;
}
export function boundaryBits(): u32 {
  return atBits;
}
export function trailerCrc(): u32 {
  return crcPromised;
}
export function trailerSize(): u32 {
  return sizePromised;
}
export function fault(): Fault {
  return failed;
}

/** Begins a blob at its first byte; the output goes to `area`. */
export function start(area: usize): void {
  begin(area, 0, 0);
  state = State.MemberHeader;
  memberStart = WINDOW;
  memory.fill(area, 0, WINDOW);
}

/**
 * Begins inside a blob, at a checkpoint (soci-format §2.4): the host has put the window into the first 32 KiB of
 * `area`; `byte` is the blob's byte before `inputBefore`, and its `bits` high bits are still to be used.
 */
export function resume(area: usize, inputBefore: f64, outputBefore: f64, bits: u32, byte: u32): void {
  begin(area, <u64>inputBefore, <u64>outputBefore);
  state = State.BlockHeader;
  memberStart = 0;
  bitCount = bits;
  bitBuffer = (<u64>byte) >> (8 - <u64>bits);
}

function begin(area: usize, inputBefore: u64, outputBefore: u64): void {
  output = area;
  input = INPUT;
  inputBase = inputBefore;
  outputBase = outputBefore;
  inputPos = 0;
  inputLen = 0;
  inputIsLast = false;
  outputPos = WINDOW;
  bitBuffer = 0;
  bitCount = 0;
  isFinalBlock = false;
  storedLeft = 0;
  failed = Fault.None;
  lastBoundary = outputBefore;
}

/** Moves the unread rest to the front of INPUT and tells its length; the host may write behind it. */
export function inputShift(): u32 {
  const rest = inputLen - inputPos;
  moveRest(INPUT);
  return rest;
}
/**
 * Goes on with `length` bytes that stand at `address`. The unread rest is put before them: it is shorter than the longest header of a
 * gzip member, 67 kB.
 */
export function inputAt(address: usize, length: u32): void {
  moveRest(address - (inputLen - inputPos));
  inputLen += length;
}
function moveRest(to: usize): void {
  inputLen -= inputPos;
  memory.copy(to, input + inputPos, inputLen);
  inputBase += inputPos;
  inputPos = 0;
  input = to;
}
export function inputCapacity(): u32 {
  return INPUT_CAPACITY;
}
export function inputAdded(length: u32): void {
  inputLen += length;
}

/** Nothing follows. Zeros after the end keep the look-ahead of a damaged stream harmless. */
export function inputEnded(): void {
  inputIsLast = true;
  memory.fill(input + inputLen, 0, 2 * INPUT_SLACK);
}

/** Makes room: output goes on in `area`, the same one or another, whose history the newest 32 KiB become. */
export function slide(area: usize): void {
  const shift = outputPos - WINDOW;
  memory.copy(area, output + shift, WINDOW);
  output = area;
  outputPos = WINDOW;
  outputBase += shift;
  memberStart = memberStart > shift ? memberStart - shift : 0;
}

/** Decodes until the host has to do something. */
export function run(): Event {
  while (true) {
    switch (state) {
      case State.MemberHeader: {
        const event = memberHeader();
        if (event != CONTINUE) return event;
        state = State.BlockHeader;
        if (isBoundary()) return Event.Boundary;
        break;
      }
      case State.BlockHeader: {
        const event = blockHeader();
        if (event != CONTINUE) return event;
        break;
      }
      case State.Stored: {
        const event = stored();
        if (event != CONTINUE) return event;
        if (endBlock()) return Event.Boundary;
        break;
      }
      case State.Symbols: {
        const event = symbols(output + memberStart);
        if (event != CONTINUE) return event;
        if (endBlock()) return Event.Boundary;
        break;
      }
      case State.Trailer: {
        const event = trailer();
        if (event != CONTINUE) return event;
        state = State.MemberHeader;
        return Event.Member;
      }
      default:
        return Event.Done;
    }
  }
}

/** A step is complete, and the next may follow. */
const CONTINUE: Event = <Event>100;

function fail(rule: Fault): Event {
  // Whatever the zeros after the end of a cut input look like: the rule that it breaks is that it ends too early.
  failed = inputIsLast && inputPos > inputLen ? Fault.Truncated : rule;
  return Event.Fault;
}

/** More input, or the verdict that there should have been some. */
function starved(): Event {
  return inputIsLast ? fail(Fault.Truncated) : Event.Input;
}

/** The end of a block: a boundary, unless it was the member's last one (soci-format §2.3). */
function endBlock(): bool {
  if (isFinalBlock) {
    state = State.Trailer;
    return false;
  }
  state = State.BlockHeader;
  return isBoundary();
}

/**
 * Notes a boundary. One that has the same output position as the one before it can never become a checkpoint, save at
 * position 0 where each one does (soci-format §2.3), so it is passed over.
 */
function isBoundary(): bool {
  const output = outputBase + (outputPos - WINDOW);
  if (output != 0 && output == lastBoundary) return false;
  lastBoundary = output;
  atIn = inputBase + inputPos;
  atBits = bitCount;
  return true;
}

// ----------------------------------------------------------------------- RFC 1952 §2.3: header of a gzip member

function memberHeader(): Event {
  // §2.2: members follow each other without anything between them, so the input may end here; but there is one at least.
  if (inputIsLast && inputPos == inputLen) {
    if (inputBase + inputPos == 0) return fail(Fault.Empty);
    state = State.End;
    return Event.Done;
  }
  const begin = input + inputPos;
  const end = input + inputLen;
  let at = begin + 10; // behind FLG: MTIME, XFL and OS (§2.3.1), on which nothing depends
  // Say what is wrong with the first bytes before asking for more, so that a blob of another kind is named as such.
  if (begin + 2 <= end && load<u16>(begin) != 0x8b1f) return fail(Fault.Magic); // §2.3.1 ID1, ID2
  if (begin + 3 <= end && load<u8>(begin, 2) != 8) return fail(Fault.Method); // §2.3.1 CM
  if (at > end) return starved();
  const flags = load<u8>(begin, 3); // §2.3.1 FLG
  if (flags & 0xe0) return fail(Fault.ReservedFlags); // §2.3.1.2
  if (flags & 4) {
    // FEXTRA, §2.3.1.1
    if (at + 2 > end) return starved();
    at += 2 + <u32>load<u16>(at);
    if (at > end) return starved();
  }
  // FNAME, then FCOMMENT, §2.3.1: both end with a NUL.
  for (let bit: u32 = 8; bit <= 16; bit <<= 1) {
    if (!(flags & bit)) continue;
    const limit = at + HEADER_TEXT;
    do {
      if (at == limit) return fail(Fault.HeaderText);
      if (at >= end) return starved();
    } while (load<u8>(at++) != 0);
  }
  if (flags & 2) {
    // FHCRC, §2.3.1: the low half of the CRC of all header bytes before it.
    if (at + 2 > end) return starved();
    if (load<u16>(at) != <u16>crc32(0, begin, at - begin)) return fail(Fault.HeaderCrc);
    at += 2;
  }
  inputPos = <u32>(at - input);
  bitBuffer = 0;
  bitCount = 0;
  // A match may not reach into the member before: to zlib each member is a stream of its own.
  memberStart = outputPos;
  return CONTINUE;
}

// ---------------------------------------------------------------------- RFC 1952 §2.3.1: CRC32 and ISIZE

function trailer(): Event {
  bitBuffer = 0; // the rest of the last byte is padding
  bitCount = 0;
  if (inputLen - inputPos < 8) return starved();
  crcPromised = load<u32>(input + inputPos);
  sizePromised = load<u32>(input + inputPos, 4);
  inputPos += 8;
  return CONTINUE;
}

// --------------------------------------------------------------------------- RFC 1951 §3.2.3: header of a block

function blockHeader(): Event {
  if (!inputIsLast && inputLen - inputPos < BLOCK_HEADER) return Event.Input;
  // Refill: whole bytes are added above the `count` bits at hand; then 56 to 63 are there. `count` keeps its low
  // three bits, since a byte that did not fit entirely is read again next time.
  let at: usize = input + inputPos;
  let bits = bitBuffer | (load<u64>(at) << (<u64>bitCount));
  let count = bitCount | 56;
  at += (count - bitCount) >> 3;

  isFinalBlock = <bool>(bits & 1); // BFINAL
  const type = (<u32>(bits >> 1)) & 3; // BTYPE
  bits >>= 3;
  count -= 3;

  if (type == 0) {
    // §3.2.4: the rest of the byte is skipped, then LEN and its complement.
    at -= count >> 3;
    inputPos = <u32>(at - input) + 4;
    bitBuffer = 0;
    bitCount = 0;
    if (inputPos > inputLen) return fail(Fault.Truncated);
    storedLeft = load<u16>(at);
    if (storedLeft != ((<u32>load<u16>(at, 2)) ^ 0xffff)) return fail(Fault.StoredLength);
    state = State.Stored;
    return CONTINUE;
  }
  if (type == 1) {
    fixedTables();
    return beginSymbols(at, bits, count);
  }
  if (type == 2) return dynamicTables(at, bits, count);
  inputPos = <u32>(at - input) - (count >> 3);
  return fail(Fault.BlockType);
}

/** Gives the whole bytes in the bit buffer back to the input; what is left of the last one stays. */
function putBack(at: usize, bits: u64, count: u32): void {
  inputPos = <u32>(at - input) - (count >> 3);
  bitCount = count & 7;
  bitBuffer = bits & (((<u64>1) << (<u64>bitCount)) - 1);
}

function beginSymbols(at: usize, bits: u64, count: u32): Event {
  putBack(at, bits, count);
  if (inputPos > inputLen) return fail(Fault.Truncated);
  state = State.Symbols;
  return CONTINUE;
}

// ------------------------------------------------------------------------------ RFC 1951 §3.2.4: stored blocks

function stored(): Event {
  while (storedLeft) {
    const available = inputLen - inputPos;
    const room = WINDOW + OUTPUT_CAPACITY - outputPos;
    const length = min(storedLeft, min(available, room));
    if (room == 0) return Event.Output;
    if (length == 0) return starved();
    memory.copy(output + outputPos, input + inputPos, length);
    outputPos += length;
    inputPos += length;
    storedLeft -= length;
  }
  return CONTINUE;
}

// ------------------------------------------------------------------- RFC 1951 §3.2.2: Huffman codes as tables
//
// An entry tells what the next bits mean. Its low 6 bits are the number of bits to drop, so that a shift, which takes
// its count modulo 64, can use the entry as it is.
//
//   literal         bits 0–5 code length, LITERAL, bits 16–23 the byte
//   length or       bits 0–5 code length + extra bits, bits 8–13 DEAD + code length alone,
//     distance      bits 16–31 base value
//   second table    bits 0–5 bits of the first table, SPECIAL | SECOND, bits 8–11 bits of the second, bits 16–31 where
//   end of block    bits 0–5 code length, SPECIAL | END
//   unused code     SPECIAL

const LITERAL: u32 = 1 << 6;
const SPECIAL: u32 = 1 << 7;
const END: u32 = 1 << 12;
const SECOND: u32 = 1 << 13;

/**
 * `symbols` keeps the last two bits that it has dropped below the next one. So what it looks up is four times the index of an entry:
 * its address in the table.
 */
const DEAD: u32 = 2;

/** Which alphabet a code is for: each has its own rule for incomplete codes. */
const enum Alphabet {
  CodeLengths,
  Literals,
  Distances,
}

/** RFC 1951 §3.2.5: base value and number of extra bits of the length symbols from 257 on. */
const LENGTH_BASE: usize = memory.data<u16>([
  3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195,
  227, 258,
]);
const LENGTH_EXTRA: usize = memory.data<u8>([
  0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0,
]);
/** RFC 1951 §3.2.5: the same for the distance symbols. */
const DISTANCE_BASE: usize = memory.data<u16>([
  1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097,
  6145, 8193, 12289, 16385, 24577,
]);
const DISTANCE_EXTRA: usize = memory.data<u8>([
  0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13,
]);
/** RFC 1951 §3.2.7: the order in which the lengths of the code length code are sent. */
const LENGTH_ORDER: usize = memory.data<u8>([
  16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15,
]);

/** The entry of a symbol whose code (or the part of it that this table sees) has `length` bits. */
function entryOf(alphabet: Alphabet, symbol: u32, length: u32): u32 {
  if (alphabet == Alphabet.CodeLengths) return (symbol << 16) | length;
  if (alphabet == Alphabet.Literals) {
    if (symbol < 256) return (symbol << 16) | LITERAL | length;
    if (symbol == 256) return SPECIAL | END | length;
    symbol -= 257;
    if (symbol >= 29) return SPECIAL; // 286 and 287 take part in the fixed code, but never occur (§3.2.6)
    return (
      ((<u32>load<u16>(LENGTH_BASE + 2 * symbol)) << 16) |
      ((DEAD + length) << 8) |
      (length + load<u8>(LENGTH_EXTRA + symbol))
    );
  }
  if (symbol >= 30) return SPECIAL; // likewise 30 and 31
  return (
    ((<u32>load<u16>(DISTANCE_BASE + 2 * symbol)) << 16) |
    ((DEAD + length) << 8) |
    (length + load<u8>(DISTANCE_EXTRA + symbol))
  );
}

/**
 * RFC 1951 §3.2.2: makes the table of the code that `lengths` describes. False when there is no such code. The table is
 * looked up with the first bit of a code lowest, while the RFC writes it highest (§3.1.1): here codes are kept reversed.
 */
function build(table: usize, tableBits: u32, lengths: usize, symbols: u32, alphabet: Alphabet): bool {
  // Step 1: how many codes there are of each length.
  memory.fill(COUNT, 0, 4 * 16);
  for (let i: u32 = 0; i < symbols; i++) {
    const count = COUNT + 4 * <usize>load<u8>(lengths + i);
    store<u32>(count, load<u32>(count) + 1);
  }
  let longest: u32 = 15;
  while (longest > 0 && load<u32>(COUNT + 4 * longest) == 0) longest--;

  // Step 2: the order in which the codes are given out, by length and then by symbol. `free` counts those that are left.
  let free: i32 = 1;
  let used: u32 = 0;
  for (let length: u32 = 1; length <= 15; length++) {
    const count = load<u32>(COUNT + 4 * length);
    store<u32>(NEXT + 4 * length, used);
    used += count;
    free = (free << 1) - <i32>count;
    if (free < 0) return false;
  }
  // Some codes may stay unused (§3.2.7 allows a distance code of one symbol, or of none at all): as in zlib, only where
  // no code is longer than one bit, and never for the code lengths.
  if (free > 0 && (alphabet == Alphabet.CodeLengths || longest > 1)) return false;
  for (let symbol: u32 = 0; symbol < symbols; symbol++) {
    const length = <u32>load<u8>(lengths + symbol);
    if (length == 0) continue;
    const next = NEXT + 4 * length;
    const index = load<u32>(next);
    store<u32>(next, index + 1);
    store<u16>(SORTED + 2 * index, <u16>symbol);
  }

  // Step 3: the codes, in that order. The table begins as a single place that no code fills yet, and is doubled for each
  // bit more; so an entry comes to stand at every place whose low bits are its code.
  store<u32>(table, SPECIAL);
  let code: u32 = 0;
  let at = SORTED;
  for (let length: u32 = 1; length <= tableBits; length++) {
    memory.copy(table + (2 << length), table, 2 << length);
    for (let n = load<u32>(COUNT + 4 * length); n > 0; n--) {
      store<u32>(table + 4 * code, entryOf(alphabet, load<u16>(at), length));
      code = following(code, length);
      at += 2;
    }
  }
  // Longer codes stand in second tables behind the first, all of one size, one for each beginning that such codes share.
  const secondBits = longest - tableBits;
  let second: u32 = 1 << tableBits;
  for (let length: u32 = tableBits + 1; length <= longest; length++) {
    for (let n = load<u32>(COUNT + 4 * length); n > 0; n--) {
      const first = table + 4 * (code & ((1 << tableBits) - 1));
      if (load<u32>(first) == SPECIAL) {
        store<u32>(first, SPECIAL | SECOND | (second << 16) | (secondBits << 8) | tableBits);
        second += 1 << secondBits;
      }
      const entry = entryOf(alphabet, load<u16>(at), length - tableBits);
      const base = table + 4 * (load<u32>(first) >> 16);
      for (let i = code >> tableBits; i < 1 << secondBits; i += 1 << (length - tableBits))
        store<u32>(base + 4 * i, entry);
      code = following(code, length);
      at += 2;
    }
  }
  return true;
}

/** The next reversed code of the same length: one is added at its other end. */
function following(code: u32, length: u32): u32 {
  const lowest = 0x80000000 >> clz(code ^ ((1 << length) - 1));
  return (code & (lowest - 1)) | lowest;
}

/** RFC 1951 §3.2.6. */
function fixedTables(): void {
  if (fixedTablesReady) return;
  memory.fill(LENGTHS, 8, 144);
  memory.fill(LENGTHS + 144, 9, 112);
  memory.fill(LENGTHS + 256, 7, 24);
  memory.fill(LENGTHS + 280, 8, 8);
  memory.fill(LENGTHS + 288, 5, 32);
  build(LITERALS, LITERAL_BITS, LENGTHS, 288, Alphabet.Literals);
  build(DISTANCES, DISTANCE_BITS, LENGTHS + 288, 32, Alphabet.Distances);
  fixedTablesReady = true;
}

/** RFC 1951 §3.2.7: the two codes of a block, themselves packed by a third. */
function dynamicTables(at: usize, bits: u64, count: u32): Event {
  fixedTablesReady = false;
  const literals = ((<u32>bits) & 31) + 257; // HLIT
  const distances = ((<u32>(bits >> 5)) & 31) + 1; // HDIST
  const packed = ((<u32>(bits >> 10)) & 15) + 4; // HCLEN
  bits >>= 14;
  count -= 14;
  let rule: Fault = literals > 286 || distances > 30 ? Fault.SymbolCounts : Fault.None;

  memory.fill(PACKED_LENGTHS, 0, 19);
  for (let i: u32 = 0; i < packed; i++) {
    if (count < 3) {
      bits |= load<u64>(at) << (<u64>count);
      at += 7 - (count >> 3);
      count |= 56;
    }
    store<u8>(PACKED_LENGTHS + <usize>load<u8>(LENGTH_ORDER + i), (<u8>bits) & 7);
    bits >>= 3;
    count -= 3;
  }
  if (!rule && !build(LENGTH_CODES, LENGTH_CODE_BITS, PACKED_LENGTHS, 19, Alphabet.CodeLengths))
    rule = Fault.LengthCode;

  const all = literals + distances;
  for (let i: u32 = 0; i < all && !rule;) {
    if (count < 14) {
      // The header's end is never this far ahead of the input's, except where the input is cut.
      if (at > input + inputLen + INPUT_SLACK) break;
      bits |= load<u64>(at) << (<u64>count);
      at += 7 - (count >> 3);
      count |= 56;
    }
    const entry = load<u32>(LENGTH_CODES + 4 * ((<u32>bits) & 127));
    bits >>= <u64>(entry & 15);
    count -= entry & 15;
    const symbol = entry >> 16;
    if (symbol < 16) {
      store<u8>(LENGTHS + i++, <u8>symbol);
      continue;
    }
    let value: u8 = 0;
    let times: u32;
    let extra: u32;
    if (symbol == 16) {
      if (i == 0) {
        rule = Fault.RepeatNothing;
        break;
      }
      value = load<u8>(LENGTHS + i - 1);
      times = 3 + ((<u32>bits) & 3);
      extra = 2;
    } else if (symbol == 17) {
      times = 3 + ((<u32>bits) & 7);
      extra = 3;
    } else {
      times = 11 + ((<u32>bits) & 127);
      extra = 7;
    }
    bits >>= <u64>extra;
    count -= extra;
    if (i + times > all) {
      rule = Fault.RepeatTooLong;
      break;
    }
    memory.fill(LENGTHS + i, value, times);
    i += times;
  }
  const event = beginSymbols(at, bits, count);
  if (event != CONTINUE) return event;
  if (!rule && load<u8>(LENGTHS + 256) == 0) rule = Fault.NoEndOfBlock;
  if (!rule && !build(LITERALS, LITERAL_BITS, LENGTHS, literals, Alphabet.Literals)) rule = Fault.LiteralCode;
  if (!rule && !build(DISTANCES, DISTANCE_BITS, LENGTHS + literals, distances, Alphabet.Distances))
    rule = Fault.DistanceCode;
  if (rule) return fail(rule);
  return CONTINUE;
}

// ------------------------------------------------------------ RFC 1951 §3.2.3, §3.2.5: the symbols of a block

/**
 * For each distance below 16, which of the 16 bytes there make the next 16 bytes of output, where they repeat; and how many of
 * these can be counted on: a multiple of the distance.
 */
const PATTERNS: usize = memory.data(16 * 16, 16);
const PATTERN_LENGTHS: usize = memory.data(16);
for (let distance: u32 = 1; distance < 16; distance++) {
  for (let i: u32 = 0; i < 16; i++) store<u8>(PATTERNS + 16 * distance + i, <u8>(i % distance));
  store<u8>(PATTERN_LENGTHS + distance, <u8>(16 - (16 % distance)));
}

function symbols(member: usize): Event {
  let at: usize = input + inputPos;
  let out: usize = output + outputPos;
  // With the last input at hand the loop may run into the zeros behind it; what it read too much is seen at its end.
  const atEnd: usize = inputIsLast ? input + inputLen + INPUT_SLACK - 8 : input + inputLen - INPUT_SLACK;
  const outEnd: usize = output + WINDOW + OUTPUT_CAPACITY - OUTPUT_SLACK;
  if (!inputIsLast && inputLen < INPUT_SLACK) return Event.Input;
  if (at >= atEnd) return starved();
  if (out >= outEnd) return Event.Output;

  // Only the low 6 bits of `count` count. That lets an entry be subtracted as a whole. The dead bits are among them.
  let bits = bitBuffer << DEAD;
  let count = bitCount + DEAD;
  let before: u64;
  let rule: Fault = Fault.None;
  let event: Event = CONTINUE;

  // The time goes into waiting: for one entry, which tells where the next one is, and for the right way where the processor has guessed a
  // wrong one. So nothing that can wait stands between two look-ups, each refill comes behind the next look-up, and `far`, the entry of
  // the distance that follows if this is a length, is looked up before that is known.
  bits |= load<u64>(at) << (<u64>count);
  at = at + 7 - ((count >> 3) & 7);
  count |= 56;
  let entry = load<u32>(LITERALS + ((<u32>bits) & (LITERAL_MASK << DEAD)));
  let far: u32;
  while (true) {
    // At least 54 bits are here, not counting the dead ones: three look-ups of literals, or two and a length, need 38.
    before = bits;
    bits >>= <u64>entry;
    count -= entry;
    far = load<u32>(DISTANCES + ((<u32>bits) & (DISTANCE_MASK << DEAD)));
    if (entry & LITERAL) {
      store<u8>(out++, entry >> 16);
      entry = load<u32>(LITERALS + ((<u32>bits) & (LITERAL_MASK << DEAD)));
      before = bits;
      bits >>= <u64>entry;
      count -= entry;
      far = load<u32>(DISTANCES + ((<u32>bits) & (DISTANCE_MASK << DEAD)));
      if (entry & LITERAL) {
        store<u8>(out++, entry >> 16);
        entry = load<u32>(LITERALS + ((<u32>bits) & (LITERAL_MASK << DEAD)));
        before = bits;
        bits >>= <u64>entry;
        count -= entry;
        far = load<u32>(DISTANCES + ((<u32>bits) & (DISTANCE_MASK << DEAD)));
        if (entry & LITERAL) {
          store<u8>(out++, entry >> 16);
          entry = load<u32>(LITERALS + ((<u32>bits) & (LITERAL_MASK << DEAD)));
          bits |= load<u64>(at) << (<u64>count);
          at = at + 7 - ((count >> 3) & 7);
          count |= 56;
          // While both have room, both differences are negative.
          if (<i32>((at - atEnd) & (out - outEnd)) < 0) continue;
          event = out >= outEnd ? Event.Output : Event.Input;
          break;
        }
      }
    }
    if (entry & SPECIAL) {
      if (entry & END) break;
      if (!(entry & SECOND)) {
        rule = Fault.UnusedLiteral;
        break;
      }
      entry = second(LITERALS, entry, bits);
      before = bits;
      bits >>= <u64>entry;
      count -= entry;
      if (entry & LITERAL) {
        store<u8>(out, entry >> 16);
        out++;
        entry = load<u32>(LITERALS + ((<u32>bits) & (LITERAL_MASK << DEAD)));
        bits |= load<u64>(at) << (<u64>count);
        at = at + 7 - ((count >> 3) & 7);
        count |= 56;
        if (<i32>((at - atEnd) & (out - outEnd)) < 0) continue;
        event = out >= outEnd ? Event.Output : Event.Input;
        break;
      }
      if (entry & SPECIAL) {
        if (!(entry & END)) rule = Fault.UnusedLiteral;
        break;
      }
      far = load<u32>(DISTANCES + ((<u32>bits) & (DISTANCE_MASK << DEAD)));
    }

    // A length, its extra bits, then a distance of up to 28 bits with its own.
    const length = (entry >> 16) + extra(before, entry);
    bits |= load<u64>(at) << (<u64>count);
    at = at + 7 - ((count >> 3) & 7);
    count |= 56;
    if (far & SPECIAL) {
      if (!(far & SECOND)) {
        rule = Fault.UnusedDistance;
        break;
      }
      bits >>= <u64>DISTANCE_BITS;
      count -= DISTANCE_BITS;
      far = second(DISTANCES, far, bits);
      if (far & SPECIAL) {
        rule = Fault.UnusedDistance;
        break;
      }
    }
    before = bits;
    bits >>= <u64>far;
    count -= far;
    const distance = (far >> 16) + extra(before, far);
    let from = out - distance;
    if (from < member) {
      rule = Fault.TooFarBack;
      break;
    }
    let to = out;
    out += length;
    // At least 26 bits are left. The next look-up is begun before the copy, so that the two run side by side.
    entry = load<u32>(LITERALS + ((<u32>bits) & (LITERAL_MASK << DEAD)));
    bits |= load<u64>(at) << (<u64>count);
    at = at + 7 - ((count >> 3) & 7);
    count |= 56;
    // Copies go past the end; the next symbols overwrite the excess. Most matches are short: 32 bytes need no loop.
    if (distance >= 16) {
      v128.store(to, v128.load(from));
      v128.store(to, v128.load(from, 16), 16);
      if (length > 32) {
        to += 32;
        do {
          from += 16;
          v128.store(to, v128.load(from, 16));
          to += 16;
        } while (to < out);
      }
    } else {
      // The source overlaps its copy: the bytes between them repeat.
      const pattern = v128.swizzle(v128.load(from), v128.load(PATTERNS + 16 * distance));
      const step = <u32>load<u8>(PATTERN_LENGTHS + distance);
      do {
        v128.store(to, pattern);
        to += step;
      } while (to < out);
    }
    if (<i32>((at - atEnd) & (out - outEnd)) < 0) continue;
    event = out >= outEnd ? Event.Output : Event.Input;
    break;
  }

  putBack(at, bits >> DEAD, (count & 63) - DEAD);
  outputPos = <u32>(out - output);
  if (rule) return fail(rule);
  if (inputIsLast && (inputPos > inputLen || event == Event.Input)) return fail(Fault.Truncated);
  return event;
}

/** The entry in a second table, behind `table`, that `first` tells of. `bits` are those behind the first one's. */
function second(table: usize, first: u32, bits: u64): u32 {
  const secondBits = (first >> 8) & 15;
  return load<u32>(table + 4 * (first >> 16) + ((<u32>bits) & (((1 << secondBits) - 1) << DEAD)));
}

/** §3.2.5: the value of the extra bits of a length or a distance; `bits` begin with its code. */
function extra(bits: u64, entry: u32): u32 {
  return <u32>((bits & (((<u64>(1 << DEAD)) << (<u64>entry)) - 1)) >> (<u64>(entry >> 8)));
}

// ------------------------------------------------------------------------------- RFC 1952 §8: CRC-32

// The data is a polynomial whose coefficients are bits, and its CRC the remainder modulo the one of §8. With y = x¹²⁸ that one divides
//
//   y³⁰⁰ + y¹⁵⁵ + y¹¹⁷ + y⁸⁹ + 1
//
// so 16 bytes may be taken out where they stand and added (xor) 145, 183, 211 and 300 times 16 bytes further on, without changing
// the remainder. Done from the front on, that leaves the last 300 times 16 bytes, for which there are tables. It needs no
// multiplication, and so is three times as fast here as tables for all (Russell, Chorba, arXiv:2412.16398; the polynomial was searched
// among those of five terms, for the lowest degree).

/** Bytes that are taken out at once. */
const LANE: usize = 16;
const FOLDED: usize = 300 * LANE;
/** Shorter data is not worth it. */
const FOLD_MIN: usize = 3 * FOLDED;
/** What each 16 bytes have become when it was their turn: those before which the next ones need, and room for more. */
const FOLDS: usize = memory.data(300 * 16 + (16 << 10), 16);
const FOLDS_END: usize = FOLDS + FOLDED + (16 << 10);

/** The 16 bytes at `from`, with what was taken out before and added here. `at` is where they are to stand. */
function folded(from: usize, at: usize): v128 {
  const near = v128.xor(v128.load(at - 145 * LANE), v128.load(at - 183 * LANE));
  const far = v128.xor(v128.load(at - 211 * LANE), v128.load(at - 300 * LANE));
  return v128.xor(v128.load(from), v128.xor(near, far));
}

/** The last ones become the first, so that more can follow. */
function foldsAgain(at: usize): usize {
  memory.copy(FOLDS, at - FOLDED, FOLDED);
  return FOLDS + FOLDED;
}

/**
 * Reduces `count` times 16 bytes at `from`, more than 300 times, to 300 times, and tells where these are. Their CRC, begun with a state
 * of 0, is that of all, begun with `state`.
 */
function fold(state: u32, from: usize, count: u32): usize {
  memory.fill(FOLDS, 0, FOLDED);
  let at = FOLDS + FOLDED;
  v128.store(at, v128.xor(v128.load(from), i32x4(state, 0, 0, 0)));
  at += LANE;
  from += LANE;
  for (let left: u32 = count - 301; left > 0;) {
    const step = min(left, <u32>((FOLDS_END - at) / LANE));
    left -= step;
    const end = at + step * LANE;
    for (; at + 4 * LANE <= end; at += 4 * LANE, from += 4 * LANE) {
      v128.store(at, folded(from, at));
      v128.store(at, folded(from + LANE, at + LANE), LANE);
      v128.store(at, folded(from + 2 * LANE, at + 2 * LANE), 2 * LANE);
      v128.store(at, folded(from + 3 * LANE, at + 3 * LANE), 3 * LANE);
    }
    for (; at < end; at += LANE, from += LANE) v128.store(at, folded(from, at));
    if (at == FOLDS_END) at = foldsAgain(at);
  }
  // The last ones take what those before them left; they stay, so none of them adds to another.
  if (at + FOLDED > FOLDS_END) at = foldsAgain(at);
  for (let i: u32 = 0; i < 300; i++, from += LANE) {
    const to = at + i * LANE;
    let sum = v128.xor(v128.load(from), v128.load(to - 300 * LANE));
    if (i < 145) sum = v128.xor(sum, v128.load(to - 145 * LANE));
    if (i < 183) sum = v128.xor(sum, v128.load(to - 183 * LANE));
    if (i < 211) sum = v128.xor(sum, v128.load(to - 211 * LANE));
    v128.store(to, sum);
  }
  return at;
}

/** Eight tables of 256: `CRC[k][b]` is the CRC of byte `b` followed by `k` zero bytes. */
const CRC: usize = memory.data(4 * 256 * 8, 16);
let crcReady: bool = false;

function crcTables(): void {
  for (let byte: u32 = 0; byte < 256; byte++) {
    let crc = byte;
    for (let i = 0; i < 8; i++) crc = crc & 1 ? (crc >> 1) ^ 0xedb88320 : crc >> 1;
    store<u32>(CRC + 4 * byte, crc);
  }
  for (let i: u32 = 256; i < 256 * 8; i++) {
    const crc = load<u32>(CRC + 4 * (i - 256));
    store<u32>(CRC + 4 * i, (crc >> 8) ^ load<u32>(CRC + 4 * (crc & 255)));
  }
  crcReady = true;
}

/** The CRC of `length` bytes at `from`, going on from `crc`. */
export function crc32(crc: u32, from: usize, length: usize): u32 {
  if (!crcReady) crcTables();
  let state = ~crc;
  if (length >= FOLD_MIN) {
    const count = length / LANE;
    state = crcByTables(0, fold(state, from, <u32>count), FOLDED);
    from += count * LANE;
    length -= count * LANE;
  }
  return ~crcByTables(state, from, length);
}

function crcByTables(crc: u32, from: usize, length: usize): u32 {
  const end = from + length;
  for (; from + 8 <= end; from += 8) {
    const low = crc ^ load<u32>(from);
    const high = load<u32>(from, 4);
    crc =
      load<u32>(CRC + 4 * (low & 255), 4 * 256 * 7) ^
      load<u32>(CRC + 4 * ((low >> 8) & 255), 4 * 256 * 6) ^
      load<u32>(CRC + 4 * ((low >> 16) & 255), 4 * 256 * 5) ^
      load<u32>(CRC + 4 * (low >> 24), 4 * 256 * 4) ^
      load<u32>(CRC + 4 * (high & 255), 4 * 256 * 3) ^
      load<u32>(CRC + 4 * ((high >> 8) & 255), 4 * 256 * 2) ^
      load<u32>(CRC + 4 * ((high >> 16) & 255), 4 * 256) ^
      load<u32>(CRC + 4 * (high >> 24));
  }
  for (; from < end; from++) crc = (crc >> 8) ^ load<u32>(CRC + 4 * ((crc ^ load<u8>(from)) & 255));
  return crc;
}
