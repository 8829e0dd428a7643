// What a demo comes to, for people.

import { count, counted, table } from '../output.js';
import type { StreamVerdict } from './check.js';
import type { DemoReport } from './run.js';

const ROWS = [
  'appended',
  'delivered',
  'dropped',
  'quarantined',
  'lost',
  'backlog',
  'acknowledged',
  'received',
  'missing',
  'twice',
] as const satisfies (keyof StreamVerdict)[];

/** Of what is missing or could not be read, so much is listed. */
const LISTED_MAX = 20;

export function describeReport(report: DemoReport): string {
  const { streams, ok, seconds, outageSeconds } = report;
  const kinds = Object.keys(streams).toSorted();
  const rows = ROWS.map((name) => [name, ...kinds.map((kind) => count(streams[kind]![name]))]);
  const acknowledged = sum(report, 'acknowledged');
  const untold = sum(report, 'appended') - acknowledged;
  const lines = [
    table(['', ...kinds], rows),
    [
      counted(acknowledged, 'acknowledged record'),
      ok ? 'each received exactly once' : 'and not everything as it should be',
      `through an outage of ${outageSeconds.toFixed(1)} s and a SIGKILL`,
      `in ${seconds.toFixed(1)} s.`,
    ].join(', '),
  ];
  if (untold > 0) {
    lines.push(`${counted(untold, 'more record')} had reached the disk when the producer was killed.`);
  }
  return lines.join('\n');
}

/** What is wrong, line by line, and where to look. */
export function notesOf({ problems, missing, dir, kept }: DemoReport): string[] {
  const unread = problems.map(({ file, line, message }) =>
    [file, line, ` ${message}`].filter(Boolean).join(':'),
  );
  return [
    ...listed(unread),
    ...listed(missing.map((what) => `missing: ${what}`)),
    ...(dir === undefined ? [] : [`the log is in ${dir}`]),
    ...(kept === undefined ? [] : [`kept for a look: ${kept}`]),
  ];
}

export function failureOf({ reasons }: DemoReport): string {
  return reasons.join('; ');
}

function listed(lines: string[]): string[] {
  if (lines.length <= LISTED_MAX) return lines;
  return [...lines.slice(0, LISTED_MAX), `and ${count(lines.length - LISTED_MAX)} more`];
}

function sum({ streams }: DemoReport, column: keyof StreamVerdict): number {
  return Object.values(streams).reduce((total, stream) => total + stream[column], 0);
}
