// A NATS server of a test's own, with JetStream: Debian's binary, a store in a temporary folder, a free loopback port.

import { execFileSync, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { jetstreamManager } from '@nats-io/jetstream';
import type { StreamConfig } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { closedPort } from './destination.js';

const BINARY = 'nats-server';
const PATH = `${process.env['PATH']}:/usr/sbin:/usr/local/sbin`;
export const STREAM = 'WAL';
export const PASSWORD = 'hunter2-of-the-tests';
/** What the README says that a sink needs. */
const WRITER = [
  'wal.>',
  'elsewhere.>',
  'other.>',
  '$JS.API.STREAM.MSG.GET.WAL',
  '$JS.API.STREAM.MSG.GET.NOT_THERE',
]
  .concat(['CREATE', 'INFO', 'DELETE', 'MSG.NEXT'].map((what) => `$JS.API.CONSUMER.${what}.WAL.>`))
  .concat('$JS.API.STREAM.INFO.WAL');
const USERS = JSON.stringify([
  { user: 'wal', password: PASSWORD },
  { user: 'writer', password: PASSWORD, permissions: { publish: WRITER, subscribe: ['_INBOX.>'] } },
  { user: 'reader', password: PASSWORD, permissions: { publish: ['$JS.API.>'] } },
]);
const NANOS_PER_MS = 1_000_000;

/** A message of a stream, as a consumer gets it. */
export interface Stored {
  readonly subject: string;
  readonly seq: number;
  readonly id: string;
  readonly line: string;
}

export interface NatsServer {
  readonly servers: string;
  /** Who may everything. */
  readonly user: { name: string; password: string };
  /** Who may what a sink needs. */
  readonly writer: { name: string; password: string };
  /** Another of its users: one that may read only. */
  readonly reader: { name: string; password: string };
  /** Makes a stream; with a short duplicate window, unless told otherwise. */
  addStream(config?: Partial<StreamConfig>): Promise<void>;
  /** Everything that is in a stream, in its order, as a consumer gets it. */
  read(subject: string, stream?: string): Promise<Stored[]>;
  /** Messages in the stream. */
  count(stream?: string): Promise<number>;
  /** SIGKILL, and start again on what it left. */
  kill(): Promise<void>;
  start(): Promise<void>;
  pid(): number;
  /** Ends it in peace, and removes its folder. */
  stop(): Promise<void>;
}

/** Why there can be no server here, or `false`. */
export const natsMissing: string | false = isThere() ? false : 'needs nats-server (Debian: nats-server)';

function isThere(): boolean {
  try {
    execFileSync(BINARY, ['--version'], { stdio: 'ignore', env: { ...process.env, PATH } });
    return true;
  } catch {
    return false;
  }
}

/** `parent`: the folder to make its folder in. */
export async function startNats(parent = tmpdir()): Promise<NatsServer> {
  const folder = await mkdtemp(join(parent, 'nv-wal-nats-'));
  const port = await closedPort();
  const config = join(folder, 'nats.conf');
  await writeFile(
    config,
    `host: 127.0.0.1\nport: ${port}\nmax_payload: 65536\nwrite_deadline: "2s"
jetstream: { store_dir: ${JSON.stringify(folder)} }\nauthorization: { users: ${USERS} }\n`,
  );
  const servers = `nats://127.0.0.1:${port}`;
  const user = { name: 'wal', password: PASSWORD };

  let server: ChildProcess | undefined;
  const start = async () => {
    server = spawn(BINARY, ['-c', config], {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { ...process.env, PATH },
    });
    let said = '';
    const log = server.stderr!;
    // Read to its end: a server that can't write its log is ended by that.
    log.on('data', (chunk: Buffer) => (said = (said + chunk.toString()).slice(-4096)));
    // Its log tells when it is ready: JetStream has its streams back by then.
    while (!said.includes('Server is ready')) {
      await Promise.race([once(log, 'data'), once(log, 'close')]);
      if (log.closed) throw new Error(`nats-server does not start: ${said}`);
    }
  };
  const end = async (signal: NodeJS.Signals) => {
    if (!server || server.exitCode !== null || server.signalCode !== null) return;
    const exited = once(server, 'exit');
    server.kill(signal);
    await exited;
  };
  const managed = async <T>(use: (manager: Awaited<ReturnType<typeof jetstreamManager>>) => Promise<T>) => {
    const nats = await connect({ servers, user: user.name, pass: user.password });
    try {
      return await use(await jetstreamManager(nats));
    } finally {
      await nats.close();
    }
  };
  // A test that fails, or that ends the process, must leave no server behind.
  process.once('exit', () => {
    server?.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true, maxRetries: 10 });
  });
  await start();
  return {
    servers,
    user,
    writer: { name: 'writer', password: PASSWORD },
    reader: { name: 'reader', password: PASSWORD },
    addStream: (more = {}) =>
      managed(async ({ streams }) => {
        const named = { name: STREAM, subjects: ['wal.>'], duplicate_window: 100 * NANOS_PER_MS, ...more };
        await streams.add(named);
      }),
    read: (subject, stream = STREAM) =>
      managed(async (manager) => {
        const { subjects = {} } = (await manager.streams.info(stream, { subjects_filter: subject })).state;
        const stored: Stored[] = [];
        if (Object.keys(subjects).length === 0) return stored;
        const consumer = await manager.jetstream().consumers.get(stream, { filter_subjects: subject });
        for (;;) {
          const fetched = await consumer.fetch({ max_messages: 5_000, expires: 1_000 });
          for await (const { subject: on, seq, headers, data, info } of fetched) {
            stored.push({
              subject: on,
              seq,
              id: headers?.get('Nats-Msg-Id') ?? '',
              line: String(Buffer.from(data)),
            });
            if (info.pending === 0) return stored;
          }
          if (stored.length === 0) return stored;
        }
      }),
    count: (stream = STREAM) =>
      managed(async (manager) => (await manager.streams.info(stream)).state.messages),
    kill: () => end('SIGKILL'),
    start,
    pid: () => server?.pid ?? 0,
    stop: async () => {
      await end('SIGTERM');
      await rm(folder, { recursive: true, force: true });
    },
  };
}
