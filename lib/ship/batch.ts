// From what was read to what a sink is given: a batch, its id, and the follow-up that tells of put-aside records.

import { crc32 } from 'node:zlib';
import { WalError } from '../errors.js';
import type { Piece } from '../log/gzip.js';
import { crcOf, gzipOf, linesOf } from '../log/gzip.js';
import type { LogIdentity } from '../log/open.js';
import type { EntryRef } from '../log/operations.js';
import type { Damage, Step } from '../log/read.js';
import { piecesOf } from '../log/read.js';
import type { Gap } from '../records.js';
import { gapLine } from '../records.js';
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
}

/** A notice's line as a piece of a batch's body. */
function noticePiece(logId: string, kind: string, gap: Gap): Piece {
  const stored = Buffer.from(gapLine(logId, kind, gap));
  return { codec: 0, stored, lineBytes: stored.length, linesCrc: crc32(stored) };
}

/**
 * The steps that were read as one batch; damage where lines turn out not to be what was written. Without
 * `notices`, notices are part of the range and not of the body.
 */
export async function loadBatch(
  identity: LogIdentity,
  kind: string,
  steps: readonly Step[],
  removals: number,
  notices: boolean,
): Promise<LoadedBatch | Damage> {
  const sent = steps.filter((step) => step.is === 'records' || notices);
  const pieces = await piecesOf(sent, (gap) => noticePiece(identity.logId, kind, gap));
  if ('what' in pieces) return pieces;
  const from = steps[0]!.from;
  const to = steps.at(-1)!.to;
  const read = steps.filter((step) => step.is === 'records');
  const records = read.reduce((sum, step) => sum + step.to - step.from + 1, 0);
  const count = records + sent.length - read.length;
  const batch = bodyOf(identity, kind, { from, to }, count, pieces);
  return { batch, records, from, to, entries: read.map((step) => step.entry), removals };
}

/** A batch of one notice for each of some records that the destination refused, in their place. */
export function refusalNotices(
  identity: LogIdentity,
  kind: string,
  seqs: readonly number[],
  at: number,
): Batch {
  const pieces = seqs.map((seq) =>
    noticePiece(identity.logId, kind, { from: seq, to: seq, reason: 'quarantined', at }),
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
  return {
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
    gzip: () => gzipOf(pieces),
  };
}

async function soundLines(piece: Piece): Promise<Buffer> {
  const lines = await linesOf(piece);
  if (!lines) throw new WalError('WAL_CORRUPT', 'stored lines do not match their checksum');
  return lines;
}
