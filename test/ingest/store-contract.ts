// What every receiver store must do, as cases that each store's own test runs: see lib/ingest/store.ts.

import * as fc from 'fast-check';
import * as assert from 'uvu/assert';
import { WalError } from '../../lib/errors.js';
import { listLogs } from '../../lib/ingest/index.js';
import type { IngestBatch, IngestLine, IngestStore, LogQuery } from '../../lib/ingest/index.js';
import { gapLine } from '../../lib/records.js';

export const LOG = '7Q2M4K9ZT0V5XW8B';
export const NOON = Date.UTC(2026, 0, 2, 12);
const DAY_MS = 86_400_000;

export interface LineOptions {
  kind?: string;
  writer?: string;
  text?: string;
  ts?: number | undefined;
}

export function line(seq: number, over: LineOptions = {}): IngestLine {
  const { kind = 'audit', writer = '0123456789ABCDEF', text = 'a' } = over;
  const ts = 'ts' in over ? over.ts : NOON;
  const id = `${writer}:${kind}:${seq}`;
  const bytes = Buffer.from(JSON.stringify({ id, seq, kind, record: { ts, text } }));
  return { id, seq, gap: undefined, ts, bytes };
}

export function gap(from: number, to: number, at = 1): IngestLine {
  const notice = { from, to, reason: 'age' as const, at };
  const bytes = Buffer.from(gapLine(LOG, 'audit', notice).trimEnd());
  return { id: `${LOG}:audit:gap:${from}-${to}`, seq: to, gap: notice, ts: undefined, bytes };
}

export const lines = (from: number, to: number, over?: LineOptions) =>
  Array.from({ length: to - from + 1 }, (_, index) => line(from + index, over));

export function batch(of: IngestLine[], over: Partial<IngestBatch> = {}): IngestBatch {
  return { kind: 'audit', logId: LOG, instance: 'main', service: 'gateway', lines: of, ...over };
}

export async function idsOf(store: IngestStore, kind = 'audit'): Promise<string[]> {
  const ids: string[] = [];
  for await (const { id } of store.lines(kind)) ids.push(id);
  return ids;
}

export async function textsOf(store: IngestStore, kind = 'audit'): Promise<string[]> {
  const texts: string[] = [];
  for await (const { line: bytes } of store.lines(kind)) texts.push(bytes.toString());
  return texts;
}

export async function rangesOf(store: IngestStore, kind = 'audit'): Promise<string> {
  const ranges: string[] = [];
  for await (const { from, to } of store.arrivals(kind)) ranges.push(`${from}-${to}`);
  return ranges.join(' ');
}

/** The code of what `work` throws, whose message must match. */
export async function codeOf(work: Promise<unknown>, message: string | RegExp): Promise<string> {
  try {
    await work;
  } catch (error) {
    assert.instance(error, WalError);
    const text = (error as WalError).message;
    assert.ok(typeof message === 'string' ? text.includes(message) : message.test(text), text);
    return (error as WalError).code;
  }
  return 'no error';
}

/** Opens a store that is empty at first; the same one every time. */
export type Open = () => Promise<IngestStore>;
export type WithStore = (use: (store: IngestStore, open: Open) => Promise<void>) => Promise<void>;

const sum = (numbers: number[]) => numbers.reduce((total, number) => total + number, 0);

export type AddCase = (name: string, test: () => Promise<void>) => void;

