import { crc32 } from 'node:zlib';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Entry } from '../../lib/log/entry.js';
import { encodeEntry } from '../../lib/log/entry.js';
import { evictOlder } from '../../lib/log/evict.js';
import { linesOf } from '../../lib/log/gzip.js';
import { keys, seal, unsealOrThrow } from '../../lib/log/keyspace.js';
import type { Cursor } from '../../lib/log/ledger.js';
import type { Log } from '../../lib/log/log.js';
import type { Head } from '../../lib/log/state.js';
import type { Changes, Store } from '../../lib/log/store.js';
import { verifyLog } from '../../lib/log/verify.js';
import { append, appendEntries, damage, deliver, entriesOf, numbers, withLog } from '../helpers/log.js';
import type { OpenLog } from '../helpers/log.js';

const it = suite('log/verify');

/** Seqs 1 to 60: 1 to 10 delivered and deleted, 11 to 20 evicted, 21 to 60 stored in entries of ten. */
async function withSound(use: (log: Log, opened: OpenLog) => Promise<void>): Promise<void> {
  await withLog({}, async (log, opened) => {
    for (let n = 0; n < 6; n++) {
      await appendEntries(log, 'log', [10]);
      opened.clock.advance(1000);
    }
    await deliver(log, 'log', 'default', 10);
    await evictOlder(log, 'log', log.identity.created + 2000, true);
    await log.trimmer.idle();
    await use(log, opened);
  });
}

async function problemsOf(log: Log): Promise<string[]> {
  const { ok, problems } = await verifyLog(log.store);
  assert.is(ok, problems.length === 0);
  return problems.map(({ kind, seq, what }) => `${kind} ${seq ?? '-'}: ${what}`);
}

/** Plants changes behind the log's back and says what verify finds. */
async function found(plant: (store: Store, entries: Entry[], log: Log) => Promise<Changes>): Promise<string> {
  let problems: string[] = [];
  await withSound(async (log) => {
    await log.store.commit(await plant(log.store, await entriesOf(log.store, 'log'), log));
    problems = await problemsOf(log);
  });
  assert.ok(problems.length > 0, 'nothing was found');
  return problems.join('\n');
}

async function changed<T extends object>(store: Store, key: string, change: Partial<T>): Promise<Changes> {
  const content = unsealOrThrow<T>(key, (await store.get(key))!);
  return new Map([[key, seal(key, { ...content, ...change })]]);
}

function line(seq: number, kind: string): string {
  return `{"id":"${'A'.repeat(16)}:${kind}:${seq}","seq":${seq},"kind":"${kind}","record":{}}\n`;
}

/** Ten lines from a seq on. */
function ten(kind: string, from: number): string {
  return numbers(from, from + 9)
    .map((seq) => line(seq, kind))
    .join('');
}

const CURSOR = keys.cursor('log', 'default');

it('a sound log has no problems, and its records are counted', async () => {
  await withSound(async (log) => {
    const seen: number[] = [];
    const report = await verifyLog(log.store, (records) => void seen.push(records));
    assert.equal(report, { ok: true, records: 40, problems: [] });
    assert.equal(seen, [10, 20, 30, 40]);
  });
});

it('an empty log has no problems, nor has one that was delivered and deleted whole', async () => {
  await withLog({}, async (log) => {
    assert.equal(await problemsOf(log), []);
    await appendEntries(log, 'log', [5]);
    await deliver(log, 'log', 'default');
    assert.equal(await problemsOf(log), []);
  });
});

it('what is appended while it walks is not looked at', async () => {
  await withSound(async (log) => {
    const verified = verifyLog(log.store);
    await appendEntries(log, 'log', [10]);
    await deliver(log, 'log', 'default');
    assert.equal(await verified, { ok: true, records: 40, problems: [] });
  });
});

it('a deleted entry is missing, and the ledger does not add up', async () => {
  const problems = await found(async () => new Map([[keys.entry('log', 40), undefined]]));
  assert.match(problems, 'log 31: 31 to 40 are missing');
  assert.match(problems, 'the ledger of default does not add up');
});

it('a deleted last entry is missing where a cursor or the head knows of it', async () => {
  const problems = await found(async (store) => await changed<Cursor>(store, CURSOR, { seq: 90 }));
  assert.match(problems, 'log 61: 61 to 90 are missing');
});

it('an entry with a bit changed does not match its checksum', async () => {
  const problems = await found(async (store) => {
    await damage(store, keys.entry('log', 40));
    return new Map();
  });
  assert.match(problems, `log 31: the stored value of ${keys.entry('log', 40)} does not match its checksum`);
});

