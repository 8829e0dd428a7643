// Records of both kinds to real receivers over a network that does everything wrong, with bad records among them
// and a producer that is SIGKILLed twice: every good record arrives once and in order, every bad one is put aside,
// and the ledger knows each.

import { readFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { WireLine } from '../../lib/index.js';
import { Wal } from '../../lib/index.js';
import { Dice } from '../crash/points-random.js';
import { withChild } from '../helpers/child.js';
import { withCompiled } from '../helpers/compile.js';
import { withFolder } from '../helpers/folder.js';
import { natsMissing } from '../helpers/nats.js';
import { postgresMissing } from '../helpers/postgres.js';
import { skipIf } from '../helpers/skip.js';
import type { ChaosRecord, Destination, RunningDestination } from './destination.js';
import { jetStream } from './jetstream.js';
import { level } from './level.js';
import { postgres } from './postgres.js';
import type { ProducerPlan } from './producer.js';

const it = suite('chaos');

/** `npm run test:chaos` says how many; otherwise each destination has its share. */
const RECORDS_ASKED = process.env['WAL_CHAOS_RECORDS'];
/** The same every time, unless another is asked for. */
const SEED = Number(process.env['WAL_SEED'] ?? 1);
const KINDS = ['log', 'audit'] as const;
const KILLS = 2;

/** One after the other: each has the machine to itself. */
const DESTINATIONS: readonly { destination: Destination; missing: string | false; share: number }[] = [
  { destination: level, missing: false, share: 2_000 },
  { destination: postgres, missing: postgresMissing, share: 1_000 },
  { destination: jetStream, missing: natsMissing, share: 1_000 },
];

for (const { destination, missing, share } of DESTINATIONS) {
  const records = Number(RECORDS_ASKED ?? share);
  const test = skipIf(it, missing);
  test(`${destination.name}: every good record once and in order, every bad one put aside`, async () => {
    await withCompiled(new URL('child.ts', import.meta.url), async (script) => {
      await withFolder(async (folder) => {
        const dice = new Dice(SEED);
        process.stdout.write(`\nseed ${SEED}\n`);
        await using running = await destination.start(folder, script, dice, records);
        const varDir = join(folder, 'var');
        await mkdir(varDir);
        const plan: ProducerPlan = {
          varDir,
          acknowledged: join(folder, 'acknowledged'),
          sink: running.sink,
          records,
          batchMax: Math.max(100, records / 200),
          // The fewer there are, the more of them are bad.
          badOneIn: Math.min(1_000, records / 10),
          seed: SEED,
        };
        await produce(script, plan, dice);
        await check(plan, running);
        const unseen = Object.entries(running.faults).filter(([, times]) => times === 0);
        assert.equal(unseen, [], 'everything went wrong at least once');
      });
    });
  });
}

/** Runs the producer to its end; on the way there it is killed. */
async function produce(script: URL, plan: ProducerPlan, dice: Dice): Promise<void> {
  for (let kill = 1; kill <= KILLS + 1; kill++) {
    const killAt = kill <= KILLS ? (plan.records * kill) / (KILLS + 1) + dice.integer(0, 100) : Infinity;
    const mine = JSON.stringify({ ...plan, seed: plan.seed + kill });
    await withChild(script, ['producer', mine], async (child) => {
      for (;;) {
        const said = await child.next();
        if (said === 'done' || Number(said) >= killAt) return;
      }
    });
  }
}

async function check(plan: ProducerPlan, running: RunningDestination): Promise<void> {
  const acknowledged = readFileSync(plan.acknowledged, 'utf8').trimEnd().split('\n');
  await using wal = await Wal.open<Record<string, object>>({
    service: 'chaos',
    varDir: plan.varDir,
    reserveBytes: 0,
    adopt: false,
  });
  assert.equal((await wal.verify()).problems, []);
  for (const kind of KINDS) {
    const { lastSeq, shippers } = wal.stats().streams[kind]!;
    const { delivered, quarantined, dropped, lost, backlogRecords } = shippers['default']!;
    const ofKind = acknowledged.filter((line) => line.includes(`:${kind}:`));
    const { ids, noticed } = await checkStored(running, kind);
    const aside = new Set<string>();
    for await (const { id, record } of wal.quarantined(kind)) {
      assert.ok((record as ChaosRecord).bad, `${id} is good`);
      aside.add(id);
    }
    const good = ofKind.filter((line) => !line.endsWith(' bad'));
    const bad = ofKind.filter((line) => line.endsWith(' bad')).map((line) => line.slice(0, -' bad'.length));
    assert.equal(
      good.filter((id) => !ids.has(id)),
      [],
      `good ${kind} records that did not arrive`,
    );
    assert.equal(
      bad.filter((id) => !aside.has(id)),
      [],
      `bad ${kind} records that are not put aside`,
    );
    assert.equal([dropped, lost, backlogRecords], [0, 0, 0]);
    assert.equal([delivered, quarantined], [ids.size, aside.size], kind);
    assert.is(delivered + quarantined, lastSeq);
    assert.equal(noticed, aside.size, 'a notice for each that is put aside');
    assert.ok(good.length > plan.records / 3);
  }
  assert.ok(acknowledged.some((line) => line.endsWith(' bad')));
}

/** No id twice, no bad record, and what a writer appended first has the lower seq. */
async function checkStored(running: RunningDestination, kind: string) {
  const records: { id: string; seq: number; record: ChaosRecord }[] = [];
  let noticed = 0;
  for await (const text of running.stored(kind)) {
    const line = JSON.parse(text) as WireLine;
    if ('gap' in line) noticed++;
    else records.push({ id: line.id, seq: line.seq, record: line.record as unknown as ChaosRecord });
  }
  const ids = new Set(records.map(({ id }) => id));
  assert.is(ids.size, records.length, `${kind}: each once`);
  assert.equal(
    records.filter(({ record }) => record.bad),
    [],
  );
  const last = new Map<string, number>();
  for (const { id, record } of records.toSorted((a, b) => a.seq - b.seq)) {
    const writer = id.slice(0, id.indexOf(':'));
    assert.ok(record.n > (last.get(writer) ?? -1), `${id} out of order`);
    last.set(writer, record.n);
  }
  return { ids, noticed };
}

it.run();
