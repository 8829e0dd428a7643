// What is redacted is nowhere: not in a byte of the folder, not in what it holds compressed, not in an event.

import { readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { constants, inflateRawSync } from 'node:zlib';
import { Level } from 'level';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import * as v from 'valibot';
import type { StreamPolicy } from '../lib/config.js';
import type { WalEvent } from '../lib/events.js';
import { decodeEntry } from '../lib/log/entry.js';
import { withFolder } from './helpers/folder.js';
import { rejection } from './helpers/rejection.js';
import { TestSink } from './helpers/sink.js';
import type { AnyWal } from './helpers/wal.js';
import { readAll, withWal } from './helpers/wal.js';

const it = suite('secret');

const SECRET = 'hunter2-4929123456789012';
/** Beside the secret in every record: a search that does not find this one proves nothing. */
const KNOWN = 'known-7302958812';
const PERSON = { password: SECRET, user: { email: SECRET, cards: [{ no: SECRET }, { no: SECRET }] } };
const REDACT: StreamPolicy['redact'] = [
  'password',
  { paths: ['user.email'], hash: { key: 'a key of at least thirty-two bytes' } },
  { paths: ['*.cards[*].no'], remove: true },
];

function record(n: number): object {
  return { n, ...structuredClone(PERSON), known: KNOWN };
}

/** Every way into a log; a part stays as backlog, a part is refused by the destination and put aside. */
async function useEverything(wal: AnyWal, elsewhere: string): Promise<string[]> {
  const said: string[] = [];
  const fails = async (act: Promise<unknown>) => said.push((await rejection(act)).message);
  // Enough of them to be stored deflated.
  await wal.appendMany(
    'log',
    Array.from({ length: 600 }, (_, n) => record(n)),
  );
  await wal.append('log', record(1));
  wal.offer('log', record(2));
  await fails(wal.append('log', { ...record(3), n: 1n }));
  await fails(wal.append('log', { toJSON: () => SECRET }));
  await fails(wal.append('log', { ...record(3), n: SECRET }));
  await fails(wal.append('log', { ...record(3), known: 'x'.repeat(100_000) }));
  wal.offer('log', { ...record(3), n: SECRET });
  await fails(wal.appendMany('log', [record(4), [SECRET]]));
  const file = join(elsewhere, 'old.ndjson');
  const json = JSON.stringify(record(5));
  const lines = [
    json,
    json.slice(0, -3),
    `{"kind":"log","record":${json}}`,
    `{"appendedAt":1,"blob":${json}}`,
  ];
  await writeFile(file, `${lines.join('\n')}\n`);
  const { problems, imported } = await wal.import([file], { kind: 'log' });
  assert.is(imported, 3);
  said.push(...problems.map(({ message }) => message));
  const sink = new TestSink(({ lines: sent }) => {
    const rejected = sent
      .filter((line) => 'record' in line && line.seq <= 2)
      .map((line) => ({ id: line.id, reason: JSON.stringify(line) }));
    return { accepted: sent.length - rejected.length, rejected };
  });
  const shipper = wal.ship('log', sink, { batchMax: 50, lingerMs: 0 });
  await shipper.idle();
  await shipper.stop();
  await wal.resend('log', { seqs: [1] });
  await wal.append('log', record(6));
  said.push(sink.sent.map(({ text }) => text).join(), JSON.stringify([wal.stats(), wal.health()]));
  for await (const item of wal.quarantined('log')) said.push(JSON.stringify(item));
  said.push(JSON.stringify(await readAll(wal, 'log')));
  return said;
}

/** Each file of the folder, and each value of its database, as it is and inflated. */
async function bytesBelow(dir: string): Promise<Map<string, Buffer>> {
  const found = new Map<string, Buffer>();
  for (const entry of await readdir(dir, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (entry.isFile()) found.set(path.slice(dir.length), await readFile(path));
  }
  const db = new Level<string, Buffer>(join(dir, 'db'), { valueEncoding: 'buffer' });
  for await (const [key, value] of db.iterator()) {
    found.set(key, value);
    const entry = key.startsWith('!entry!') ? decodeEntry('log', key, value) : undefined;
    if (entry?.codec === 1) {
      const lines = inflateRawSync(entry.stored, { finishFlush: constants.Z_SYNC_FLUSH });
      found.set(`${key} inflated`, lines);
    }
  }
  await db.close();
  return found;
}

interface Told {
  bytes: Map<string, Buffer>;
  said: string[];
  events: WalEvent[];
}

async function tellOf(policy: Partial<StreamPolicy>): Promise<Told> {
  let told: Told | undefined;
  // Takes any member; its messages show what they refuse.
  const schema = v.looseObject({ n: v.number() });
  await withFolder(async (elsewhere) => {
    const streams = { log: { maxRecordBytes: 50_000, keepDeliveredBytes: 1_000_000, schema, ...policy } };
    await withWal({ streams }, async (wal, opened) => {
      const said = await useEverything(wal, elsewhere);
      await wal.close();
      told = { bytes: await bytesBelow(wal.dir), said, events: opened.events };
    });
  });
  return told!;
}

function holding(bytes: Map<string, Buffer>, text: string): string[] {
  return [...bytes].filter(([, content]) => content.includes(text)).map(([name]) => name);
}

it('a secret that is redacted is in no byte of the folder, no message and no event', async () => {
  const { bytes, said, events } = await tellOf({ redact: REDACT });
  assert.equal(holding(bytes, SECRET), []);
  assert.not.match(said.join('\n'), SECRET);
  assert.not.match(JSON.stringify(events), SECRET);
  // What was looked through is what holds the records.
  for (const where of [/^\/db\/.*\.(log|ldb)$/, /^!entry!.*[^d]$/, /^!entry!.* inflated$/, /^!quarantine!/]) {
    assert.ok(
      holding(bytes, KNOWN).some((name) => where.test(name)),
      String(where),
    );
  }
  assert.match(JSON.stringify(events), 'offer-failed');
  assert.match(JSON.stringify(events), 'quarantined');
});

it('so is one in a field that the schema does not declare', async () => {
  const schema = v.object({ n: v.number(), known: v.string() });
  const { bytes, said, events } = await tellOf({ schema, pii: 'declared' });
  assert.equal(holding(bytes, SECRET), []);
  assert.not.match(said.join('\n'), SECRET);
  assert.not.match(JSON.stringify(events), SECRET);
  assert.ok(holding(bytes, KNOWN).length >= 4);
});

it('the same search finds the secret where nothing is redacted', async () => {
  const { bytes, said, events } = await tellOf({});
  assert.ok(holding(bytes, SECRET).length >= 4);
  assert.match(said.join('\n'), SECRET);
  assert.match(JSON.stringify(events), SECRET);
});

it.run();
