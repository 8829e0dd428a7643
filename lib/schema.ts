// A stream's schema: any validator with the Standard Schema interface (zod, valibot, arktype …). What it returns is
// what is stored. Knows no redaction, and nothing of what becomes of a record.

import type { StandardSchemaV1 } from '@standard-schema/spec';
import { expected } from './checks.js';
import { WalError, messageOf } from './errors.js';

/** Makes of a record what its stream's schema makes of it; throws `WAL_RECORD_INVALID` for one that does not fit. */
export type Validate = (record: object) => unknown;

/** Issues that a message tells of, and UTF-16 units of each. */
const ISSUES_MAX = 3;
const ISSUE_LENGTH_MAX = 200;

/**
 * @param says Whether errors repeat the validator's own, as a cause too: some of them show the value that they refuse.
 * @throws {WalError} `WAL_CONFIG` for what is no Standard Schema.
 */
export function validator(kind: string, schema: StandardSchemaV1, says: boolean): Validate {
  const option = `streams.${kind}.schema`;
  const { validate, version } = propsOf(schema) ?? {};
  if (typeof validate !== 'function' || version !== 1) {
    throw expected(option, 'a Standard Schema (of zod, valibot, arktype …)', schema);
  }
  return (record) => {
    const result = resultOf(() => validate(record), kind, says);
    if (isThenable(result)) {
      // Nobody waits for it: its failure must not end the process.
      result.then(undefined, () => {});
      throw new WalError(
        'WAL_CONFIG',
        `${option} answers with a promise, as zod's also do where a check throws; a stream's schema must answer at once: no async checks or transforms`,
      );
    }
    if (typeof result !== 'object' || result === null)
      throw invalid(kind, ', whose validator answers nothing');
    if (result.issues) throw invalid(kind, `: ${describeIssues(result.issues, says)}`);
    return result.value;
  };
}

function resultOf<T>(validate: () => T, kind: string, says: boolean): T {
  try {
    return validate();
  } catch (cause) {
    if (says) throw invalid(kind, `, which threw: ${clip(messageOf(cause))}`, cause);
    throw invalid(kind, ', which threw');
  }
}

export function propsOf(schema: unknown): Partial<StandardSchemaV1.Props> | undefined {
  // Some libraries' schemas are functions.
  if ((typeof schema !== 'object' && typeof schema !== 'function') || schema === null) return undefined;
  return (schema as Partial<StandardSchemaV1>)['~standard'];
}

function isThenable<T>(result: T | Promise<T>): result is Promise<T> {
  return typeof (result as Partial<Promise<T>> | undefined)?.then === 'function';
}

/** The issues themselves don't become the cause: they may hold the values. */
function invalid(kind: string, why: string, cause?: unknown): WalError {
  const message = `a record of '${kind}' does not fit its schema${why}`;
  return new WalError('WAL_RECORD_INVALID', message, cause === undefined ? undefined : { cause });
}

function describeIssues(issues: readonly StandardSchemaV1.Issue[], says: boolean): string {
  const told = issues.slice(0, ISSUES_MAX).map(({ path, message }) => {
    const at = clip((path ?? []).map(keyOf).join('.')) || 'the record';
    return says ? `${at}: ${clip(message)}` : at;
  });
  if (issues.length > ISSUES_MAX) told.push(`${issues.length - ISSUES_MAX} more`);
  return told.join('; ');
}

function keyOf(segment: PropertyKey | StandardSchemaV1.PathSegment): string {
  return String(typeof segment === 'object' ? segment.key : segment);
}

/** What a validator says is not always text. */
function clip(said: unknown): string {
  const text = String(said);
  return text.length > ISSUE_LENGTH_MAX ? `${text.slice(0, ISSUE_LENGTH_MAX)}…` : text;
}
