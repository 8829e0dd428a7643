// What an error of the NATS client means: `behind` where only this side's picture of the subject is old, else what
// kind of failure it is. Pure; goes by names and codes, so that no package of NATS need be there.

import { messageOf } from '../../../errors.js';
import type { FailureKind } from '../../sink.js';
import { SinkError } from '../../sink.js';

/** Error codes of JetStream's API (nats-server's errors.json), which are stable. */
const MEANINGS: ReadonlyMap<number, FailureKind | 'behind'> = new Map([
  // Wrong last sequence, also where the server does not say which one is right.
  [10071, 'behind'],
  [10164, 'behind'],
  // Wrong last message id.
  [10070, 'behind'],
  [10054, 'too-large'],
  // JetStream is not enabled, here or for this account.
  [10039, 'misconfigured'],
  [10076, 'misconfigured'],
  [10059, 'misconfigured'],
  // The subject belongs to another stream.
  [10060, 'misconfigured'],
  // The stream is sealed.
  [10109, 'misconfigured'],
]);

const NAMES: ReadonlyMap<string, FailureKind | 'no-responders'> = new Map([
  ['AuthorizationError', 'unauthorized'],
  ['UserAuthenticationExpiredError', 'unauthorized'],
  ['PermissionViolationError', 'misconfigured'],
  ['NoResponders', 'no-responders'],
]);

/** `no-responders`: nobody listens there: no stream takes the subject, or JetStream is just starting. */
export type Meaning = FailureKind | 'behind' | 'no-responders';

export function meaningOf(error: unknown): Meaning {
  if (error instanceof SinkError) return error.failure;
  // The client wraps what the server said.
  for (let cause = error, depth = 0; cause instanceof Error && depth < 8; cause = cause.cause, depth++) {
    const code = 'code' in cause && typeof cause.code === 'number' ? MEANINGS.get(cause.code) : undefined;
    const meaning = code ?? NAMES.get(cause.name);
    if (meaning) return meaning;
  }
  return 'outage';
}

/** The same as what a shipper understands. */
export function failureOf(error: unknown, what: string): SinkError {
  if (error instanceof SinkError) return error;
  const meaning = meaningOf(error);
  const failure = meaning === 'behind' || meaning === 'no-responders' ? 'outage' : meaning;
  return new SinkError(failure, `${what}: ${messageOf(error) || 'no answer'}`, { cause: error });
}
