// What one write changes: judges the lines of some batches against what is stored, and says which keys get
// which value. Reads, never writes, so that what can't be written is thrown away whole.

import { keys, keysBelow, seal, seqOfKey, unseal } from './level-keys.js';
import type { SeqRange } from './ranges.js';
import { appendRange, coalesce } from './ranges.js';
import type { IngestBatch, StoreResult } from './store.js';

/** What the draft reads of the database. */
export interface Readable {
  getMany(keys: string[]): Promise<(Buffer | undefined)[]>;
  iterator(range: { gte: string; lt: string; reverse: boolean }): AsyncIterable<[string, Buffer]>;
}

/** What has arrived of one log and kind, and who sent it last. */
interface Arrived {
  kind: string;
  logId: string;
  sender: string;
  ranges: SeqRange[];
}

export class LevelDraft {
  /** What to write: `undefined` deletes. */
  readonly changes = new Map<string, Buffer | undefined>();
  /** One for each batch, in their order; true once the changes are on disk. */
  readonly results: StoreResult[] = [];
  readonly #db: Readable;
  /** Under which key which line is, as far as the batches name it. */
  readonly #stored = new Map<string, Buffer>();
  readonly #added = new Map<string, number>();
  readonly #arrived = new Map<string, Arrived>();

  private constructor(db: Readable) {
    this.#db = db;
  }

  static async of(db: Readable, batches: readonly IngestBatch[]): Promise<LevelDraft> {
    const draft = new LevelDraft(db);
    const lineKeys = batches.map(({ kind, lines }) => lines.map(({ id }) => keys.line(kind, id)));
    const found = await db.getMany(lineKeys.flat());
    for (const [index, batch] of batches.entries()) {
      const own = lineKeys[index]!;
      draft.#take(batch, own, found.splice(0, own.length));
    }
    await draft.#count();
    for (const arrived of draft.#arrived.values()) await draft.#follow(arrived);
    return draft;
  }

  /** `found` is what the database has under `lineKeys`, the keys of the batch's lines. */
  #take(batch: IngestBatch, lineKeys: readonly string[], found: readonly (Buffer | undefined)[]): void {
    const result: StoreResult = { accepted: 0, duplicates: 0, conflicts: [] };
    const arrived = this.#arrivedOf(batch);
    for (const [index, { id, seq, gap, bytes }] of batch.lines.entries()) {
      const key = lineKeys[index]!;
      const value = found[index];
      const stored = this.#stored.get(key) ?? (value && unseal(key, value));
      if (stored && !stored.equals(bytes)) {
        result.conflicts.push(id);
        continue;
      }
      if (!stored) {
        this.#stored.set(key, bytes);
        this.changes.set(key, seal(key, bytes));
      }
      // A value that is damaged is not proof of having the line: it is written again, but counted before.
      if (stored || value) result.duplicates++;
      else result.accepted++;
      if (arrived) appendRange(arrived.ranges, gap?.from ?? seq, seq);
    }
    this.results.push(result);
    this.#added.set(batch.kind, (this.#added.get(batch.kind) ?? 0) + result.accepted);
  }

  #arrivedOf({ kind, logId, service, instance }: IngestBatch): Arrived | undefined {
    if (logId === undefined) return undefined;
    const key = keys.log(kind, logId);
    const arrived = this.#arrived.get(key) ?? { kind, logId, sender: '', ranges: [] };
    arrived.sender = JSON.stringify({ service, instance });
    this.#arrived.set(key, arrived);
    return arrived;
  }

  /** The counts go with the lines they count: in two writes, a crash between them would make them wrong for ever. */
  async #count(): Promise<void> {
    const added = [...this.#added].filter(([, lines]) => lines > 0);
    const values = await this.#db.getMany(added.map(([kind]) => keys.count(kind)));
    for (const [index, [kind, lines]] of added.entries()) {
      const key = keys.count(kind);
      const before = await this.#countIn(key, kind, values[index]);
      this.changes.set(key, seal(key, Buffer.from(String(before + lines))));
    }
  }

  async #countIn(key: string, kind: string, value: Buffer | undefined): Promise<number> {
    if (value === undefined) return 0;
    const content = unseal(key, value);
    if (content) return Number(content);
    // Damaged. What it says can be found again, and must not keep lines out.
    let lines = 0;
    const rows = this.#db.iterator({ ...keysBelow(`line/${kind}/`), reverse: false })[Symbol.asyncIterator]();
    while (!(await rows.next()).done) lines++;
    return lines;
  }

  /** Lets the stored ranges of one log grow by what arrived: mostly one range, whose end moves. */
  async #follow({ kind, logId, sender, ranges }: Arrived): Promise<void> {
    const logKey = keys.log(kind, logId);
    const [known] = await this.#db.getMany([logKey]);
    const content = Buffer.from(sender);
    if (!known || !unseal(logKey, known)?.equals(content)) this.changes.set(logKey, seal(logKey, content));

    const fresh = coalesce(ranges);
    const touched = new Map<number, SeqRange>();
    for (const range of fresh) {
      for (const old of await this.#touching(kind, logId, range)) touched.set(old.from, old);
    }
    const grown = new Map(coalesce([...fresh, ...touched.values()]).map((range) => [range.from, range]));
    for (const from of touched.keys()) {
      if (!grown.has(from)) this.changes.set(keys.range(kind, logId, from), undefined);
    }
    for (const { from, to } of grown.values()) {
      if (touched.get(from)?.to === to) continue;
      const key = keys.range(kind, logId, from);
      this.changes.set(key, seal(key, Buffer.from(String(to))));
    }
  }

  /** The stored ranges that overlap a range or lie right beside it. */
  async #touching(kind: string, logId: string, { from, to }: SeqRange): Promise<SeqRange[]> {
    const { gte } = keysBelow(`range/${kind}/${logId}/`);
    // Stored ranges are disjoint and keyed by where they begin: going down from the last that begins in reach,
    // the first that ends out of reach ends the search.
    const rows = this.#db.iterator({ gte, lt: keys.range(kind, logId, to + 2), reverse: true });
    const found: SeqRange[] = [];
    for await (const [key, value] of rows) {
      const begin = seqOfKey(key);
      // A damaged end counts as low as it can be: rather a hole that is none than none that is one.
      const end = Number(unseal(key, value) ?? begin);
      if (end < from - 1) break;
      found.push({ from: begin, to: end });
    }
    return found;
  }
}
