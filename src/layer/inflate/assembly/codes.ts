// The words that the engine and its host share. AssemblyScript and TypeScript both compile this file.

/** Why `run` came back. */
export enum Event {
  /** The input is used up to a short rest: add more, or say that there is no more. */
  Input,
  /** The output buffer is full: take it, then `slide`. */
  Output,
  /** A place where a checkpoint may stand (soci-format §2.3); `boundaryIn`, `boundaryOut` and `boundaryBits` tell where. */
  Boundary,
  /** A gzip member has ended; `trailerCrc` and `trailerSize` hold what its trailer promises. */
  Member,
  /** The last member ended with the last byte of the input. */
  Done,
  /** The input breaks a rule; `fault` tells which. */
  Fault,
}

/** The rule that the input breaks. `Crc` and `Size` are found by the host, all others by the engine. */
export enum Fault {
  None,
  Empty,
  Truncated,
  Magic,
  Method,
  ReservedFlags,
  HeaderText,
  HeaderCrc,
  BlockType,
  StoredLength,
  SymbolCounts,
  LengthCode,
  RepeatNothing,
  RepeatTooLong,
  NoEndOfBlock,
  LiteralCode,
  DistanceCode,
  UnusedLiteral,
  UnusedDistance,
  TooFarBack,
  Crc,
  Size,
}
