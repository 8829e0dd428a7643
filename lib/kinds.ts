// How the kinds of a log are typed where streams have schemas. Types only.

import type { StandardSchemaV1 } from '@standard-schema/spec';
import type { DefaultKinds } from './records.js';

/**
 * The kinds of a log by the schemas of its `streams`: what each of them takes.
 *
 * @example
 * const streams = { billing: { whenFull: 'reject', schema: billing } } as const;
 * const wal = await Wal.open<KindsOf<typeof streams>>({ service: 'gateway', streams });
 */
export type KindsOf<Streams> = {
  [Kind in keyof Streams | keyof DefaultKinds]: Kind extends keyof Streams
    ? Streams[Kind] extends { schema: infer Schema extends StandardSchemaV1 }
      ? StandardSchemaV1.InferInput<Schema> & object
      : UnlessGiven<Kind>
    : UnlessGiven<Kind>;
};

type UnlessGiven<Kind> = Kind extends keyof DefaultKinds ? DefaultKinds[Kind] : Record<string, unknown>;