it('a small value with a bit changed is named by its key', async () => {
  for (const key of [CURSOR, keys.head('log'), keys.notice('log', 20), keys.meta('created')]) {
    const problems = await found(async (store) => {
      await damage(store, key, 33);
      return new Map();
    });
    assert.match(problems, key);
  }
});

it('a wrong offset is found', async () => {
  const problems = await found(async (_store, [entry]) => {
    const { kind, lastSeq, count, appendedAt, offset } = entry!;
    const { key, value } = encodeEntry(kind, lastSeq, count, appendedAt, offset + 1, entry!);
    return new Map([[key, value]]);
  });
  assert.match(problems, /log 21: expected offset \d+, found \d+/);
});

it('a wrong count in the ledger is found', async () => {
  for (const change of [
    { delivered: 11 },
    { dropped: 9 },
    { lost: 1 },
    { quarantined: 1 },
    { startSeq: 1 },
  ]) {
    const problems = await found(async (store) => await changed<Cursor>(store, CURSOR, change));
    assert.match(problems, 'the ledger of default does not add up');
  }
});

it('a head that is too far or too low is found', async () => {
  const tooFar = await found(async (store) => await changed<Head>(store, keys.head('log'), { seq: 30 }));
  assert.match(tooFar, 'stored again, or below the head');
  const wrongBytes = await found(
    async (store) => await changed<Head>(store, keys.head('log'), { offset: 1 }),
  );
  assert.match(wrongBytes, 'expected offset 1');
  const gone = await found(async () => new Map([[keys.head('log'), undefined]]));
  assert.match(gone, 'missing');
});

it('an entry that is stored twice is found', async () => {
  const problems = await found(async (_store, entries) => {
    const { kind, appendedAt, offset } = entries[1]!;
    const lines = (await linesOf(entries[1]!))!;
    const piece = { codec: 0, stored: lines, lineBytes: lines.length, linesCrc: crc32(lines) } as const;
    const { key, value } = encodeEntry(kind, 45, 10, appendedAt, offset, piece);
    return new Map([[key, value]]);
  });
  assert.match(problems, 'stored again, or below the head');
  assert.match(problems, 'its line is not of this seq and kind');
});

it('an entry that came back under a notice is found', async () => {
  await withSound(async (log) => {
    const [entry] = await entriesOf(log.store, 'log');
    const { key, value } = encodeEntry('log', 20, 10, 0, 0, entry!);
    await log.store.commit(new Map([[key, value]]));
    assert.match((await problemsOf(log)).join('\n'), 'stored again, or below the head');
  });
});

it('a notice that is gone leaves a hole', async () => {
  await withLog({}, async (log, { clock }) => {
    for (let n = 0; n < 4; n++) {
      await appendEntries(log, 'log', [10]);
      clock.advance(1000);
    }
    log.claims.send('log', 'default', { from: 1, to: 10 }, log.claims.removals('log'));
    await evictOlder(log, 'log', log.identity.created + 3000, true);
    assert.equal(await problemsOf(log), []);
    await log.store.commit(new Map([[keys.notice('log', 30), undefined]]));
    assert.match((await problemsOf(log)).join('\n'), '11 to 30 are missing');
  });
});

it('lines that are not the checksum, the count, the seq or the kind are found', async () => {
  const cases: [lines: string, crc: number | undefined, what: RegExp][] = [
    [ten('log', 21), 1, /log 21: its lines do not match their checksum or count/],
    [ten('log', 21).slice(0, -80), undefined, /log 21: its lines do not match their checksum or count/],
    [ten('log', 22), undefined, /log 21: its line is not of this seq and kind/],
    [ten('audit', 21), undefined, /log 21: its line is not of this seq and kind/],
  ];
  for (const [text, crc, what] of cases) {
    const problems = await found(async (_store, [entry]) => {
      const lines = Buffer.from(text);
      const piece = {
        codec: 0,
        stored: lines,
        lineBytes: lines.length,
        linesCrc: crc ?? crc32(lines),
      } as const;
      const { key, value } = encodeEntry('log', 30, 10, 0, entry!.offset, piece);
      return new Map([[key, value]]);
    });
    assert.match(problems, what);
  }
});

it('there are at most 1,000 problems, and one more says that there are others', async () => {
  await withLog({}, async (log) => {
    await Promise.all(numbers(1, 1100).map((n) => append(log, 'log', [{ n }])));
    const [entry] = await entriesOf(log.store, 'log');
    const planted = numbers(5000, 6100).map((seq) => {
      const { key, value } = encodeEntry('log', seq * 2, 1, 0, 0, entry!);
      return [key, value] as const;
    });
    await log.store.commit(new Map(planted));
    const { problems } = await verifyLog(log.store);
    assert.is(problems.length, 1001);
    assert.equal(problems.at(-1), { kind: '', what: 'and more' });
  });
});

it.run();
