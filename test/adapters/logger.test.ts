import { pino } from 'pino';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createLogger } from '../../lib/adapters/logger.js';
import type { PolicyQuestion } from '../../lib/adapters/logger.js';
import { WalError } from '../../lib/errors.js';
import type { LogRecord } from '../../lib/index.js';
import { ManualClock } from '../helpers/manual-clock.js';
import type { AnyWal } from '../helpers/wal.js';
import { auditRecord, readAll, withWal } from '../helpers/wal.js';
import { captured } from './console.js';

const it = suite('adapters/logger');
const service = 'test';
const everything = () => true;

/** What was persisted: an append that resolves is behind every offer before it. */
async function persisted(wal: AnyWal): Promise<LogRecord[]> {
  await wal.append('audit', auditRecord(1));
  return (await readAll(wal, 'log')).map(
    (item) => ('record' in item ? item.record : item) as unknown as LogRecord,
  );
}

it('each method makes a record of its level, and a line on the console', async () => {
  await withWal({}, async (wal) => {
    const { console, lines } = captured();
    const clock = new ManualClock(1000);
    const log = createLogger({ wal, service, policy: everything, console, clock });
    log.debug('a');
    log.info({ n: 1 }, 'b');
    log.warn({ n: 2 });
    log.error('d');
    log.security('e');
    log.audit('f');
    assert.equal(await persisted(wal), [
      { ts: 1000, service, level: 'debug', msg: 'a' },
      { ts: 1000, service, level: 'info', msg: 'b', data: { n: 1 } },
      { ts: 1000, service, level: 'warn', data: { n: 2 } },
      { ts: 1000, service, level: 'error', msg: 'd' },
      { ts: 1000, service, level: 'security', msg: 'e' },
      { ts: 1000, service, level: 'audit', msg: 'f' },
    ]);
    assert.equal(
      lines.map((line) => line.level),
      [20, 30, 40, 50, 47, 42],
    );
    assert.is(log.lost, 0);
  });
});

it('what the policy does not persist goes to the console alone', async () => {
  await withWal({}, async (wal) => {
    const { console, lines } = captured();
    const asked: PolicyQuestion[] = [];
    const policy = (question: PolicyQuestion) => {
      asked.push(question);
      return question.level === 'warn' || question.category === 'billing';
    };
    const log = createLogger({ wal, service, policy, console });
    log.info('no');
    log.bind({ category: 'billing' }).info('yes');
    log.info({ category: 'billing' }, 'yes, too');
    log.bind({ category: 'billing' }).info({ category: 'http' }, 'the call wins');
    log.warn('yes');
    assert.equal(
      (await persisted(wal)).map(({ msg, category }) => [msg, category]),
      [
        ['yes', 'billing'],
        ['yes, too', 'billing'],
        ['yes', undefined],
      ],
    );
    assert.is(lines.length, 5);
    assert.equal(asked[3], { level: 'info', category: 'http' });
  });
});

it('without a policy, everything but debug and info is persisted', async () => {
  await withWal({}, async (wal) => {
    const log = createLogger({ wal, service, console: captured().console });
    for (const level of ['debug', 'info', 'warn', 'error', 'security', 'audit'] as const) log[level]('x');
    const levels = (await persisted(wal)).map(({ level }) => level);
    assert.equal(levels, ['warn', 'error', 'security', 'audit']);
  });
});

it('what is bound is the ctx of the record, inner over outer', async () => {
  await withWal({}, async (wal) => {
    const { console, lines } = captured();
    const log = createLogger({ wal, service, policy: everything, console });
    const outer = log.bind({ request: 'r1', user: 'u1', category: 'http' });
    outer.bind({ user: 'u2' }).info({ status: 200 }, 'answered');
    outer.bind({ category: 'db' }).info('asked');
    const [first, second] = await persisted(wal);
    assert.equal(first?.ctx, { request: 'r1', user: 'u2' });
    assert.equal(first?.data, { status: 200 });
    assert.is(first?.category, 'http');
    assert.equal(second?.ctx, { request: 'r1', user: 'u1' });
    assert.is(second?.category, 'db');
    const { request, user, category, status } = lines[0]!;
    assert.equal([request, user, category, status], ['r1', 'u2', 'http', 200]);
  });
});

