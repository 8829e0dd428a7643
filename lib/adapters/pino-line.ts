// A line of pino's as a LogRecord. Pure.

import type { LogRecord } from '../index.js';

export interface LineOptions {
  service: string;
  /** Levels beside pino's own, by name, as in pino's `customLevels`. */
  levels?: Record<string, number>;
  /** Where the message is, as in pino's option. @default 'msg' */
  messageKey?: string;
}

const LEVELS = { trace: 10, debug: 20, info: 30, warn: 40, error: 50, fatal: 60 };

/**
 * Makes what reads lines. `level` becomes the level's name, `time` the `ts`, `category` the category; everything else
 * is `data`. `now`: the time of a line that has none.
 *
 * @throws {SyntaxError} (what it makes): not JSON.
 */
export function lineReader({ service, levels, messageKey = 'msg' }: LineOptions, now: () => number) {
  const names = new Map(Object.entries({ ...LEVELS, ...levels }).map(([name, number]) => [number, name]));

  return (line: string): LogRecord => {
    const value: unknown = JSON.parse(line);
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
    const {
      level,
      time,
      [messageKey]: msg,
      category,
      ...rest
    } = isObject ? (value as Record<string, unknown>) : { data: value };
    const record: LogRecord = { ts: isTime(time) ? time : now(), service, level: nameOf(level, names) };
    if (typeof category === 'string') record.category = category;
    else if (category !== undefined) rest['category'] = category;
    if (typeof msg === 'string') record.msg = msg;
    else if (msg !== undefined) rest[messageKey] = msg;
    if (Object.keys(rest).length > 0) record.data = rest;
    return record;
  };
}

/** Text, where pino's `formatters.level` made one of it. */
function nameOf(level: unknown, names: ReadonlyMap<number, string>): string {
  if (typeof level === 'string') return level;
  return typeof level === 'number' ? (names.get(level) ?? String(level)) : 'info';
}

function isTime(time: unknown): time is number | string {
  return typeof time === 'string' || (typeof time === 'number' && Number.isFinite(time));
}
