// When a log warns, and when it stops to: what is measured against the thresholds of `AlertOptions`, with
// hysteresis. Pure: the raised alerts and a measurement make the next ones.

import bytes from 'bytes';
import ms from 'ms';
import type { AlertName, AlertThresholds } from '../alert-options.js';
import type { WalEvent } from '../events.js';
import { stalledMs } from './track.js';
import type { Track } from './track.js';
import type { View } from './view.js';

/** A threshold that is passed. */
export interface Alert {
  readonly alert: AlertName;
  /** Absent for what concerns the log as a whole. */
  readonly kind?: string;
  readonly shipper?: string;
  readonly value: number;
  readonly threshold: number;
  /** When it was raised: epoch ms. */
  readonly since: number;
  /** For people. */
  readonly message: string;
}

/** What is held against a threshold. */
export type Measure = Pick<Alert, 'alert' | 'kind' | 'shipper' | 'value'>;

export type AlertEvent = Extract<WalEvent, { type: 'alert' }>;

/** An alert is over below this share of its threshold, so that a value around it does not raise it again and again. */
const CLEAR_SHARE = 0.8;

/** Everything that alerts are about, as it stands. */
export function measuresOf(view: View, track: Track): Measure[] {
  const now = view.monotonic;
  const since = (moment: number | undefined) => (moment === undefined ? 0 : Math.round(now - moment));
  const measures: Measure[] = [{ alert: 'reserveMissingMs', value: since(track.reserveMissingSince) }];
  for (const cursor of view.cursors) {
    const { kind, shipper, stats } = cursor;
    const known = track.cursors.get(cursor.name);
    const values: Partial<Record<AlertName, number>> = {
      backlogRecords: stats.backlogRecords,
      backlogBytes: stats.backlogBytes,
      // Not known for a moment: as if it were well below.
      oldestAgeMs: cursor.oldestAgeMs ?? 0,
      stalledMs: Math.round(stalledMs(track, cursor, now)),
      breakerOpenMs: since(known?.openSince),
      droppedRecords: known?.dropped.grown ?? 0,
      quarantinedRecords: known?.quarantined.grown ?? 0,
    };
    for (const [alert, value] of Object.entries(values)) {
      measures.push({ alert: alert as AlertName, kind, shipper, value });
    }
  }
  return measures;
}

/** The alerts that are raised now, by key, and what changed. */
export function nextAlerts(
  raised: ReadonlyMap<string, Alert>,
  measures: readonly Measure[],
  thresholds: AlertThresholds,
  now: number,
): { raised: Map<string, Alert>; events: AlertEvent[] } {
  const next = new Map<string, Alert>();
  const events: AlertEvent[] = [];
  for (const measure of measures) {
    const threshold = thresholds[measure.alert];
    if (threshold === false) continue;
    const key = keyOf(measure);
    const before = raised.get(key);
    const isOver = measure.value < (before ? threshold * CLEAR_SHARE : threshold);
    if (isOver) continue;
    const message = `${whose(measure)}${SAYS[measure.alert](measure.value)}`;
    const alert: Alert = { ...measure, threshold, since: before?.since ?? now, message };
    next.set(key, alert);
    if (!before) events.push(eventOf(alert, 'raised', alert.value, message));
  }
  const values = new Map(measures.map((measure) => [keyOf(measure), measure.value]));
  for (const [key, alert] of raised) {
    if (next.has(key)) continue;
    const message = `${whose(alert)}over, after ${duration(now - alert.since)}: ${alert.alert}`;
    events.push(eventOf(alert, 'cleared', values.get(key) ?? 0, message));
  }
  return { raised: next, events };
}

const SAYS: Record<AlertName, (value: number) => string> = {
  backlogRecords: (value) => `${counted(value)} to be delivered`,
  backlogBytes: (value) => `${size(value)} of records wait to be delivered`,
  oldestAgeMs: (value) => `a record has waited ${duration(value)} to be delivered`,
  stalledMs: (value) => `records wait, and for ${duration(value)} none was delivered`,
  breakerOpenMs: (value) =>
    `the destination has not taken anything for ${duration(value)}; the breaker is open`,
  droppedRecords: (value) => `records were given up before they were delivered: ${value}`,
  quarantinedRecords: (value) => `records were refused by the destination and put aside: ${value}`,
  reserveMissingMs: (value) => `for ${duration(value)} the disk has had no room for the reserve`,
};

function eventOf(alert: Alert, state: AlertEvent['state'], value: number, message: string): AlertEvent {
  const { kind, shipper, threshold } = alert;
  const where = { ...(kind !== undefined && { kind }), ...(shipper !== undefined && { shipper }) };
  return { type: 'alert', alert: alert.alert, state, ...where, value, threshold, message };
}

function keyOf({ alert, kind, shipper }: Measure): string {
  return `${kind ?? ''}/${shipper ?? ''}:${alert}`;
}

function whose({ kind, shipper }: Pick<Measure, 'kind' | 'shipper'>): string {
  return kind === undefined ? '' : `${kind}/${shipper}: `;
}

/** For people. */
export function counted(records: number): string {
  return records === 1 ? '1 record waits' : `${records} records wait`;
}

/** For people. */
export function duration(forMs: number): string {
  return ms(Math.round(forMs), { long: true });
}

/** For people. */
export function size(value: number): string {
  return bytes(value, { unitSeparator: ' ' }) ?? `${value} bytes`;
}
