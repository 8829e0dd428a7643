// A log that another process holds, asked over its control socket: the same calls as of an open one. That process may
// hang, go away, or be of another version: each is an error of one line.

import type { IncomingMessage } from 'node:http';
import type { WalErrorCode } from '../errors.js';
import { WalError, messageOf } from '../errors.js';
import { readOwner } from '../log/folder.js';
import type { ImportOptions, ImportProgress, ImportReport } from '../import/import.js';
import type { Entry } from '../log/entry.js';
import type { VerifyReport, Walk } from '../log/verify.js';
import { verifyLines } from '../log/verify.js';
import type { Passage, ReadItem } from '../passage.js';
import type { ResendOptions } from '../quarantine.js';
import { itemsIn } from '../reading.js';
import type {
  CompactOptions,
  CompactProgress,
  CompactReport,
  EvictOptions,
  EvictReport,
  ReplayOptions,
} from '../reports.js';
import type { WalStats } from '../stats.js';
import type { CallOptions } from './ask.js';
import { SilentError, isServed, openAnswer, partsOf } from './ask.js';
import type { DumpItem, DumpOptions } from './dump.js';
import { dumpOf } from './dump.js';
import { FRAMES_TYPE, itemsOfFrames } from './frames.js';
import type { WalLook } from './look.js';
import type { ProgressLine } from './progress.js';
import type { TailOptions } from './tail.js';

export interface RemoteOptions {
  /** Ends every call: it rejects with the signal's reason, and the work on the other side ends, too. */
  signal?: AbortSignal;
  /** How long nothing may come from the other side before it is given up, in ms. @default 30_000 */
  idleMs?: number;
}

const IDLE_MS_MAX = 30_000;

export class RemoteLog {
  readonly #dir: string;
  readonly #signal: AbortSignal | undefined;
  readonly #idleMs: number;

  constructor(dir: string, { signal, idleMs = IDLE_MS_MAX }: RemoteOptions = {}) {
    this.#dir = dir;
    this.#signal = signal;
    this.#idleMs = idleMs;
  }

  /** The log in a folder, where the process that holds it serves a socket. */
  static async find(dir: string, options: RemoteOptions = {}): Promise<RemoteLog | undefined> {
    return (await isServed(dir)) ? new RemoteLog(dir, options) : undefined;
  }

  stats(): Promise<WalStats> {
    return this.#call('GET', '/v1/stats');
  }

  /** All that there is to see of it at once. */
  look(): Promise<WalLook> {
    return this.#call('GET', '/v1/look');
  }

  evict(options: EvictOptions): Promise<EvictReport> {
    return this.#call('POST', '/v1/evict', options);
  }

  compact({ signal, onProgress }: CompactOptions = {}): Promise<CompactReport> {
    return this.#follow<CompactProgress, CompactReport>('/v1/compact', signal, onProgress);
  }

  /** The other side reads and checks everything but the records' lines; those are checked here. */
  verify(signal?: AbortSignal, onProgress?: (records: number) => void): Promise<VerifyReport> {
    const frames = this.#items<WalkFrame>('POST', '/v1/verify', { accept: FRAMES_TYPE, signal });
    return verifyLines(walkOf(frames), onProgress);
  }

  forget(kind: string, shipper: string): Promise<{ records: number }> {
    return this.#call('POST', '/v1/forget', { kind, shipper });
  }

  replay(kind: string, options: ReplayOptions): Promise<{ records: number }> {
    return this.#call('POST', '/v1/replay', { kind, ...options });
  }

  resend(kind: string, options: Pick<ResendOptions, 'shipper'> = {}): Promise<{ records: number }> {
    return this.#call('POST', '/v1/resend', { kind, ...options });
  }

  /** Waits until its shippers have delivered everything, of one stream or of all, or until the time is up. */
  drain(options: { kind?: string; withinMs?: number } = {}): Promise<WalStats> {
    return this.#call('POST', '/v1/drain', options);
  }

  /** The process that holds the log reads the files, so it must find them under these absolute paths. */
  import(
    paths: readonly string[],
    { kind, signal, onProgress }: Omit<ImportOptions, 'onProblem'> = {},
  ): Promise<ImportReport> {
    const body = { paths, ...(kind !== undefined && { kind }) };
    const say = (progress: ImportProgress | undefined) => progress && onProgress?.(progress);
    return this.#follow<ImportProgress | undefined, ImportReport>('/v1/import', signal, say, body);
  }

