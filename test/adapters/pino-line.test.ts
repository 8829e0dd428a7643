// What the transport makes of lines, in this thread; pino's own thread is pino.test.ts's.

import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import { pino } from 'pino';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { lineReader } from '../../lib/adapters/pino-line.js';
import { LineWriter } from '../../lib/adapters/pino-writer.js';
import walTransport from '../../lib/adapters/pino.js';
import type { PinoTransportOptions } from '../../lib/adapters/pino.js';
import type { LogRecord } from '../../lib/index.js';
import { withFolder } from '../helpers/folder.js';
import { ManualClock } from '../helpers/manual-clock.js';
import { rejectsWith } from '../helpers/rejection.js';
import { until } from '../helpers/until.js';
import { recordsOf } from './pino-log.js';

const it = suite('adapters/pino-line');
const service = 'test';

const read = (value: unknown, options = {}): LogRecord =>
  lineReader({ service, ...options }, () => 7)(JSON.stringify(value));

it("pino's members become the record's, everything else its data", () => {
  const line = { level: 30, time: 5, pid: 1, hostname: 'h', msg: 'hello', category: 'http', user: 'u' };
  assert.equal(read(line), {
    ts: 5,
    service,
    level: 'info',
    category: 'http',
    msg: 'hello',
    data: { pid: 1, hostname: 'h', user: 'u' },
  });
  assert.equal(read({ level: 60, time: '2026-11-24T00:00:00.000Z' }), {
    ts: '2026-11-24T00:00:00.000Z',
    service,
    level: 'fatal',
  });
});

it('levels have their names, also those of the service', () => {
  const names = [10, 20, 30, 40, 50, 60, 35, 'loud', undefined].map((level) => read({ level }).level);
  assert.equal(names, ['trace', 'debug', 'info', 'warn', 'error', 'fatal', '35', 'loud', 'info']);
  assert.is(read({ level: 35 }, { levels: { notice: 35 } }).level, 'notice');
});

it('what has another type than it should is data, and a time that is none is now', () => {
  assert.equal(read({ level: 30, time: null, msg: 5, category: ['a'] }), {
    ts: 7,
    service,
    level: 'info',
    data: { msg: 5, category: ['a'] },
  });
  assert.equal(read('text'), { ts: 7, service, level: 'info', data: { data: 'text' } });
  assert.equal(read({ time: 1, text: 'hello' }, { messageKey: 'text' }), {
    ts: 1,
    service,
    level: 'info',
    msg: 'hello',
  });
});

const options = (varDir: string): PinoTransportOptions => ({
  service,
  varDir,
  reserveBytes: 0,
  adopt: false,
});

it('a pino logger with its own levels and message key writes through it', async () => {
  await withFolder(async (varDir) => {
    const levels = { notice: 35 };
    const stream = await walTransport({ ...options(varDir), levels, messageKey: 'text' });
    const log = pino({ customLevels: levels, messageKey: 'text', base: null }, stream);
    log.notice({ n: 1 }, 'hello');
    log.error(new Error('no'));
    stream.write('{"cut off\n');
    await stream.flush();
    stream.end();
    await once(stream, 'close');
    const [first, second, ...more] = await recordsOf(varDir);
    assert.is(first?.level, 'notice');
    assert.is(first?.msg, 'hello');
    assert.equal(first?.data, { n: 1 });
    assert.match(JSON.stringify(second?.data), /"err":\{"type":"Error","message":"no","stack"/);
    assert.equal(more, []);
  });
});

it('a log that cannot be opened, or shipped, is said at once', async () => {
  await withFolder(async (varDir) => {
    const stream = await walTransport(options(varDir));
    await rejectsWith(walTransport(options(varDir)), 'WAL_LOCKED');
    stream.end();
    await once(stream, 'close');
    await rejectsWith(
      walTransport({ ...options(varDir), sink: { baseUrl: 'nowhere' } }),
      'WAL_CONFIG',
      /baseUrl/,
    );
    // And was closed again.
    assert.equal(await recordsOf(varDir), []);
    await rejectsWith(
      walTransport({ ...options(varDir), maxbytes: 5 } as object as PinoTransportOptions),
      'WAL_CONFIG',
    );
  });
});

it('the stream waits while the disk has enough to do', async () => {
  const waiting: (() => void)[] = [];
  const append = () => new Promise<void>((resolve) => waiting.push(resolve));
  const writer = new LineWriter({ append }, new ManualClock(), () => {});
  const source = new PassThrough({ objectMode: true });
  writer.read(source);
  const record = { ts: 1, service, level: 'info' };
  for (let n = 0; n < 10_000; n++) source.write({ record, bytes: 10 });
  await until(() => source.isPaused());
  assert.is(waiting.length, 4096);
  const flushed = writer.flush();
  for (let settled = 0; settled < 10_000;) {
    for (const resolve of waiting.splice(0)) {
      resolve();
      settled++;
    }
    await new Promise(setImmediate);
    assert.ok(waiting.length <= 4096);
  }
  await flushed;
  for (let n = 0; n < 10; n++) source.write({ record, bytes: 1_048_576 });
  await until(() => source.isPaused());
  assert.is(waiting.length, 8, 'by their bytes, too');
});

it('what is lost is told once until it is over', async () => {
  const said: string[] = [];
  let refuses = true;
  const append = () => (refuses ? Promise.reject(new Error('full')) : Promise.resolve());
  const clock = new ManualClock();
  const writer = new LineWriter({ append }, clock, (text) => void said.push(text));
  const source = new PassThrough({ objectMode: true });
  writer.read(source);
  const write = async () => {
    source.write({ record: { ts: 1, service, level: 'info' }, bytes: 10 });
    await writer.flush();
  };
  await write();
  await write();
  refuses = false;
  clock.advance(10_000);
  await write();
  await writer.end();
  assert.equal(said, [
    'records are not persisted, 1 so far: full',
    'records are persisted again; 2 were not',
    '2 records were not persisted',
  ]);
});

it.run();
