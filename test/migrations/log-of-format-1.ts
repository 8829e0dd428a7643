// A database of format 1 for artificial steps to work on, and what is in one.

import { keys, seal, sectionRange, unsealOrThrow } from '../../lib/log/keyspace.js';
import { rowsOf, writeIdentity } from '../../lib/log/open.js';
import type { Store } from '../../lib/log/store.js';

const IMPORTS = 3;

export async function fill(store: Store): Promise<void> {
  await writeIdentity(store, { logId: 'L'.repeat(16), service: 'test', instance: 'main', created: 1 });
  const format = keys.meta('format');
  const changes = new Map([[format, seal(format, 1)]]);
  for (let n = 0; n < IMPORTS; n++) {
    const key = keys.import(`old-${n}`);
    changes.set(key, seal(key, { bytes: n }));
  }
  const scrap = keys.import('scrap');
  changes.set(scrap, seal(scrap, { bytes: -1 }));
  await store.commit(changes);
}

/** Everything in a database, by key. */
export async function contentOf(store: Store): Promise<Record<string, unknown>> {
  const content: Record<string, unknown> = {};
  for (const section of ['meta', 'import'] as const) {
    for await (const [key, value] of rowsOf(store, sectionRange(section))) {
      content[key] = unsealOrThrow(key, value);
    }
  }
  return content;
}
