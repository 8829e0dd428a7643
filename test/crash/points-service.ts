// The process that the crash lab kills: a service that appends, ships, evicts and compacts as its dice say, and
// tells on its standard output what was promised to it, a line each (see points-witness.ts), before it goes on.
// Its only argument is its orders, as JSON.

import { once } from 'node:events';
import { writeSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { WalError } from '../../lib/errors.js';
import type { WalEvent } from '../../lib/events.js';
import type { Batch, Receipt, SendContext, Sink } from '../../lib/ship/sink.js';
import { Wal } from '../../lib/wal.js';
import type { Death, Orders } from './points-orders.js';
import { labOptions } from './points-orders.js';
import { Dice } from './points-random.js';
import { recordOf } from './points-witness.js';

const KINDS = ['log', 'audit', 'kept'] as const;
type Kind = (typeof KINDS)[number];
type LabWal = Wal<Record<string, object>>;

class Service {
  readonly #orders: Orders;
  readonly #dice: Dice;
  #wal: LabWal | undefined;
  #records = 0;
  /** Set while the receivers are down: their answers wait for it. */
  #outage: { end: Promise<void>; over: () => void } | undefined;
  /** Times that the place of death was passed. */
  #passed = 0;

  constructor(orders: Orders) {
    this.#orders = orders;
    this.#dice = new Dice(orders.seed);
  }

  async run(): Promise<void> {
    await this.#open();
    this.#mayDie('before the first append');
    for (let step = 0; step < this.#orders.steps; step++) await this.#step();
    await this.#close();
    this.#mayDie('closed');
  }

  async #open(): Promise<void> {
    const onEvent = (event: WalEvent) => this.#onEvent(event);
    this.#wal = await Wal.open<Record<string, object>>(labOptions(this.#orders.varDir, { onEvent }));
    for (const kind of KINDS) {
      for (const name of kind === 'audit' ? ['default', 'second'] : ['default']) {
        this.#wal.ship(kind, this.#sinkOf(kind, name), { name, lingerMs: 0, batchMax: 40 });
      }
    }
  }

  async #close(): Promise<void> {
    const closed = this.#wal!.close({ drainMs: this.#dice.pick([0, 50]) });
    this.#mayDie('closing');
    await closed;
  }

  async #step(): Promise<void> {
    const dice = this.#dice;
    const kind = dice.pick(KINDS);
    const which = dice.integer(1, 20);
    if (which <= 6) await this.#append(kind);
    else if (which <= 10) await this.#appendMany(kind, dice.integer(1, 60));
    else if (which <= 13) {
      await Promise.all(Array.from({ length: dice.integer(2, 30) }, () => this.#append(dice.pick(KINDS))));
    } else if (which === 14) await this.#appendMany(kind, 400);
    else if (which === 15) await this.#wal!.compact();
    else if (which === 16) await this.#wal!.evict({ kind: 'log', maxBytes: dice.integer(0, 100_000) });
    else if (which === 17) await sleep(dice.integer(1, 15));
    else if (which === 18 && dice.chance(0.3)) {
      await this.#close();
      await this.#open();
    } else this.#turnSinks();
  }

  /** Off, or on again. Receivers that are down let senders wait: a refusal would be retried after seconds. */
  #turnSinks(): void {
    const outage = this.#outage;
    this.#outage = undefined;
    if (outage) return outage.over();
    let over = () => {};
    const end = new Promise<void>((resolve) => (over = resolve));
    this.#outage = { end, over };
  }

  async #append(kind: Kind): Promise<void> {
    const [record] = this.#nextRecords(1);
    await promised(async () => {
      const appended = this.#wal!.append(kind, record!);
      this.#mayDie('an append is on its way');
      const { id, seq } = await appended;
      say(`ack ${kind} ${seq} ${id} ${record!.n}`);
      this.#mayDie('an append was acknowledged');
    });
  }

  async #appendMany(kind: Kind, count: number): Promise<void> {
    const records = this.#nextRecords(count);
    await promised(async () => {
      const receipts = await this.#wal!.appendMany(kind, records);
      say(receipts.map(({ id, seq }, at) => `ack ${kind} ${seq} ${id} ${records[at]!.n}`).join('\n'));
      this.#mayDie('an append was acknowledged');
    });
  }

  #nextRecords(count: number): ReturnType<typeof recordOf>[] {
    return Array.from({ length: count }, () => recordOf(`${this.#orders.run}.${++this.#records}`));
  }

  #sinkOf(kind: string, shipper: string): Sink {
    return {
      name: `${kind}-${shipper}`,
      send: async (batch: Batch, { signal }: SendContext): Promise<Receipt> => {
        if (this.#outage) await Promise.race([this.#outage.end, once(signal, 'abort')]);
        signal.throwIfAborted();
        const lines = String(await batch.lines())
          .split('\n')
          .slice(0, -1);
        // From here on, the receiver has it.
        say(lines.map((line) => `got ${kind}/${shipper} ${line}`).join('\n'));
        this.#mayDie('a batch has arrived, its receipt has not');
        // Passed again when the next turn of the event loop has begun to commit.
        setImmediate(() => this.#mayDie('the receipt has arrived, the acknowledgement is on its way'));
        return { accepted: lines.length };
      },
    };
  }

  #onEvent({ type }: WalEvent): void {
    if (type === 'dropped') this.#mayDie('records were evicted');
    if (type === 'disk-full') this.#mayDie('the disk is full');
    if (type === 'recovered') this.#mayDie('a rejected write has healed');
  }

  #mayDie(at: Death): void {
    const { die } = this.#orders;
    if (die?.at !== at || ++this.#passed < die.nth) return;
    process.kill(process.pid, 'SIGKILL');
  }
}

/** An append that may be refused: the log is full, or the disk is. Then nothing was promised. */
async function promised(append: () => Promise<void>): Promise<void> {
  try {
    await append();
  } catch (error) {
    if (!(error instanceof WalError) || !['WAL_FULL', 'WAL_IO', 'WAL_OVERLOADED'].includes(error.code)) {
      throw error;
    }
  }
}

/** Whole, and out of this process, before anything else happens. */
function say(lines: string): void {
  const bytes = Buffer.from(`${lines}\n`);
  for (let at = 0; at < bytes.length;) at += writeSync(1, bytes, at);
}

await new Service(JSON.parse(process.argv[2]!) as Orders).run();
say('done');
