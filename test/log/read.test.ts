import { crc32, gunzipSync } from 'node:zlib';
import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { encodeEntry } from '../../lib/log/entry.js';
import { deflate } from '../../lib/log/deflate.js';
import { gzipOf } from '../../lib/log/gzip.js';
import { keys } from '../../lib/log/keyspace.js';
import type { ReadBounds, Step } from '../../lib/log/read.js';
import { piecesOf, readAfter, recordLines } from '../../lib/log/read.js';
import type { Notice, StreamState } from '../../lib/log/state.js';
import { newStream } from '../../lib/log/state.js';
import type { Store } from '../../lib/log/store.js';
import { gapLine, recordLine } from '../../lib/records.js';
import { flipped, numbers, storeWith, withStore } from '../helpers/log.js';

const it = suite('log/read');

const KIND = 'log';
const ALL = { recordsMax: 1_000_000, lineBytesMax: 2 ** 30 };

/** What stands at some seqs: an entry, a damaged one, nothing, or nothing under a notice. */
type Part = readonly [count: number, is: 'sound' | 'damaged' | 'missing' | 'noticed'];

function lineOf(seq: number): string {
  return recordLine('W', KIND, seq, `{"n":${seq}}`);
}

/** Writes entries as laid out, every third deflated; returns the stream's state. */
async function stored(store: Store, parts: readonly Part[]): Promise<StreamState> {
  const changes = new Map<string, Buffer>();
  const notices: Notice[] = [];
  let seq = 0;
  for (const [n, [count, is]] of parts.entries()) {
    const [from, to] = [seq + 1, (seq += count)];
    if (is === 'noticed') notices.push({ from, to, reason: 'size', at: 7, bytes: 0 });
    if (is !== 'sound' && is !== 'damaged') continue;
    const lines = Buffer.from(numbers(from, to).map(lineOf).join(''));
    const codec: 0 | 1 = n % 3 === 0 ? 1 : 0;
    const piece = {
      codec,
      stored: codec === 1 ? await deflate(lines) : lines,
      lineBytes: lines.length,
      linesCrc: crc32(lines),
    };
    const { key, value } = encodeEntry(KIND, to, count, 0, 0, piece);
    changes.set(key, is === 'damaged' ? flipped(value, 40 + n) : value);
  }
  await store.commit(changes);
  return { ...newStream(KIND), lastSeq: seq, notices };
}

async function read(store: Store, parts: readonly Part[], after = 0, bounds: Partial<ReadBounds> = {}) {
  const stream = await stored(store, parts);
  return await readAfter(store, stream, after, { ...ALL, upTo: stream.lastSeq, ...bounds });
}

/** A step as text: `records 1-3`. */
function shown(steps: readonly Step[]): string[] {
  return steps.map(({ is, from, to }) => `${is} ${from}-${to}`);
}

it('a stream is read as whole entries, in order', async () => {
  await withStore(async (store) => {
    const { steps, full } = await read(store, [
      [3, 'sound'],
      [1, 'sound'],
      [4, 'sound'],
    ]);
    assert.equal(shown(steps), ['records 1-3', 'records 4-4', 'records 5-8']);
    assert.not(full);
  });
});

it('nothing is read of an empty stream, or behind the end', async () => {
  await withStore(async (store) => {
    assert.equal((await read(store, [])).steps, []);
    assert.equal((await read(store, [[3, 'sound']], 3)).steps, []);
  });
});

it('reading begins and ends in the midst of an entry', async () => {
  await withStore(async (store) => {
    const { steps } = await read(
      store,
      [
        [5, 'sound'],
        [5, 'sound'],
      ],
      2,
      { upTo: 7 },
    );
    assert.equal(shown(steps), ['records 3-5', 'records 6-7']);
    const lines = await Promise.all(steps.map((step) => recordLines(step as Step & { is: 'records' })));
    assert.equal(
      lines.flat(),
      numbers(3, 7).map((seq) => lineOf(seq).trimEnd()),
    );
  });
});

