// What a stream makes of its records before anything keeps them: checked by its schema, without what that does not
// declare, redacted, in this order. Settled once, at open; a stream that asks for none of it has no shaping.

import type { StandardSchemaV1 } from '@standard-schema/spec';
import { expected } from './checks.js';
import type { FieldsDropped } from './declared.js';
import { DropCount, compare, openAt } from './declared.js';
import { WalError } from './errors.js';
import type { Shaping } from './records.js';
import type { Redaction } from './redaction.js';
import { redactor } from './redaction.js';
import { validator } from './schema.js';

export interface ShapingOptions {
  /**
   * What a record must be: any validator with the Standard Schema interface (zod, valibot, arktype …) that answers at
   * once. A record that does not fit is `WAL_RECORD_INVALID`; what the validator returns is what is stored.
   * @default none
   */
  schema?: StandardSchemaV1;
  /**
   * `declared`: fields that the schema does not declare are dropped, and counted, rather than stored. Needs a
   * `schema` that leaves them out of what it returns, as zod's and valibot's `object` do. @default all that `schema` returns
   */
  pii?: 'declared';
  /** What must not be stored: paths to censor, as in pino, or rules that censor, remove or hash. @default none */
  redact?: Redaction;
}

export interface StreamShaping extends Shaping {
  /** Absent where undeclared fields are not looked for. */
  readonly fieldsDropped: (() => FieldsDropped) | undefined;
}

/** @throws {WalError} `WAL_CONFIG` naming the option. */
export function shapingOf(kind: string, options: ShapingOptions): StreamShaping | undefined {
  const { schema, pii, redact } = options;
  if (schema === undefined && pii === undefined && redact === undefined) return undefined;
  const says = pii === undefined && redact === undefined;
  const validate = schema === undefined ? undefined : validator(kind, schema, says);
  if (pii !== undefined) checkDeclared(kind, schema, pii);
  const drops = pii === undefined ? undefined : new DropCount();
  return {
    shape: (record) => {
      if (!validate) return record;
      const value = validate(record);
      if (drops) countDrops(kind, record, value, drops);
      return value;
    },
    redact: redact === undefined ? (json) => json : redactor(`streams.${kind}.redact`, redact),
    says,
    fieldsDropped: drops && (() => drops.snapshot()),
  };
}

function checkDeclared(kind: string, schema: unknown, pii: unknown): void {
  const option = `streams.${kind}`;
  if (pii !== 'declared') throw expected(`${option}.pii`, "'declared', or left out", pii);
  if (schema === undefined) {
    throw new WalError(
      'WAL_CONFIG',
      `${option}.pii is 'declared', but no ${option}.schema declares anything`,
    );
  }
  const open = openAt(schema);
  if (open === undefined) return;
  throw new WalError(
    'WAL_CONFIG',
    `${option}.schema lets fields through that it does not declare, at ${open}; with pii: 'declared' it must leave them out`,
  );
}

function countDrops(kind: string, record: object, value: unknown, drops: DropCount): void {
  const names: string[] = [];
  try {
    compare(record, value, (name) => names.push(name));
  } catch {
    // A getter that does not answer twice.
    throw new WalError('WAL_RECORD_INVALID', `a record of '${kind}' can't be read`);
  }
  for (const name of names) drops.add(name);
}
