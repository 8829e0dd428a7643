// What a destination may ask for by `Retry-After`. Pure.

import type { SinkError } from './sink.js';

/** A destination may ask for patience, not for silence without end. */
const RETRY_AFTER_MS_MAX = 3_600_000;

/** A wait, or what the destination asked for where that is longer: whole ms. */
export function longerOf(waitMs: number, { retryAfterMs = 0 }: SinkError): number {
  const askedMs = Math.min(retryAfterMs, RETRY_AFTER_MS_MAX);
  // So rather than by Math.max: a sink that read `Retry-After` wrong asks for NaN.
  return Math.ceil(askedMs > waitMs ? askedMs : waitMs);
}
