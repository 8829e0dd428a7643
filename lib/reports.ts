// What the calls of a Wal take and report: shapes only.

/** Where an appended record is: durable under this id. */
export interface AppendReceipt {
  /** `<writer id>:<kind>:<seq>`; never reused for other content. */
  id: string;
  seq: number;
}

export interface EvictOptions<Kind extends string = string> {
  /** Only this stream. @default all of them together */
  kind?: Kind;
  /** Evict until at most this many bytes are stored. Integer >= 0. */
  maxBytes?: number;
  /** Evict what was appended longer ago than this, in ms by the wall clock. Integer >= 0. */
  maxAgeMs?: number;
  /** Only report what would go. @default false */
  dryRun?: boolean;
}

export interface EvictReport {
  /** Records that went. */
  evicted: number;
  /** Of them, records that at least one shipper had not delivered. Never any of a `reject` stream. */
  dropped: number;
  freedBytes: number;
  /** What went, in order. */
  ranges: EvictedRange[];
}

/** Neighbouring records that went for one reason. */
export interface EvictedRange {
  kind: string;
  from: number;
  to: number;
  records: number;
  /** Of them, records that at least one shipper had not delivered. */
  dropped: number;
  bytes: number;
  reason: 'size' | 'age';
}

export interface ReplayOptions {
  /** The first seq to deliver again. Integer >= 1; it must still be on disk. */
  from: number;
  /** Whose cursor. @default 'default' */
  shipper?: string;
}

export interface CompactOptions {
  /** Ends it between two pieces; what is done is done. */
  signal?: AbortSignal;
  onProgress?: (progress: CompactProgress) => void;
}

/** Bytes of stored records that were gone through. */
export interface CompactProgress {
  bytes: number;
  bytesTotal: number;
}

export interface CompactReport {
  bytesBefore: number;
  bytesAfter: number;
}
