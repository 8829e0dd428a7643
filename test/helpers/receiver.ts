// The real receiver on a free loopback port: JWT on, LevelDB in a temporary folder, everything gone afterwards.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SignJWT } from 'jose';
import type { JWTPayload } from 'jose';
import { createIngestHandler, openLevelStore, serveIngest } from '../../lib/ingest/index.js';
import type {
  IngestAnswer,
  IngestHandler,
  IngestOptions,
  IngestServer,
  IngestStore,
  ServeOptions,
} from '../../lib/ingest/index.js';

export const ISSUER = 'test-issuer';
export const AUDIENCE = 'test-ingest';
export const SECRET = 'a secret of the tests, 32 bytes and more';

export interface ReceiverOptions extends Partial<Omit<IngestOptions, 'store'>> {
  /** Stands between the server and the receiver: to answer otherwise, to lose an answer, to wait. */
  intercept?: (request: Request, receive: IngestHandler) => Promise<Response>;
  serve?: Partial<Omit<ServeOptions, 'handler'>>;
}

/** A request that was answered. */
export interface ReceivedRequest {
  method: string;
  path: string;
  headers: Headers;
  status: number;
}

export interface Receiver {
  /** `http://127.0.0.1:<port>`, the `baseUrl` of a sink. */
  readonly url: string;
  readonly store: IngestStore;
  /** The folder of the store. */
  readonly dir: string;
  readonly issuer: string;
  readonly audience: string;
  readonly secret: string;
  /** In the order of their answers. */
  readonly requests: readonly ReceivedRequest[];
  /** A token that this receiver accepts, unless `claims` say otherwise. */
  readonly token: (claims?: JWTPayload) => Promise<string>;
  /** Posts a body with a valid token; `headers` win over the usual ones, `null` takes one away. */
  readonly post: (
    kind: string,
    body: string | Buffer,
    headers?: Record<string, string | null>,
  ) => Promise<Posted>;
  /** Stops listening, as a receiver that is down; the store stays. */
  readonly stop: () => Promise<void>;
  /** Listens again on the same port. */
  readonly start: () => Promise<void>;
}

export interface Posted {
  status: number;
  headers: Headers;
  /** Of a 200. */
  answer: IngestAnswer;
  /** Of anything else. */
  error: { code: string; message: string } | undefined;
}

export async function withReceiver(
  options: ReceiverOptions,
  use: (receiver: Receiver) => Promise<void>,
): Promise<void> {
  const { intercept, serve, ...rest } = options;
  await withFolder(async (folder) => {
    const dir = join(folder, 'store');
    await using store = await openLevelStore(dir);
    const requests: ReceivedRequest[] = [];
    const receive = createIngestHandler({
      auth: { issuer: ISSUER, audience: AUDIENCE, secret: SECRET },
      ...rest,
      store,
    });
    const handler = recording(requests, intercept ? (request) => intercept(request, receive) : receive);
    let server: IngestServer = await serveIngest({ ...serve, handler });
    const { url } = server;
    try {
      await use({
        url,
        store,
        dir,
        issuer: ISSUER,
        audience: AUDIENCE,
        secret: SECRET,
        requests,
        token: signToken,
        post: (kind, body, headers) => post(`${url}/api/${kind}/v1/ingest`, body, headers),
        stop: () => server.close({ graceMs: 0 }),
        start: async () => {
          server = await serveIngest({ ...serve, handler, port: Number(new URL(url).port) });
        },
      });
    } finally {
      await server.close({ graceMs: 0 });
    }
  });
}

export async function withFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'nv-wal-ingest-'));
  try {
    await use(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function recording(requests: ReceivedRequest[], handler: IngestHandler): IngestHandler {
  return async (request) => {
    const response = await handler(request);
    const { method, url, headers } = request;
    requests.push({ method, path: new URL(url).pathname, headers, status: response.status });
    return response;
  };
}

/** Signed with `SECRET`; `claims` win over the usual ones. */
export async function signToken(claims: JWTPayload = {}): Promise<string> {
  const now = Math.floor(Date.now() / 1000);
  const usual = { iss: ISSUER, aud: AUDIENCE, sub: 'gateway', iat: now, exp: now + 300 };
  return await new SignJWT({ ...usual, ...claims })
    .setProtectedHeader({ alg: 'HS256' })
    .sign(new TextEncoder().encode(SECRET));
}

export async function post(
  url: string,
  body: string | Buffer,
  headers: Record<string, string | null> = {},
): Promise<Posted> {
  const usual = { 'content-type': 'application/x-ndjson', authorization: `Bearer ${await signToken()}` };
  const sent = Object.entries({ ...usual, ...headers }).filter((header) => header[1] !== null);
  const response = await fetch(url, { method: 'POST', body, headers: sent });
  const { error, ...answer } = (await response.json()) as IngestAnswer & Pick<Posted, 'error'>;
  return { status: response.status, headers: response.headers, answer, error };
}
