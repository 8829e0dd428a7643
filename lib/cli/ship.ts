// `nv-wal ship`: delivers a log's backlog to the sink that the environment names.

import type { Command } from 'commander';
import { RemoteLog, httpSink, walOptionsFromEnv } from '../index.js';
import type { ShipperStats, Sink, WalEvent, WalStats } from '../index.js';
import { Failure, UsageError, asUsage, oneLine } from './errors.js';
import { fired, interruptible } from './interrupt.js';
import type { OpenLog } from './open.js';
import { openLog } from './open.js';
import { remoteOf } from './reach.js';
import type { JsonOption, LogAddress } from './options.js';
import { addCommand, addLogOptions, kindOption, parseDuration } from './options.js';
import { count, counted, note, printResult, progress } from './output.js';

interface ShipCommandOptions extends LogAddress, JsonOption {
  once?: boolean;
  kind?: string;
  timeout?: number;
}

const HELP = `The sink is the environment's: WAL_BASE_URL, WAL_S2S_ISSUER, WAL_S2S_AUDIENCE, and WAL_S2S_SECRET or
WAL_S2S_KEY_FILE (a private key); WAL_GZIP and WAL_SIGNING_SECRET if wanted. The token's subject is the log's
service. Each stream goes on from its cursor 'default'. A sink that is down is waited for, and told of once.

Without --once it runs until SIGINT or SIGTERM. With it, it ends when nothing is left; exit 1 where something is
left when the time is up, or when it is interrupted. A log in use is shipped by the process that holds it, to its own
sinks: --once then waits until that has delivered what is there now.

Example:
  WAL_BASE_URL=https://logs.internal … nv-wal ship --service gateway --once --timeout 5m`;

const SHIPPER = 'default';
const LOOK_EVERY_MS = 200;
/** A timer above this would go off at once. */
const TIMER_MS_MAX = 2 ** 31 - 1;

export function addShip(program: Command): void {
  const command = addCommand(program, 'ship', 'deliver the backlog to the configured sink', HELP);
  addLogOptions(command)
    .option('--once', 'end when the backlog is empty')
    .addOption(kindOption('only this stream'))
    .option('--timeout <time>', 'end after this time: 500ms, 60s, 5m', parseDuration)
    .action(async (options: ShipCommandOptions) => {
      const { delivered, quarantined, backlog, left } = await interruptible((signal) =>
        ship(options, signal),
      );
      const text = `delivered ${counted(delivered, 'record')}, quarantined ${count(quarantined)}; backlog ${count(backlog)}`;
      await printResult(options.json, { delivered, quarantined, backlog }, text);
      if (options.once && left) throw new Failure(`a backlog of ${counted(backlog, 'record')} is left`);
    });
}

interface Shipped extends Sum {
  /** Whether any of what was to be delivered is not. */
  left: boolean;
}

/** Opens the log, ships, and says what that has changed. */
async function ship(options: ShipCommandOptions, interrupted: AbortSignal): Promise<Shipped> {
  const outages = new Outages();
  // What is delivered here goes at once: the log's service may never come back for it.
  const onEvent = (event: WalEvent) => outages.tell(event);
  const open = () => openLog(options, { onEvent, keepDeliveredBytes: 0 });
  const opened = await remoteOf(options, open, interrupted);
  if (opened instanceof RemoteLog) return await drain(opened, options);
  await using wal = opened;
  const kinds = kindsOf(wal.stats(), options.kind);
  const before = sumOf(wal.stats(), kinds);
  await deliver(wal, sinkFromEnv(), kinds, options, interrupted);
  const change = changeOf(before, sumOf(wal.stats(), kinds));
  return { ...change, left: change.backlog > 0 };
}

/** The process that holds the log ships by itself: what is left is to wait for it, while nothing of it lingers. */
async function drain(log: RemoteLog, { once, kind, timeout }: ShipCommandOptions): Promise<Shipped> {
  if (!once)
    throw new Failure(
      'the log is in use: the process that holds it ships it; --once waits until it has delivered what is there',
    );
  const stats = await log.stats();
  if (kind !== undefined && !(kind in stats.streams)) throw new UsageError(`no stream '${kind}'`);
  const kinds = kindsOf(stats, kind);
  using _ = progress('waiting for the process that holds the log');
  const after = await log.drain({
    ...(kind !== undefined && { kind }),
    ...(timeout !== undefined && { withinMs: timeout }),
  });
  for (const name of kinds) {
    const { state, lastError } = after.streams[name]?.shippers[SHIPPER] ?? {};
    if (state === 'none') note(`nv-wal: the process that holds the log ships no '${name}'`);
    else if (lastError !== undefined) note(`nv-wal: '${name}' waits: ${oneLine(lastError)}`);
  }
  // Its service goes on appending: only what was there at the beginning is to be delivered by now.
  const left = kinds.some(
    (name) => (after.streams[name]?.shippers[SHIPPER]?.seq ?? 0) < stats.streams[name]!.lastSeq,
  );
  return { ...changeOf(sumOf(stats, kinds), sumOf(after, kinds)), left };
}

