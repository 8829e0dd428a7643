// A service in a process of its own, told by messages what to do: `damage-process.ts VAR_DIR`. Says `open`, or the
// code of what keeps it from that; then answers `read` with how many items it has read, and `close` with `closed`.

import { WalError } from '../../lib/errors.js';
import { Wal } from '../../lib/wal.js';
import { KINDS, damageOptions } from './damage-lab.js';

const [varDir] = process.argv.slice(2);
if (varDir === undefined) throw new TypeError('expected the VAR_DIR');

function codeOf(error: unknown): string {
  if (error instanceof WalError) return error.code;
  throw error;
}

try {
  const wal = await Wal.open<Record<string, object>>(damageOptions(varDir));
  process.on('message', (message) => {
    void (message === 'close' ? close(wal) : read(wal));
  });
  process.send?.('open');
} catch (error) {
  process.send?.(codeOf(error), () => process.disconnect());
}

async function close(wal: Wal<Record<string, object>>): Promise<void> {
  await wal.close();
  process.send?.('closed', () => process.disconnect());
}

async function read(wal: Wal<Record<string, object>>): Promise<void> {
  let items = 0;
  for (const kind of KINDS) for await (const _ of wal.read(kind)) items++;
  process.send?.(items);
}
