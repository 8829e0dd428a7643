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

const it = suite('declared');

const SCHEMAS: Record<string, StandardSchemaV1> = {
  zod: z.object({
    n: z.number(),
    user: z.object({ id: z.string() }),
    items: z.array(z.object({ sku: z.string() })),
  }),
  valibot: v.object({
    n: v.number(),
    user: v.object({ id: v.string() }),
    items: v.array(v.object({ sku: v.string() })),
  }),
};

const DECLARED = { n: 1, user: { id: 'u' }, items: [{ sku: 'a' }, { sku: 'b' }] };
const MORE = {
  ...DECLARED,
  phone: '1',
  user: { id: 'u', email: 'e' },
  items: [
    { sku: 'a', note: 'x' },
    { sku: 'b', note: 'y' },
  ],
  nothing: undefined,
};

async function withDeclared(
  policy: Partial<StreamPolicy>,
  use: (wal: AnyWal, opened: OpenWal) => Promise<void>,
): Promise<void> {
  await withWal({ streams: { orders: { whenFull: 'reject', pii: 'declared', ...policy } } }, use);
}

const refusedAtOpen = async (policy: Partial<StreamPolicy>, ...says: string[]) =>
  await rejectsWith(
    withDeclared(policy, async () => {}),
    'WAL_CONFIG',
    'streams.orders.',
    ...says,
  );

for (const [library, schema] of Object.entries(SCHEMAS)) {
  it(`${library}: what the schema does not declare is dropped on every way in, and counted by name`, async () => {
    await withDeclared({ schema }, async (wal, { varDir, reopen }) => {
      assert.equal(wal.stats().streams['orders']!.fieldsDropped, { total: 0, names: {} });
      const before = structuredClone(MORE);
      await wal.append('orders', DECLARED);
      await wal.append('orders', MORE);
      await wal.appendMany('orders', [MORE, DECLARED]);
      assert.is(wal.offer('orders', MORE), true);
      const file = join(varDir, 'old.ndjson');
      await writeFile(file, `${JSON.stringify(MORE)}\n`);
      await wal.import([file], { kind: 'orders' });
      assert.equal(MORE, before);
      const { fieldsDropped } = wal.stats().streams['orders']!;
      const names = { phone: 4, 'user.email': 4, 'items[].note': 8 };
      assert.equal(fieldsDropped, { total: 16, names });
      const { samples } = wal.metrics().wal_fields_dropped_total;
      assert.equal(
        samples.map(({ labels, value }) => [labels['kind'], value]),
        [['orders', 16]],
      );
      const again = await reopen();
      const items = await readAll(again, 'orders');
      assert.is(items.length, 6);
      for (const item of items) assert.equal('record' in item && item.record, DECLARED);
    });
  });
}

it('a record that does not fit is refused by its path, without its words, and counts nothing', async () => {
  await withDeclared({ schema: SCHEMAS['valibot']! }, async (wal) => {
    const bad = { ...MORE, user: { id: 4929123456789012 } };
    const { message } = await rejectsWith(wal.append('orders', bad), 'WAL_RECORD_INVALID', 'user.id');
    assert.not.match(message, '4929');
    assert.is(wal.stats().streams['orders']!.fieldsDropped!.total, 0);
  });
});

it('what is declared may still be redacted', async () => {
  await withDeclared({ schema: SCHEMAS['zod']!, redact: ['user.id', 'phone'] }, async (wal) => {
    await wal.append('orders', MORE);
    const [item] = await readAll(wal, 'orders');
    assert.equal(item && 'record' in item && item.record, { ...DECLARED, user: { id: '[REDACTED]' } });
  });
});

it('names are counted up to a bound, the total goes on', async () => {
  await withDeclared({ schema: z.object({}) }, async (wal) => {
    for (const from of [0, 80]) {
      const fields = Array.from({ length: 80 }, (_, n) => [`${from + n}${'x'.repeat(500)}`, 1]);
      await wal.append('orders', Object.fromEntries(fields) as object);
    }
    const { total, names } = wal.stats().streams['orders']!.fieldsDropped!;
    assert.is(total, 160);
    assert.is(Object.keys(names).length, 100);
    for (const name of Object.keys(names)) assert.ok(name.length <= 100);
  });
});

it('a schema that says it lets anything through is refused when the log is opened, wherever it does', async () => {
  const loose = z.looseObject({ a: z.string() });
  const cases: [schema: StandardSchemaV1, at: string][] = [
    [loose, 'its top'],
    [z.object({ data: loose }), 'at data;'],
    [z.object({ data: z.object({ list: z.array(loose) }) }), 'at data.list[];'],
    [z.object({ data: z.union([z.object({ b: z.string() }), loose]).optional() }), 'at data;'],
    [z.object({ data: z.record(z.string(), loose) }), 'at data.*;'],
    // Dates have no JSON Schema: the rest is looked at all the same.
    [z.object({ at: z.date(), data: loose }), 'at data;'],
  ];
  for (const [schema, at] of cases) await refusedAtOpen({ schema }, 'schema lets fields through', at);
});

it('a map and an unknown are declared by being there', async () => {
  const schema = z.object({ ctx: z.record(z.string(), z.unknown()), data: z.unknown() });
  await withDeclared({ schema }, async (wal) => {
    await wal.append('orders', { ctx: { a: { b: 1 } }, data: { c: 1 }, more: 1 });
    const [item] = await readAll(wal, 'orders');
    assert.equal(item && 'record' in item && item.record, { ctx: { a: { b: 1 } }, data: { c: 1 } });
    assert.equal(wal.stats().streams['orders']!.fieldsDropped!.names, { more: 1 });
  });
});

it('a library that can’t say what its schema lets through is taken at its output', async () => {
  // As the README says: valibot has no Standard JSON Schema.
  await withDeclared({ schema: v.looseObject({ a: v.string() }) }, async (wal) => {
    await wal.append('orders', { a: 'a', b: 'b' });
    const [item] = await readAll(wal, 'orders');
    assert.equal(item && 'record' in item && item.record, { a: 'a', b: 'b' });
  });
});

it('without a schema, or with another word, nothing is opened', async () => {
  await refusedAtOpen({}, 'streams.orders.schema');
  await refusedAtOpen({ schema: SCHEMAS['zod']!, pii: 'all' as 'declared' }, "'declared'");
});

it('a getter that answers once is refused', async () => {
  await withDeclared({ schema: SCHEMAS['zod']! }, async (wal) => {
    let asked = 0;
    const record = {
      ...DECLARED,
      get user() {
        if (asked++ > 0) throw new Error('secret');
        return { id: 'u' };
      },
    };
    const { message } = await rejectsWith(wal.append('orders', record), 'WAL_RECORD_INVALID', 'read');
    assert.not.match(message, 'secret');
  });
});

it.run();
