// A Batch made of NDJSON lines, for tests of sinks: no log behind it.

import { promisify } from 'node:util';
import { crc32, gzip } from 'node:zlib';
import type { WireLine } from '../../lib/records.js';
import type { Batch } from '../../lib/ship/sink.js';

const gzipped = promisify(gzip);

/** The lines of records 1 to `count` of a kind, as a log would have written them. */
export function recordLines(count: number, kind = 'audit'): string[] {
  return Array.from({ length: count }, (_, index) => {
    const seq = index + 1;
    const record = { ts: 1_767_225_600_000 + seq, service: 'gateway', action: 'door.open', outcome: 'ok' };
    return `${JSON.stringify({ id: `0123456789ABCDEF:${kind}:${seq}`, seq, kind, record })}\n`;
  });
}

/** `lines` are wire lines of one kind, each with its `\n`; `overrides` win over what is read from them. */
export function batchOf(lines: string[], overrides: Partial<Batch> = {}): Batch {
  const body = Buffer.from(lines.join(''));
  const first = parse(lines.at(0));
  const last = parse(lines.at(-1));
  const logId = overrides.logId ?? '7Q2M4K9ZT0V5XW8B';
  const firstSeq = 'gap' in first ? first.gap.from : first.seq;
  const crc = crc32(body).toString(16).padStart(8, '0');
  return {
    id: `${logId}:${first.kind}:${firstSeq}-${last.seq}:${crc}`,
    logId,
    service: 'gateway',
    instance: 'main',
    kind: first.kind,
    firstSeq,
    lastSeq: last.seq,
    count: lines.length,
    lineBytes: body.length,
    lines: async () => body,
    gzip: () => gzipped(body),
    ...overrides,
  };
}

function parse(line: string | undefined): WireLine {
  if (line === undefined) throw new TypeError('expected a batch to have lines');
  return JSON.parse(line) as WireLine;
}
