// `nv-wal inspect`: a page about a log, on loopback.

import type { Command } from 'commander';
import { RemoteLog, serveInspector } from '../index.js';
import { fired, interruptible } from './interrupt.js';
import { openLog } from './open.js';
import type { JsonOption, LogAddress } from './options.js';
import { addCommand, addLogOptions, parseInteger, placeOf } from './options.js';
import { printResult } from './output.js';
import { reachLog } from './reach.js';

interface InspectOptions extends LogAddress, JsonOption {
  port: number;
  allowActions?: boolean;
}

const HELP = `Serves the page until SIGINT or SIGTERM, on 127.0.0.1 only. The address holds a secret: whoever has it sees the
records. Over ssh: ssh -L 8123:127.0.0.1:8123 host, and --port 8123.

The page only looks, unless it is started with --allow-actions. Of a log that a service holds, it asks the
service; one that nobody holds is opened for as long as a question takes, so that a service can start.

Example:
  nv-wal inspect --service gateway --var-dir /var/lib/acme`;

export function addInspect(program: Command): void {
  const command = addCommand(program, 'inspect', 'serve a page to look at the log, on loopback', HELP);
  addLogOptions(command)
    .option('--port <port>', '0 takes a free one', parseInteger(0, 65_535), 0)
    .option('--allow-actions', 'let the page evict, compact, verify, resend and replay')
    .action((options: InspectOptions) => interruptible((signal) => inspect(options, signal)));
}

async function inspect(options: InspectOptions, signal: AbortSignal): Promise<void> {
  const { port, allowActions = false, json } = options;
  const open = (await isHeld(options)) ? undefined : () => openLog(options);
  await using inspector = await serveInspector({ dir: placeOf(options).dir, open, port, allowActions });
  const { url } = inspector;
  await printResult(json, { url }, `open ${url}`);
  await fired(signal);
}

/** Whether a process holds the log; throws where there is none, or none that may be looked into. */
async function isHeld(address: LogAddress): Promise<boolean> {
  await using log = await reachLog(address);
  return log instanceof RemoteLog;
}
