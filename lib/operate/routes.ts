// What can be asked of a running log over its control socket. Shapes in and out are those of the API.

import { WalError } from '../errors.js';
import type { VerifyReport } from '../log/verify.js';
import type { ResendOptions } from '../quarantine.js';
import type {
  CompactOptions,
  CompactProgress,
  CompactReport,
  EvictOptions,
  EvictReport,
  ReplayOptions,
} from '../reports.js';
import type { ControlCall, Routes } from './control.js';
import { LiveLines } from './control.js';
import type { DumpOptions, DumpSource } from './dump.js';
import { dumpItems } from './dump.js';
import { progressLines } from './progress.js';
import type { FollowedLog, TailOptions } from './tail.js';
import { tailItems } from './tail.js';

/** What the routes need of an open log. */
export interface RoutedWal extends DumpSource {
  evict(options: EvictOptions): Promise<EvictReport>;
  compact(options: CompactOptions): Promise<CompactReport>;
  verify(options: { onProgress?: (records: number) => void }): Promise<VerifyReport>;
  forget(kind: string, shipper: string): Promise<{ records: number }>;
  replay(kind: string, options: ReplayOptions): Promise<{ records: number }>;
  resend(kind: string, options: ResendOptions): Promise<{ records: number }>;
}

export function walRoutes(wal: RoutedWal, log: FollowedLog): Routes {
  return {
    'GET /v1/stats': () => wal.stats(),
    'GET /v1/dump': ({ query }) => dumpItems(wal, dumpOptionsOf(query)),
    'GET /v1/tail': ({ query, signal: gone, closing }) => {
      const following = query.get('follow') === 'true' ? { log, gone, closing } : undefined;
      return tailItems(wal, tailOptionsOf(query), following);
    },
    'POST /v1/evict': ({ body }) => {
      const { kind, maxBytes, maxAgeMs, dryRun } = fieldsOf(body);
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
    'POST /v1/verify': (call) =>
      reported(call, { records: 0 }, (say) =>
        wal.verify({
          onProgress(records) {
            // Nobody waits for the report any more: thrown here, it ends the walk.
            call.signal.throwIfAborted();
            say({ records });
          },
        }),
      ),
    'POST /v1/forget': ({ body }) => {
      const { kind, shipper } = fieldsOf(body);
      return wal.forget(textOf('kind', kind), textOf('shipper', shipper));
    },
    'POST /v1/replay': ({ body }) => {
      const { kind, from, shipper } = fieldsOf(body);
      return wal.replay(textOf('kind', kind), {
        from: numberOf('from', from),
        ...(shipper !== undefined && { shipper: textOf('shipper', shipper) }),
      });
    },
    'POST /v1/resend': ({ body }) => {
      const { kind, shipper } = fieldsOf(body);
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
    else if (name === 'gaps' || name === 'quarantine') options[name] = value === 'true';
    else if (name === 'from' || name === 'to' || name === 'limit') options[name] = Number(value);
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
    else if (name === 'lines') options.lines = Number(value);
    else if (name !== 'follow') {
      throw new WalError('WAL_CONFIG', `tail has no option '${name}'; there are kind, lines, follow`);
    }
  }
  return options;
}

function fieldsOf(body: unknown): Record<string, unknown> {
  if (typeof body === 'object' && body !== null && !Array.isArray(body)) return { ...body };
  throw new WalError('WAL_CONFIG', 'expected a JSON object as the body');
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
