// `nv-wal serve`: the reference receiver, as a process.

import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { s2sTokenFromEnv } from '../index.js';
import type { IngestAuth, IngestOptions } from '../ingest/index.js';
import { UsageError, asUsage, oneLine, usageOf } from './errors.js';
import { fired, interruptible } from './interrupt.js';
import type { JsonOption } from './options.js';
import { addCommand, parseInteger, requiredVarDir } from './options.js';
import { note, printResult } from './output.js';

interface ServeOptions extends JsonOption {
  port: number;
  host: string;
  store?: string;
  /** Commander's way of `--no-auth`. */
  auth: boolean;
  callers?: string[];
  relays?: string[];
}

const HELP = `Takes POST /api/{kind}/v1/ingest, keeps each line once by its id, and answers when it is on disk.

Tokens are checked against WAL_S2S_ISSUER, WAL_S2S_AUDIENCE, and one of WAL_S2S_SECRET, WAL_S2S_KEY_FILE (a public
key) and WAL_S2S_JWKS_URL; --no-auth takes requests from anyone who can reach it. A caller writes records of its own
service (the token's sub) only, unless it is a relay. With WAL_SIGNING_SECRET, requests must be signed.
GET /api/logs lists what it has of each log, and what is missing.

A PostgreSQL store (14 or newer) needs the package pg. Leave the password out of the URL, which other users of
the machine may see, and give it in PGPASSWORD or ~/.pgpass.

Example:
  WAL_S2S_ISSUER=acme WAL_S2S_AUDIENCE=ingest WAL_S2S_SECRET=… nv-wal serve --port 8080 --store /var/lib/ingest`;

export function addServe(program: Command): void {
  addCommand(program, 'serve', 'run the reference receiver until SIGINT or SIGTERM', HELP)
    .option('--port <port>', '0 takes a free one', parseInteger(0, 65_535), 0)
    .option('--host <host>', 'where to listen', '127.0.0.1')
    .option(
      '--store <dir or url>',
      'where to keep what comes: a folder, or postgres://… (default: $VAR_DIR/nv-wal-ingest)',
    )
    .option('--no-auth', 'ask for no token')
    .option('--callers <services...>', 'who may send (default: every service with a valid token)')
    .option('--relays <services...>', 'who may send records of other services, and see all logs')
    .action((options: ServeOptions) => interruptible((signal) => serve(options, signal)));
}

async function serve(options: ServeOptions, signal: AbortSignal): Promise<void> {
  const { host, port, json } = options;
  using parent = parentGone();
  const access = accessFromEnv(options);
  // Loaded here, as this command alone needs it: the others start the sooner.
  const { createIngestHandler, openLevelStore, openPostgresStore, serveIngest } =
    await import('../ingest/index.js');
  const { store: place } = options;
  const opening = isUrl(place) ? openPostgresStore(place) : openLevelStore(folderOf(place));
  await using store = await opening.catch((error: unknown) => {
    throw usageOf(error);
  });
  const handler = asUsage(() => createIngestHandler({ ...access, store, onError: noteOnce() }));
  await using server = await serveIngest({ handler, host, port });
  const { url } = server;
  await printResult(json, { url }, `listening on ${url}`);
  await fired(AbortSignal.any([signal, parent.signal]));
}

/** Any URL: of what can't be a store, its opening says so. No folder is called `x://`. */
function isUrl(place: string | undefined): place is string {
  return place !== undefined && /^[a-z]+:\/\//i.test(place);
}

function folderOf(place: string | undefined): string {
  return place === undefined ? join(requiredVarDir(process.env['VAR_DIR']), 'nv-wal-ingest') : resolve(place);
}

/** Who may send: as the environment and the flags say. */
function accessFromEnv({ auth, callers, relays }: ServeOptions): Pick<IngestOptions, 'auth' | 'signing'> {
  const { WAL_SIGNING_SECRET: secret } = process.env;
  return {
    auth: auth && {
      ...tokensFromEnv(process.env),
      ...(callers && { callers }),
      ...(relays && { onBehalfOf: Object.fromEntries(relays.map((relay) => [relay, '*'])) }),
    },
    ...(secret !== undefined && { signing: { keys: { default: secret } } }),
  };
}

function tokensFromEnv(env: NodeJS.ProcessEnv): IngestAuth {
  const { WAL_S2S_JWKS_URL: jwksUrl, WAL_S2S_ISSUER: issuer = '', WAL_S2S_AUDIENCE: audience = '' } = env;
  if (jwksUrl === undefined) return asUsage(() => s2sTokenFromEnv(env));
  for (const name of ['WAL_S2S_SECRET', 'WAL_S2S_KEY_FILE']) {
    if (env[name] !== undefined) throw new UsageError(`WAL_S2S_JWKS_URL and ${name} are both set; set one`);
  }
  for (const [name, value] of Object.entries({ WAL_S2S_ISSUER: issuer, WAL_S2S_AUDIENCE: audience })) {
    if (value === '') throw new UsageError(`${name} is missing`);
  }
  return { issuer, audience, jwksUrl };
}

/** A receiver that a process has forked ends with it; one from a shell has no channel to lose. */
function parentGone(): { signal: AbortSignal } & Disposable {
  const gone = new AbortController();
  const onGone = () => gone.abort();
  if (process.connected) process.once('disconnect', onGone);
  // Forked, but alone by now: from a shell there is no such property at all.
  else if ('connected' in process) onGone();
  // With a listener, the channel would keep this process alive.
  return { signal: gone.signal, [Symbol.dispose]: () => process.off('disconnect', onGone) };
}

/** Says what fails, but not again and again for every request that it fails. */
function noteOnce(): (error: unknown) => void {
  let last = '';
  return (error) => {
    const message = error instanceof Error ? error.message : String(error);
    if (message !== last) note(`nv-wal: ${oneLine(message)}`);
    last = message;
  };
}
