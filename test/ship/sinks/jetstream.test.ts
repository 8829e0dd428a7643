// The JetStream sink against a real broker: each line once and in order, whatever becomes of the broker or of the
// process on the way; and what is said where the broker takes nothing.

import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { SinkError, jetStreamSink } from '../../../lib/index.js';
import type { Batch, JetStreamSinkOptions, Receipt, Sink } from '../../../lib/index.js';
import { batchOf, recordLines } from '../../helpers/batch.js';
import { closedPort } from '../../helpers/destination.js';
import { PASSWORD, STREAM, natsMissing, startNats } from '../../helpers/nats.js';
import type { NatsServer } from '../../helpers/nats.js';
import { skipIf } from '../../helpers/skip.js';
import { until } from '../../helpers/until.js';

const suiteOf = suite('ship/sinks/jetstream');
const it = (name: string, test: () => Promise<void>) => skipIf(suiteOf, natsMissing)(name, test);

/** One broker for all cases, each with a log id, and so a subject, of its own. */
const server = natsMissing === false ? await startNats() : (undefined as never as NatsServer);
if (natsMissing === false) await server.addStream();
let logs = 0;

/** Records 1 to `count` as the log's writer wrote them: no id comes in two logs. */
const linesOf = (logId: string, count: number) =>
  recordLines(count).map((line) => line.replace('0123456789ABCDEF', logId));

const newLogId = () => `LOG${String(++logs).padStart(13, '0')}`;

async function withSink(
  use: (sink: Sink, logId: string) => Promise<void>,
  options: Partial<JetStreamSinkOptions> = {},
): Promise<void> {
  const sink = sinkTo(options);
  try {
    await use(sink, newLogId());
  } finally {
    await sink.close?.();
  }
}

const sinkTo = (options: Partial<JetStreamSinkOptions> = {}) =>
  jetStreamSink({ servers: server.servers, user: server.writer, stream: STREAM, ...options });

const send = (sink: Sink, batch: Batch, signal = new AbortController().signal): Promise<Receipt> =>
  sink.send(batch, { signal, attempt: 1 });

async function failureOf(sending: Promise<unknown>): Promise<string> {
  try {
    await sending;
    return 'none';
  } catch (error) {
    return error instanceof SinkError ? error.failure : String(error);
  }
}

const idOf = (line: string) => (JSON.parse(line) as { id: string }).id;

/** What a consumer reads back is these lines, each once and in this order. */
async function assertThere(logId: string, lines: readonly string[]): Promise<void> {
  const stored = await server.read(`wal.${logId}.>`);
  assert.equal(
    stored.map(({ line }) => `${line}\n`),
    lines,
  );
  assert.equal(
    stored.map(({ id }) => id),
    lines.map(idOf),
  );
}

async function withNats<T>(use: (nats: Awaited<ReturnType<typeof connect>>) => Promise<T>): Promise<T> {
  const nats = await connect({ servers: server.servers, user: server.user.name, pass: PASSWORD });
  try {
    return await use(nats);
  } finally {
    await nats.close();
  }
}

/** Until the broker has forgotten every id that it knew: one that came behind them is taken as new. */
async function duplicateWindowPassed(): Promise<void> {
  await withNats(async (nats) => {
    const probe = () => jetstream(nats).publish('wal.probe', '', { msgID: `probe of ${logs}` });
    await probe();
    while ((await probe()).duplicate);
  });
}

it('lines arrive in order and once, as they are', async () => {
  await withSink(async (sink, logId) => {
    const lines = linesOf(logId, 2_500);
    const first = await send(sink, batchOf(lines.slice(0, 2_000), { logId }));
    const second = await send(sink, batchOf(lines.slice(2_000), { logId }));
    assert.equal(first, { accepted: 2_000, duplicates: 0 });
    assert.equal(second, { accepted: 500, duplicates: 0 });
    await assertThere(logId, lines);
  });
});