it('a chunk is made of whole entries where they fit, and cut only where a single one does not', async () => {
  await withStore(async (store) => {
    const parts: Part[] = [
      [4, 'sound'],
      [4, 'sound'],
      [4, 'sound'],
    ];
    const chunk = await read(store, parts, 0, { recordsMax: 9 });
    assert.equal(shown(chunk.steps), ['records 1-4', 'records 5-8']);
    assert.ok(chunk.full);
    const small = await read(store, parts, 0, { recordsMax: 3 });
    assert.equal(shown(small.steps), ['records 1-3']);
    assert.ok(small.full);
    const exact = await read(store, parts, 0, { recordsMax: 4 });
    assert.equal(shown(exact.steps), ['records 1-4']);
  });
});

it('a chunk has at most so many bytes of lines, and always one entry', async () => {
  await withStore(async (store) => {
    const parts: Part[] = [
      [4, 'sound'],
      [4, 'sound'],
      [4, 'sound'],
    ];
    const two = await read(store, parts, 0, { lineBytesMax: Buffer.byteLength(lineOf(1)) * 8 });
    assert.equal(shown(two.steps), ['records 1-4', 'records 5-8']);
    assert.ok(two.full);
    assert.equal(shown((await read(store, parts, 0, { lineBytesMax: 1 })).steps), ['records 1-4']);
  });
});

it('notices stand in their place, clipped to what lies behind the cursor', async () => {
  await withStore(async (store) => {
    const parts: Part[] = [
      [4, 'noticed'],
      [2, 'sound'],
      [3, 'noticed'],
      [2, 'noticed'],
      [1, 'sound'],
    ];
    const all = await read(store, parts);
    assert.equal(shown(all.steps), [
      'notice 1-4',
      'records 5-6',
      'notice 7-9',
      'notice 10-11',
      'records 12-12',
    ]);
    const clipped = await read(store, parts, 2);
    assert.equal(shown(clipped.steps)[0], 'notice 3-4');
    const [step] = clipped.steps;
    assert.equal(step?.is === 'notice' && step.gap, { from: 3, to: 4, reason: 'size', at: 7 });
    assert.equal(shown((await read(store, parts, 8)).steps)[0], 'notice 9-9');
  });
});

it('a notice counts as one line of a chunk', async () => {
  await withStore(async (store) => {
    const parts: Part[] = [
      [9, 'noticed'],
      [2, 'sound'],
      [9, 'noticed'],
      [2, 'sound'],
    ];
    const three = await read(store, parts, 0, { recordsMax: 3 });
    assert.equal(shown(three.steps), ['notice 1-9', 'records 10-11']);
    assert.ok(three.full);
    assert.equal(shown((await read(store, parts, 0, { recordsMax: 1 })).steps), ['notice 1-9']);
  });
});

it('damage is told where it is: at both ends, in the middle, and several times', async () => {
  await withStore(async (store) => {
    const { steps } = await read(store, [
      [2, 'damaged'],
      [2, 'sound'],
      [3, 'missing'],
      [1, 'sound'],
      [1, 'damaged'],
      [2, 'missing'],
      [2, 'noticed'],
      [1, 'damaged'],
      [2, 'sound'],
      [4, 'damaged'],
    ]);
    assert.equal(shown(steps), [
      'damage 1-2',
      'records 3-4',
      'damage 5-7',
      'records 8-8',
      'damage 9-11',
      'notice 12-13',
      'damage 14-14',
      'records 15-16',
      'damage 17-20',
    ]);
    const keysOf = steps.map((step) => (step.is === 'damage' ? step.damage.keys : undefined));
    assert.equal(
      keysOf.filter((found) => found !== undefined),
      [[keys.entry(KIND, 2)], [], [keys.entry(KIND, 9)], [keys.entry(KIND, 14)], [keys.entry(KIND, 20)]],
    );
  });
});

it('damage is told no further than what was asked for', async () => {
  await withStore(async (store) => {
    const parts: Part[] = [
      [2, 'sound'],
      [4, 'missing'],
      [2, 'sound'],
    ];
    assert.equal(shown((await read(store, parts, 0, { upTo: 4 })).steps), ['records 1-2', 'damage 3-4']);
  });
});

