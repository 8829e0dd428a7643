// Which log records are persisted: the words of a policy, and what holds where nobody has said anything. Knows
// neither the log nor where a policy comes from.

/** The methods of a logger, and the `level` of the records that they make. */
export const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'security', 'audit'] as const;

export type LogLevel = (typeof LOG_LEVELS)[number];

export interface PolicyQuestion {
  readonly level: LogLevel;
  readonly category: string | undefined;
}

/**
 * Whether a record of this level and category is persisted. Called at every log call: it must be quick. Where it
 * throws, the record is persisted, and `policyFailures` counts it.
 */
export type PolicyFunction = (question: PolicyQuestion) => boolean;

/** A policy that has to know whose it is before it can answer; `remotePolicy` makes one. */
export interface ServicePolicy {
  /** @throws {WalError} `WAL_CONFIG` where it is another service's already, or closed. */
  follow(service: string): PolicyFunction;
}

/** Until a policy says otherwise: what somebody may have to act on or answer for. */
export const persistByDefault: PolicyFunction = ({ level }) => level !== 'debug' && level !== 'info';
