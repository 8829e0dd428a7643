// Records that destinations refused: looking at them, and sending them again. Knows no destination.

import { checkInteger, expected } from './config.js';
import { WalError } from './errors.js';
import { keys, parseKey, sectionRange, unsealOrThrow } from './log/keyspace.js';
import type { Log } from './log/log.js';
import { rowsOf } from './log/open.js';
import type { PutAside } from './log/operations.js';
import { takeBack } from './log/operations.js';
import type { WireLine } from './records.js';
import { resentJson } from './records.js';

/** A record that a shipper's destination refused while it took others. */
export interface QuarantinedItem<Row = Record<string, unknown>> {
  /** The id under which it was refused. */
  id: string;
  seq: number;
  kind: string;
  shipper: string;
  record: Row;
  /** The id of the refused record that this one was appended for, where it was one. */
  resendOf?: string;
  /** What the destination said, or the sink about it. At most 1,024 characters. */
  reason: string;
  /** HTTP status, where the answer was about this record alone. */
  status?: number;
  /** The beginning of that answer's body. At most 1,024 characters. */
  response?: string;
  /** When it was put aside: epoch ms. */
  at: number;
}

export interface ResendOptions {
  /** Whose refused records. @default 'default' */
  shipper?: string;
  /** Only these; numbers that are not there are passed over. Integers >= 1. @default all that are there now */
  seqs?: readonly number[];
}

/** Records, and bytes of them, that are appended again in one commit. */
const RESEND_RECORDS_MAX = 500;
const RESEND_BYTES_MAX = 1_048_576;

interface Found {
  readonly key: string;
  readonly bytes: number;
  readonly json: string;
}

export class Quarantine {
  readonly #log: Log;
  readonly #checkRoom: (kind: string, bytes: number) => void;
  #turn: Promise<unknown> = Promise.resolve();

  /** `checkRoom` throws where a stream takes no more. */
  constructor(log: Log, checkRoom: (kind: string, bytes: number) => void) {
    this.#log = log;
    this.#checkRoom = checkRoom;
  }

  /** What is put aside, of one kind or of all, by kind, shipper and seq. */
  async *items<Row>(kind?: string): AsyncGenerator<QuarantinedItem<Row>> {
    for await (const [key, value] of rowsOf(this.#log.store, sectionRange('quarantine', kind))) {
      yield itemOf<Row>(key, unsealOrThrow<PutAside>(key, value));
    }
  }

  /** See `Wal.resend`. One at a time: two at once would append the same records twice. */
  async resend(kind: string, options: ResendOptions = {}): Promise<{ records: number }> {
    const { shipper = 'default', seqs } = options;
    if (seqs !== undefined && !Array.isArray(seqs)) throw expected('seqs', 'a list of numbers', seqs);
    const wanted = seqs && new Set(seqs.map((seq) => checkInteger('seqs', seq, 1)));
    const run = this.#turn.then(() => this.#resend(kind, shipper, wanted));
    this.#turn = run.catch(() => {});
    return { records: await run };
  }

  async #resend(kind: string, shipper: string, wanted: ReadonlySet<number> | undefined): Promise<number> {
    const { lastSeq } = this.#log.stream(kind);
    // What is refused again meanwhile has a higher seq: this ends.
    const range = { gte: keys.quarantine(kind, shipper, 0), lt: keys.quarantine(kind, shipper, lastSeq + 1) };
    let records = 0;
    let chunk: Found[] = [];
    let bytes = 0;
    for await (const [key, value] of rowsOf(this.#log.store, range)) {
      const { id, seq, record } = itemOf(key, unsealOrThrow<PutAside>(key, value));
      if (wanted && !wanted.has(seq)) continue;
      const json = resentJson(JSON.stringify(record), id);
      if (chunk.length === RESEND_RECORDS_MAX || bytes + json.length > RESEND_BYTES_MAX) {
        records += await this.#append(kind, shipper, chunk.splice(0));
        bytes = 0;
      }
      chunk.push({ key, bytes: key.length + value.length, json });
      bytes += json.length;
    }
    records += await this.#append(kind, shipper, chunk);
    return records;
  }

  /** Appends records again and takes them out of the quarantine, in one commit. */
  async #append(kind: string, shipper: string, found: readonly Found[]): Promise<number> {
    if (found.length === 0) return 0;
    const bytes = found.reduce((sum, { json }) => sum + Buffer.byteLength(json), 0);
    this.#checkRoom(kind, bytes);
    await this.#log.append([{ kind, records: found.map(({ json }) => json) }], bytes, 0, (draft) =>
      takeBack(draft, kind, shipper, found),
    );
    return found.length;
  }
}

function itemOf<Row>(key: string, value: PutAside): QuarantinedItem<Row> {
  const { line, reason, status, response, at } = value;
  const { kind, name } = parseKey(key) ?? { kind: '', name: '' };
  const wire = JSON.parse(line) as WireLine;
  if (!('record' in wire)) throw new WalError('WAL_CORRUPT', `${key} holds no record`);
  const { id, seq, record, resendOf } = wire;
  return {
    id,
    seq,
    kind,
    shipper: name.slice(0, name.indexOf(':')),
    record: record as Row,
    ...(resendOf !== undefined && { resendOf }),
    reason,
    ...(typeof status === 'number' && { status }),
    ...(typeof response === 'string' && { response }),
    at,
  };
}
