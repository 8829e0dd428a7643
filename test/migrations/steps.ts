// Steps that no release has, of every shape: many commits, one, none, values rewritten, keys moved. They work on
// what a log has under `import`, of which there may be anything.

import { seal, sectionRange, unseal } from '../../lib/log/keyspace.js';
import type { FormatStep, StoreView } from '../../lib/log/migrate.js';
import type { Changes } from '../../lib/log/store.js';

/** Keys that a step changes in one commit. */
const KEYS = 2;

async function* inChunks(
  store: StoreView,
  change: (key: string, content: Record<string, unknown>) => [string, Buffer | undefined][],
): AsyncGenerator<Changes> {
  let { gte } = sectionRange('import');
  const { lt } = sectionRange('import');
  for (;;) {
    const rows = (await store.scan({ gte, lt }, { limit: KEYS })).slice(0, KEYS);
    const last = rows.at(-1);
    if (!last) return;
    gte = `${last[0]}\0`;
    const changes = rows.flatMap(([key, value]) =>
      change(key, unseal(key, value) as Record<string, unknown>),
    );
    if (changes.length > 0) yield new Map(changes);
  }
}

const resealed = (key: string, content: object): [string, Buffer] => [key, seal(key, content)];

export const artificialSteps: readonly FormatStep[] = [
  {
    // Rewrites every value, unless it has been.
    to: 2,
    changes: (store) =>
      inChunks(store, (key, content) =>
        'unit' in content ? [] : [resealed(key, { ...content, unit: 'bytes' })],
      ),
  },
  { to: 3, changes: async function* none() {} },
  {
    // Moves keys: what was moved is not found again.
    to: 4,
    changes: (store) =>
      inChunks(store, (key, content) => {
        if (!key.startsWith('!import!old-')) return [];
        const moved = key.replace('!old-', '!new-');
        return [[key, undefined], resealed(moved, { ...content, was: key })];
      }),
  },
  {
    // Deletes what is not wanted any more, in one commit.
    to: 5,
    changes: async function* last() {
      yield new Map([['!import!scrap', undefined]]);
    },
  },
];

export const LAST_FORMAT = 5;
