// A disk that takes steps, and what of them it would still have after the power went: what was synced, and of the
// rest whatever a file system may keep. Pure: no I/O.
//
// Modelled on ext4 (data=ordered) and XFS. Names (create, link, rename, remove) go into one journal and survive as a
// prefix of it; syncing a folder, or a file that is new or has grown, writes the journal out up to there. The
// bytes of a file that are not synced survive in any subset of its sectors; where one in front of others did not,
// the file has zeros.

import type { Dice } from './points-random.js';
import type { Step } from './power-loss-trace.js';

const SECTOR_BYTES = 512;

interface Write {
  readonly at: number;
  readonly bytes: Buffer;
}

/** A file, whatever its name. */
interface File {
  synced: Buffer;
  /** Not synced, in order. */
  pending: Write[];
  /** Writes that were synced: `pending` begins behind them. */
  writes: number;
  size: number;
  /** How long the journal was when it was made. */
  readonly madeAt: number;
}

type Node = File | 'folder';

/** A change of names. */
type Entry = (names: Map<string, Node>) => unknown;

interface Sync {
  readonly file: File | undefined;
  readonly writes: number;
  readonly journal: number;
}

/** What a crash leaves: files by path, and the folders. */
export interface Remains {
  readonly files: ReadonlyMap<string, Buffer>;
  readonly folders: readonly string[];
}

export class Disk {
  /** As processes see it. */
  readonly #names = new Map<string, Node>([['', 'folder']]);
  /** As it is durable; the journal behind it may be lost. */
  readonly #durable = new Map<string, Node>([['', 'folder']]);
  #journal: Entry[] = [];
  /** Entries that are durable: `#journal` begins behind them. */
  #written = 0;
  readonly #syncs = new Map<number, Sync>();

  /** What is there before the first step, durably. */
  constructor(before: Remains = { files: new Map(), folders: [] }) {
    for (const path of before.folders) this.#names.set(path, 'folder');
    for (const [path, synced] of before.files) {
      this.#names.set(path, { synced, pending: [], writes: 0, size: synced.length, madeAt: -1 });
    }
    for (const [path, node] of this.#names) this.#durable.set(path, node);
  }

  take(step: Step): void {
    switch (step.is) {
      case 'write':
        return this.#write(step.path, step.at, step.bytes);
      case 'create':
        if (this.#names.has(step.path) && !step.truncates) return;
        return this.#create(step.path);
      case 'folder':
        return this.#rename((names) => names.set(step.path, 'folder'));
      case 'remove':
        return this.#rename((names) => names.delete(step.path));
      case 'rename':
        return this.#rename((names) => move(names, step.from, step.to));
      case 'link':
        return this.#rename((names) => names.set(step.to, names.get(step.from)!));
      case 'syncing':
        return this.#syncing(step.call, step.path);
      case 'synced':
        return this.#synced(step.call);
      case 'said':
        return;
      default:
        return step satisfies never;
    }
  }

  /** One of the states that the disk may be in if the power goes now. */
  crash(dice: Dice): Remains {
    const names = new Map(this.#durable);
    const kept = dice.chance(0.3)
      ? dice.pick([0, this.#journal.length])
      : dice.integer(0, this.#journal.length);
    for (const entry of this.#journal.slice(0, kept)) entry(names);
    const files = new Map<string, Buffer>();
    const folders: string[] = [];
    // A file may have two names.
    const contents = new Map<File, Buffer>();
    for (const [path, node] of names) {
      if (node === 'folder') folders.push(path);
      else {
        const content = contents.get(node) ?? contentAfter(node, dice);
        contents.set(node, content);
        files.set(path, content);
      }
    }
    return { files, folders };
  }

  #create(path: string): void {
    const madeAt = this.#written + this.#journal.length;
    const file: File = { synced: Buffer.alloc(0), pending: [], writes: 0, size: 0, madeAt };
    this.#rename((names) => names.set(path, file));
  }

  #rename(entry: Entry): void {
    entry(this.#names);
    this.#journal.push(entry);
  }

  #write(path: string, at: number | 'end', bytes: Buffer): void {
    const file = this.#names.get(path);
    if (file === undefined || file === 'folder') return;
    const start = at === 'end' ? file.size : at;
    file.pending.push({ at: start, bytes });
    file.size = Math.max(file.size, start + bytes.length);
  }

  #syncing(call: number, path: string): void {
    const node = this.#names.get(path);
    if (node === undefined) return;
    const end = this.#written + this.#journal.length;
    if (node === 'folder') return void this.#syncs.set(call, { file: undefined, writes: 0, journal: end });
    const isNew = node.madeAt >= this.#written;
    const journal = isNew || node.size > node.synced.length ? end : 0;
    this.#syncs.set(call, { file: node, writes: node.writes + node.pending.length, journal });
  }

  #synced(call: number): void {
    const sync = this.#syncs.get(call);
    if (!sync) return;
    this.#syncs.delete(call);
    const { file, writes, journal } = sync;
    for (const entry of this.#journal.splice(0, journal - this.#written)) entry(this.#durable);
    this.#written = Math.max(this.#written, journal);
    if (!file || writes <= file.writes) return;
    const written = file.pending.splice(0, writes - file.writes);
    file.writes = writes;
    file.synced = applied(file.synced, written);
  }
}

function move(names: Map<string, Node>, from: string, to: string): void {
  for (const [path, node] of new Map(names)) {
    if (path !== from && !path.startsWith(`${from}/`)) continue;
    names.delete(path);
    names.set(to + path.slice(from.length), node);
  }
}

function applied(before: Buffer, writes: readonly Write[]): Buffer {
  const size = writes.reduce((most, { at, bytes }) => Math.max(most, at + bytes.length), before.length);
  const content = Buffer.alloc(size);
  before.copy(content);
  for (const { at, bytes } of writes) bytes.copy(content, at);
  return content;
}

/** What is left of a file: what was synced, and of the rest nothing, all, a beginning, or some sectors. */
function contentAfter(file: File, dice: Dice): Buffer {
  const { synced, pending } = file;
  const all = applied(synced, pending);
  switch (pending.length === 0 ? 'none' : dice.pick(['none', 'all', 'beginning', 'sectors'] as const)) {
    case 'none':
      return synced;
    case 'all':
      return all;
    case 'beginning': {
      const whole = pending.slice(0, dice.integer(0, pending.length - 1));
      const { at, bytes } = pending[whole.length]!;
      return applied(synced, [...whole, { at, bytes: bytes.subarray(0, dice.integer(0, bytes.length)) }]);
    }
    default: {
      const size = dice.integer(synced.length, all.length);
      const content = applied(Buffer.alloc(size), [{ at: 0, bytes: synced }]);
      const share = dice.next();
      for (let at = 0; at < size; at += SECTOR_BYTES) {
        if (dice.chance(share)) all.copy(content, at, at, Math.min(at + SECTOR_BYTES, size));
      }
      return content;
    }
  }
}
