import type { StandardSchemaV1 } from '@standard-schema/spec';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import * as v from 'valibot';
import { z } from 'zod';
import type { StreamPolicy } from '../lib/config.js';
import { rejectsWith } from './helpers/rejection.js';
import type { AnyWal, OpenWal } from './helpers/wal.js';
import { readAll, withWal } from './helpers/wal.js';

const it = suite('schema');

/** The same schema by two libraries. */
const SCHEMAS: Record<string, StandardSchemaV1> = {
  zod: z.object({
    invoice: z.string(),
    lines: z.array(z.object({ cents: z.number() })),
    at: z.string().optional(),
  }),
  valibot: v.object({
    invoice: v.string(),
    lines: v.array(v.object({ cents: v.number() })),
    at: v.optional(v.string()),
  }),
};

const GOOD = { invoice: 'i1', lines: [{ cents: 1 }] };
const BAD = { invoice: 'i1', lines: [{ cents: 1 }, { cents: 'one' }] };

async function withBilling(
  policy: Partial<StreamPolicy>,
  use: (wal: AnyWal, opened: OpenWal) => Promise<void>,
): Promise<void> {
  await withWal({ streams: { billing: { whenFull: 'reject', ...policy } } }, use);
}

/** A validator of our own making: what a record becomes, or what is thrown. */
function schemaOf(validate: (value: unknown) => unknown): StandardSchemaV1 {
  const props = { version: 1, vendor: 'test', validate };
  return { '~standard': props as StandardSchemaV1.Props };
}

async function recordsOf(wal: AnyWal, kind = 'billing'): Promise<unknown[]> {
  return (await readAll(wal, kind)).map((item) => 'record' in item && item.record);
}

for (const [library, schema] of Object.entries(SCHEMAS)) {
  it(`${library}: what fits is stored, what does not is refused with the issue’s path`, async () => {
    await withBilling({ schema }, async (wal, { varDir, events }) => {
      await wal.append('billing', GOOD);
      await rejectsWith(wal.append('billing', BAD), 'WAL_RECORD_INVALID', "'billing'", 'lines.1.cents: Inv');
      await rejectsWith(
        wal.append('billing', {}),
        'WAL_RECORD_INVALID',
        /invoice: Invalid.*; lines: Invalid/,
      );
      await rejectsWith(wal.appendMany('billing', [GOOD, BAD]), 'WAL_RECORD_INVALID', 'lines.1.cents');
      assert.is(wal.offer('billing', BAD), false);
      const told = events.map((event) => event.type === 'offer-failed' && [event.code, event.message]);
      assert.equal(told[0] && told[0][0], 'WAL_RECORD_INVALID');
      assert.match(String(told[0] && told[0][1]), 'lines.1.cents');
      const file = join(varDir, 'old.ndjson');
      const lines = [GOOD, BAD, GOOD].map((record) => JSON.stringify({ kind: 'billing', record }));
      await writeFile(file, `${lines.join('\n')}\n`);
      const { imported, problems } = await wal.import([file]);
      assert.is(imported, 2);
      assert.equal(
        problems.map(({ line }) => line),
        [2],
      );
      assert.match(problems[0]!.message, 'lines.1.cents');
      assert.equal(await recordsOf(wal), [GOOD, GOOD, GOOD]);
    });
  });

  it(`${library}: what the schema makes of a record is what is stored`, async () => {
    await withBilling({ schema }, async (wal, { varDir }) => {
      const record = { ...GOOD, extra: 'x' };
      await wal.append('billing', record);
      assert.is(record.extra, 'x');
      const file = join(varDir, 'old.ndjson');
      await writeFile(file, `${JSON.stringify(record)}\n`);
      assert.is((await wal.import([file], { kind: 'billing' })).imported, 1);
      assert.equal(await recordsOf(wal), [GOOD, GOOD]);
    });
  });
}