export function addContract(it: AddCase, withStore: WithStore): void {
  it('lines are stored byte for byte and come back in the order of their seqs', async () => {
    await withStore(async (store) => {
      const odd = line(11, { text: '\u0000 \\ \\" \' {} \n \u{1F512} \uFEFF \uFFFD' });
      const given = [...lines(98, 102), gap(103, 200), line(9), odd, line(10)];
      assert.equal(await store.store(batch(given)), { accepted: 9, duplicates: 0, conflicts: [] });
      assert.is(await store.count('audit'), 9);
      const sorted = [line(9), line(10), odd, ...lines(98, 102), gap(103, 200)];
      assert.equal(
        await textsOf(store),
        sorted.map(({ bytes }) => bytes.toString()),
      );
    });
  });

  it('the same lines again are duplicates, also after a restart', async () => {
    await withStore(async (first, open) => {
      const all = [...lines(1, 50), gap(51, 60)];
      assert.equal(await first.store(batch(all)), { accepted: 51, duplicates: 0, conflicts: [] });
      await first.close();
      for (let restart = 0; restart < 2; restart++) {
        await using store = await open();
        assert.equal(await store.store(batch(all)), { accepted: 0, duplicates: 51, conflicts: [] });
        assert.is(await store.count('audit'), 51);
      }
    });
  });

  it('another content under a stored id is a conflict, and what is stored stays', async () => {
    await withStore(async (store) => {
      await store.store(batch([line(1), gap(2, 3)]));
      const result = await store.store(batch([line(1, { text: 'b' }), gap(2, 3, 9), line(4)]));
      assert.equal(result, { accepted: 1, duplicates: 0, conflicts: [line(1).id, gap(2, 3).id] });
      assert.equal(
        await textsOf(store),
        [line(1), line(4), gap(2, 3)].map(({ bytes }) => bytes.toString()),
      );
    });
  });

  it('an id has one place, whatever day its record claims to be of', async () => {
    await withStore(async (store) => {
      const days = [NOON, NOON + DAY_MS, NOON - 300 * DAY_MS, 0, 8e15, -8e15, undefined];
      const originals = days.map((ts, index) => line(index + 1, { ts }));
      assert.is((await store.store(batch(originals))).accepted, days.length);
      assert.is((await store.store(batch(originals.toReversed()))).duplicates, days.length);
      for (const ts of days) {
        const claims = days.map((own, index) => line(index + 1, { ts, text: own === ts ? 'a' : 'b' }));
        const { accepted, duplicates, conflicts } = await store.store(batch(claims));
        assert.equal([accepted, duplicates, conflicts.length], [0, 1, days.length - 1]);
      }
      assert.is(await store.count('audit'), days.length);
      // Twice in one batch, as of two days.
      const twice = await store.store(batch([line(20), line(20, { ts: 0 }), line(21)]));
      assert.equal(twice, { accepted: 2, duplicates: 0, conflicts: [line(20).id] });
    });
  });

  it('an id twice in one batch is a duplicate, or a conflict with other bytes', async () => {
    await withStore(async (store) => {
      const other = line(1, { text: 'b' });
      const result = await store.store(batch([line(1), line(1), other, line(2), gap(3, 4), gap(3, 4)]));
      assert.equal(result, { accepted: 3, duplicates: 2, conflicts: [line(1).id] });
      // The first of these is none that is stored, the second is.
      const again = await store.store(batch([other, line(1)]));
      assert.equal(again, { accepted: 0, duplicates: 1, conflicts: [line(1).id] });
      assert.is(await store.count('audit'), 3);
    });
  });

  it('of many concurrent calls with the same lines one is accepted', async () => {
    await withStore(async (store) => {
      const same = batch([...lines(1, 30), gap(31, 40)], { logId: undefined });
      const results = await Promise.all(Array.from({ length: 20 }, () => store.store(same)));
      assert.is(sum(results.map(({ accepted }) => accepted)), 31);
      assert.is(sum(results.map(({ duplicates }) => duplicates)), 19 * 31);
      assert.is(await store.count('audit'), 31);
    });
  });

  it('kinds are counted apart, and a seq may come again under another writer', async () => {
    await withStore(async (store) => {
      assert.equal(await store.kinds(), []);
      await store.store(batch(lines(1, 3)));
      await store.store(batch([line(1, { kind: 'log' })], { kind: 'log' }));
      await store.store(batch([line(3, { writer: 'ZZZZZZZZZZZZZZZZ' })]));
      assert.equal(await store.kinds(), ['audit', 'log']);
      assert.is(await store.count('audit'), 4);
      assert.is(await store.count('log'), 1);
      assert.is(await store.count('billing'), 0);
      assert.equal(await idsOf(store, 'log'), ['0123456789ABCDEF:log:1']);
    });
  });

  it('what has arrived of a log is one range once nothing is missing', async () => {
    await withStore(async (store) => {
      const steps: [IngestLine[], string][] = [
        [lines(1, 5), '1-5'],
        [lines(9, 10), '1-5 9-10'],
        [[gap(6, 7)], '1-7 9-10'],
        [[line(8)], '1-10'],
        [lines(1, 10), '1-10'],
      ];
      for (const [arriving, ranges] of steps) {
        await store.store(batch(arriving));
        assert.is(await rangesOf(store), ranges);
      }
    });
  });

  it('a conflict has not arrived, and a batch without a log is not followed', async () => {
    await withStore(async (store) => {
      await store.store(batch([line(1)], { logId: undefined }));
      assert.is(await rangesOf(store), '');
      await store.store(batch([line(1, { text: 'b' }), line(2)]));
      assert.is(await rangesOf(store), '2-2');
      await store.store(batch([line(1)]));
      assert.is(await rangesOf(store), '1-2');
    });
  });

  it('an arrival says who sent it last', async () => {
    await withStore(async (store) => {
      await store.store(batch([line(1)]));
      await store.store(batch([line(2)], { instance: 'blue', service: 'door' }));
      for await (const arrival of store.arrivals('audit')) {
        assert.equal(arrival, { logId: LOG, service: 'door', instance: 'blue', from: 1, to: 2 });
      }
    });
  });

  it('a log is owned by the service that sent of it, whatever the kind', async () => {
    await withStore(async (store) => {
      assert.is(await store.ownerOf(LOG), undefined);
      await store.store(batch([line(1)], { service: undefined }));
      assert.is(await store.ownerOf(LOG), undefined);
      await store.store(batch([line(1, { kind: 'log' })], { kind: 'log' }));
      assert.is(await store.ownerOf(LOG), 'gateway');
      assert.is(await store.ownerOf(LOG.slice(1)), undefined);
    });
  });

  it('more logs than a list takes are cut off, and the list says so', async () => {
    await withStore(async (store) => {
      const one = async (logId: string) => await store.store(batch([line(1), line(3)], { logId }));
      for (const logId of ['c', 'a', 'b']) await one(logId);
      const idsBelow = async (logsMax: number) => {
        const { logs, truncated } = await listLogs(store, { logsMax });
        return `${logs.map(({ logId }) => logId).join('')} ${truncated}`;
      };
      assert.equal([await idsBelow(3), await idsBelow(2)], ['abc false', 'ab true']);
    });
  });

  it('the notices of a log are those that came, and no other log has them', async () => {
    await withStore(async (store) => {
      await store.store(batch([gap(6, 7), line(8), gap(9, 30)]));
      await store.store(batch([gap(6, 7)]));
      const found = await store.notices('audit', LOG, 10);
      const texts = found.map(({ from, to, reason, at }) => `${from}-${to} ${reason} ${at}`);
      assert.equal(texts.toSorted(), ['6-7 age 1', '9-30 age 1']);
      assert.is((await store.notices('audit', LOG, 1)).length, 1);
      for (const [kind, logId] of [
        ['log', LOG],
        ['audit', LOG.slice(1)],
        ['audit', LOG.slice(0, -1)],
      ] as const) {
        assert.equal(await store.notices(kind, logId, 10), []);
      }
    });
  });

  it('a report says what is missing of each log, where, and what notices stand for', async () => {
    await withStore(async (store) => {
      await store.store(batch([...lines(1, 3), gap(4, 6), line(7)]));
      await store.store(batch([line(2, { kind: 'log' }), line(9, { kind: 'log' })], { kind: 'log' }));
      const later = [line(5, { writer: 'ZZZZZZZZZZZZZZZZ', kind: 'log' })];
      await store.store(batch(later, { kind: 'log', logId: 'another', instance: undefined }));
      const { logs: reports, truncated } = await listLogs(store);
      assert.is(truncated, false);
      const about = { service: 'gateway', instance: 'main', logId: LOG };
      const notices = [{ from: 4, to: 6, reason: 'age', at: 1 }];
      const holes = [
        { from: 1, to: 1 },
        { from: 3, to: 8 },
      ];
      assert.equal(reports, [
        { kind: 'audit', ...about, lastSeq: 7, missing: 0, holes: [], notices },
        { kind: 'log', ...about, lastSeq: 9, missing: 7, holes, notices: [] },
        {
          kind: 'log',
          service: 'gateway',
          instance: undefined,
          logId: 'another',
          lastSeq: 5,
          missing: 4,
          holes: [{ from: 1, to: 4 }],
          notices: [],
        },
      ]);
      const some = async (query: LogQuery) => (await listLogs(store, query)).logs;
      assert.equal(await some({ kind: 'log', logId: LOG }), [reports[1]]);
      assert.equal(await some({ isListed: (service) => service !== 'gateway' }), []);
    });
  });

  it('the ranges are those of a set, in whatever order and company seqs arrive', async () => {
    const seqs = fc.array(fc.array(fc.integer({ min: 1, max: 25 }), { minLength: 1, maxLength: 8 }), {
      minLength: 1,
      maxLength: 6,
    });
    await fc.assert(
      fc.asyncProperty(seqs, async (batches) => {
        await withStore(async (store) => {
          const arrived = new Set(batches.flat());
          // All at once: some share a write.
          const results = await Promise.all(
            batches.map((numbers) => store.store(batch(numbers.map((seq) => line(seq))))),
          );
          assert.is(sum(results.map(({ accepted }) => accepted)), arrived.size);
          assert.is(await store.count('audit'), arrived.size);
          const covered: number[] = [];
          let last = -1;
          for await (const { from, to } of store.arrivals('audit')) {
            assert.ok(from > last + 1, 'ranges touch');
            for (let seq = from; seq <= to; seq++) covered.push(seq);
            last = to;
          }
          assert.equal(
            covered,
            [...arrived].toSorted((a, b) => a - b),
          );
        });
      }),
      { numRuns: 25 },
    );
  });

  it('close settles what is under way, and later calls say that it is closed', async () => {
    await withStore(async (store) => {
      const pending = Promise.all([store.store(batch(lines(1, 10))), store.store(batch(lines(11, 20)))]);
      await Promise.all([store.close(), store.close()]);
      assert.equal(
        (await pending).map(({ accepted }) => accepted),
        [10, 10],
      );
      assert.is(await codeOf(store.store(batch([line(1)])), 'closed'), 'WAL_CLOSED');
      assert.is(await codeOf(store.count('audit'), 'closed'), 'WAL_CLOSED');
      assert.is(await codeOf(idsOf(store), 'closed'), 'WAL_CLOSED');
    });
  });
}
