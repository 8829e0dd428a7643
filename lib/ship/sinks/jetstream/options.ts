// The options of a JetStream sink: types, defaults, and the checks at the door. Knows no package of NATS, whose types
// are not there for whoever does without it.

import { checkInteger, checkKnown, expected } from '../../../checks.js';

export interface JetStreamSinkOptions {
  /** Where the cluster can be reached: `nats://host:4222` or `tls://host:4222`, one or several. No user, no password. */
  servers: string | string[];
  /** The stream, which must be there and take `<subjectPrefix>.>`; nothing is ever created or changed. */
  stream: string;
  /** A line's subject is `<subjectPrefix>.<logId>.<kind>`. Tokens joined by dots, no wildcards. @default 'wal' */
  subjectPrefix?: string;
  /** As whom to connect: at most one of these. @default no credentials */
  user?: { name: string; password: string };
  token?: string;
  /** A `.creds` file of a decentralised set-up; read at every connection. */
  credsFile?: string;
  /** TLS with these PEM files; `{}`: TLS with the system's roots. @default as the server asks */
  tls?: { caFile?: string; certFile?: string; keyFile?: string };
  /** How long one answer may take, in ms. Integer, 1 to 600,000. @default 5_000 */
  timeoutMs?: number;
  /** Messages on their way at once. Integer, 1 to 10,000. @default 256 */
  inFlightMax?: number;
  /** Whether notices are published, too. @default true */
  notices?: boolean;
}

/** Options with every default filled in. */
export interface JetStreamConfig {
  readonly name: string;
  readonly servers: readonly string[];
  readonly stream: string;
  readonly subjectPrefix: string;
  readonly credentials: Pick<JetStreamSinkOptions, 'user' | 'token' | 'credsFile' | 'tls'>;
  readonly timeoutMs: number;
  readonly inFlightMax: number;
  readonly notices: boolean;
}

const OPTION_NAMES: ReadonlySet<string> = new Set<keyof JetStreamSinkOptions>([
  'servers',
  'stream',
  'subjectPrefix',
  'user',
  'token',
  'credsFile',
  'tls',
  'timeoutMs',
  'inFlightMax',
  'notices',
]);

const SERVER_PATTERN = /^(nats|tls):\/\/[^\s/@?#]+$/;
/** What file systems and subjects take, too. */
const STREAM_PATTERN = /^[A-Za-z0-9_-]{1,128}$/;
const PREFIX_PATTERN = /^[A-Za-z0-9_-]{1,64}(\.[A-Za-z0-9_-]{1,64}){0,7}$/;
const SERVERS_MAX = 64;

/** @throws {WalError} `WAL_CONFIG` naming the option that does not fit. */
export function checkJetStreamOptions(options: JetStreamSinkOptions): JetStreamConfig {
  if (typeof options !== 'object' || options === null) {
    throw expected('the options of jetStreamSink', 'an object', typeof options);
  }
  checkKnown('jetStreamSink', options, OPTION_NAMES);
  const { stream, subjectPrefix = 'wal', user, token, credsFile, tls, notices = true } = options;
  const servers = [options.servers].flat();
  if (servers.length === 0 || servers.length > SERVERS_MAX || !servers.every(isServer)) {
    // Not shown: a password in it must not get into a log.
    throw expected('servers', 'nats://host:port, one or several, without a user', '[servers]');
  }
  if (typeof stream !== 'string' || !STREAM_PATTERN.test(stream)) {
    throw expected('stream', `a stream's name (${STREAM_PATTERN.source})`, stream);
  }
  if (typeof subjectPrefix !== 'string' || !PREFIX_PATTERN.test(subjectPrefix)) {
    throw expected('subjectPrefix', `tokens of a subject (${PREFIX_PATTERN.source})`, subjectPrefix);
  }
  if ([user, token, credsFile].filter((given) => given !== undefined).length > 1) {
    throw expected('user, token and credsFile', 'one of them at most', 'several');
  }
  if (typeof notices !== 'boolean') throw expected('notices', 'true or false', notices);
  return {
    name: `${servers.toSorted().join(',')}/${stream}`,
    servers,
    stream,
    subjectPrefix,
    credentials: {
      ...(user !== undefined && { user }),
      ...(token !== undefined && { token }),
      ...(credsFile !== undefined && { credsFile }),
      ...(tls !== undefined && { tls }),
    },
    timeoutMs: checkInteger('timeoutMs', options.timeoutMs ?? 5_000, 1, 600_000),
    inFlightMax: checkInteger('inFlightMax', options.inFlightMax ?? 256, 1, 10_000),
    notices,
  };
}

function isServer(server: unknown): boolean {
  return typeof server === 'string' && SERVER_PATTERN.test(server);
}
