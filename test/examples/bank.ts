// What the example services do for a living. Nothing of this is about the log.

import { EventEmitter, once } from 'node:events';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';

export interface Paid {
  account: string;
  cents: number;
}

/** Takes its time, as banks do; refuses what is no amount. For the account `silent` it never answers, as banks do, too. */
export async function pay(account: string, cents: number): Promise<Paid> {
  if (!Number.isSafeInteger(cents) || cents <= 0) {
    throw Object.assign(new Error('not an amount'), { statusCode: 422 });
  }
  if (account === 'silent') await once(new EventEmitter(), 'answer');
  await sleep(2);
  return { account, cents };
}

/** An account's balance as an event stream that has no end. */
export function watch(account: string): Readable {
  const stream = new Readable({ read: () => {} });
  stream.push(`data: ${JSON.stringify({ account, cents: 4200 })}\n\n`);
  return stream;
}
