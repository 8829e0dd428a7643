// From what was read to what a sink is given: a batch, its id, and the follow-up that tells of put-aside records.

import { crc32 } from 'node:zlib';
import { WalError } from '../errors.js';
import { cutEntry } from '../log/entry.js';
import type { Piece } from '../log/gzip.js';
import { crcOf, linesOf } from '../log/gzip.js';
import type { LogIdentity } from '../log/open.js';
import type { EntryRef } from '../log/operations.js';
import type { Damage, Step } from '../log/read.js';
import { piecesOf } from '../log/read.js';
import type { Gap } from '../records.js';
import { gapLine } from '../records.js';
import { GzipBody, setBody } from './body.js';
import type { Batch } from './sink.js';

/** A batch together with what acknowledging it needs to know. */
export interface LoadedBatch {
  readonly batch: Batch;
  /** Records among its lines; the others are notices. */
  readonly records: number;
  /** The range that it settles. Notices that are not sent are part of it. */
  readonly from: number;
  readonly to: number;
  /** Entries that were read for it, in order. */
  readonly entries: readonly EntryRef[];
  /** See `Claims.send`. */
  readonly removals: number;
  /** When one of its records was appended: epoch ms. */
  readonly appendedAt: (seq: number) => number;
}

/** A notice's line as a piece of a batch's body. */
function noticePiece(logId: string, kind: string, gap: Gap): Piece {
  const stored = Buffer.from(gapLine(logId, kind, gap));
  return { codec: 0, stored, lineBytes: stored.length, linesCrc: crc32(stored) };
}

/** What may go into a batch's body. */
export interface BodyBounds {
  /** Whether notices do; otherwise they are part of the range only. */
  readonly notices: boolean;
  /** Bytes of lines, unless a single one has more. */
  readonly lineBytesMax: number;
}

/** The steps that were read as one batch; damage where lines turn out not to be what was written. */
export async function loadBatch(
  identity: LogIdentity,
  kind: string,
  found: readonly Step[],
  removals: number,
  { notices, lineBytesMax }: BodyBounds,
): Promise<LoadedBatch | Damage> {
  const steps = await withinBytes(found, lineBytesMax);
  const sent = steps.filter((step) => step.is === 'records' || notices);
  const pieces = await piecesOf(sent, (gap) => noticePiece(identity.logId, kind, gap));
  if ('what' in pieces) return pieces;
  const from = steps[0]!.from;
  const to = steps.at(-1)!.to;
  const read = steps.filter((step) => step.is === 'records');
  const records = read.reduce((sum, step) => sum + step.to - step.from + 1, 0);
  const count = records + sent.length - read.length;
  const batch = bodyOf(identity, kind, { from, to }, count, pieces);
  // Not the entries themselves: they hold their lines, and an acknowledgement may wait for the disk.
  const entries = read.map(({ entry: { firstSeq, lastSeq, offset, size } }) => ({
    firstSeq,
    lastSeq,
    offset,
    size,
  }));
  const times = read.map((step) => ({ to: step.to, at: step.entry.appendedAt }));
  const appendedAt = (seq: number) => times.find((time) => seq <= time.to)?.at ?? 0;
  return { batch, records, from, to, entries, removals, appendedAt };
}

/** Reading takes whole entries; where that is one, and it has more bytes than a batch may have, what fits of it. */
async function withinBytes(steps: readonly Step[], lineBytesMax: number): Promise<readonly Step[]> {
  const [step] = steps;
  if (steps.length !== 1 || step?.is !== 'records' || step.entry.lineBytes <= lineBytesMax) return steps;
  const piece = await cutEntry(step.entry, step.from, step.to);
  const lines = piece && (await linesOf(piece));
  // What is damaged is found as such when it becomes a piece.
  if (!lines || lines.length <= lineBytesMax) return steps;
  let { from: to } = step;
  const endOfNext = (end: number) => lines.indexOf(0x0a, end) + 1;
  for (let end = endOfNext(0); to < step.to && endOfNext(end) <= lineBytesMax; end = endOfNext(end)) to++;
  return [{ ...step, to }];
}

/**
 * A batch of one notice for each of some records that the destination refused, in their place. Their `at` is when the
 * record was appended: a notice that is sent again, after a crash too, must be the same to the byte.
 */
export function refusalNotices(
  identity: LogIdentity,
  kind: string,
  seqs: readonly number[],
  appendedAt: (seq: number) => number,
): Batch {
  const pieces = seqs.map((seq) =>
    noticePiece(identity.logId, kind, { from: seq, to: seq, reason: 'quarantined', at: appendedAt(seq) }),
  );
  const range = { from: seqs[0]!, to: seqs.at(-1)! };
  return bodyOf(identity, kind, range, seqs.length, pieces);
}

function bodyOf(
  { logId, service, instance }: LogIdentity,
  kind: string,
  { from, to }: { from: number; to: number },
  count: number,
  pieces: readonly Piece[],
): Batch {
  const crc = crcOf(pieces).toString(16).padStart(8, '0');
  const body = new GzipBody(pieces);
  const batch: Batch = {
    id: `${logId}:${kind}:${from}-${to}:${crc}`,
    logId,
    service,
    instance,
    kind,
    firstSeq: from,
    lastSeq: to,
    count,
    lineBytes: pieces.reduce((sum, piece) => sum + piece.lineBytes, 0),
    lines: async () => Buffer.concat(await Promise.all(pieces.map(soundLines))),
    gzip: () => body.give(),
  };
  setBody(batch, body);
  return batch;
}

async function soundLines(piece: Piece): Promise<Buffer> {
  const lines = await linesOf(piece);
  if (!lines) throw new WalError('WAL_CORRUPT', 'stored lines do not match their checksum');
  return lines;
}
