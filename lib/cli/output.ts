// What the commands print: results on stdout, everything else on stderr; and how numbers look to people.

import bytes from 'bytes';
import Table from 'cli-table3';
import ms from 'ms';
import spinner from 'yocto-spinner';
import type { Spinner } from 'yocto-spinner';

/** Writes to stdout; resolves once whoever reads has taken it, rejects with EPIPE where nobody does any more. */
export function print(text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    process.stdout.write(text, (error) => (error ? reject(error) : resolve()));
  });
}

/** One line of JSON, or what people read instead. */
export async function printResult(json: boolean | undefined, value: object, text: string): Promise<void> {
  await print(`${json ? JSON.stringify(value) : text}\n`);
}

/** A line on stderr: it gets in no program's way. */
export function note(line: string): void {
  process.stderr.write(`${line}\n`);
}

const BORDERS =
  'top top-mid top-left top-right bottom bottom-mid bottom-left bottom-right left left-mid mid mid-mid right right-mid';

/** A table without colours or lines; the first `names` columns are text, the rest numbers. */
export function table(head: string[], rows: string[][], names = 1): string {
  const made = new Table({
    head,
    chars: { ...Object.fromEntries(BORDERS.split(' ').map((border) => [border, ''])), middle: '  ' },
    colAligns: head.map((_, column) => (column < names ? 'left' : 'right')),
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 },
  });
  made.push(...rows);
  return made.toString().replaceAll(/ +$/gm, '');
}

export function count(value: number): string {
  return value.toLocaleString('en-US');
}

/** `count(1)` and `count(2)` with their noun. */
export function counted(value: number, noun: string): string {
  return `${count(value)} ${noun}${value === 1 ? '' : 's'}`;
}

/** How many lines (or whole files) could not be read. */
export function unreadable(problems: number): string {
  return problems === 1
    ? '1 line or file could not be read'
    : `${count(problems)} lines or files could not be read`;
}

export function size(value: number): string {
  return bytes.format(value, { decimalPlaces: 1, unitSeparator: ' ' }) ?? '';
}

/** How long ago a moment (epoch ms) was. */
export function age(at: number | undefined): string {
  return at === undefined ? '' : ms(Math.max(0, Date.now() - at));
}

/** What a long command says while it works. */
export interface Progress extends Disposable {
  say(text: string): void;
}

const SAY_EVERY_MS = 80;
let spinning: Spinner | undefined;

/** A spinner where stderr is a terminal; otherwise silence. */
export function progress(text: string): Progress {
  if (!isScreen(process.stderr) || process.env['CI'] !== undefined)
    return { say: () => {}, [Symbol.dispose]: () => {} };
  const { stderr } = process;
  // Signals are interrupt.ts's: the spinner would exit on them.
  const made = spinner({ text, stream: stderr, handleSignals: false }).start();
  spinning = made;
  let saidAt = 0;
  return {
    say(next) {
      // Callers say it for every record.
      if (performance.now() - saidAt < SAY_EVERY_MS) return;
      saidAt = performance.now();
      made.text = next;
    },
    [Symbol.dispose]() {
      made.stop();
      spinning = undefined;
    },
  };
}

/** Whether a stream is a terminal that can redraw what it shows. */
export function isScreen(stream: NodeJS.WriteStream): boolean {
  return stream.isTTY && process.env['TERM'] !== 'dumb';
}

/** A reader that goes away is told by `print`; without a listener the event would end the process with a stack. */
export function prepareOutput(): void {
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});
  // However the process ends, the cursor must come back.
  process.once('exit', () => spinning?.stop());
}
