// `@nv/wal/logger`: a logger that writes to the console always, and to the `log` stream what a policy says is to be
// persisted. Decides nothing of what the log decides. A log call never throws and never waits.

import { pino } from 'pino';
import type { LogFn, Logger as PinoLogger } from 'pino';
import { WalError, systemClock } from '../index.js';
import type { Clock, LogRecord } from '../index.js';
import { forConsole, readCall, withReadableErrors } from './log-call.js';
import type { LogCall } from './log-call.js';
import { Losses } from './losses.js';
import { expected, messageOf } from './misuse.js';
import type { LogLevel, PolicyFunction, ServicePolicy } from './policy.js';
import { LOG_LEVELS, persistByDefault } from './policy.js';

export type { PolicyAnswer, PolicyOverride } from './policy-answer.js';
export { persistByDefault } from './policy.js';
export type { LogLevel, PolicyFunction, PolicyQuestion, ServicePolicy } from './policy.js';
export { remotePolicy } from './remote-policy.js';
export type { PolicyEvent, RemotePolicy, RemotePolicyOptions } from './remote-policy.js';

/** What a logger needs of a `Wal`. */
export interface LogTarget {
  offer(kind: 'log', record: LogRecord): boolean;
  readonly offersFailed: number;
}

export interface LoggerOptions {
  wal: LogTarget;
  /** The `service` of the records. */
  service: string;
  /**
   * Which records are persisted: a function, or `remotePolicy({ url })`.
   * @default persistByDefault: all levels but debug and info
   */
  policy?: PolicyFunction | ServicePolicy;
  /**
   * The pino logger that writes to the console. Its own level says what is shown; it has no say in what is persisted.
   * @default to standard output, from `debug` on
   */
  console?: PinoLogger;
  /** For tests: another source of time. */
  clock?: Clock;
}

/** What names the category of a record, in a call or bound; everything beside it is `data`, or `ctx`. */
export interface Categorized {
  category?: string | undefined;
}

/** As in pino: an object (or an error) and a message, or a message alone. Errors in an object are serialized. */
export interface LogMethod {
  <Data extends object>(data: Data & Categorized, msg?: string): void;
  (msg: string): void;
}

export interface Logger extends Readonly<Record<LogLevel, LogMethod>> {
  /** A logger whose records have this as their `ctx`, over what is bound already; `category` is the records' own. */
  bind<Context extends object>(context: Context & Categorized): Logger;
}

export interface RootLogger extends Logger {
  /** Records that were to be persisted and are not: failed offers to this log since, and what could not be read. */
  readonly lost: number;
  /** Times that the policy threw; the record was persisted. */
  readonly policyFailures: number;
}

/** Between warn and error on the console. */
const CONSOLE_LEVELS = { audit: 42, security: 47 } as const;

/**
 * @throws {WalError} `WAL_CONFIG`.
 *
 * @example
 * const logger = createLogger({ wal, service: 'gateway', policy: ({ level }) => level !== 'debug' });
 * const log = logger.bind({ requestId, category: 'http' });
 * log.info({ status: 200 }, 'answered');
 */
export function createLogger(options: LoggerOptions): RootLogger {
  return new Root(options);
}

/** What is needed of pino's logger once it has all levels. */
type Console = Record<LogLevel, LogFn> & { child(bindings: object): Console };

interface Bound {
  readonly console: Console;
  readonly category: string | undefined;
  readonly ctx: Record<string, unknown> | undefined;
}

/** What all loggers of a `createLogger` share. */
class Core {
  readonly #wal: LogTarget;
  readonly #service: string;
  readonly #policy: PolicyFunction;
  readonly #clock: Clock;
  readonly #losses: Losses;
  readonly #failedBefore: number;
  #unreadable = 0;
  policyFailures = 0;

  constructor(
    { wal, service, policy = persistByDefault, clock = systemClock }: LoggerOptions,
    console: Console,
  ) {
    this.#wal = wal;
    this.#service = service;
    this.#policy = typeof policy === 'function' ? policy : policy.follow(service);
    this.#clock = clock;
    this.#failedBefore = wal.offersFailed;
    this.#losses = new Losses(clock, (state, lost) => tell(console, state, lost));
  }

  get lost(): number {
    return this.#unreadable + this.#wal.offersFailed - this.#failedBefore;
  }