it('an entry whose seal holds and whose lines do not is damage, when its lines are needed', async () => {
  await withStore(async (store) => {
    const lines = Buffer.from([1, 2, 3].map(lineOf).join(''));
    const piece = { codec: 0, stored: lines, lineBytes: lines.length, linesCrc: 1 } as const;
    const { key, value } = encodeEntry(KIND, 3, 3, 0, 0, piece);
    await store.commit(new Map([[key, value]]));
    const stream = { ...newStream(KIND), lastSeq: 3 };
    const { steps } = await readAfter(store, stream, 1, { ...ALL, upTo: 3 });
    const found = await piecesOf(steps, () => piece);
    assert.equal('what' in found && [found.from, found.to, found.keys], [1, 3, [key]]);
  });
});

it('a seek never goes into a range that was deleted', async () => {
  await withStore(async (store) => {
    const stream = await stored(store, [
      [40, 'noticed'],
      [2, 'sound'],
      [50, 'noticed'],
      [3, 'sound'],
    ]);
    const seeks: string[] = [];
    const watched = storeWith(store, {
      scan: (range, options) => {
        seeks.push(range.gte);
        return store.scan(range, options);
      },
    });
    await readAfter(watched, stream, 3, { ...ALL, upTo: stream.lastSeq, rows: 1 });
    assert.ok(seeks.length > 1);
    for (const seek of seeks) {
      const isDeleted =
        seek < keys.entry(KIND, 41) || (seek > keys.entry(KIND, 43) && seek < keys.entry(KIND, 93));
      assert.not(isDeleted, seek);
    }
  });
});

const parts = fc.array(
  fc.tuple(
    fc.integer({ min: 1, max: 5 }),
    fc.constantFrom('sound', 'sound', 'sound', 'damaged', 'missing', 'noticed'),
  ),
  { minLength: 1, maxLength: 14 },
);

it('chunk by chunk, every seq is read exactly once as what it is, whatever the bounds', async () => {
  const bounds = fc.record({
    recordsMax: fc.integer({ min: 1, max: 12 }),
    lineBytesMax: fc.integer({ min: 1, max: 1500 }),
    rows: fc.integer({ min: 1, max: 10 }),
  });
  await fc.assert(
    fc.asyncProperty(parts, bounds, fc.nat(), async (layout, given, from) => {
      await withStore(async (store) => {
        const stream = await stored(store, layout);
        const is = layout.flatMap(([count, state]) => Array<Part[1]>(count).fill(state));
        for (let after = from % (stream.lastSeq + 1); after < stream.lastSeq;) {
          const { steps, full } = await readAfter(store, stream, after, { upTo: stream.lastSeq, ...given });
          assert.ok(steps.length > 0);
          let lines = 0;
          for (const step of steps) {
            assert.is(step.from, after + 1);
            for (const seq of numbers(step.from, step.to)) {
              const state = is[seq - 1];
              assert.is(step.is, state === 'sound' ? 'records' : state === 'noticed' ? 'notice' : 'damage');
            }
            if (step.is === 'records') {
              const expected = numbers(step.from, step.to).map((seq) => lineOf(seq).trimEnd());
              assert.equal(await recordLines(step), expected);
            }
            lines += step.is === 'records' ? step.to - step.from + 1 : step.is === 'notice' ? 1 : 0;
            after = step.to;
          }
          assert.ok(lines <= given.recordsMax, `${lines} lines`);
          assert.is(full || after === stream.lastSeq, true);
        }
      });
    }),
    { numRuns: 60 },
  );
});

it('the pieces of a chunk are its lines, notices among them, also as one gzip member', async () => {
  await withStore(async (store) => {
    const { steps } = await read(
      store,
      [
        [4, 'sound'],
        [2, 'noticed'],
        [3, 'sound'],
        [4, 'sound'],
      ],
      1,
      { upTo: 11 },
    );
    const pieces = await piecesOf(steps, (gap) => {
      const line = Buffer.from(gapLine('LOG', KIND, gap));
      return { codec: 0, stored: line, lineBytes: line.length, linesCrc: crc32(line) };
    });
    assert.ok(Array.isArray(pieces));
    const expected = [
      ...numbers(2, 4).map(lineOf),
      gapLine('LOG', KIND, { from: 5, to: 6, reason: 'size', at: 7 }),
      ...numbers(7, 11).map(lineOf),
    ];
    assert.is(String(gunzipSync(await gzipOf(pieces))), expected.join(''));
  });
});

it.run();