it('errors can be read, wherever they are passed', async () => {
  await withWal({}, async (wal) => {
    const { console, lines } = captured();
    const log = createLogger({ wal, service, policy: everything, console });
    const error = new TypeError('no such thing', { cause: new Error('gone') });
    log.error(error);
    log.error(error, 'said otherwise');
    log.error({ err: error, n: 1 });
    log.bind({ cause: error }).error({ failure: error }, 'in other members');
    const records = await persisted(wal);
    assert.equal(
      records.map(({ msg }) => msg),
      ['no such thing', 'said otherwise', 'no such thing', 'in other members'],
    );
    const { err } = records[0]!.data as { err: { type: string; message: string; stack: string } };
    assert.is(err.type, 'TypeError');
    assert.match(err.stack, 'gone');
    const inOthers = records[3]!;
    assert.match(
      JSON.stringify([inOthers.ctx, inOthers.data]),
      /cause.*no such thing.*failure.*no such thing/,
    );
    assert.match(JSON.stringify(lines[3]), /cause.*no such thing.*failure.*no such thing/);
    assert.is((lines[2]!['err'] as { type: string }).type, 'TypeError');
  });
});

it('a log call never throws: what cannot be kept is counted', async () => {
  await withWal({ streams: { log: { maxRecordBytes: 200 } } }, async (wal) => {
    const log = createLogger({ wal, service, policy: everything, console: captured().console });
    const cycle: Record<string, unknown> = {};
    cycle['self'] = cycle;
    log.info(cycle, 'a cycle');
    log.info({ n: 1n }, 'not JSON');
    log.info({ text: 'x'.repeat(300) }, 'too large');
    log.info(
      {
        get broken(): string {
          throw new Error('a getter');
        },
      },
      'a getter',
    );
    assert.is(log.lost, 4);
    log.info('fine');
    for (const odd of [undefined, null, 5, Symbol('odd')]) log.info(odd as unknown as string);
    assert.equal(
      (await persisted(wal)).map(({ msg }) => msg),
      ['fine', undefined, undefined, '5', 'Symbol(odd)'],
    );
    await wal.close();
    log.info('after the end');
    assert.is(log.lost, 5);
  });
});

it('losses are told once, and once that they are over', async () => {
  await withWal({ streams: { log: { maxRecordBytes: 200 } } }, async (wal) => {
    const { console, lines } = captured('warn');
    const clock = new ManualClock();
    const log = createLogger({ wal, service, policy: everything, console, clock });
    const lose = () => log.info({ text: 'x'.repeat(300) });
    lose();
    log.info('fine, but it is early');
    lose();
    assert.equal(
      lines.map(({ lost }) => lost),
      [1],
    );
    clock.advance(9_999);
    log.info('fine');
    assert.is(lines.length, 1);
    clock.advance(1);
    log.info('fine');
    assert.equal(
      lines.map(({ lost }) => lost),
      [1, 2],
    );
    lose();
    assert.match(lines[2]!.msg ?? '', /not persisted/);
  });
});

it('a policy that throws is counted, and the record is persisted', async () => {
  await withWal({}, async (wal) => {
    const policy = () => {
      throw new Error('no policy');
    };
    const log = createLogger({ wal, service, policy, console: captured().console });
    log.debug('all the same');
    assert.is(log.policyFailures, 1);
    assert.is((await persisted(wal)).length, 1);
  });
});

it('a console that is broken, or shows less, changes nothing of what is persisted', async () => {
  await withWal({}, async (wal) => {
    const broken = pino({
      hooks: {
        logMethod: () => {
          throw new Error('no console');
        },
      },
    });
    const { console, lines } = captured('error');
    createLogger({ wal, service, policy: everything, console: broken }).info('a');
    createLogger({ wal, service, policy: everything, console }).info('b');
    assert.is((await persisted(wal)).length, 2);
    assert.is(lines.length, 0);
  });
});

it('options that do not fit are named', async () => {
  await withWal({}, async (wal) => {
    const refused = (options: object, says: RegExp) =>
      assert.throws(
        () => createLogger({ wal, service, ...options }),
        (error: unknown) =>
          error instanceof WalError && error.code === 'WAL_CONFIG' && says.test(error.message),
      );
    refused({ wal: undefined }, /wal/);
    refused({ service: '' }, /service/);
    refused({ policy: true }, /policy/);
    const strange = pino({ customLevels: { only: 5 }, useOnlyCustomLevels: true, level: 'only' });
    refused({ console: strange }, /console/);
  });
});

it.run();
