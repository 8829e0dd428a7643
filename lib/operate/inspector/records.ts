// The newest records of a log, by kind and text, within bounds: a page is no export.

import type { DumpItem } from '../dump.js';
import type { RemoteLog } from '../remote.js';
import type { WalStats } from '../../stats.js';

/** A record or quarantined record as the page shows it. */
export interface Row {
  id: string;
  seq: number;
  kind: string;
  /** When it was appended, or put aside: epoch ms. */
  at: number;
  /** The record as JSON, its beginning where it is long. */
  json: string;
  isCut: boolean;
}

export interface QuarantinedRow extends Row {
  shipper: string;
  reason: string;
  status?: number;
  response?: string;
}

export interface RecordsAnswer {
  /** The newest first. */
  rows: Row[];
  /** How many of each stream's newest records were looked at, at most. */
  searched: number;
}

export interface QuarantineAnswer {
  rows: QuarantinedRow[];
  /** There are more than the rows. */
  isMore: boolean;
}

export interface RecordsWanted {
  /** @default every stream */
  kind?: string;
  /** What the record's JSON must contain, in any case. @default anything */
  text?: string;
}

export const ROWS_MAX = 100;
/** How far back a text is looked for, in each stream. */
const SEARCHED_MAX = 2000;
/** Characters of records that are looked at in one stream: the last step ends beyond it. */
const SEARCHED_CHARS_MAX = 8_388_608;
/** Records in a step, and bytes of them on disk, about. */
const STEP_MAX = 100;
const STEP_BYTES_MAX = 1_048_576;
const JSON_CHARS_MAX = 8192;

/** What may be asked of. */
type Source = Pick<RemoteLog, 'stats' | 'dump'>;

export async function newestRecords(log: Source, { kind, text = '' }: RecordsWanted): Promise<RecordsAnswer> {
  const { streams } = await log.stats();
  const rows: Row[] = [];
  for (const [name, stream] of Object.entries(streams)) {
    if (kind === undefined || kind === name) rows.push(...(await newestOf(log, name, stream, text)));
  }
  rows.sort((a, b) => b.at - a.at || (a.kind === b.kind ? b.seq - a.seq : a.kind < b.kind ? -1 : 1));
  return { rows: rows.slice(0, ROWS_MAX), searched: text === '' ? ROWS_MAX : SEARCHED_MAX };
}

/** From the end on backwards, in steps: most often the first one is enough. */
async function newestOf(
  log: Source,
  kind: string,
  { firstSeq, lastSeq, storedBytes }: WalStats['streams'][string],
  text: string,
): Promise<Row[]> {
  const wanted = text.toLowerCase();
  const rows: Row[] = [];
  const lowest = Math.max(firstSeq, lastSeq - SEARCHED_MAX + 1);
  const recordBytes = storedBytes / Math.max(1, lastSeq - firstSeq + 1);
  const size = Math.min(STEP_MAX, Math.max(1, Math.floor(STEP_BYTES_MAX / recordBytes)));
  let chars = 0;
  for (let to = lastSeq; to >= lowest && rows.length < ROWS_MAX && chars < SEARCHED_CHARS_MAX; to -= size) {
    const step: Row[] = [];
    for await (const item of log.dump({ kind, from: Math.max(lowest, to - size + 1), to })) {
      if (!('record' in item)) continue;
      const json = JSON.stringify(item.record);
      chars += json.length;
      if (wanted === '' || json.toLowerCase().includes(wanted)) step.push(rowOf(item, json));
    }
    rows.push(...step.toReversed());
  }
  return rows.slice(0, ROWS_MAX);
}

export async function quarantinedRecords(log: Source): Promise<QuarantineAnswer> {
  const rows: QuarantinedRow[] = [];
  for await (const item of log.dump({ quarantine: true, limit: ROWS_MAX + 1 })) {
    if (!('shipper' in item)) continue;
    const { shipper, reason, status, response } = item;
    rows.push({
      ...rowOf(item, JSON.stringify(item.record)),
      shipper,
      reason,
      ...(status !== undefined && { status }),
      ...(response !== undefined && { response }),
    });
  }
  return { rows: rows.slice(0, ROWS_MAX), isMore: rows.length > ROWS_MAX };
}

function rowOf(item: Extract<DumpItem, { record: object }>, json: string): Row {
  const { id, seq, kind } = item;
  const at = 'at' in item ? item.at : item.appendedAt;
  return { id, seq, kind, at, json: json.slice(0, JSON_CHARS_MAX), isCut: json.length > JSON_CHARS_MAX };
}
