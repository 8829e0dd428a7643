import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { keys } from '../../lib/log/keyspace.js';
import { ManualClock } from '../helpers/manual-clock.js';
import { withChild } from '../helpers/child.js';
import { withFolder } from '../helpers/folder.js';
import { turns } from '../helpers/until.js';
import { withWriter } from '../helpers/writer.js';

const it = suite('log/alarm');

it('an append waits for company as long as its delay says', async () => {
  await withWriter({}, async ({ append, clock, commits }) => {
    const [appended] = append('log', [1], 100);
    await turns();
    clock.advance(99);
    await turns();
    assert.is(commits.length, 0);
    clock.advance(1);
    assert.is(await appended, 1);
    assert.is(clock.pending, 0);
  });
});

it('the one that waits the shortest takes the others along, in the order in which they came', async () => {
  await withWriter({}, async ({ append, clock, commits }) => {
    const appended = [...append('log', [1], 500), ...append('log', [2], 50), ...append('log', [3], 100)];
    await turns();
    clock.advance(50);
    assert.equal(await Promise.all(appended), [1, 2, 3]);
    assert.is(commits.length, 1);
    assert.is(clock.pending, 0);
  });
});

it('one that does not wait takes those along that do', async () => {
  await withWriter({}, async ({ append, clock, commits, writer }) => {
    const waiting = append('log', [1], 60_000);
    await turns();
    assert.is(commits.length, 0);
    await writer.change((draft) => draft.put(keys.import('x'), 1));
    assert.is(await waiting[0], 1);
    assert.is(commits.length, 1);
    assert.is(clock.pending, 0);
  });
});

it('a timer that comes early is waited for once more', async () => {
  class HastyClock extends ManualClock {
    #hasty = true;

    override sleep(ms: number, signal?: AbortSignal): Promise<void> {
      if (!this.#hasty) return super.sleep(ms, signal);
      this.#hasty = false;
      return Promise.resolve();
    }
  }
  await withWriter({ clock: new HastyClock() }, async ({ append, clock, commits }) => {
    const [appended] = append('log', [1], 100);
    await turns();
    assert.is(commits.length, 0);
    assert.is(clock.pending, 1);
    clock.advance(100);
    assert.is(await appended, 1);
  });
});

it('a process that awaits a delayed append stays alive until it is on disk', async () => {
  await withFolder(async (varDir) => {
    await withChild(new URL('delaying-process.ts', import.meta.url), [varDir], async (child) => {
      assert.is(await child.next(), 1);
      assert.is(await child.ended, 0);
    });
  });
});

it('a flush takes what waits at once, and does not wait for what comes meanwhile', async () => {
  await withWriter({}, async ({ append, writer, commits }) => {
    const waiting = append('log', [1], 60_000);
    let stopped = false;
    const steady = (async () => {
      for (let n = 2; !stopped; n++) await append('log', [n])[0];
    })();
    await writer.flushed();
    assert.is(await waiting[0], 1);
    await writer.flushed();
    stopped = true;
    await steady;
    assert.ok(commits.length < 10);
  });
});

it.run();
