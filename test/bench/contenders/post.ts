// One body posted as the library posts it: the same request line and headers, the same look at the answer.

import type { Pool } from 'undici';

export interface Post {
  readonly headers: Record<string, string>;
  /** Gzipped. */
  readonly body: Buffer;
  readonly count: number;
}

/** As long as a token of the library's. The sink does not look at it. */
const TOKEN_LENGTH = 250;

export function requestHeaders(logId = 'log', instance = 'main', key = 'key'): Record<string, string> {
  return {
    'content-type': 'application/x-ndjson',
    'content-encoding': 'gzip',
    'wal-log': logId,
    'wal-instance': instance,
    'idempotency-key': key,
    authorization: `Bearer ${'x'.repeat(TOKEN_LENGTH)}`,
  };
}

/** Resolves with how many lines were taken: all of them. */
export async function post(pool: Pool, { headers, body, count }: Post): Promise<number> {
  const answer = await pool.request({ method: 'POST', path: '/api/log/v1/ingest', headers, body });
  const { accepted } = (await answer.body.json()) as { accepted: number };
  if (answer.statusCode !== 200 || accepted !== count)
    throw new Error(`the sink took ${accepted} of ${count}`);
  return accepted;
}
