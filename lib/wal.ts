// Wal: a service's log, opened. Wires the rooms and closes them in order; decides nothing that they decide.

import { join } from 'node:path';
import type { StreamPolicy, WalConfig, WalOptions } from './config.js';
import { checkInteger, expected, resolveConfig } from './config.js';
import { WalError } from './errors.js';
import type { WalEvent } from './events.js';
import type { ImportOptions, ImportReport } from './import/import.js';
import { importFiles } from './import/import.js';
import { evictToBounds } from './log/evict.js';
import type { Eviction } from './log/evict.js';
import { isFolder, logFolder, makeFolder } from './log/folder.js';
import { Log } from './log/log.js';
import { forget } from './log/operations.js';
import type { ReadItem, ReadOptions } from './reading.js';
import { readItems } from './reading.js';
import type { VerifyReport } from './log/verify.js';
import { verifyLog } from './log/verify.js';
import type { DefaultKinds } from './records.js';
import { encodeRecord, recordId } from './records.js';
import { Breaker } from './ship/breaker.js';
import type { ShipOptions } from './ship/shipper.js';
import { Shipper } from './ship/shipper.js';
import type { Sink } from './ship/sink.js';
import type { WalStats } from './stats.js';
import { statsOf } from './stats.js';

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
}

export interface EvictReport {
  /** Records that went. */
  evicted: number;
  /** Of them, records that at least one shipper had not delivered. Never any of a `reject` stream. */
  dropped: number;
  freedBytes: number;
}

export interface CompactReport {
  bytesBefore: number;
  bytesAfter: number;
}

/**
 * A durable, ordered log of records per kind, that shippers deliver from.
 *
 * @example
 * const wal = await Wal.open({ service: 'gateway', varDir: '/var/lib/acme' });
 * await wal.append('audit', { ts: Date.now(), service: 'gateway', actor: 'u1', action: 'login', resource: 'session', outcome: 'ok' });
 * wal.ship('audit', httpSink({ baseUrl: 'https://audit.internal', token: { issuer, audience, secret } }));
 * await wal.close({ drainMs: 5000 });
 */
export class Wal<Kinds extends Record<keyof Kinds, object> = DefaultKinds> {
  readonly #log: Log;
  readonly #config: Pick<WalConfig, 'streams' | 'batchMax' | 'clock' | 'onEvent'>;
  readonly #shippers = new Map<string, Shipper>();
  readonly #breakers = new Map<string, Breaker>();
  readonly #sinks = new Set<Sink>();
  /** Kinds whose last `offer` failed: told once until one succeeds. */
  readonly #offersFailing = new Set<string>();
  #offersFailed = 0;
  #importing: Promise<void> = Promise.resolve();
  #intakeClosed = false;
  #closing: Promise<void> | undefined;

  private constructor(log: Log, config: Pick<WalConfig, 'streams' | 'batchMax' | 'clock' | 'onEvent'>) {
    this.#log = log;
    this.#config = { ...config, onEvent: quietly(config.onEvent) };
    for (const [kind, policy] of config.streams) log.trimmer.keepDelivered(kind, policy.keepDeliveredBytes);
  }

  /**
   * Opens a service's log, or makes it where there is none.
   *
   * @throws {WalError} `WAL_CONFIG`, `WAL_LOCKED`, `WAL_IO`, `WAL_CORRUPT`, `WAL_FORMAT_TOO_NEW`.
   */
  static async open<Kinds extends Record<keyof Kinds, object> = DefaultKinds>(
    options: WalOptions,
  ): Promise<Wal<Kinds>> {
    const config = resolveConfig(options);
    const { service, instance, varDir, clock, maxBytes } = config;
    const dir = logFolder(varDir, service, instance);
    await makeFolder(varDir, dir);
    const onWriteFailed = writeFailedEvent(config.onEvent);
    const log = await Log.open({ dir, create: { service, instance }, clock, maxBytes, onWriteFailed });
    return await Wal.#wire<Kinds>(log, config);
  }

  /**
   * Opens a log that exists by its folder, as tools do. Service, instance, kinds and shippers are what is on
   * disk; a kind that `streams` does not tell about is taken for a `reject` stream, so that nothing undelivered goes.
   *
   * @throws {WalError} As `open`; `WAL_CONFIG` where no log is there.
   */
  static async openFolder(
    dir: string,
    options: Omit<WalOptions, 'service' | 'instance' | 'varDir'> = {},
  ): Promise<Wal<Record<string, object>>> {
    const config = resolveConfig({ ...options, service: 'any', varDir: dir });
    if (!(await isFolder(join(dir, 'db')))) throw new WalError('WAL_CONFIG', `no log in ${dir}`);
    const { clock, maxBytes } = config;
    const log = await Log.open({ dir, clock, maxBytes, onWriteFailed: writeFailedEvent(config.onEvent) });
    const streams = new Map(config.streams);
    for (const { kind, cursors } of log.streams.values()) {
      const known = streams.get(kind);
      const base: StreamPolicy = known ?? { ...config.streams.get('audit')!, whenFull: 'reject' };
      streams.set(kind, {
        ...base,
        shippers: [...new Set([...(known ? known.shippers : []), ...cursors.keys()])],
      });
    }
    return await Wal.#wire(log, { ...config, streams });
  }

