// What a log call says, as pino reads it: `(obj, msg)`, `(error, msg)` or `(msg)`. Pure.

import { inspect } from 'node:util';
import { stdSerializers } from 'pino';

export interface LogCall {
  readonly msg: string | undefined;
  readonly category: string | undefined;
  /** For the console, which makes an `err` readable by itself. */
  readonly shown: object | undefined;
  /** For the record: without `category`, its errors made readable. */
  readonly data: object | undefined;
}

/** Untyped, because callers without a compiler pass anything; whatever is no object is taken for the message. */
export function readCall(what: unknown, msg: string | undefined): LogCall {
  if (typeof what === 'string') return says(what);
  if (what === undefined || what === null) return says(msg);
  if (typeof what !== 'object') return says(inspect(what));
  if (what instanceof Error) {
    const data = { err: stdSerializers.err(what) };
    return { msg: msg ?? what.message, category: undefined, shown: what, data };
  }
  const { category, err } = what as { category?: unknown; err?: unknown };
  const text = msg ?? (err instanceof Error ? err.message : undefined);
  const readable = withReadableErrors(what);
  const shown = forConsole(readable, what);
  if (typeof category !== 'string') return { msg: text, category: undefined, shown, data: readable };
  const { category: _, ...data } = readable as { category: string };
  return { msg: text, category, shown, data: Object.keys(data).length > 0 ? data : undefined };
}

function says(msg: string | undefined): LogCall {
  return { msg, category: undefined, shown: undefined, data: undefined };
}

/** JSON makes `{}` of an error: those of an object's own are serialized, in a copy. Others are passed on as they are. */
export function withReadableErrors(given: object): object {
  let copy: Record<string, unknown> | undefined;
  for (const [name, value] of Object.entries(given)) {
    if (value instanceof Error) (copy ??= { ...given })[name] = stdSerializers.err(value);
  }
  return copy ?? given;
}

/** pino would take a serialized `err` for an error of the class Object. */
export function forConsole(readable: object, given: object): object {
  return readable !== given && 'err' in given ? { ...readable, err: given.err } : readable;
}
