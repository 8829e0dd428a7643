// What can be asked of a running log over its control socket. Shapes in and out are those of the API.

import { WalError } from '../errors.js';
import type { ImportOptions, ImportProgress, ImportReport } from '../import/import.js';
import type { Walk } from '../log/verify.js';
import { verifyLines } from '../log/verify.js';
import type { Passage } from '../passage.js';
import { jsonLinesOf } from '../passage.js';
import type { ResendOptions } from '../quarantine.js';
import type { ReadOptions } from '../reading.js';
import type {
  CompactOptions,
  CompactProgress,
  CompactReport,
  EvictOptions,
  EvictReport,
  ReplayOptions,
} from '../reports.js';
import type { ControlCall, Routes } from './control.js';
import type { DumpOptions, DumpSource } from './dump.js';
import { dumpItems, dumpLinesOf, dumpPassages } from './dump.js';
import { progressLines } from './progress.js';
import { Rests } from './rests.js';
import { Frames, LiveLines } from './stream.js';
import type { FollowedLog, TailOptions } from './tail.js';
import { tailItems } from './tail.js';

/** What the routes need of an open log. */
export interface RoutedWal extends DumpSource {
  evict(options: EvictOptions): Promise<EvictReport>;
  compact(options: CompactOptions): Promise<CompactReport>;
  forget(kind: string, shipper: string): Promise<{ records: number }>;
  replay(kind: string, options: ReplayOptions): Promise<{ records: number }>;
  resend(kind: string, options: ResendOptions): Promise<{ records: number }>;
  import(paths: readonly string[], options: ImportOptions): Promise<ImportReport>;
}

/** What they need of the log below: what is stored, as it is stored. */
export interface StoredLog extends FollowedLog<Passage> {
  /** Over all of it, for a `verify`. */
  walk(): Promise<Walk>;
}

/** What the routes need of the shippers of an open log. */
export interface RoutedShippers {
  drain(withinMs: number, kind?: string, signal?: AbortSignal): Promise<void>;
}

/** A timer above this would go off at once. */
const DRAIN_MS_MAX = 2 ** 31 - 1;

export function walRoutes(wal: RoutedWal, log: StoredLog, shippers: RoutedShippers): Routes {
  return { ...looks(wal, log), ...upkeep(wal), ...moves(wal, shippers) };
}

/** How long somebody who verifies may take nothing, in ms: a walk holds disk space back that was deleted. */
const WALK_IDLE_MS_MAX = 30_000;

/** What only looks. What takes long is read here and taken apart by whoever asked, where they can. */
function looks(wal: RoutedWal, log: StoredLog): Routes {
  const stored = {
    stats: () => wal.stats(),
    read(kind: string, options: ReadOptions) {
      // Asked for its refusals alone: of an unknown kind, and once the log is about to close.
      wal.read(kind, { limit: 1 });
      return log.read(kind, options);
    },
    quarantined: (kind?: string) => wal.quarantined(kind),
  };
  return {
    'GET /v1/stats': () => wal.stats(),
    'GET /v1/dump': ({ query, takesFrames }) => {
      const options = dumpOptionsOf(query);
      if (options.quarantine) return dumpItems(wal, options);
      const passages = dumpPassages(stored, options);
      return takesFrames ? new Frames(passages) : dumpLinesOf(passages, options);
    },
    'GET /v1/tail': ({ query, takesFrames, signal: gone, closing }) => {
      const following = query.get('follow') === 'true' ? { log, gone, closing } : undefined;
      const passages = tailItems<Passage>(stored, tailOptionsOf(query), following);
      return takesFrames ? new Frames(passages) : tailLinesOf(passages);
    },
    'POST /v1/verify': async (call) => {
      if (call.takesFrames) return new Frames(walked(await log.walk()), WALK_IDLE_MS_MAX);
      const rests = new Rests();
      return await reported(call, { records: 0 }, async (say) =>
        verifyLines(await log.walk(), async (records) => {
          // Nobody waits for the report any more: thrown here, it ends the walk.
          call.signal.throwIfAborted();
          say({ records });
          await rests.take();
        }),
      );
    },
  };
}

async function* walked(walk: Walk): AsyncGenerator<object> {
  const report = yield* walk;
  yield { report };
}

async function* tailLinesOf(
  passages: AsyncIterable<Passage | undefined>,
): AsyncGenerator<string | undefined> {
  for await (const passage of passages) {
    yield passage && (await jsonLinesOf(passage)).lines.join('\n');
  }
}

/** What takes things away. */
function upkeep(wal: RoutedWal): Routes {
  return {
    'POST /v1/evict': ({ body }) => {
      const { kind, maxBytes, maxAgeMs, dryRun } = fieldsOf(body, ['kind', 'maxBytes', 'maxAgeMs', 'dryRun']);
      return wal.evict({
        ...(kind !== undefined && { kind: textOf('kind', kind) }),
        ...(maxBytes !== undefined && { maxBytes: numberOf('maxBytes', maxBytes) }),
        ...(maxAgeMs !== undefined && { maxAgeMs: numberOf('maxAgeMs', maxAgeMs) }),
        ...(dryRun !== undefined && { dryRun: flagOf('dryRun', dryRun) }),
      });
    },
    'POST /v1/compact': (call) => {
      const { signal } = call;
      const begin: CompactProgress = { bytes: 0, bytesTotal: 0 };
      return reported(call, begin, (onProgress) => wal.compact({ signal, onProgress }));
    },
    'POST /v1/forget': ({ body }) => {
      const { kind, shipper } = fieldsOf(body, ['kind', 'shipper']);
      return wal.forget(textOf('kind', kind), textOf('shipper', shipper));
    },
  };
}