  /** Whoever ends the loop closes the connection, and with it ends the work on the other side. */
  dump(options: DumpOptions): AsyncGenerator<DumpItem> {
    const path: `/v1/${string}` = `/v1/dump?${queryOf(options)}`;
    if (options.quarantine) return this.#items('GET', path);
    return dumpOf(this.#items<Passage>('GET', path, { accept: FRAMES_TYPE }), options);
  }

  /**
   * The newest records, and with `follow` those that come, however long nothing does: until the loop ends, `signal`
   * fires (which rejects), or the process closes its log.
   */
  tail(options: TailOptions & { follow?: boolean }, signal?: AbortSignal): AsyncGenerator<ReadItem<object>> {
    const idleMs = options.follow ? Infinity : this.#idleMs;
    const path: `/v1/${string}` = `/v1/tail?${queryOf(options)}`;
    return itemsIn(this.#items<Passage>('GET', path, { accept: FRAMES_TYPE, idleMs, signal }));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }

  /** A work that says how far it is. */
  async #follow<Progress, Report>(
    path: `/v1/${string}`,
    signal: AbortSignal | undefined,
    onProgress: ((progress: Progress) => void) | undefined,
    body?: object,
  ): Promise<Report> {
    const asked = { body, ...(signal && { signal }) };
    const lines = this.#items<ProgressLine<Progress, Report>>('POST', `${path}?progress=true`, asked);
    for await (const line of lines) {
      if ('report' in line) return line.report;
      onProgress?.(line.progress);
    }
    throw goneError();
  }

  async #call<T>(method: 'GET' | 'POST', path: `/v1/${string}`, body?: object): Promise<T> {
    for await (const answer of this.#items<T & object>(method, path, { body })) return answer;
    throw goneError();
  }

  /** What an answer holds, one by one. What breaks on the way is told as a WalError, an abort as its reason. */
  async *#items<T extends object>(
    method: 'GET' | 'POST',
    path: `/v1/${string}`,
    options: Partial<CallOptions> = {},
  ): AsyncGenerator<T> {
    const { body, accept, idleMs = this.#idleMs } = options;
    const signal = options.signal ?? this.#signal;
    let response: IncomingMessage | undefined;
    try {
      response = await openAnswer(this.#dir, method, path, { body, accept, signal, idleMs: this.#idleMs });
      const { statusCode, headers } = response;
      const type = headers['content-type'];
      const isOther = accept !== undefined && statusCode === 200 && type !== undefined && type !== accept;
      if (statusCode === 404 || statusCode === 405 || isOther) throw otherVersion(`${method} ${path}`);
      yield* itemsOfFrames<T>(partsOf(response, idleMs), itemOf);
      if (!response.complete) throw goneError();
    } catch (error) {
      signal?.throwIfAborted();
      if (error instanceof WalError) throw error;
      // Broken off, in whatever words the system has for it.
      throw response && !(error instanceof SilentError) ? goneError(error) : await this.#failed(error);
    } finally {
      response?.destroy();
    }
  }

  async #failed(error: unknown): Promise<WalError> {
    const pid = (await readOwner(this.#dir))?.pid;
    const holder = `the process that holds the log${pid === undefined ? '' : ` (${pid})`}`;
    if (error instanceof SilentError) {
      return new WalError('WAL_IO', `${holder} does not answer: nothing came for ${error.idleMs / 1000} s`);
    }
    const message = isHungUp(error)
      ? `${holder} hung up: it went away, or takes no more connections at once`
      : `${holder} can't be asked: ${messageOf(error)}`;
    return new WalError('WAL_IO', message, { cause: error });
  }
}

/** A step of another process's walk over its log, and the last one. */
type WalkFrame = { entry: Entry } | { report: VerifyReport };

async function* walkOf(frames: AsyncIterable<WalkFrame>): Walk {
  for await (const frame of frames) {
    if ('report' in frame) return frame.report;
    yield frame;
  }
  throw goneError();
}

function isHungUp(error: unknown): boolean {
  return error instanceof Error && 'code' in error && /^(ECONNRESET|EPIPE)$/.test(String(error.code));
}

function queryOf(options: object): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(options) as [string, string | number | boolean | undefined][]) {
    if (value !== undefined) query.set(name, String(value));
  }
  return query.toString();
}

interface ErrorBody {
  error: { code: WalErrorCode; message: string };
}

function itemOf<T extends object>(line: string): T {
  let item: T | ErrorBody;
  try {
    item = JSON.parse(line) as T | ErrorBody;
  } catch (cause) {
    throw new WalError('WAL_IO', `its answer is none: ${line.slice(0, 100)}`, { cause });
  }
  if ('error' in item) throw new WalError(item.error.code, item.error.message);
  return item;
}

function goneError(cause?: unknown): WalError {
  return new WalError('WAL_IO', 'the process that holds the log went away', { cause });
}

function otherVersion(asked: string): WalError {
  return new WalError(
    'WAL_CONFIG',
    `the process that holds the log does not know ${asked.replace(/\?.*/, '')}: it is of another version of @nv/wal, or only delivers an adopted log; use its own nv-wal, or stop it first`,
  );
}
