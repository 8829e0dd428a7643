// What an option's or argument's value may be, as far as it can be known: by what the value is called in the command's
// usage, as `<kind>`. Reads folders and asks running logs; opens none.

import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { WalStats } from '../index.js';
import { RemoteLog } from '../index.js';
import type { LogAddress } from './options.js';
import { placeOf } from './options.js';

/** Streams that every log has. */
const KINDS = ['audit', 'log'];
/** Somebody waits with a finger on the Tab key. */
const ANSWER_MS_MAX = 1000;

/** @param given Values of other options on the same line, by the option's name. */
export async function valuesFor(
  slot: string,
  given: ReadonlyMap<string, string>,
): Promise<readonly string[] | 'files' | 'folders'> {
  const logs = join(given.get('var-dir') ?? process.env['VAR_DIR'] ?? '', 'nv-wal');
  switch (slot) {
    case 'files':
      return 'files';
    case 'dir':
    case 'dir or url':
      return 'folders';
    case 'service':
      return await foldersIn(logs);
    case 'instance':
      return given.has('service') ? await foldersIn(join(logs, given.get('service')!)) : [];
    case 'kind':
      return [...new Set([...KINDS, ...Object.keys((await running(given))?.streams ?? {})])].toSorted();
    case 'shipper':
      return shippersIn(await running(given), given.get('kind'));
    default:
      return [];
  }
}

async function foldersIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
}

/** How the log that the line is about stands, where a process holds it. */
async function running(given: ReadonlyMap<string, string>): Promise<WalStats | undefined> {
  const varDir = given.get('var-dir') ?? process.env['VAR_DIR'];
  const address: LogAddress = { ...Object.fromEntries(given), ...(varDir !== undefined && { varDir }) };
  try {
    const signal = AbortSignal.timeout(ANSWER_MS_MAX);
    return await (await RemoteLog.find(placeOf(address).dir, { signal }))?.stats();
  } catch {
    return undefined;
  }
}

function shippersIn(stats: WalStats | undefined, kind: string | undefined): string[] {
  const streams = Object.entries(stats?.streams ?? {}).filter(
    ([name]) => kind === undefined || name === kind,
  );
  return [...new Set(streams.flatMap(([, { shippers }]) => Object.keys(shippers)))].toSorted();
}