/** What brings records in, or delivers them. */
function moves(wal: RoutedWal, shippers: RoutedShippers): Routes {
  return {
    'POST /v1/replay': ({ body }) => {
      const { kind, from, shipper } = fieldsOf(body, ['kind', 'from', 'shipper']);
      return wal.replay(textOf('kind', kind), {
        from: numberOf('from', from),
        ...(shipper !== undefined && { shipper: textOf('shipper', shipper) }),
      });
    },
    'POST /v1/drain': async ({ body, signal }) => {
      const { kind, withinMs = DRAIN_MS_MAX } = fieldsOf(body ?? {}, ['kind', 'withinMs']);
      const ms = Math.min(numberOf('withinMs', withinMs), DRAIN_MS_MAX);
      await shippers.drain(ms, kind === undefined ? undefined : textOf('kind', kind), signal);
      return wal.stats();
    },
    'POST /v1/import': (call) => {
      const { paths, kind } = fieldsOf(call.body, ['paths', 'kind']);
      const options = { signal: call.signal, ...(kind !== undefined && { kind: textOf('kind', kind) }) };
      return reported(call, undefined as ImportProgress | undefined, (onProgress) =>
        wal.import(pathsOf(paths), { ...options, onProgress }),
      );
    },
    'POST /v1/resend': ({ body }) => {
      const { kind, shipper } = fieldsOf(body, ['kind', 'shipper']);
      return wal.resend(textOf('kind', kind), {
        ...(shipper !== undefined && { shipper: textOf('shipper', shipper) }),
      });
    },
  };
}

/** The report alone, or, with `?progress=true`, how far it is on the way there. */
function reported<Progress, Report>(
  { query }: ControlCall,
  begin: Progress,
  work: (say: (progress: Progress) => void) => Promise<Report>,
): Promise<Report> | LiveLines {
  if (query.get('progress') !== 'true') return work(() => {});
  return new LiveLines(progressLines(begin, work));
}

function dumpOptionsOf(query: URLSearchParams): DumpOptions {
  const options: DumpOptions = {};
  for (const [name, value] of query) {
    if (name === 'kind') options.kind = value;
    else if (name === 'gaps' || name === 'quarantine') options[name] = switchOf(name, value);
    else if (name === 'from' || name === 'to' || name === 'limit') options[name] = countOf(name, value);
    else
      throw new WalError(
        'WAL_CONFIG',
        `dump has no option '${name}'; there are kind, from, to, limit, gaps, quarantine`,
      );
  }
  return options;
}

function tailOptionsOf(query: URLSearchParams): TailOptions {
  const options: TailOptions = {};
  for (const [name, value] of query) {
    if (name === 'kind') options.kind = value;
    else if (name === 'lines') options.lines = countOf(name, value);
    else if (name === 'follow') switchOf(name, value);
    else {
      throw new WalError('WAL_CONFIG', `tail has no option '${name}'; there are kind, lines, follow`);
    }
  }
  return options;
}

/** A name that is not known is refused: a `dryRun` that is misspelt must not delete anything. */
function fieldsOf<Name extends string>(
  body: unknown,
  names: readonly Name[],
): Partial<Record<Name, unknown>> {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw new WalError('WAL_CONFIG', 'expected a JSON object as the body');
  }
  const known: readonly string[] = names;
  const stray = Object.keys(body).find((name) => !known.includes(name));
  if (stray === undefined) return body;
  throw new WalError('WAL_CONFIG', `there is no option '${stray}'; there are ${names.join(', ')}`);
}

/** The process that holds the log reads the files: by a path that does not depend on where it runs. */
function pathsOf(value: unknown): string[] {
  const paths: unknown[] = Array.isArray(value) ? value : [];
  const known = paths.filter((path) => typeof path === 'string' && path.startsWith('/'));
  if (known.length > 0 && known.length === paths.length) return known as string[];
  throw new WalError('WAL_CONFIG', 'expected paths to be a list of absolute paths');
}

function textOf(name: string, value: unknown): string {
  if (typeof value === 'string') return value;
  throw new WalError('WAL_CONFIG', `expected ${name} to be a string, got ${JSON.stringify(value)}`);
}

function numberOf(name: string, value: unknown): number {
  if (typeof value === 'number') return value;
  throw new WalError('WAL_CONFIG', `expected ${name} to be a number, got ${JSON.stringify(value)}`);
}

function flagOf(name: string, value: unknown): boolean {
  if (typeof value === 'boolean') return value;
  throw new WalError('WAL_CONFIG', `expected ${name} to be true or false, got ${JSON.stringify(value)}`);
}

/** Of a query, where everything is text; its range is for whoever takes it to check. */
function countOf(name: string, value: string): number {
  if (/^-?\d+$/.test(value)) return Number(value);
  throw new WalError('WAL_CONFIG', `expected ${name} to be an integer, got '${value}'`);
}

function switchOf(name: string, value: string): boolean {
  if (value === 'true' || value === 'false') return value === 'true';
  throw new WalError('WAL_CONFIG', `expected ${name} to be true or false, got '${value}'`);
}
