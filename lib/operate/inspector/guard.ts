// Who may ask the inspector. It listens on loopback, where every page that a browser has open, and every user of the
// machine, can knock. Pure: a request's head in, a refusal out.
//
// - Another user's process: the secret in the path, which only the terminal has shown.
// - A name that somebody has pointed at this address (DNS rebinding): `Host`.
// - A page of another origin, another port of this machine included: `Origin` and `Sec-Fetch-Site`.
// - And a request that changes something needs all of that, and the token that the page was given.

import { timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';

export interface Refusal {
  readonly status: 403 | 404 | 405;
  readonly message: string;
}

export interface Head {
  readonly method: string | undefined;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
}

export interface Guarded {
  readonly port: number;
  /** First part of every path. */
  readonly key: string;
  /** What a POST must name in `nv-wal-token`; `undefined` where nothing may be changed. */
  readonly token: string | undefined;
}

const HOSTS = ['127.0.0.1', 'localhost'];

/** Why a request is refused; `undefined` where it is not. */
export function refusalOf({ method, path, headers }: Head, guarded: Guarded): Refusal | undefined {
  const { host, origin, 'sec-fetch-site': site } = headers;
  if (!HOSTS.some((name) => host === `${name}:${guarded.port}`))
    return { status: 403, message: 'this host is not the inspector’s' };
  if (origin !== undefined && origin !== `http://${host}`)
    return { status: 403, message: 'another origin may not ask' };
  if (site !== undefined && site !== 'same-origin' && site !== 'none')
    return { status: 403, message: 'another site may not ask' };
  if (!isSame(path.split('/')[1] ?? '', guarded.key))
    return { status: 404, message: 'nothing is here; open the address that nv-wal inspect has printed' };
  if (method === 'GET' || method === 'HEAD') return undefined;
  if (method !== 'POST') return { status: 405, message: 'only GET and POST are answered' };
  if (guarded.token === undefined)
    return { status: 403, message: 'this page only looks; nv-wal inspect --allow-actions would let it act' };
  const { 'nv-wal-token': token } = headers;
  // A browser names the origin of every POST; what does not is no page of ours.
  if (origin === undefined || typeof token !== 'string' || !isSame(token, guarded.token))
    return { status: 403, message: 'only the inspector’s own page may act' };
  return undefined;
}

function isSame(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
}
