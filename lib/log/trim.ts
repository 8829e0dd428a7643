// Work in the background that keeps the disk flat: deletes what every cursor has passed where that was not
// done at once, and gives deleted space back in steps. LevelDB alone would do neither.

import type { GapReason } from '../records.js';
import type { Entry } from './entry.js';
import type { KeyRange } from './keyspace.js';
import { entriesAfter, entriesUpTo, keys, seqOfKey } from './keyspace.js';
import type { Log } from './log.js';
import { trim } from './operations.js';
import { lastSeqWithin, likelySeqAt, offsetAfter, offsetThrough } from './seek.js';
import type { StreamState } from './state.js';
import { lowestCursor, storedBytes } from './state.js';
import type { Handle } from './handle.js';
import { freeBytes } from './reserve.js';

/** Entries deleted in one commit at most. */
export const DELETES_MAX = 5000;
/** Bytes deleted from all streams before a range is compacted: smaller steps compact most of the time, larger ones overshoot. */
const STEP_BYTES = 4 * 1_048_576;
/**
 * And this share of what is stored beyond 256 MiB: what is deleted spans, with the keys that stand behind all entries,
 * LevelDB's whole first level, so that each step also writes the newest 10 MiB of a large log anew. In smaller logs,
 * larger steps overshoot: with 8 MiB a log of 256 was 84 MiB larger for a moment.
 */
const LARGE_BYTES = 268_435_456;
const LARGE_SHARE = 1 / 32;
/** Bytes of entries that are compacted at once where somebody waits for all of it. */
const PIECE_BYTES = 16 * 1_048_576;
const EVERYTHING: KeyRange = { gte: '!', lt: '"' };
/** Free bytes with which no commit is refused while a step is compacted. */
const ROOM_BYTES = 64 * 1_048_576;
/** What goes from the head on; damage and refusals may be anywhere. */
const EVICTIONS: ReadonlySet<GapReason> = new Set(['size', 'age', 'disk-full']);

export class Trimmer {
  readonly #log: Log;
  readonly #store: Handle;
  /** By kind: the bytes deleted ever, at the last compaction. */
  readonly #compacted = new Map<string, number>();
  /** By kind: bytes of delivered records to keep. */
  readonly #keep = new Map<string, number>();
  /** By kind: the head and cursor with which trimming last looked. */
  readonly #passed = new Map<string, string>();
  #running: Promise<void> | undefined;
  #closed = false;

  constructor(log: Log, store: Handle) {
    this.#log = log;
    this.#store = store;
  }

  keepDelivered(kind: string, bytes: number): void {
    this.#keep.set(kind, bytes);
    this.#passed.delete(kind);
  }

  /** Whether an acknowledgement may delete at once. */
  deletesAtOnce(kind: string): boolean {
    return (this.#keep.get(kind) ?? 0) === 0;
  }

  /** Looks whether there is something to do. Cheap; called after each commit. */
  wake(): void {
    if (this.#closed || this.#running) return;
    const kind = this.#nextKind();
    if (kind === undefined) return;
    this.#running = this.#work(kind).finally(() => {
      this.#running = undefined;
      this.wake();
    });
  }