it('two SIGKILLs of the broker in the middle of a pipeline: each line once and in order', async () => {
  await withSink(async (sink, logId) => {
    const lines = linesOf(logId, 8_000);
    for (const part of [lines.slice(0, 4_000), lines.slice(4_000)]) {
      const batch = batchOf(part, { logId });
      const before = await server.count();
      const sending = failureOf(send(sink, batch));
      while ((await server.count()) === before);
      await server.kill();
      assert.is(await sending, 'outage');
      assert.is(await failureOf(send(sink, batch)), 'outage');
      await server.start();
      const { accepted, duplicates } = await send(sink, batch);
      assert.is(accepted + duplicates!, batch.count);
      assert.ok(duplicates! > 0, 'some had landed');
    }
    await assertThere(logId, lines);
  });
});

it('what a killed producer sends again beyond the duplicate window is not there twice', async () => {
  await withSink(async (before, logId) => {
    const lines = linesOf(logId, 30);
    await send(before, batchOf(lines.slice(0, 20), { logId }));
    await duplicateWindowPassed();
    await withSink(async (after) => {
      const again = await send(after, batchOf(lines.slice(5, 10), { logId }));
      const overlapping = await send(after, batchOf(lines.slice(10), { logId }));
      assert.equal(again, { accepted: 0, duplicates: 5 });
      assert.equal(overlapping, { accepted: 10, duplicates: 10 });
    });
    // The one from before comes back to life: what it remembers is old.
    assert.equal(await send(before, batchOf(lines.slice(20), { logId })), { accepted: 0, duplicates: 10 });
    await assertThere(logId, lines);
  });
});

it('what is behind a publish that fails fails, too; sent again, it goes on behind what is there', async () => {
  await withNats(async (nats) => {
    const { streams } = await jetstreamManager(nats);
    await withSink(async (sink, logId) => {
      const lines = linesOf(logId, 100);
      const long = linesOf(logId, 51)
        .at(-1)!
        .replace('"ok"', `"${'o'.repeat(5_000)}k"`);
      lines[50] = long;
      const limit = (max_msg_size: number) => streams.update(STREAM, { max_msg_size });
      await limit(2_000);
      assert.is(await failureOf(send(sink, batchOf(lines, { logId }))), 'too-large');
      await assertThere(logId, lines.slice(0, 50));
      await limit(-1);
      await duplicateWindowPassed();
      assert.equal(await send(sink, batchOf(lines, { logId })), { accepted: 50, duplicates: 50 });
      await assertThere(logId, lines);
    });
  });
});

it('others that publish into the same stream break no chain', async () => {
  await withNats(async (nats) => {
    await withSink(async (sink, logId) => {
      const lines = linesOf(logId, 1_000);
      let isSent = false;
      const others = async () => {
        for (let n = 0; !isSent; n++) await jetstream(nats).publish('wal.others', `${n}`);
      };
      const disturbing = others();
      const { accepted, duplicates } = await send(sink, batchOf(lines, { logId }));
      isSent = true;
      await disturbing;
      assert.is(accepted + duplicates!, 1_000);
      await assertThere(logId, lines);
    });
  });
});

it('a line that was sent out of turn is not there twice, and nothing before it is taken for sent', async () => {
  const notice = (logId: string) => {
    const gap = { from: 11, to: 11, reason: 'quarantined', at: 1 };
    return `${JSON.stringify({ id: `${logId}:audit:gap:11-11`, seq: 11, kind: 'audit', gap })}\n`;
  };
  await withSink(async (sink, logId) => {
    const lines = linesOf(logId, 20);
    await send(sink, batchOf(lines.slice(0, 10), { logId }));
    await send(sink, batchOf(lines.slice(11, 12), { logId }));
    await duplicateWindowPassed();
    await withSink(async (after) => {
      assert.equal(await send(after, batchOf([notice(logId)], { logId })), { accepted: 1, duplicates: 0 });
    });
    await duplicateWindowPassed();
    await withSink(async (after) => {
      assert.equal(await send(after, batchOf([notice(logId)], { logId })), { accepted: 0, duplicates: 1 });
      assert.equal(await send(after, batchOf(lines.slice(11), { logId })), { accepted: 8, duplicates: 1 });
    });
    await assertThere(logId, [...lines.slice(0, 10), lines[11]!, notice(logId), ...lines.slice(12)]);
  });
});

