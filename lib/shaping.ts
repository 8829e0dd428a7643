// What a stream makes of its records before anything keeps them. Settled once, at open; a stream that asks for
// none of it has no shaping.

import type { StandardSchemaV1 } from '@standard-schema/spec';
import type { Shaping } from './records.js';
import { validator } from './schema.js';

export interface ShapingOptions {
  /**
   * What a record must be: any validator with the Standard Schema interface (zod, valibot, arktype …) that answers at
   * once. A record that does not fit is `WAL_RECORD_INVALID`; what the validator returns is what is stored.
   * @default none
   */
  schema?: StandardSchemaV1;
}

/** @throws {WalError} `WAL_CONFIG` naming the option. */
export function shapingOf(kind: string, { schema }: ShapingOptions): Shaping | undefined {
  if (schema === undefined) return undefined;
  return { shape: validator(kind, schema, true), redact: (json) => json, says: true };
}