  /** Resolves when nothing is left to do. */
  async idle(): Promise<void> {
    while (this.#running) await this.#running;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.idle();
  }

  /** Deletes again what is stored below the heads: where tables went whole, deletes may have gone with them. */
  async sweep(): Promise<void> {
    for (const { kind, head } of this.#log.streams.values()) {
      for (;;) {
        const found = await this.#store.scanKeys(entriesUpTo(kind, head.seq), DELETES_MAX);
        if (found.length === 0) break;
        await this.#log.change((draft) => {
          for (const key of found) draft.delete(key);
          // A commit always puts something: by that it is known again where it was refused.
          draft.setHead(draft.stream(kind), draft.stream(kind).head);
        }, found.length + 1);
      }
    }
  }

  /** Gives back what was deleted at the heads, now. */
  async compactTrimmed(): Promise<void> {
    for (const stream of this.#log.streams.values()) await this.#compact(stream);
  }

  /**
   * Compacts everything, now, piece by piece: what is stored is written once more, and needs room for that. Where
   * `onPiece` throws, it ends.
   */
  async compactAll(onPiece: (bytes: number, bytesTotal: number) => void = () => {}): Promise<void> {
    await this.compactTrimmed();
    const streams = [...this.#log.streams.values()].toSorted((a, b) => (a.kind < b.kind ? -1 : 1));
    const bytesTotal = streams.reduce((sum, { endOffset, head }) => sum + endOffset - head.offset, 0);
    let bytes = 0;
    let { gte, lt } = EVERYTHING;
    for (const stream of streams) {
      const { kind, head, endOffset, lastSeq } = stream;
      for (let at = head.offset + PIECE_BYTES; at < endOffset; at += PIECE_BYTES) {
        onPiece(bytes + at - PIECE_BYTES - head.offset, bytesTotal);
        const to = await lastSeqWithin(this.#store, stream, ({ offset, size }) => offset + size <= at);
        if (to >= lastSeq) break;
        lt = keys.entry(kind, to + 1);
        if (gte < lt) await this.#compactRange({ gte, lt }, PIECE_BYTES);
        gte = lt;
      }
      bytes += endOffset - head.offset;
      onPiece(bytes, bytesTotal);
    }
    await this.#compactRange({ gte, lt: EVERYTHING.lt }, this.#log.diskBytes);
    onPiece(bytesTotal, bytesTotal);
  }

  #nextKind(): string | undefined {
    let deleted = 0;
    let stored = 0;
    let most: { kind: string; deleted: number } | undefined;
    for (const stream of this.#log.streams.values()) {
      if (this.#canTrim(stream)) return stream.kind;
      const own = this.#deletedSince(stream);
      deleted += own;
      stored += storedBytes(stream);
      if (own > (most?.deleted ?? 0)) most = { kind: stream.kind, deleted: own };
    }
    const step = STEP_BYTES + Math.max(0, stored - LARGE_BYTES) * LARGE_SHARE;
    return deleted >= step ? most?.kind : undefined;
  }

  /** Bytes deleted since the last compaction. */
  #deletedSince(stream: StreamState): number {
    const deleted = deletedBytes(stream);
    const since = this.#compacted.get(stream.kind);
    if (since === undefined) this.#compacted.set(stream.kind, deleted);
    return since === undefined ? 0 : deleted - since;
  }

  /** More than may be kept is delivered and still there. */
  #canTrim(stream: StreamState): boolean {
    const passed = this.#passed.get(stream.kind);
    const lowest = lowestCursor(stream);
    // What was looked at once without finding a whole entry to delete is not looked at again.
    if (lowest <= stream.head.seq || passed === `${stream.head.seq}:${lowest}`) return false;
    const keep = this.#keep.get(stream.kind) ?? 0;
    return keep === 0 || stream.endOffset - stream.head.offset > keep;
  }

  async #work(kind: string): Promise<void> {
    try {
      const stream = this.#log.stream(kind);
      if (this.#canTrim(stream)) await this.#trim(stream);
      else await this.#compact(stream);
    } catch {
      // A full disk refuses compactions, too: the writer heals that, and the next step comes when there is more to do.
    }
  }

  async #trim(stream: StreamState): Promise<void> {
    const { kind, head } = stream;
    const lowest = lowestCursor(stream);
    this.#passed.set(kind, `${head.seq}:${lowest}`);
    const upTo = await this.#trimmable(stream, lowest);
    const found = await this.#store.scanKeys(
      { gte: entriesAfter(kind, head.seq).gte, lt: keys.entry(kind, upTo + 1) },
      DELETES_MAX,
    );
    const last = found.at(-1);
    if (last === undefined) return;
    const to = seqOfKey(last);
    const end = await offsetThrough(this.#store, stream, to);
    const trimmed = await this.#log.change((draft) => trim(draft, kind, to, end, found), found.length);
    if (!trimmed) this.#passed.delete(kind);
  }

  /** Up to where what every cursor has passed exceeds what is to be kept for replay. */
  async #trimmable(stream: StreamState, lowest: number): Promise<number> {
    const keep = this.#keep.get(stream.kind) ?? 0;
    if (keep === 0) return lowest;
    const keptFrom = (await offsetAfter(this.#store, stream, lowest)) - keep;
    // In steps of a sixteenth: one entry at a time would be a commit and a few seeks for each.
    if (keptFrom - stream.head.offset < keep / 16) return stream.head.seq;
    const within = (entry: Entry) => entry.offset + entry.size <= keptFrom && entry.lastSeq <= lowest;
    const aim = likelySeqAt(stream, keptFrom - stream.head.offset);
    return await lastSeqWithin(this.#store, stream, within, aim);
  }

  async #compact(stream: StreamState): Promise<void> {
    this.#compacted.set(stream.kind, deletedBytes(stream));
    await this.#compactRange(entriesUpTo(stream.kind, deletedUpTo(stream)), STEP_BYTES);
  }

  /** Beside the commits, unless one of them may be refused meanwhile: see `Handle.compact`. `bytes`: what is rewritten at most. */
  async #compactRange(range: KeyRange, bytes: number): Promise<void> {
    const free = await freeBytes(this.#log.dir).catch(() => 0);
    await this.#store.compact(range, free < bytes + ROOM_BYTES);
  }
}

/** Bytes of a stream's entries that were deleted, ever. */
function deletedBytes(stream: StreamState): number {
  return stream.endOffset - storedBytes(stream);
}

/**
 * Up to where entries were deleted, all but the few in flight. In an outage that is far above the head: what is
 * evicted lies under a notice until the cursors have passed it.
 */
function deletedUpTo({ head, notices }: StreamState): number {
  const evicted = notices.findLast(({ reason }) => EVICTIONS.has(reason));
  return Math.max(head.seq, evicted?.to ?? 0);
}
