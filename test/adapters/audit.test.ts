import { Readable } from 'node:stream';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createAudit, unended } from '../../lib/adapters/audit.js';
import type { AuditLog, AuditOperation } from '../../lib/adapters/audit.js';
import { WalError } from '../../lib/index.js';
import type { AuditRecord, WalErrorCode } from '../../lib/index.js';
import { rejectsWith } from '../helpers/rejection.js';
import type { AnyWal } from '../helpers/wal.js';
import { readAll, withWal } from '../helpers/wal.js';

const it = suite('adapters/audit');

const LOGIN = { actor: 'u-1', action: 'login', resource: 'session' };

async function auditOf(wal: AnyWal): Promise<AuditRecord[]> {
  const items = await readAll(wal, 'audit');
  return items.map((item) => ('record' in item ? item.record : {}) as unknown as AuditRecord);
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

/** A log that refuses with these codes, one an append, and takes the rest. */
function refusing(wal: AnyWal, codes: (WalErrorCode | 'take')[]): AuditLog {
  return {
    append: async (kind, record) => {
      const code = codes.shift() ?? 'take';
      if (code !== 'take') throw new WalError(code, 'not now');
      return await wal.append(kind, record);
    },
  };
}

it('an event is on disk when record resolves, and its receipt says where', async () => {
  await withWal({}, async (wal, { clock, reopen }) => {
    const audit = createAudit({ wal, service: 'test', clock });
    const event = { ...LOGIN, outcome: 'ok', ctx: { requestId: 'r-1' }, data: { method: 'otp' } };
    const { id, seq } = await audit.record(event);
    const [item] = await readAll(await reopen(), 'audit');
    assert.equal([item?.id, item?.seq], [id, seq]);
    assert.equal('record' in item! && item.record, { ts: clock.now(), service: 'test', ...event });
  });
});

it('an event that the log refuses rejects its caller', async () => {
  await withWal({}, async (wal) => {
    const audit = createAudit({ wal: refusing(wal, ['WAL_FULL', 'WAL_IO']), service: 'test' });
    await rejectsWith(audit.record({ ...LOGIN, outcome: 'ok' }), 'WAL_FULL');
    await rejectsWith(audit.record({ ...LOGIN, outcome: 'ok' }), 'WAL_IO');
    await wal.close();
    await rejectsWith(audit.begin(LOGIN), 'WAL_CLOSED');
  });
});

it('what is no audit event is refused by name, and nothing is appended', async () => {
  await withWal({}, async (wal) => {
    const audit = createAudit({ wal, service: 'test' });
    const wrong: [object, RegExp][] = [
      [{ ...LOGIN }, /expected outcome of an audit event to be a word, got undefined/],
      [{ ...LOGIN, outcome: '' }, /outcome .* got an empty string/],
      [{ ...LOGIN, outcome: 'ok', actor: undefined }, /actor .* got undefined/],
      [{ ...LOGIN, outcome: 'ok', resource: null }, /resource .* got null/],
      [{ ...LOGIN, outcome: 'ok', action: 7 }, /action .* got number/],
      [{ ...LOGIN, outcome: 'ok', actor: Promise.resolve('u-1') }, /actor .* got a promise/],
      [{ ...LOGIN, outcome: 'ok', ts: 1 }, /takes actor, .*, and no 'ts'/],
      [{ ...LOGIN, outcome: 'begun' }, /'begun' is for operations/],
      [{ ...LOGIN, outcome: 'ok', ctx: { operation: 'mine' } }, /ctx\.operation is set by/],
    ];
    for (const [event, message] of wrong) {
      await rejectsWith(audit.record(event as never), 'WAL_RECORD_INVALID', message);
    }
    assert.equal(await auditOf(wal), []);
    assert.throws(() => createAudit({ wal: {} as never, service: 'test' }), /wal to be an open Wal/);
    assert.throws(() => createAudit({ wal, service: '' }), /service to be a name/);
  });
});

it('an operation has a begin event before it ends, and both name it', async () => {
  await withWal({}, async (wal, { clock }) => {
    const audit = createAudit({ wal, service: 'test', clock });
    const operation = await audit.begin({ ...LOGIN, ctx: { requestId: 'r-1' } });
    assert.is((await auditOf(wal)).length, 1);
    clock.advance(5);
    await operation.end({
      outcome: 'refused',
      resource: 'session 9',
      ctx: { tries: 3 },
      data: { why: 'otp' },
    });
    const { id } = operation;
    const begin = { requestId: 'r-1', operation: { id, phase: 'begin' } };
    const end = { requestId: 'r-1', tries: 3, operation: { id, phase: 'end' } };
    const ts = clock.now();
    assert.equal(await auditOf(wal), [
      { ts: ts - 5, service: 'test', ...LOGIN, outcome: 'begun', ctx: begin },
      {
        ts,
        service: 'test',
        ...LOGIN,
        resource: 'session 9',
        outcome: 'refused',
        ctx: end,
        data: { why: 'otp' },
      },
    ]);
  });
});

it('an operation ends once: a second end rejects, also while the first is on its way', async () => {
  await withWal({}, async (wal) => {
    const operation = await createAudit({ wal, service: 'test' }).begin(LOGIN);
    const strange = { outcome: 'ok', reason: 'paid' };
    await rejectsWith(operation.end(strange), 'WAL_RECORD_INVALID', /no 'reason'/);
    const first = operation.end({ outcome: 'ok' });
    await rejectsWith(operation.end({ outcome: 'failed' }), 'WAL_CONFIG', /it is about to/);
    await first;
    await rejectsWith(operation.end({ outcome: 'failed' }), 'WAL_CONFIG', /it has already/);
    assert.equal(
      (await auditOf(wal)).map(({ outcome }) => outcome),
      ['begun', 'ok'],
    );
  });
});

it('an end that is certainly not in the log may be tried again; one that may be there is not', async () => {
  await withWal({}, async (wal) => {
    const audit = createAudit({
      wal: refusing(wal, ['take', 'WAL_FULL', 'take', 'take', 'WAL_IO']),
      service: 'test',
    });
    const patient = await audit.begin(LOGIN);
    await rejectsWith(patient.end({ outcome: 'ok' }), 'WAL_FULL');
    await rejectsWith(patient.end({ outcome: 'begun' }), 'WAL_RECORD_INVALID');
    await patient.end({ outcome: 'ok' });
    const unsure = await audit.begin(LOGIN);
    await rejectsWith(unsure.end({ outcome: 'ok' }), 'WAL_IO');
    await rejectsWith(unsure.end({ outcome: 'ok' }), 'WAL_CONFIG', /may be in the log already/);
  });
});

async function namesOf(operations: AsyncIterable<{ operation: string }>): Promise<string[]> {
  return (await collect(operations)).map(({ operation }) => operation);
}

it('unended finds what began and never ended, in the log and in NDJSON, in any order and repetition', async () => {
  await withWal({}, async (wal) => {
    const audit = createAudit({ wal, service: 'test' });
    const operations: AuditOperation[] = [];
    for (let n = 0; n < 4; n++) operations.push(await audit.begin({ ...LOGIN, actor: `u-${n}` }));
    await audit.record({ ...LOGIN, outcome: 'ok' });
    for (const n of [2, 0]) await operations[n]!.end({ outcome: 'ok' });
    const open = [operations[1]!.id, operations[3]!.id];
    const found = await collect(unended(wal.read('audit')));
    assert.equal(
      found.map(({ operation }) => operation),
      open,
    );
    assert.equal([found[0]!.id, found[0]!.seq], [operations[1]!.begun.id, 2]);
    assert.is(found[0]!.record.actor, 'u-1');

    const items = await readAll(wal, 'audit');
    const lines = items.map((item) => JSON.stringify(item));
    const gap = { id: 'x', seq: 9, kind: 'audit', gap: { from: 8, to: 9, reason: 'corrupt', at: 1 } };
    assert.equal(await namesOf(unended(Readable.from([...lines, '', JSON.stringify(gap), ...lines]))), open);
    assert.equal(new Set(await namesOf(unended(items.toReversed()))), new Set(open));
    assert.equal(await namesOf(unended(await auditOf(wal))), open);
  });
});

it('a line that is not JSON is named by its number', async () => {
  const lines = ['{}', '{"record":'];
  await rejectsWith(namesOf(unended(lines)), 'WAL_RECORD_INVALID', 'line 2 is not JSON');
});

it.run();
