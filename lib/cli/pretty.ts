// A record, a notice or a refused record as a line for people. Pure. What stands in records is nobody's to trust:
// nothing of it may steer the terminal.

import { styleText } from 'node:util';
import type { DumpItem, Gap } from '../index.js';

export interface LineStyle {
  readonly colours: boolean;
}

type Style = Parameters<typeof styleText>[0];

/** What tells most of a record, in this order; a number or name may be anything. */
const LEADING = ['level', 'actor', 'action', 'resource', 'outcome', 'category', 'msg'];
const LEVEL_STYLES: Readonly<Record<string, Style>> = {
  fatal: 'red',
  error: 'red',
  warn: 'yellow',
  info: 'green',
};
/** Control characters, and those that turn the direction of what follows or end a line unseen. */
const STEERING = /[\p{Cc}\u061C\u200E\u200F\u2028-\u202E\u2066-\u2069]/gu;
const BARE = /^[\w.:/@+-]+$/;

/** One line, without its end: when, which stream and seq, what it says, and the rest as `name=value`. */
export function prettyLine(item: DumpItem, { colours }: LineStyle): string {
  const paint = (style: Style, text: string) =>
    colours && text !== '' ? styleText(style, text, { validateStream: false }) : text;
  const line = (at: number, seq: string, ...words: string[]) =>
    [paint('gray', timeOf(at)), paint('cyan', item.kind), seq, ...words.filter(Boolean)].join(' ');
  if ('gap' in item) {
    return line(item.gap.at, rangeOf(item.gap), paint('yellow', `gone: ${plain(item.gap.reason)}`));
  }
  const words = recordWords(item.record, paint);
  if (!('shipper' in item)) return line(happenedAt(item.record) ?? item.appendedAt, `${item.seq}`, ...words);
  const { shipper, reason, status } = item;
  const refusal = `refused by ${shipper}${status === undefined ? '' : ` with ${status}`}: ${plain(reason)}`;
  return line(item.at, `${item.seq}`, paint('yellow', `${refusal};`), ...words);
}

function recordWords(record: object, paint: (style: Style, text: string) => string): string[] {
  const fields = record as Record<string, unknown>;
  const leading = LEADING.filter((name) => fields[name] !== undefined).map((name) => {
    const text = valueOf(fields[name], name === 'msg');
    return name === 'level' ? paint(LEVEL_STYLES[text] ?? 'gray', text.padEnd(5)) : text;
  });
  const isTold = (name: string) =>
    LEADING.includes(name) || (name === 'ts' && happenedAt(record) !== undefined);
  const rest = Object.entries(fields)
    .filter(([name]) => !isTold(name))
    .map(([name, value]) => `${paint('gray', `${plain(name)}=`)}${valueOf(value)}`);
  return [...leading, ...rest];
}

/** When a record says that it happened. */
function happenedAt(record: object): number | undefined {
  const { ts } = record as { ts?: unknown };
  const at = typeof ts === 'number' ? ts : typeof ts === 'string' ? Date.parse(ts) : NaN;
  return Number.isNaN(new Date(at).getTime()) ? undefined : at;
}

/** A string that is one word as it is, or a sentence where one is due; anything else as JSON. */
function valueOf(value: unknown, isSentence = false): string {
  if (typeof value === 'string' && (isSentence || BARE.test(value))) return plain(value);
  return plain(JSON.stringify(value) ?? '');
}

function rangeOf({ from, to }: Gap): string {
  return from === to ? `${from}` : `${from}-${to}`;
}

function timeOf(at: number): string {
  const date = new Date(at);
  return Number.isNaN(date.getTime()) ? '-' : date.toISOString();
}

function plain(text: string): string {
  return text.replaceAll(STEERING, (found) => `\\u${found.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