  static async #wire<Kinds extends Record<keyof Kinds, object>>(
    log: Log,
    config: Pick<WalConfig, 'streams' | 'batchMax' | 'clock' | 'onEvent'>,
  ): Promise<Wal<Kinds>> {
    const wal = new Wal<Kinds>(log, config);
    try {
      const declared = [...config.streams].flatMap(([kind, { shippers }]) =>
        shippers.map((name) => [kind, name] as const),
      );
      await log.addCursors(declared);
    } catch (error) {
      await log.close();
      throw error;
    }
    return wal;
  }

  /** The log's folder. */
  get dir(): string {
    return this.#log.dir;
  }

  /**
   * Appends a record; resolves when it is on disk.
   *
   * @throws {WalError} `WAL_RECORD_INVALID`, `WAL_RECORD_TOO_LARGE`, `WAL_UNKNOWN_KIND`, `WAL_OVERLOADED`,
   *   `WAL_CLOSED`: not appended. `WAL_IO`: unknown; it may yet be delivered.
   */
  async append<Kind extends keyof Kinds & string>(kind: Kind, record: Kinds[Kind]): Promise<AppendReceipt> {
    const policy = this.#policy(kind);
    const json = encodeRecord(kind, record, policy.maxRecordBytes);
    const bytes = Buffer.byteLength(json);
    const [place] = await this.#log.append([{ kind, records: [json] }], bytes, policy.commitDelayMs);
    const { writerId, firstSeq } = place!;
    return { id: recordId(writerId, kind, firstSeq), seq: firstSeq };
  }

  /**
   * Appends records in one commit, all or nothing, in their order. At most 8 MiB of JSON together, and 100,000 records.
   *
   * @throws {WalError} As `append`; `WAL_RECORD_TOO_LARGE` also for all of them together.
   */
  async appendMany<Kind extends keyof Kinds & string>(
    kind: Kind,
    records: readonly Kinds[Kind][],
  ): Promise<AppendReceipt[]> {
    const policy = this.#policy(kind);
    if (!Array.isArray(records)) {
      throw new WalError('WAL_RECORD_INVALID', `expected records of '${kind}' to be an array`);
    }
    if (records.length === 0) return [];
    const jsons = records.map((record) => encodeRecord(kind, record, policy.maxRecordBytes));
    const bytes = jsons.reduce((sum, json) => sum + Buffer.byteLength(json), 0);
    if (bytes > APPEND_MANY_BYTES_MAX || records.length > APPEND_MANY_RECORDS_MAX) {
      throw new WalError(
        'WAL_RECORD_TOO_LARGE',
        `${records.length} records of ${bytes} bytes are more than one commit takes (${APPEND_MANY_RECORDS_MAX} records, ${APPEND_MANY_BYTES_MAX} bytes); append them in parts`,
      );
    }
    const [place] = await this.#log.append([{ kind, records: jsons }], bytes, policy.commitDelayMs);
    const { writerId, firstSeq } = place!;
    return jsons.map((_, n) => ({ id: recordId(writerId, kind, firstSeq + n), seq: firstSeq + n }));
  }

  /**
   * Appends a record for a caller that doesn't wait. Never throws; what fails later is counted in
   * `offersFailed` and told by one `offer-failed` event until an offer of that kind succeeds again.
   *
   * @returns false where the record was not taken.
   */
  offer<Kind extends keyof Kinds & string>(kind: Kind, record: Kinds[Kind]): boolean {
    try {
      const policy = this.#policy(kind);
      const json = encodeRecord(kind, record, policy.maxRecordBytes);
      const bytes = Buffer.byteLength(json);
      this.#log.checkRoom(1, bytes);
      this.#log.append([{ kind, records: [json] }], bytes, policy.commitDelayMs).then(
        () => this.#offersFailing.delete(kind),
        (error: unknown) => this.#offerFailed(kind, error),
      );
      return true;
    } catch (error) {
      this.#offerFailed(kind, error);
      return false;
    }
  }

  /** Records that `offer` could not make durable since open. */
  get offersFailed(): number {
    return this.#offersFailed;
  }

  /**
   * What is on disk, in order, up to what is durable now; notices in their place. Delivered records are there
   * until they are deleted.
   *
   * @throws {WalError} `WAL_UNKNOWN_KIND`, `WAL_CONFIG` for a range that is none.
   */
  read<Kind extends keyof Kinds & string>(
    kind: Kind,
    options: ReadOptions = {},
  ): AsyncGenerator<ReadItem<Kinds[Kind]>> {
    this.#policy(kind, false);
    return readItems(this.#log, kind, options);
  }

  /**
   * Delivers a stream's records to a sink, from the cursor on, until it is stopped.
   *
   * @throws {WalError} `WAL_CONFIG`: not a declared shipper of this stream, or running already.
   *   `WAL_UNKNOWN_KIND`, `WAL_CLOSED`.
   */
  ship<Kind extends keyof Kinds & string>(kind: Kind, sink: Sink, options: ShipOptions = {}): Shipper {
    const policy = this.#policy(kind);
    const {
      name = 'default',
      lingerMs = 100,
      batchMax = this.#config.batchMax,
      batchBytes = 1_048_576,
    } = options;
    if (!policy.shippers.includes(name)) {
      throw new WalError(
        'WAL_CONFIG',
        `'${kind}' has no shipper '${name}'; declared are ${policy.shippers.join(', ')} (streams.${kind}.shippers)`,
      );
    }
    if (typeof sink?.send !== 'function' || typeof sink.name !== 'string') {
      throw expected('sink', 'a Sink: a name and a send function', typeof sink);
    }
    const key = `${kind}/${name}`;
    if (this.#shippers.has(key))
      throw new WalError('WAL_CONFIG', `the shipper '${name}' of '${kind}' runs already`);
    checkInteger('lingerMs', lingerMs, 0, 60_000);
    checkInteger('batchMax', batchMax, 1, 100_000);
    checkInteger('batchBytes', batchBytes, 1024);
    this.#sinks.add(sink);
    const shipper = new Shipper({
      log: this.#log,
      kind,
      sink,
      breaker: this.#breaker(sink.name),
      clock: this.#config.clock,
      random: Math.random,
      options: { name, lingerMs, batchMax, batchBytes },
      onEvent: this.#config.onEvent,
      onStopped: () => this.#shippers.delete(key),
    });
    this.#shippers.set(key, shipper);
    return shipper;
  }

  /** Where every stream and cursor stands. Synchronous, from memory. */
  stats(): WalStats {
    return statsOf(this.#log, (kind, name) => this.#shippers.get(`${kind}/${name}`));
  }

  /**
   * Deletes the oldest records down to bounds: what is delivered first, then what `drop-oldest` streams
   * hold; the ledger counts it and a notice stands in its place. A batch on its way stays.
   *
   * @throws {WalError} `WAL_CONFIG` without a bound, `WAL_UNKNOWN_KIND`, `WAL_IO`, `WAL_CLOSED`.
   */
  async evict(options: EvictOptions<keyof Kinds & string>): Promise<EvictReport> {
    const { kind, maxBytes, maxAgeMs } = options;
    if (kind !== undefined) this.#policy(kind);
    if (maxBytes === undefined && maxAgeMs === undefined) {
      throw new WalError('WAL_CONFIG', 'evict needs a bound: maxBytes or maxAgeMs');
    }
    if (maxBytes !== undefined) checkInteger('maxBytes', maxBytes, 0);
    if (maxAgeMs !== undefined) checkInteger('maxAgeMs', maxAgeMs, 0);
    const appendedBefore = maxAgeMs === undefined ? undefined : this.#config.clock.now() - maxAgeMs;
    const report: EvictReport = { evicted: 0, dropped: 0, freedBytes: 0 };
    await this.#log.flush();
    await evictToBounds(
      this.#log,
      (name) => this.#config.streams.get(name)?.whenFull ?? 'reject',
      { kind, bytesMax: maxBytes, appendedBefore },
      'size',
      (eviction) => {
        report.evicted += eviction.records;
        report.dropped += eviction.dropped;
        report.freedBytes += eviction.bytes;
        this.#tellDropped(eviction);
      },
    );
    return report;
  }

  /** Gives deleted space back to the file system now; it happens by itself in steps. */
  async compact(): Promise<CompactReport> {
    await this.#log.flush();
    const bytesBefore = await this.#log.measure();
    await this.#log.trimmer.compactAll();
    return { bytesBefore, bytesAfter: await this.#log.measure() };
  }

  /** Checks every value, line, seq and offset, and the ledger's equation. Takes seconds for a large log; changes nothing. */
  async verify(options: { onProgress?: (records: number) => void } = {}): Promise<VerifyReport> {
    await this.#log.flush();
    return await verifyLog(this.#log.store, options.onProgress);
  }

  /**
   * Gives a cursor up for good: what only it was waiting for may be deleted.
   *
   * @returns how many records it had not passed.
   * @throws {WalError} `WAL_CONFIG`: no such cursor, or its shipper runs.
   */
  async forget(kind: keyof Kinds & string, shipper: string): Promise<{ records: number }> {
    this.#policy(kind, false);
    if (!this.#log.stream(kind).cursors.has(shipper)) {
      throw new WalError('WAL_CONFIG', `'${kind}' has no cursor '${shipper}'`);
    }
    if (this.#shippers.has(`${kind}/${shipper}`)) {
      throw new WalError('WAL_CONFIG', `the shipper '${shipper}' of '${kind}' runs; stop it first`);
    }
    return { records: await this.#log.change((draft) => forget(draft, kind, shipper)) };
  }

  /** Appends what NDJSON files hold, each line once, however often it is called. See `ImportOptions`. */
  async import(paths: readonly string[], options: ImportOptions = {}): Promise<ImportReport> {
    // One at a time: two imports of one file would both find it not imported yet.
    const before = this.#importing;
    const run = before.then(() => importFiles(this.#log, (kind) => this.#policy(kind), paths, options));
    this.#importing = run.then(
      () => {},
      () => {},
    );
    return await run;
  }

  /**
   * Stops intake, gives the shippers up to `drainMs` to empty the backlog, stops them, commits what waits and
   * closes. What was not delivered stays. Callers share one close.
   */
  close(options: { drainMs?: number } = {}): Promise<void> {
    this.#closing ??= this.#close(checkInteger('drainMs', options.drainMs ?? 0, 0));
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(drainMs: number): Promise<void> {
    this.#intakeClosed = true;
    const shippers = [...this.#shippers.values()];
    if (drainMs > 0) await this.#drain(shippers, drainMs);
    await Promise.all(shippers.map((shipper) => shipper.stop()));
    await this.#log.close();
    await Promise.allSettled([...this.#sinks].map((sink) => sink.close?.()));
  }

  async #drain(shippers: readonly Shipper[], drainMs: number): Promise<void> {
    const late = new AbortController();
    const drained = Promise.allSettled(shippers.map((shipper) => shipper.idle({ signal: late.signal })));
    await Promise.race([drained, this.#config.clock.sleep(drainMs, late.signal)]);
    late.abort();
    await drained;
  }

  /** The policy of a kind that may be written to now. */
  #policy(kind: string, writes = true): StreamPolicy {
    if (this.#closing || (writes && this.#intakeClosed))
      throw new WalError('WAL_CLOSED', 'the log is closed');
    const policy = this.#config.streams.get(kind);
    if (policy) return policy;
    if (!writes && this.#log.streams.has(kind)) return this.#config.streams.get('audit')!;
    const known = [...this.#config.streams.keys()].join(', ');
    throw new WalError('WAL_UNKNOWN_KIND', `no stream '${kind}'; there are ${known} (options.streams)`);
  }

  #breaker(sinkName: string): Breaker {
    let breaker = this.#breakers.get(sinkName);
    if (!breaker) {
      breaker = new Breaker(this.#config.clock);
      this.#breakers.set(sinkName, breaker);
    }
    return breaker;
  }

  #offerFailed(kind: string, error: unknown): void {
    this.#offersFailed++;
    if (this.#offersFailing.has(kind)) return;
    this.#offersFailing.add(kind);
    const code = error instanceof WalError ? error.code : 'WAL_RECORD_INVALID';
    const message = error instanceof Error ? error.message : String(error);
    this.#config.onEvent({ type: 'offer-failed', kind, code, message });
  }

  #tellDropped({ kind, from, to, reason, unsettled }: Eviction): void {
    for (const [shipper, records] of unsettled) {
      if (records > 0) this.#config.onEvent({ type: 'dropped', kind, shipper, from, to, records, reason });
    }
  }
}

/** Bytes of JSON, and records, that `appendMany` takes: what one commit can hold and still be reopened after a full disk. */
const APPEND_MANY_BYTES_MAX = 8 * 1_048_576;
const APPEND_MANY_RECORDS_MAX = 100_000;

/** An observer must not be able to break what it observes. */
function quietly(onEvent: (event: WalEvent) => void): (event: WalEvent) => void {
  return (event) => {
    try {
      onEvent(event);
    } catch {
      // Said in the option's documentation.
    }
  };
}

function writeFailedEvent(onEvent: (event: WalEvent) => void): (error: Error) => void {
  return (error) => quietly(onEvent)({ type: 'write-failed', message: error.message });
}
