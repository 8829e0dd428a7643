// Whether a log does its work: a verdict for the disk, for each stream and each shipper, in the form of
// draft-inadarei-api-health-check. Health means progress: a log that takes records and delivers none is not
// healthy. Pure.

import type { AlertName, AlertThresholds } from '../alert-options.js';
import type { FailureReason } from '../ship/meter.js';
import type { Alert } from './alerts.js';
import { counted, duration, size } from './alerts.js';
import { stalledMs } from './track.js';
import type { Track } from './track.js';
import type { CursorView, StreamView, View } from './view.js';

/** `warn`: it works, and somebody should look. `fail`: records are refused, or not delivered until somebody acts. */
export type HealthStatus = 'pass' | 'warn' | 'fail';

export interface HealthCheck {
  status: HealthStatus;
  /** Of what: `<kind>`, `<kind>/<shipper>`; absent for the log as a whole. */
  componentId?: string;
  componentType: 'datastore' | 'component';
  observedValue: number;
  observedUnit: string;
  /** ISO 8601. */
  time: string;
  /** Why it is not `pass`, for people. */
  output?: string;
}

/** What `GET /v1/health` answers as `application/health+json`. */
export interface WalHealth {
  /** The worst of all checks. */
  status: HealthStatus;
  /** `<service>/<instance>` */
  serviceId: string;
  description: string;
  /** What is not `pass`, in one text; absent where all is. */
  output?: string;
  /**
   * `disk:space`, `quarantine:share`; for each stream `<kind>:append`, for each shipper `<kind>/<shipper>:delivery`;
   * and `…:<alert>` for each alert that is raised. Each has one element.
   */
  checks: Record<string, HealthCheck[]>;
}

interface Verdict {
  readonly status: HealthStatus;
  readonly output?: string;
}

/** The share of the budget that quarantined records may take. */
const QUARANTINE_SHARE_MAX = 0.1;
const PASS: Verdict = { status: 'pass' };
/** What the destination's operators, or ours, have to put right; waiting does not help. */
const NEEDS_SOMEONE: ReadonlySet<FailureReason> = new Set(['unauthorized', 'misconfigured', 'unproven']);

export function healthOf(
  view: View,
  track: Track,
  alerts: Iterable<Alert>,
  thresholds: AlertThresholds,
): WalHealth {
  const { stats, streams, cursors, quarantineBytes } = view;
  const time = new Date(view.now).toISOString();
  const check = (
    componentId: string | undefined,
    [observedValue, observedUnit]: [number, string],
    verdict: Verdict,
  ): HealthCheck[] => {
    const what =
      componentId === undefined
        ? { componentType: 'datastore' as const }
        : { componentId, componentType: 'component' as const };
    return [{ ...verdict, ...what, observedValue, observedUnit, time }];
  };
  const checks: WalHealth['checks'] = {
    'disk:space': check(undefined, [stats.diskBytes, 'bytes'], disk(view)),
    'quarantine:share': check(undefined, [quarantineBytes, 'bytes'], quarantine(view)),
  };
  for (const stream of streams) {
    const { kind, stats: of } = stream;
    checks[`${kind}:append`] = check(kind, [of.storedBytes, 'bytes'], append(stream));
  }
  for (const cursor of cursors) {
    const { name, stats: of } = cursor;
    const verdict = delivery(cursor, stalledMs(track, cursor, view.monotonic), thresholds.stalledMs);
    checks[`${name}:delivery`] = check(name, [of.backlogRecords, 'records'], verdict);
  }
  for (const { alert, kind, shipper, value, message } of alerts) {
    const name = kind === undefined ? undefined : `${kind}/${shipper}`;
    const verdict: Verdict = { status: 'warn', output: message };
    checks[`${name ?? 'log'}:${alert}`] = check(name, [value, unitOf(alert)], verdict);
  }
  const all = Object.values(checks).flat();
  const said = all.flatMap(({ output }) => output ?? []);
  return {
    status: (['fail', 'warn'] as const).find((status) => all.some((one) => one.status === status)) ?? 'pass',
    serviceId: `${stats.service}/${stats.instance}`,
    description: `the write-ahead log in ${stats.dir}`,
    ...(said.length > 0 && { output: said.join('; ') }),
    checks,
  };
}

function disk({ refusal, reserveMissing }: View): Verdict {
  if (refusal) return { status: 'fail', output: `no record is taken: ${refusal.message}` };
  if (!reserveMissing) return PASS;
  return { status: 'warn', output: 'the reserve is missing: the disk has no room for it' };
}

function quarantine({ quarantineBytes, maxBytes }: View): Verdict {
  if (quarantineBytes <= maxBytes * QUARANTINE_SHARE_MAX) return PASS;
  const share = `${size(quarantineBytes)} of ${size(maxBytes)}`;
  return { status: 'fail', output: `quarantined records take ${share}: the destination refuses too much` };
}

function append({ kind, refusal }: StreamView): Verdict {
  return refusal ? { status: 'fail', output: `${kind}: no record is taken: ${refusal.message}` } : PASS;
}

function delivery(cursor: CursorView, stalled: number, stalledMax: number | false): Verdict {
  const { name, stats, failing } = cursor;
  const { backlogRecords, state, lastError } = stats;
  const waiting = `${name}: ${counted(backlogRecords)}`;
  if (failing && NEEDS_SOMEONE.has(failing.reason)) {
    return { status: 'fail', output: `${waiting} until somebody puts it right: ${failing.message}` };
  }
  const why = failing?.message ?? lastError;
  const because = why === undefined ? '' : `: ${why}`;
  if (stalledMax !== false && stalled >= stalledMax) {
    return {
      status: 'fail',
      output: `${waiting}, and for ${duration(stalled)} none was delivered${because}`,
    };
  }
  if (state === 'stopped' && why !== undefined)
    return { status: 'fail', output: `${name}: the shipper has stopped${because}` };
  if (backlogRecords === 0) return PASS;
  if (state === 'none' || state === 'stopped') {
    return { status: 'warn', output: `${waiting}, and nothing delivers them: no shipper runs` };
  }
  if (why !== undefined) return { status: 'warn', output: `${waiting}, and will be tried again${because}` };
  return PASS;
}

function unitOf(alert: AlertName): string {
  if (alert.endsWith('Ms')) return 'ms';
  return alert.endsWith('Bytes') ? 'bytes' : 'records';
}