it('a log that comes back from a backup gives other records the same seqs: they are sent', async () => {
  await withSink(async (sink, logId) => {
    const lines = linesOf(logId, 12);
    await send(sink, batchOf(lines.slice(0, 10), { logId }));
    const others = lines.slice(8).map((line) => line.replace(`"id":"${logId}`, '"id":"FEDCBA9876543210'));
    assert.equal(await send(sink, batchOf(others, { logId })), { accepted: 4, duplicates: 0 });
    await assertThere(logId, [...lines.slice(0, 10), ...others]);
  });
});

it('nothing is sent where nothing can be: each in its own words', async () => {
  const cases: [string, Partial<JetStreamSinkOptions>][] = [
    ['misconfigured', { stream: 'NOT_THERE' }],
    ['misconfigured', { subjectPrefix: 'elsewhere' }],
    ['misconfigured', { user: server.reader }],
    ['misconfigured', { credsFile: '/not/there.creds', user: undefined as never }],
    ['unauthorized', { user: { name: 'wal', password: 'wrong' } }],
    ['outage', { servers: `nats://127.0.0.1:${await closedPort()}` }],
  ];
  for (const [failure, options] of cases) {
    await withSink(async (sink, logId) => {
      const lines = linesOf(logId, 3);
      assert.is(await failureOf(send(sink, batchOf(lines, { logId }))), failure, JSON.stringify(options));
      await assertThere(logId, []);
    }, options);
  }
});

it('a batch with a line over the payload that the server takes is too large, and nothing of it is sent', async () => {
  await withSink(async (sink, logId) => {
    const lines = linesOf(logId, 3);
    lines[1] = lines[1]!.replace('"ok"', `"${'o'.repeat(65_536)}k"`);
    assert.is(await failureOf(send(sink, batchOf(lines, { logId }))), 'too-large');
    await assertThere(logId, []);
  });
});

it('a message that another stream has proves nothing', async () => {
  await withNats(async (nats) => {
    const { streams } = await jetstreamManager(nats);
    await streams.add({ name: 'OTHER', subjects: ['other.>'] });
    await withSink(
      async (sink, logId) => {
        assert.is(await failureOf(send(sink, batchOf(linesOf(logId, 3), { logId }))), 'misconfigured');
        assert.is(await server.count('OTHER'), 0);
      },
      { subjectPrefix: 'other' },
    );
  });
});

it('an abort throws no receipt away, and close waits for what is on its way', async () => {
  await withSink(async (sink, logId) => {
    const abort = new AbortController();
    const before = await server.count();
    const one = send(sink, batchOf(linesOf(logId, 1), { logId }), abort.signal);
    let isThere = false;
    void one.then(() => (isThere = true));
    while ((await server.count()) === before);
    abort.abort();
    assert.equal(await one, { accepted: 1, duplicates: 0 });
    await until(() => isThere);
    const many = send(sink, batchOf(linesOf(logId, 500).slice(1), { logId }));
    await sink.close?.();
    assert.equal(await many, { accepted: 499, duplicates: 0 });
    const late = send(sink, batchOf(linesOf(logId, 1), { logId }));
    assert.match(await failureOf(late), 'was closed');
  });
});

it('options are checked at the door', async () => {
  const bad: [string, Partial<JetStreamSinkOptions>][] = [
    ['servers', { servers: [] }],
    ['servers', { servers: 'nats://me:secret@host:4222' }],
    ['stream', { stream: 'a.b' }],
    ['subjectPrefix', { subjectPrefix: 'wal.*' }],
    ['one of them', { token: 'x' }],
    ['inFlightMax', { inFlightMax: 0 }],
    ['colour', { colour: 'red' } as never],
  ];
  for (const [what, options] of bad) assert.throws(() => sinkTo(options), new RegExp(what));
  assert.not.match(sinkTo().name, PASSWORD);
});

if (natsMissing === false) it('the broker ends', () => server.stop());

suiteOf.run();
