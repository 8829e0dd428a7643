// Waiting for something that no promise tells of: looked at again in every turn of the event loop, never by time.

import { setImmediate as turn } from 'node:timers/promises';

const WITHIN_MS = 20_000;

/** Resolves in the first turn in which `holds`. Fails after 20 s, so that a test that waits in vain says for what. */
export async function until(holds: () => boolean, what = String(holds)): Promise<void> {
  const started = performance.now();
  while (!holds()) {
    if (performance.now() - started > WITHIN_MS) throw new Error(`waited in vain until ${what}`);
    await turn();
  }
}

/** Lets so many turns pass: for what must not happen. */
export async function turns(count = 20): Promise<void> {
  for (let n = 0; n < count; n++) await turn();
}
