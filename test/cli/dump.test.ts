import { once } from 'node:events';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Batch, ReadItem } from '../../lib/index.js';
import { appendNumbers, nvWal, start, withLog } from './nv-wal.js';

const it = suite('cli/dump');

const fill = async (wal: Parameters<typeof appendNumbers>[0]) => {
  await appendNumbers(wal, 'log', 3);
  await appendNumbers(wal, 'audit', 3);
  await wal.evict({ kind: 'log', maxBytes: 0 });
  await wal.append('log', { n: 4 });
};

it('prints every stream, oldest first, and a notice in the place of what is gone', async () => {
  await withLog(fill, async ({ at }) => {
    const { code, stdout, stderr } = await nvWal(['dump', ...at]);
    assert.equal([code, stderr], [0, []]);
    const items = itemsIn(stdout);
    assert.equal(
      items.map(({ kind, seq }) => `${kind} ${seq}`),
      ['audit 1', 'audit 2', 'audit 3', 'log 3', 'log 4'],
    );
    const { record, gap } = { ...items[0], ...items[3] } as Record<string, unknown>;
    assert.equal(record, { n: 1 });
    assert.equal(Object.keys(items[0]!), ['id', 'seq', 'kind', 'record', 'appendedAt']);
    assert.equal(Object.keys(items[3]!), ['id', 'seq', 'kind', 'gap', 'appendedAt']);
    assert.equal({ ...(gap as object), at: 0 }, { from: 1, to: 3, reason: 'size', at: 0 });
  });
});

it('a range, a limit, or the notices alone', async () => {
  await withLog(fill, async ({ at }) => {
    // One after the other: a log is one process's at a time.
    const range = await nvWal(['dump', ...at, '--kind', 'audit', '--from', '2', '--limit', '1', '--json']);
    assert.equal(
      itemsIn(range.stdout).map(({ id }) => id.split(':').slice(1)),
      [['audit', '2']],
    );
    const gaps = await nvWal(['dump', ...at, '--gaps', '--limit', '5']);
    assert.equal(
      itemsIn(gaps.stdout).map(({ kind, seq }) => [kind, seq]),
      [['log', 3]],
    );
    const unknown = await nvWal(['dump', ...at, '--kind', 'billing']);
    assert.equal([unknown.code, unknown.stdout, unknown.stderr.length], [2, '', 1]);
    assert.match(unknown.stderr[0]!, /^nv-wal: no stream 'billing'; there are log, audit/);
  });
});

it('with --quarantine, what destinations refused, and why', async () => {
  const refuse = async (wal: Parameters<typeof fill>[0]) => {
    await appendNumbers(wal, 'audit', 3);
    const sink = {
      name: 'choosy',
      send: async ({ count, lines }: Batch) => {
        const [first] = (await lines()).toString().split('\n');
        const { id, seq } = JSON.parse(first!) as { id: string; seq: number };
        return seq === 1 && count > 1
          ? { accepted: count - 1, rejected: [{ id, reason: 'not this' }] }
          : { accepted: count };
      },
    };
    await wal.ship('audit', sink).idle();
  };
  await withLog(refuse, async ({ at }) => {
    const { code, stdout } = await nvWal(['dump', ...at, '--quarantine']);
    assert.is(code, 0);
    const [item, ...others] = itemsIn(stdout) as unknown as Record<string, unknown>[];
    assert.equal(others, []);
    assert.equal(Object.keys(item!), ['id', 'seq', 'kind', 'shipper', 'record', 'reason', 'at']);
    assert.equal([item!['seq'], item!['record'], item!['reason']], [1, { n: 1 }, 'not this']);
    assert.is((await nvWal(['dump', ...at, '--quarantine', '--from', '2'])).stdout, '');
    assert.is((await nvWal(['dump', ...at, '--quarantine', '--gaps'])).code, 2);
  });
});

it('a reader that has read enough ends it quietly', async () => {
  await withLog(
    (wal) => appendNumbers(wal, 'audit', 50_000),
    async ({ at }) => {
      const running = start(['dump', ...at]);
      await once(running.process.stdout!, 'data');
      running.process.stdout!.destroy();
      const { code, stderr } = await running.ended;
      assert.equal([code, stderr], [0, []]);
    },
  );
});

it.run();

function itemsIn(stdout: string): ReadItem[] {
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as ReadItem);
}
