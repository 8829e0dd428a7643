// A pino console that a test reads: each line as an object.

import { pino } from 'pino';
import type { Logger } from 'pino';

export interface ConsoleLine extends Record<string, unknown> {
  level: number;
  msg?: string;
}

export function captured(level = 'debug'): { console: Logger; lines: ConsoleLine[] } {
  const lines: ConsoleLine[] = [];
  const write = (text: string) => void lines.push(JSON.parse(text) as ConsoleLine);
  return { console: pino({ level, base: {} }, { write }), lines };
}
