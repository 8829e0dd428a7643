// SIGKILL at random times: what was acknowledged is there afterwards, or was delivered, and nothing came twice.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Wal, httpSink } from '../../lib/index.js';
import type { Sink } from '../../lib/index.js';
import { withChild } from '../helpers/child.js';
import { withCompiled } from '../helpers/compile.js';
import { withFolder } from '../helpers/folder.js';
import type { Receiver } from '../helpers/receiver.js';
import { withReceiver } from '../helpers/receiver.js';
import { rounds, seedOfRun } from './long.js';
import { Dice } from './points-random.js';

const it = suite('crash/kill');
const seed = seedOfRun();
process.stdout.write(`crash/kill: WAL_SEED=${seed}\n`);
const dice = new Dice(seed);

const SCRIPT = new URL('./kill-producer.ts', import.meta.url);
const KINDS = ['log', 'audit'] as const;
type Kind = (typeof KINDS)[number];
/** Processes that start up together: that takes most of the time. */
const TOGETHER = 4;
/** The longest that a producer lives, in ms. */
const LIFE_MS_MAX = 120;

/** A log that is killed over and over, and what its producers were told. */
class Lab {
  readonly #script: URL;
  readonly #varDir: string;
  readonly #acknowledged: string;
  /** By kind: up to where the records were read and found to be all there. */
  readonly #checked: Record<Kind, number> = { log: 0, audit: 0 };
  readonly #seen: Record<Kind, Set<string>> = { log: new Set(), audit: new Set() };

  constructor(script: URL, folder: string) {
    this.#script = script;
    this.#varDir = folder;
    this.#acknowledged = join(folder, 'acknowledged');
  }

  /** Lets producers append and kills them, so many times; looks at what they left after each. */
  async kill(times: number, args: readonly string[], check: () => Promise<void>): Promise<void> {
    for (let left = times; left > 0; left -= TOGETHER) {
      let turn: Promise<void> = Promise.resolve();
      const cycle = async (): Promise<void> =>
        await withChild(this.#script, [this.#varDir, this.#acknowledged, ...args], async (child) => {
          assert.is(await child.next(), 'ready');
          turn = turn.then(async () => {
            child.send('open');
            assert.is(await child.next(), 'open');
            await sleep(dice.integer(0, LIFE_MS_MAX));
            await child.kill();
            await check();
          });
          await turn;
        });
      await Promise.all(Array.from({ length: Math.min(left, TOGETHER) }, cycle));
    }
  }

  async open<T>(use: (wal: Wal) => Promise<T>): Promise<T> {
    await using wal = await Wal.open({
      service: 'crash',
      varDir: this.#varDir,
      reserveBytes: 0,
      adopt: false,
    });
    return await use(wal);
  }

  /** All acknowledged ids of a kind. */
  acknowledged(kind: Kind): string[] {
    const text = readFileSync(this.#acknowledged, 'utf8');
    return text.split('\n').filter((id) => id.includes(`:${kind}:`));
  }

  /** Everything that was ever acknowledged is there; with it, what is contiguous and checked. */
  async checkStored(): Promise<void> {
    await this.open(async (wal) => {
      for (const kind of KINDS) {
        let next = this.#checked[kind] + 1;
        for await (const { id, seq } of wal.read(kind, { from: next })) {
          assert.is(seq, next++, kind);
          this.#seen[kind].add(id);
        }
        this.#checked[kind] = next - 1;
        assert.is(wal.stats().streams[kind]?.lastSeq, next - 1);
        const missing = this.acknowledged(kind).filter((id) => !this.#seen[kind].has(id));
        assert.equal(missing, [], `acknowledged and gone from ${kind}`);
      }
      await checkVerified(wal);
    });
  }
}

async function checkVerified(wal: Wal): Promise<void> {
  const report = await wal.verify();
  assert.equal(report.problems, []);
  for (const kind of KINDS) {
    const { lastSeq, shippers } = wal.stats().streams[kind]!;
    const { startSeq, delivered, backlogRecords, dropped, lost, quarantined } = shippers['default']!;
    assert.is(delivered + backlogRecords, lastSeq - startSeq, kind);
    assert.equal([dropped, lost, quarantined], [0, 0, 0]);
  }
}

function sinkTo({ url, issuer, audience, secret }: Receiver): Sink {
  return httpSink({ baseUrl: url, token: { issuer, audience, secret } });
}

it('killed while appending, over and over, a log has everything that it acknowledged', async () => {
  await withLab(async (lab) => {
    await lab.kill(rounds(4, 250), [], () => lab.checkStored());
    assert.ok(lab.acknowledged('log').length > 100 && lab.acknowledged('audit').length > 100);
  });
});

it('killed while appending and shipping at once, everything acknowledged arrives, and once', async () => {
  await withReceiver({}, async (receiver) => {
    await withLab(async (lab) => {
      const { url, issuer, audience, secret } = receiver;
      await lab.kill(rounds(4, 250), [url, issuer, audience, secret], () => lab.open(checkVerified));
      await lab.open(async (wal) => {
        const sink = sinkTo(receiver);
        for (const kind of KINDS) await wal.ship(kind, sink).idle();
        await checkVerified(wal);
        for (const kind of KINDS) await checkArrived(receiver, lab, kind, wal.stats().streams[kind]!.lastSeq);
      });
    });
  });
});

async function checkArrived({ store }: Receiver, lab: Lab, kind: Kind, lastSeq: number): Promise<void> {
  const stored = new Set<string>();
  for await (const { id } of store.lines(kind)) stored.add(id);
  const missing = lab.acknowledged(kind).filter((id) => !stored.has(id));
  assert.equal(missing, [], `acknowledged and never delivered of ${kind}`);
  // One line a seq, from 1 to the end, and no line besides.
  assert.is(stored.size, lastSeq);
  const arrivals = [];
  for await (const { from, to } of store.arrivals(kind)) arrivals.push({ from, to });
  assert.equal(arrivals, [{ from: 1, to: lastSeq }]);
}

async function withLab(use: (lab: Lab) => Promise<void>): Promise<void> {
  await withCompiled(SCRIPT, async (script) => {
    await withFolder(async (folder) => await use(new Lab(script, folder)));
  });
}

it.run();
