// What a stream makes of its records before anything keeps them: checked by its schema, then redacted. Settled once,
// at open; a stream that asks for none of it has no shaping.

import type { StandardSchemaV1 } from '@standard-schema/spec';
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
  /** What must not be stored: paths to censor, as in pino, or rules that censor, remove or hash. @default none */
  redact?: Redaction;
}

/** @throws {WalError} `WAL_CONFIG` naming the option. */
export function shapingOf(kind: string, { schema, redact }: ShapingOptions): Shaping | undefined {
  if (schema === undefined && redact === undefined) return undefined;
  const says = redact === undefined;
  return {
    shape: schema === undefined ? (record) => record : validator(kind, schema, says),
    redact: redact === undefined ? (json) => json : redactor(`streams.${kind}.redact`, redact),
    says,
  };
}
