// Wal: a service's log, opened. Wires the rooms and closes them in order; decides nothing that they decide.

import type { StreamConfig, WalOptions } from './config.js';
import { checkInteger } from './checks.js';
import { WalError } from './errors.js';
import { quietly } from './events.js';
import { Intake } from './intake.js';
import type { ImportOptions, ImportReport } from './import/import.js';
import { Importer } from './import/importer.js';
import { Presence } from './instances/presence.js';
import { forgetOnDemand, replayOnDemand } from './cursors.js';
import { compactOnDemand, evictOnDemand } from './evicting.js';
import { droppedEvents } from './log/evict.js';
import type { Eviction } from './log/evict.js';
import type { Log } from './log/log.js';
import { Retainer } from './log/retain.js';
import type { FolderOptions, OpenConfig } from './opening.js';
import { openExisting, openOwn } from './opening.js';
import type { QuarantinedItem, ResendOptions } from './quarantine.js';
import { Quarantine } from './quarantine.js';
import { Refusals } from './refusals.js';
import type { AppendReceipt, CompactOptions, CompactReport } from './reports.js';
import type { EvictOptions, EvictReport, ReplayOptions } from './reports.js';
import type { ReadItem } from './passage.js';
import type { ReadOptions } from './reading.js';
import { readItems } from './reading.js';
import type { WalHealth } from './operate/health.js';
import type { WalMetrics } from './operate/metrics.js';
import type { MetricsRegistry } from './operate/registry.js';
import { Watch } from './operate/watch.js';
import type { VerifyReport } from './log/verify.js';
import { verifyLog } from './log/verify.js';
import type { DefaultKinds } from './records.js';
import type { Shipper } from './ship/shipper.js';
import type { ShipOptions } from './ship/shipper-context.js';
import { Shippers } from './ship/shippers.js';
import type { Sink } from './ship/sink.js';
import type { WalStats } from './stats.js';
import { statsOf } from './stats.js';

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
  readonly #config: OpenConfig;
  readonly #retainer: Retainer;
  readonly #shippers: Shippers;
  readonly #intake: Intake;
  readonly #quarantine: Quarantine;
  readonly #importer: Importer;
  readonly #watch: Watch;
  #presence: Presence | undefined;
  #intakeClosed = false;
  #closing: Promise<void> | undefined;

  private constructor(log: Log, config: OpenConfig) {
    this.#log = log;
    const onEvent = quietly(config.onEvent);
    this.#config = { ...config, onEvent };
    this.#shippers = new Shippers(log, config.clock, onEvent);
    for (const [kind, policy] of config.streams) log.trimmer.keepDelivered(kind, policy.keepDeliveredBytes);
    const { maxBytes, streams } = config;
    const retainer = (this.#retainer = new Retainer(log, {
      maxBytes,
      streams,
      onEvicted: this.#tellDropped,
    }));
    const policyOf = (kind: string) => this.#policy(kind);
    const refusals = new Refusals(streams.keys());
    this.#intake = new Intake({ log, retainer, policyOf, onEvent, refusals });
    this.#quarantine = new Quarantine(log, this.#checkRoom);
    this.#importer = new Importer({ log, policyOf, checkRoom: this.#checkRoom });
    this.#watch = new Watch({
      ...this.#config,
      wal: this,
      log,
      shippers: this.#shippers,
      retainer,
      refusals,
    });
    log.onCommit(() => this.#retainer.wake());
    this.#retainer.wake();
  }

  /**
   * Opens a service's log, or makes it where there is none.
   *
   * @throws {WalError} `WAL_CONFIG`, `WAL_LOCKED`, `WAL_IO`, `WAL_CORRUPT`, `WAL_FORMAT_TOO_NEW`.
   */
  static async open<Kinds extends Record<keyof Kinds, object> = DefaultKinds>(
    options: WalOptions,
  ): Promise<Wal<Kinds>> {
    const { log, config } = await openOwn(options);
    return await Wal.#wire<Kinds>(log, config);
  }

  /**
   * Opens a log that exists by its folder, as tools do. Service, instance, kinds and shippers are what is on
   * disk; a kind that `streams` does not tell about is taken for a `reject` stream, so that nothing undelivered goes.
   *
   * @throws {WalError} As `open`; `WAL_CONFIG` where no log is there, or one of an older format.
   */
  static async openFolder(dir: string, options: FolderOptions = {}): Promise<Wal<Record<string, object>>> {
    const { log, config } = await openExisting(dir, options);
    return await Wal.#wire(log, config);
  }

  static async #wire<Kinds extends Record<keyof Kinds, object>>(
    log: Log,
    config: OpenConfig,
  ): Promise<Wal<Kinds>> {
    const wal = new Wal<Kinds>(log, config);
    try {
      const declared = [...config.streams].flatMap(([kind, { shippers }]) =>
        shippers.map((name) => [kind, name] as const),
      );
      await log.addCursors(declared);
      wal.#presence = await Presence.begin({
        log,
        shippers: wal.#shippers,
        policy: config,
        wal,
        routes: wal.#watch.routes,
        onEvent: wal.#config.onEvent,
      });
    } catch (error) {
      await wal.#watch.close();
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
  append<Kind extends keyof Kinds & string>(kind: Kind, record: Kinds[Kind]): Promise<AppendReceipt> {
    return this.#intake.append(kind, record);
  }

  /**
   * Appends records in one commit, all or nothing, in their order. At most 8 MiB of lines (ids
   * included) together, and 100,000 records.
   *
   * @throws {WalError} As `append`; `WAL_RECORD_TOO_LARGE` also for all of them together.
   */
  async appendMany<Kind extends keyof Kinds & string>(
    kind: Kind,
    records: readonly Kinds[Kind][],
  ): Promise<AppendReceipt[]> {
    return await this.#intake.appendMany(kind, records);
  }

  /**
   * Appends a record for a caller that doesn't wait. Never throws; what fails later is counted in
   * `offersFailed` and told by one `offer-failed` event until an offer of that kind succeeds again.
   *
   * @returns false where the record was not taken.
   */
  offer<Kind extends keyof Kinds & string>(kind: Kind, record: Kinds[Kind]): boolean {
    return this.#intake.offer(kind, record);
  }

  /** Records that `offer` could not make durable since open. */
  get offersFailed(): number {
    return this.#intake.offersFailed;
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
    const batchMax = options.batchMax ?? this.#config.batchMax;
    return this.#shippers.start(kind, policy.shippers, sink, { ...options, batchMax });
  }

  /** Where every stream and cursor stands. Synchronous, from memory. */
  stats(): WalStats {
    return statsOf(this.#log, (kind, name) => this.#shippers.get(kind, name), this.#config.streams);
  }

  /** What there is to measure, by the names of Prometheus and ADR-0017. Synchronous, from memory. */
  metrics(): WalMetrics {
    return this.#watch.metrics();
  }

  /** Whether it does its work, as `application/health+json` has it. Synchronous, from memory. */
  health(): WalHealth {
    return this.#watch.health();
  }

  /**
   * Adds the metrics to a prom-client registry, until the log is closed.
   *
   * @throws {WalError} `WAL_CONFIG` where something else has one of the names there.
   */
  registerMetrics(registry: MetricsRegistry): void {
    this.#watch.register(registry);
  }

  /**
   * Deletes the oldest records down to bounds: what is delivered first, then what `drop-oldest` streams
   * hold; the ledger counts it and a notice stands in its place. A batch on its way stays.
   *
   * @throws {WalError} `WAL_CONFIG` without a bound, `WAL_UNKNOWN_KIND`, `WAL_IO`, `WAL_CLOSED`.
   */
  async evict(options: EvictOptions<keyof Kinds & string>): Promise<EvictReport> {
    if (options.kind !== undefined) this.#policy(options.kind);
    return await evictOnDemand(this.#log, this.#config.streams, options, this.#tellDropped);
  }

  /**
   * Records that destinations refused while they took others, of one kind or of all: by kind, shipper and seq.
   * They stay until they are sent again. What is put aside meanwhile may come or not.
   *
   * @throws {WalError} `WAL_UNKNOWN_KIND`, `WAL_CORRUPT`.
   */
  quarantined<Kind extends keyof Kinds & string>(kind?: Kind): AsyncGenerator<QuarantinedItem<Kinds[Kind]>> {
    this.#policy(kind ?? 'log', false);
    return this.#quarantine.items(kind);
  }

  /**
   * Appends refused records again, as new ones at the end of their stream, and takes the old ones out of the
   * quarantine in the same commit. The new line names the old id beside the record: `resendOf`. Every shipper of
   * the stream delivers them. In the ledger, the old ones stay quarantined; the new ones are records like any.
   *
   * @returns how many.
   * @throws {WalError} As `append`; what was appended before stays so.
   */
  async resend(kind: keyof Kinds & string, options: ResendOptions = {}): Promise<{ records: number }> {
    this.#policy(kind);
    return await this.#quarantine.resend(kind, options);
  }

  /** Gives deleted space back to the file system now; it happens by itself in steps. */
  async compact(options: CompactOptions = {}): Promise<CompactReport> {
    return await compactOnDemand(this.#log, options);
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
    return await forgetOnDemand(this.#log, kind, shipper, this.#shippers.get(kind, shipper) !== undefined);
  }

  /**
   * Moves a cursor back: what is on disk from a seq on (see `keepDeliveredBytes`) is backlog again, and delivered again
   * under the same ids. Its shipper may run. Returns how many records.
   *
   * @throws {WalError} `WAL_CONFIG`: no such cursor, or that seq is not on disk any more. `WAL_UNKNOWN_KIND`; `WAL_FULL`.
   */
  async replay(kind: keyof Kinds & string, options: ReplayOptions): Promise<{ records: number }> {
    this.#policy(kind);
    return await replayOnDemand(this.#log, kind, options, this.#checkRoom);
  }

  /** Appends what NDJSON files hold, each line once, however often it is called. See `ImportOptions`. */
  async import(paths: readonly string[], options: ImportOptions = {}): Promise<ImportReport> {
    return await this.#importer.import(paths, options);
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
    if (drainMs > 0) await this.#shippers.drain(drainMs);
    // Shippers and evictions wait for their commits: on a disk that refuses, they would wait for ever.
    this.#log.endWaits();
    await this.#presence?.close();
    await this.#watch.close();
    await this.#shippers.stop();
    await this.#retainer.close();
    await this.#log.close();
    await this.#shippers.closeSinks();
  }

  /** The policy of a kind that may be written to now. */
  #policy(kind: string, writes = true): StreamConfig {
    if (this.#closing || (writes && this.#intakeClosed))
      throw new WalError('WAL_CLOSED', 'the log is closed');
    const policy = this.#config.streams.get(kind);
    if (policy) return policy;
    if (!writes && this.#log.streams.has(kind)) return this.#config.streams.get('audit')!;
    const known = [...this.#config.streams.keys()].join(', ');
    throw new WalError('WAL_UNKNOWN_KIND', `no stream '${kind}'; there are ${known} (options.streams)`);
  }

  readonly #tellDropped = (eviction: Eviction): void => {
    for (const event of droppedEvents(eviction)) this.#config.onEvent(event);
  };

  readonly #checkRoom = (kind: string, bytes: number): void => this.#retainer.checkRoom(kind, bytes);
}
