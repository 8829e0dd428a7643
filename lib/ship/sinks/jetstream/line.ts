// What a sink must know of a line to publish it: its id and its seq. Both stand at its beginning, so that nothing is
// parsed that is only passed on.

/** A line of a batch. */
export interface Line {
  readonly id: string;
  readonly seq: number;
  /** Without its `\n`: a message has an end of its own. */
  readonly bytes: Buffer;
}

const BEGINNING = /^\{"id":"([^"\\]{1,200})","seq":(\d{1,16}),/;
const BEGINNING_BYTES_MAX = 256;

/** The lines of a batch's body, in their order. */
export function linesIn(body: Buffer): Line[] {
  const lines: Line[] = [];
  for (let from = 0; from < body.length;) {
    const end = body.indexOf(0x0a, from);
    if (end < 0) throw new TypeError('a line of a batch has no end');
    const bytes = body.subarray(from, end);
    const found = BEGINNING.exec(bytes.toString('latin1', 0, BEGINNING_BYTES_MAX));
    if (!found) throw new TypeError('a line of a batch does not begin with its id and seq');
    lines.push({ id: found[1]!, seq: Number(found[2]), bytes });
    from = end + 1;
  }
  return lines;
}

/** The seq in a line's id: `<writer>:<kind>:<seq>`, a notice's `<logId>:<kind>:gap:<from>-<to>`. */
export function seqOf(id: string): number | undefined {
  const found = /[:-](\d{1,16})$/.exec(id);
  return found ? Number(found[1]) : undefined;
}