function changeOf(before: Sum, { delivered, quarantined, backlog }: Sum): Sum {
  return { delivered: delivered - before.delivered, quarantined: quarantined - before.quarantined, backlog };
}

/** Neither service nor VAR_DIR matter to a sink; the log says for whom the token is. */
function sinkFromEnv(): Sink {
  const { sink } = asUsage(() => walOptionsFromEnv('any', { ...process.env, VAR_DIR: '.' }));
  if (!sink) throw new UsageError('WAL_BASE_URL is missing: where should the records go?');
  return asUsage(() => httpSink(sink));
}

function kindsOf({ streams, dir }: WalStats, kind: string | undefined): string[] {
  // Whether that one can be shipped is `wal.ship`'s to say.
  if (kind !== undefined) return [kind];
  const kinds = Object.keys(streams).filter((name) => SHIPPER in streams[name]!.shippers);
  if (kinds.length === 0) throw new Failure(`no stream in ${dir} has a shipper '${SHIPPER}'`);
  return kinds;
}

/** Delivers until there is nothing left (`once`), the time is up, or `interrupted` fires. */
async function deliver(
  wal: OpenLog,
  sink: Sink,
  kinds: string[],
  { once, timeout }: ShipCommandOptions,
  interrupted: AbortSignal,
): Promise<void> {
  const shippers = asUsage(() => kinds.map((kind) => wal.ship(kind, sink)));
  const late = timeout === undefined ? [] : [AbortSignal.timeout(Math.min(timeout, TIMER_MS_MAX))];
  const end = AbortSignal.any([interrupted, ...late]);
  using shown = progress(`shipping to ${sink.name}`);
  const looking = setInterval(() => shown.say(describe(sink.name, sumOf(wal.stats(), kinds))), LOOK_EVERY_MS);
  try {
    if (once) await Promise.all(shippers.map((shipper) => shipper.idle({ signal: end })));
    else await fired(end);
  } catch (error) {
    if (!end.aborted) throw error;
  } finally {
    clearInterval(looking);
    await Promise.all(shippers.map((shipper) => shipper.stop()));
  }
}

type Sum = Pick<ShipperStats, 'delivered' | 'quarantined'> & { backlog: number };

function sumOf({ streams }: WalStats, kinds: string[]): Sum {
  const sum: Sum = { delivered: 0, quarantined: 0, backlog: 0 };
  for (const kind of kinds) {
    const shipper = streams[kind]?.shippers[SHIPPER];
    sum.delivered += shipper?.delivered ?? 0;
    sum.quarantined += shipper?.quarantined ?? 0;
    sum.backlog += shipper?.backlogRecords ?? 0;
  }
  return sum;
}

function describe(name: string, { delivered, backlog }: Sum): string {
  return `shipping to ${name}: ${count(delivered)} delivered, ${count(backlog)} to go`;
}

/** Tells of an outage once, however many streams and tries it fails. */
class Outages {
  readonly #failing = new Set<string>();

  tell(event: WalEvent): void {
    switch (event.type) {
      case 'ship-failing':
        if (this.#failing.size === 0) note(`nv-wal: waiting: ${oneLine(event.message)}`);
        this.#failing.add(event.kind);
        break;
      case 'ship-recovered':
        this.#failing.delete(event.kind);
        if (this.#failing.size === 0) note(`nv-wal: ${event.sink} takes records again`);
        break;
      case 'quarantined':
        note(`nv-wal: ${event.kind} ${event.seq} is quarantined: ${oneLine(event.reason)}`);
        break;
      case 'dropped':
      case 'lost':
        note(`nv-wal: ${event.kind} ${event.from} to ${event.to} were ${event.type}: ${event.reason}`);
        break;
      default:
        break;
    }
  }
}
