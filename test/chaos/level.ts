// The reference receiver with its LevelDB store.

import { join } from 'node:path';
import { openLevelStore } from '../../lib/ingest/index.js';
import { startReceiver } from './behind-proxy.js';
import type { Destination } from './destination.js';

export const level: Destination = {
  name: 'the receiver on LevelDB',
  start: async (folder, script, dice) => {
    const place = join(folder, 'store');
    return await startReceiver({ script, dice, place, openStore: () => openLevelStore(place) });
  },
};
