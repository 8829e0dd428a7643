// Whether two halves are faster than the whole: of what waits, one half is encoded and its producers are told while
// the other syncs. That pays where the disk takes less time for a commit than this side does for its records; where
// it takes longer, two syncs in place of one are what counts. Pure: told the times, knows no clock.

/** The share that the newest time has in an average. */
const NEWEST = 1 / 8;

/** As much as somebody had, for records that are not all of one size. */
const ABOUT = 0.9;

/** An average that follows. */
class Average {
  #value: number | undefined;

  get value(): number {
    return this.#value ?? 0;
  }

  add(value: number): void {
    this.#value = this.#value === undefined ? value : this.#value + (value - this.#value) * NEWEST;
  }
}

export class Balance {
  /** What a commit takes, in ms. */
  readonly #disk = new Average();
  /** What this side takes for each byte of lines, in ms: to encode it, and to tell and hear its producers. */
  readonly #encoding = new Average();
  readonly #telling = new Average();
  /** Who was told last: since when, where they have not come again yet, and how many bytes they had. */
  #toldAt: number | undefined;
  #toldBytes = 0;

  /** A commit took so long, in ms. */
  written(ms: number): void {
    this.#disk.add(ms);
  }

  /** Encoding so many bytes of lines took so long, in ms. */
  encoded(ms: number, bytes: number): void {
    if (bytes > 0) this.#encoding.add(ms / bytes);
  }

  /** From now on, whoever waited for so many bytes of lines is told. */
  tells(now: number, bytes: number): void {
    if (bytes === 0) return;
    this.#toldAt = now;
    this.#toldBytes = bytes;
  }

  /** Whether, of so many bytes that wait, it looks as if those have come again who were told last. */
  haveComeAgain(bytes: number): boolean {
    return bytes >= this.#toldBytes * ABOUT;
  }

  /** By now they were told, and have come again. */
  heard(now: number): void {
    if (this.#toldAt !== undefined) this.#telling.add((now - this.#toldAt) / this.#toldBytes);
    this.#toldAt = undefined;
  }

  /** Whether the disk needs less time for a commit than this side does for so many bytes of lines. */
  isDiskFaster(bytes: number): boolean {
    return this.#disk.value <= (this.#encoding.value + this.#telling.value) * bytes;
  }
}
