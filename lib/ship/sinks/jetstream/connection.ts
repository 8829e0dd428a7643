// A connection to NATS, made when it is needed and given up when it fails. The only file that imports its packages,
// and only then.

import { readFile } from 'node:fs/promises';
import type { JetStreamClient, JetStreamManager } from '@nats-io/jetstream';
import type { ConnectionOptions, NatsConnection } from '@nats-io/transport-node';
import { WalError, messageOf } from '../../../errors.js';
import { SinkError } from '../../sink.js';
import { failureOf } from './failure.js';
import type { JetStreamConfig } from './options.js';

export interface Connection {
  readonly nats: NatsConnection;
  readonly publisher: JetStreamClient;
  readonly manager: JetStreamManager;
  /** Makes headers: the package's own class. */
  readonly headers: typeof import('@nats-io/transport-node').headers;
}

/** @throws {SinkError} `outage`, `unauthorized`, or `misconfigured` where a file of the options can't be read. */
export async function connectTo(config: JetStreamConfig): Promise<Connection> {
  const { transport, jetstream } = await importNats();
  const options: ConnectionOptions = {
    servers: [...config.servers],
    name: 'nv-wal',
    timeout: config.timeoutMs,
    // When to try again is the shipper's. A client that did it, too, would send what was given up.
    reconnect: false,
    pingInterval: Math.max(1_000, config.timeoutMs),
    noAsyncTraces: true,
  };
  await addCredentials(options, config, transport.credsAuthenticator);
  try {
    const nats = await transport.connect(options);
    const manager = await jetstream.jetstreamManager(nats, {
      checkAPI: false,
      timeout: config.timeoutMs,
    });
    return { nats, manager, publisher: manager.jetstream(), headers: transport.headers };
  } catch (error) {
    throw failureOf(error, `can't connect to ${config.name}`);
  }
}

async function addCredentials(
  options: ConnectionOptions,
  { credentials: { user, token, credsFile, tls }, name }: JetStreamConfig,
  authenticatorOf: typeof import('@nats-io/transport-node').credsAuthenticator,
): Promise<void> {
  if (user) Object.assign(options, { user: user.name, pass: user.password });
  if (token !== undefined) options.token = token;
  if (tls) options.tls = tls;
  if (credsFile === undefined) return;
  try {
    options.authenticator = authenticatorOf(await readFile(credsFile));
  } catch (cause) {
    throw new SinkError('misconfigured', `no credentials for ${name}: ${messageOf(cause)}`, { cause });
  }
}

/** Loaded where they are used: who delivers elsewhere need not install them. */
async function importNats() {
  return {
    transport: await import('@nats-io/transport-node'),
    jetstream: await import('@nats-io/jetstream'),
  };
}

/** @throws {WalError} `WAL_CONFIG` where a package is missing: now, not when the first batch is to be sent. */
export function checkInstalled(): void {
  for (const name of ['@nats-io/transport-node', '@nats-io/jetstream']) {
    try {
      import.meta.resolve(name);
    } catch (cause) {
      throw new WalError('WAL_CONFIG', `jetStreamSink needs the package '${name}': npm install ${name}`, {
        cause,
      });
    }
  }
}
