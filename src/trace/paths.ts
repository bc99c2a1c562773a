/**
 * Paths of a container as strings. File names are bytes; those that are not UTF-8 keep their bytes as lone surrogates
 * U+DC80…U+DCFF (PEP 383), so that two names are one string exactly when they are the same bytes.
 */
const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export function decodePath(bytes: Uint8Array): string {
  try {
    return strict.decode(bytes);
  } catch {
    return decodeLossless(bytes);
  }
}

/** Longest valid runs as they are, each other byte by itself. */
function decodeLossless(bytes: Uint8Array): string {
  let text = '';
  for (let at = 0; at < bytes.length;) {
    const first = bytes[at] ?? 0;
    const length = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    try {
      if (length === 0 || at + length > bytes.length) throw new RangeError();
      text += strict.decode(bytes.subarray(at, at + length));
      at += length;
    } catch {
      text += String.fromCharCode(0xdc00 + first);
      at++;
    }
  }
  return text;
}

/** A path as events and tar entries may write it, without `.`, empty steps and a slash at either end; `..` stays. */
export function steps(path: string): string[] {
  return path.split('/').filter((step) => step !== '' && step !== '.');
}