  write(level: LogLevel, bound: Bound, what: unknown, msg: string | undefined): void {
    try {
      const call = readCall(what, msg);
      print(bound.console, level, call);
      const category = call.category ?? bound.category;
      if (this.#persists(level, category)) this.#wal.offer('log', this.#record(level, category, bound, call));
    } catch {
      // A getter of what was passed has thrown; `offer` itself never does.
      this.#unreadable++;
    }
    this.#losses.note(this.lost);
  }

  #persists(level: LogLevel, category: string | undefined): boolean {
    try {
      const persists: unknown = this.#policy({ level, category });
      return persists !== false;
    } catch {
      // Better a record too many than one too few.
      this.policyFailures++;
      return true;
    }
  }

  #record(level: LogLevel, category: string | undefined, { ctx }: Bound, { msg, data }: LogCall): LogRecord {
    const record: LogRecord = { ts: this.#clock.now(), service: this.#service, level };
    if (category !== undefined) record.category = category;
    if (msg !== undefined) record.msg = msg;
    if (ctx !== undefined) record.ctx = ctx;
    if (data !== undefined) record.data = data;
    return record;
  }
}

class BoundLogger implements Logger {
  readonly #core: Core;
  readonly #bound: Bound;

  constructor(core: Core, bound: Bound) {
    this.#core = core;
    this.#bound = bound;
  }

  bind<Context extends object>(context: Context & Categorized): Logger {
    const readable = withReadableErrors(context);
    const { category, ...given } = readable as Categorized & Record<string, unknown>;
    const ctx = { ...this.#bound.ctx, ...given };
    return new BoundLogger(this.#core, {
      console: this.#bound.console.child(forConsole(readable, context)),
      category: category ?? this.#bound.category,
      ctx: Object.keys(ctx).length > 0 ? ctx : undefined,
    });
  }

  debug(what: object | string, msg?: string): void {
    this.#core.write('debug', this.#bound, what, msg);
  }

  info(what: object | string, msg?: string): void {
    this.#core.write('info', this.#bound, what, msg);
  }

  warn(what: object | string, msg?: string): void {
    this.#core.write('warn', this.#bound, what, msg);
  }

  error(what: object | string, msg?: string): void {
    this.#core.write('error', this.#bound, what, msg);
  }

  security(what: object | string, msg?: string): void {
    this.#core.write('security', this.#bound, what, msg);
  }

  audit(what: object | string, msg?: string): void {
    this.#core.write('audit', this.#bound, what, msg);
  }
}

class Root extends BoundLogger implements RootLogger {
  readonly #core: Core;

  constructor(options: LoggerOptions) {
    checkOptions(options);
    const console = consoleOf(options);
    const core = new Core(options, console);
    super(core, { console, category: undefined, ctx: undefined });
    this.#core = core;
  }

  get lost(): number {
    return this.#core.lost;
  }

  get policyFailures(): number {
    return this.#core.policyFailures;
  }
}

function checkOptions({ wal, service, policy = persistByDefault }: LoggerOptions): void {
  if (typeof wal?.offer !== 'function') throw expected('wal', 'a Wal', typeof wal);
  if (typeof service !== 'string' || service === '') throw expected('service', 'a name', service);
  if (typeof policy !== 'function' && typeof policy?.follow !== 'function') {
    throw expected('policy', 'a function or a remotePolicy', policy);
  }
}

/** The console with the levels that pino does not have, unless it has levels of these names already. */
function consoleOf({
  service,
  console = pino({ level: 'debug', base: { service } }),
}: LoggerOptions): Console {
  const lacking = Object.entries(CONSOLE_LEVELS).filter(
    ([level]) => console.levels.values[level] === undefined,
  );
  try {
    const child = console.child({}, lacking.length > 0 ? { customLevels: Object.fromEntries(lacking) } : {});
    const missing = LOG_LEVELS.find((level) => child.levels.values[level] === undefined);
    if (missing === undefined) return child as unknown as Console;
    throw new Error(`it has no '${missing}'`);
  } catch (cause) {
    const message = `expected console to be a pino logger with pino's levels: ${messageOf(cause)}`;
    throw new WalError('WAL_CONFIG', message, { cause });
  }
}

function print(console: Console, level: LogLevel, { shown, msg }: LogCall): void {
  try {
    if (shown === undefined) console[level](msg);
    else console[level](shown, msg);
  } catch {
    // A console that is broken, or gone, is no reason not to persist.
  }
}

function tell(console: Console, state: 'losing' | 'recovered', lost: number): void {
  try {
    if (state === 'losing')
      console.warn({ lost }, 'log records are not persisted; an offer-failed event says why');
    else console.warn({ lost }, 'log records are persisted again');
  } catch {
    // As above.
  }
}
