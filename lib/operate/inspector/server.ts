// The inspector: one page about one log, served on loopback. What may be asked is guard.ts's to say, what is answered
// api.ts's.

import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { WalError, messageOf } from '../../errors.js';
import type { Api, ApiCall } from './api.js';
import { inspectorApi } from './api.js';
import type { Asset } from './assets.js';
import { loadAssets } from './assets.js';
import type { Guarded } from './guard.js';
import { refusalOf } from './guard.js';
import type { SubjectOptions } from './subject.js';
import { Subject } from './subject.js';

export interface InspectorOptions extends SubjectOptions {
  /** 0 takes a free one. @default 0 */
  readonly port?: number;
  /** Whether the page may change the log. @default false */
  readonly allowActions?: boolean;
}

export interface Inspector extends AsyncDisposable {
  /** With a secret in it: whoever has it sees the records. */
  readonly url: string;
}

const CONNECTIONS_MAX = 32;
const BODY_BYTES_MAX = 4096;

/** Nothing from anywhere else, nothing inline, no frame around it, and no text that becomes markup. */
const HEADERS = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; " +
    "require-trusted-types-for 'script'; trusted-types 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'cache-control': 'no-store',
};

/** @throws What the system says, where the port can't be had. */
export async function serveInspector(options: InspectorOptions): Promise<Inspector> {
  const { port = 0, allowActions = false } = options;
  const [key, token] = [secret(), allowActions ? secret() : undefined];
  const assets = await loadAssets(token ?? '');
  const subject = new Subject(options);
  const api = inspectorApi(subject, allowActions);
  const server = createServer((request, response) => {
    const guarded = { port: (server.address() as AddressInfo).port, key, token };
    void answer({ guarded, assets, api }, request, response);
  });
  server.maxConnections = CONNECTIONS_MAX;
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/${key}/`,
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
      await subject.idle();
    },
  };
}

function secret(): string {
  return randomBytes(16).toString('base64url');
}

interface Served {
  readonly guarded: Guarded;
  readonly assets: ReadonlyMap<string, Asset>;
  readonly api: Api;
}

async function answer(served: Served, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { guarded, assets, api } = served;
  const { method = '', url = '/', headers } = request;
  const [path = '/', query = ''] = url.split('?', 2);
  const refusal = refusalOf({ method, path, headers }, guarded);
  if (refusal) return refuse(response, refusal.status, refusal.message);
  const name = path.slice(guarded.key.length + 2);
  const asset = method === 'POST' ? undefined : assets.get(name);
  if (asset) return reply(response, 200, asset.type, asset.body);
  const call = api.get(`${method} ${name}`);
  if (!call) return refuse(response, 404, `nothing is at ${name}`);
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  try {
    const body = method === 'POST' ? await bodyOf(request) : {};
    const result = await call({ query: new URLSearchParams(query), body, signal: gone.signal });
    reply(response, 200, 'application/json', Buffer.from(JSON.stringify(result)));
  } catch (error) {
    refuse(response, error instanceof WalError ? 409 : 500, messageOf(error));
  }
}

async function bodyOf(request: IncomingMessage): Promise<ApiCall['body']> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > BODY_BYTES_MAX)
      throw new WalError('WAL_CONFIG', `a body has at most ${BODY_BYTES_MAX} bytes`);
    chunks.push(chunk);
  }
  try {
    const body = JSON.parse(Buffer.concat(chunks).toString()) as unknown;
    if (typeof body === 'object' && body !== null) return { ...body };
  } catch {
    // Said below.
  }
  throw new WalError('WAL_CONFIG', 'expected a JSON object as the body');
}

function refuse(response: ServerResponse, status: number, message: string): void {
  reply(response, status, 'application/json', Buffer.from(JSON.stringify({ error: message })));
}

function reply(response: ServerResponse, status: number, type: string, body: Buffer): void {
  if (response.headersSent || response.destroyed) return;
  response.writeHead(status, { ...HEADERS, 'content-type': type, 'content-length': body.length });
  response.end(body);
}
