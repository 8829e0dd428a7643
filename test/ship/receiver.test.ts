// A shipper and the real receiver, over HTTP, while it is there and while it is not; and what a long delivery leaves on the disk.

import { randomBytes } from 'node:crypto';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Sink } from '../../lib/index.js';
import { diskBytes } from '../../lib/log/folder.js';
import { httpSink } from '../../lib/ship/sinks/http.js';
import type { Receiver } from '../helpers/receiver.js';
import { withReceiver } from '../helpers/receiver.js';
import { turns, until } from '../helpers/until.js';
import type { AnyWal } from '../helpers/wal.js';
import { auditRecord, withWal } from '../helpers/wal.js';

const it = suite('ship/receiver');

const MIB = 1_048_576;

const append = (wal: AnyWal, count: number, kind = 'audit') =>
  wal.appendMany(
    kind,
    Array.from({ length: count }, (_, n) => auditRecord(n)),
  );

const cursorOf = (wal: AnyWal, kind = 'audit') => wal.stats().streams[kind]!.shippers['default']!;

function sinkTo({ url, issuer, audience, secret }: Receiver): Sink {
  return httpSink({ baseUrl: url, token: { issuer, audience, secret } });
}

it('both kinds arrive over one sink, each line as it was appended, and nothing is left', async () => {
  await withReceiver({}, async (receiver) => {
    await withWal({}, async (wal) => {
      const sink = sinkTo(receiver);
      const ids = new Map<string, string[]>();
      for (const kind of ['log', 'audit']) {
        const receipts = [...(await append(wal, 700, kind)), ...(await append(wal, 1, kind))];
        ids.set(
          kind,
          receipts.map(({ id }) => id),
        );
        await wal.ship(kind, sink, { batchMax: 300 }).idle();
        assert.is(wal.stats().streams[kind]!.storedBytes, 0);
      }
      for (const [kind, expected] of ids) {
        const lines = new Map<string, unknown>();
        for await (const { id, line } of receiver.store.lines(kind)) lines.set(id, JSON.parse(String(line)));
        assert.is(lines.size, expected.length);
        for (const [n, id] of expected.entries()) {
          assert.equal(lines.get(id), { id, seq: n + 1, kind, record: auditRecord(n % 700) });
        }
      }
    });
  });
});

it('a receiver that is not there: the backlog waits, and one event says so; back again, all of it arrives', async () => {
  await withReceiver({}, async (receiver) => {
    await receiver.stop();
    await withWal({}, async (wal, { clock, events }) => {
      await append(wal, 10);
      wal.ship('audit', sinkTo(receiver), { lingerMs: 0 });
      for (let tries = 0; tries < 12; tries++) {
        await until(() => cursorOf(wal).nextAttemptAt !== undefined);
        clock.advance(cursorOf(wal).nextAttemptAt! - clock.now());
        await append(wal, 1);
      }
      assert.equal(
        events.map(({ type }) => type),
        ['ship-failing'],
      );
      await until(() => cursorOf(wal).lastError !== undefined);
      assert.match(cursorOf(wal).lastError!, "can't be reached");
      assert.is(cursorOf(wal).backlogRecords, 22);
      await receiver.start();
      await until(() => {
        clock.advance(60_000);
        return cursorOf(wal).backlogRecords === 0;
      });
      await turns();
      assert.equal(
        events.map(({ type }) => type),
        ['ship-failing', 'ship-recovered'],
      );
      assert.is(await receiver.store.count('audit'), 22);
    });
  });
});

it('100,000 records later, the disk holds no more than what is on its way', async () => {
  await withWal({ maxBytes: 64 * MIB }, async (wal) => {
    let sentBytes = 0;
    const sink: Sink = {
      name: 'nowhere',
      send: async (batch) => {
        sentBytes += (await batch.gzip()).length;
        return { accepted: batch.count };
      },
    };
    const shipper = wal.ship('log', sink, { lingerMs: 0 });
    let diskMost = 0;
    // Far apart enough that deflating finds little to repeat.
    const noise = randomBytes(4 * MIB).toString('base64');
    const text = (n: number) => noise.slice((n * 400) % 5_000_000, ((n * 400) % 5_000_000) + 400);
    for (let round = 0; round < 200; round++) {
      await wal.appendMany(
        'log',
        Array.from({ length: 500 }, (_, n) => ({ text: text(round * 500 + n) })),
      );
      await until(() => cursorOf(wal, 'log').backlogRecords < 5000);
      if (round % 10 === 0) diskMost = Math.max(diskMost, await diskBytes(wal.dir));
    }
    await shipper.idle();
    assert.ok(sentBytes > 25 * MIB, `${sentBytes} bytes`);
    assert.ok(diskMost < 15 * MIB, `${diskMost} bytes of disk`);
    await wal.compact();
    assert.ok((await diskBytes(wal.dir)) < 5 * MIB);
    assert.is(cursorOf(wal, 'log').delivered, 100_000);
  });
});

it.run();