it('a transform’s result is stored; one that is no object is refused', async () => {
  const schema = z.object({ at: z.date().transform((at) => at.getFullYear()) });
  await withBilling({ schema }, async (wal) => {
    await wal.append('billing', { at: new Date('2026-06-01T00:00:00Z') });
    assert.equal(await recordsOf(wal), [{ at: 2026 }]);
  });
  await withBilling({ schema: z.object({}).transform(() => 'text') }, async (wal) => {
    await rejectsWith(wal.append('billing', {}), 'WAL_RECORD_INVALID', 'as JSON, got a string');
  });
});

it('a validator that answers with a promise is refused by name, and its failure ends nothing', async () => {
  const schemas = [
    z.object({ n: z.number().refine(async () => false) }),
    z.object({
      n: z.number().refine(() => {
        throw new Error('now');
      }),
    }),
    v.pipeAsync(
      v.object({ n: v.number() }),
      v.checkAsync(async () => false),
    ),
    schemaOf(async () => await Promise.reject(new Error('later'))),
  ];
  for (const schema of schemas) {
    await withBilling({ schema }, async (wal, { events }) => {
      await rejectsWith(wal.append('billing', { n: 1 }), 'WAL_CONFIG', 'streams.billing.schema', 'promise');
      assert.is(wal.offer('billing', { n: 1 }), false);
      assert.equal(
        events.map((event) => event.type === 'offer-failed' && event.code),
        ['WAL_CONFIG'],
      );
      assert.equal(await recordsOf(wal), []);
    });
  }
});

it('a validator that throws refuses the record, with what it threw as the cause', async () => {
  const thrown = new Error('no database');
  const schema = schemaOf(() => {
    throw thrown;
  });
  await withBilling({ schema }, async (wal) => {
    const error = await rejectsWith(wal.append('billing', {}), 'WAL_RECORD_INVALID', 'threw: no database');
    assert.is(error.cause, thrown);
    assert.is(wal.offer('billing', {}), false);
  });
});

it('a validator that does not answer as it should refuses the record', async () => {
  for (const answer of [undefined, null, 'yes', { issues: [{}] }, { issues: [{ message: 7, path: null }] }]) {
    await withBilling({ schema: schemaOf(() => answer) }, async (wal) => {
      await rejectsWith(wal.append('billing', {}), 'WAL_RECORD_INVALID', "'billing'");
    });
  }
  await withBilling({ schema: schemaOf(() => ({})) }, async (wal) => {
    await rejectsWith(wal.append('billing', {}), 'WAL_RECORD_INVALID', 'got nothing');
  });
});

it('a message is bounded, whatever the validator says', async () => {
  const issue = { message: 'x'.repeat(10_000), path: Array.from({ length: 1000 }, () => ({ key: 'deep' })) };
  const schema = schemaOf(() => ({ issues: Array.from({ length: 50 }, () => issue) }));
  await withBilling({ schema }, async (wal) => {
    const { message } = await rejectsWith(wal.append('billing', {}), 'WAL_RECORD_INVALID', '47 more');
    assert.ok(message.length < 1500, message);
  });
});

it('an issue without a path is the record’s', async () => {
  const schema = z.object({}).refine(() => false, 'does not add up');
  await withBilling({ schema }, async (wal) => {
    await rejectsWith(wal.append('billing', {}), 'WAL_RECORD_INVALID', 'the record: does not add up');
  });
});

it('what is no Standard Schema is refused when the log is opened', async () => {
  const wrong = [{}, null, 'zod', { '~standard': { version: 1 } }, { '~standard': { validate: () => ({}) } }];
  for (const schema of wrong as StandardSchemaV1[]) {
    await rejectsWith(
      withBilling({ schema }, async () => {}),
      'WAL_CONFIG',
      'streams.billing.schema',
      'Standard',
    );
  }
});

it('a schema that is a function is one', async () => {
  const schema = Object.assign(
    () => {},
    schemaOf((value) => ({ value })),
  );
  await withBilling({ schema }, async (wal) => {
    await wal.append('billing', { n: 1 });
    assert.equal(await recordsOf(wal), [{ n: 1 }]);
  });
});

it.run();
