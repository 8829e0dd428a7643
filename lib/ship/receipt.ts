// What a receipt proves: every line of the batch accounted for once, and nothing that was not sent. A receipt
// deletes, so nothing of it is taken on trust. Knows no retries and no log.

import type { Quarantined } from '../log/operations.js';
import type { WireLine } from '../records.js';
import type { Batch, Receipt } from './sink.js';
import { SinkError } from './sink.js';

/** Characters of what a destination says that are kept with a record. */
const KEPT_CHARS_MAX = 1024;

/** A record that the destination refuses while it takes others of the same batch. */
export interface RefusedRecord {
  readonly seq: number;
  /** Its line, without the `\n`. */
  readonly line: string;
  readonly reason: string;
}

/**
 * The records that a receipt refuses, where it proves the rest of the batch.
 *
 * @throws {SinkError} `unproven`: it does not add up. `refused`: it rejects every record, so that nothing tells a
 *   bad record from a destination that takes none; or it rejects a notice, which is never put aside.
 * @throws {WalError} `WAL_CORRUPT`: the batch's own lines can't be read.
 */
export async function prove(batch: Batch, receipt: unknown): Promise<readonly RefusedRecord[]> {
  const { accepted, duplicates, rejected } = checkShape(receipt);
  if (accepted + duplicates + rejected.length !== batch.count) {
    throw unproven(
      `${accepted} accepted, ${duplicates} duplicates and ${rejected.length} rejected of ${batch.count}`,
    );
  }
  if (rejected.length === 0) return [];
  const reasons = new Map(rejected.map(({ id, reason }) => [id, reason]));
  if (reasons.size !== rejected.length) throw unproven('it rejects a line twice');
  return await refusedRecords(batch, reasons);
}

/** What a receipt refuses, as it is put aside. A receipt says why in its reasons, and nothing else. */
export function putAside(refused: readonly RefusedRecord[]): Quarantined[] {
  return refused.map(({ seq, line, reason }) => ({
    seq,
    line,
    reason: reason.slice(0, KEPT_CHARS_MAX),
    status: undefined,
    response: undefined,
  }));
}

/** A record that was refused as a batch of its own, as it is put aside. */
export async function putAsideAlone(
  batch: Batch,
  { message, status, response }: SinkError,
): Promise<Quarantined> {
  const line = (await batch.lines()).toString('utf8').trimEnd();
  return {
    seq: batch.lastSeq,
    line,
    reason: message.slice(0, KEPT_CHARS_MAX),
    status,
    response: response?.slice(0, KEPT_CHARS_MAX),
  };
}

async function refusedRecords(
  batch: Batch,
  reasons: ReadonlyMap<string, string>,
): Promise<readonly RefusedRecord[]> {
  const refused: RefusedRecord[] = [];
  let records = 0;
  for (const line of (await batch.lines()).toString('utf8').split('\n')) {
    if (line === '') continue;
    const parsed = JSON.parse(line) as WireLine;
    const reason = reasons.get(parsed.id);
    if ('record' in parsed) {
      records++;
      if (reason !== undefined) refused.push({ seq: parsed.seq, line, reason });
    } else if (reason !== undefined) {
      throw new SinkError(
        'refused',
        `the destination rejects the notice ${parsed.id}: ${reason}; where it takes none, its sink says notices: false`,
      );
    }
  }
  // Whoever rejects a line that was not sent has one that was sent unaccounted for.
  if (refused.length !== reasons.size) throw unproven('it rejects lines that are not in the batch');
  if (refused.length === records) {
    const [first] = refused;
    const what = records === 1 ? 'the record' : 'every record, first';
    throw new SinkError('refused', `the destination rejects ${what} ${first?.seq}: ${first?.reason}`);
  }
  return refused;
}

/** A sink may be anyone's code, and what it resolves with anyone's answer. */
function checkShape(receipt: unknown): Required<Receipt> {
  if (typeof receipt !== 'object' || receipt === null) throw unproven('it is not an object');
  const { accepted, duplicates = 0, rejected = [] } = receipt as Partial<Record<keyof Receipt, unknown>>;
  if (!isCount(accepted) || !isCount(duplicates)) {
    throw unproven('accepted and duplicates are not both integers >= 0');
  }
  if (!Array.isArray(rejected) || !rejected.every(isRejection)) {
    throw unproven('rejected is not an array of { id, reason }');
  }
  return { accepted, duplicates, rejected };
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

function isRejection(value: unknown): value is { id: string; reason: string } {
  if (typeof value !== 'object' || value === null) return false;
  const { id, reason } = value as { id?: unknown; reason?: unknown };
  return typeof id === 'string' && typeof reason === 'string';
}

function unproven(why: string): SinkError {
  return new SinkError('unproven', `the receipt does not add up: ${why}`);
}
