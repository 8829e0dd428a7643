// The small encodings inside LevelDB's files: numbers of seven bits a byte, lowest first, or of whole bytes, and
// strings behind their length. Reads only within its bounds.

/** More bytes than a number in these files ever has. */
const VARINT_BYTES_MAX = 10;

/** A place in a buffer, moved by what is read; `ok` turns false, for good, where nothing sensible is there. */
export class Reader {
  readonly #bytes: Buffer;
  readonly #end: number;
  at: number;
  ok = true;

  constructor(bytes: Buffer, at = 0, end = bytes.length) {
    this.#bytes = bytes;
    this.at = at;
    this.#end = end;
  }

  get done(): boolean {
    return !this.ok || this.at >= this.#end;
  }

  /** 0 where `ok` is, or turns, false. */
  varint(): number {
    let value = 0;
    for (let n = 0, scale = 1; this.ok && n < VARINT_BYTES_MAX && this.at < this.#end; n++, scale *= 128) {
      const byte = this.#bytes[this.at++]!;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
    this.ok = false;
    return 0;
  }

  /** So many bytes, not copied; empty where `ok` is, or turns, false. */
  take(length: number): Buffer {
    if (!this.ok || length > this.#end - this.at) {
      this.ok = false;
      return Buffer.alloc(0);
    }
    this.at += length;
    return this.#bytes.subarray(this.at - length, this.at);
  }

  /** A number of so many whole bytes, at most 6, lowest first; 0 where `ok` is, or turns, false. */
  uint(bytes: number): number {
    const taken = this.take(bytes);
    return this.ok ? taken.readUIntLE(0, bytes) : 0;
  }

  string(): Buffer {
    return this.take(this.varint());
  }
}

export function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 0x80; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 0x80);
  return Buffer.from([...bytes, rest]);
}
