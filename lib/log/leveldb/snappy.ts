// Unpacks what LevelDB packs with snappy: literal bytes, and copies of bytes that stand before. Pure. It must not trust
// what it reads: it takes no more memory than the bytes given could ever become, and reads and writes within it.

import { Reader } from './varint.js';

/** What one byte becomes at most, rounded up: three of them say "64 bytes from before". */
const EXPANSION_MAX = 22;
/** Up to here a literal's length is in its tag; beyond it, the tag says how many bytes the length takes. */
const SHORT_LITERAL_MAX = 60;

/** The next `length` bytes: `back` bytes before, or, where that is `undefined`, behind this in the packed bytes. */
interface Element {
  readonly length: number;
  readonly back: number | undefined;
}

/** The bytes that were packed; `undefined` where these are not the whole of what snappy writes. */
export function unpack(packed: Buffer): Buffer | undefined {
  const reader = new Reader(packed);
  const bytes = reader.varint();
  if (!reader.ok || bytes > packed.length * EXPANSION_MAX) return undefined;
  const unpacked = Buffer.alloc(bytes);
  let at = 0;
  while (!reader.done) {
    const { length, back } = nextElement(reader);
    if (length > bytes - at) return undefined;
    if (back === undefined) reader.take(length).copy(unpacked, at);
    else if (back === 0 || back > at) return undefined;
    // One byte at a time: a copy may go on into what it has itself written.
    else for (let n = at; n < at + length; n++) unpacked[n] = unpacked[n - back]!;
    at += length;
  }
  return reader.ok && at === bytes ? unpacked : undefined;
}

/** By the lowest two bits of its first byte: a literal, or a copy whose distance takes one, two or four bytes. */
function nextElement(reader: Reader): Element {
  const tag = reader.uint(1);
  const upper = tag >> 2;
  switch (tag & 3) {
    case 0:
      return {
        length: 1 + (upper < SHORT_LITERAL_MAX ? upper : reader.uint(upper - SHORT_LITERAL_MAX + 1)),
        back: undefined,
      };
    case 1:
      return { length: 4 + (upper & 7), back: (tag >> 5) * 256 + reader.uint(1) };
    case 2:
      return { length: 1 + upper, back: reader.uint(2) };
    default:
      return { length: 1 + upper, back: reader.uint(4) };
  }
}
