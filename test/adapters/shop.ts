// The shops of test/examples that log, as they are started and hit with requests.

import * as assert from 'uvu/assert';
import { AUDIENCE, ISSUER, SECRET } from '../helpers/receiver.js';

/** What a shop's environment says: where its log is, and where that delivers. */
export function shopEnv(varDir: string, receiverUrl: string): Record<string, string> {
  return {
    VAR_DIR: varDir,
    WAL_BASE_URL: receiverUrl,
    WAL_S2S_ISSUER: ISSUER,
    WAL_S2S_AUDIENCE: AUDIENCE,
    WAL_S2S_SECRET: SECRET,
  };
}

/** Requests so many pages at once; all are answered. */
export async function hit(
  url: string,
  path: string,
  from: number,
  to: number,
  method = 'GET',
): Promise<void> {
  const numbers = Array.from({ length: to - from + 1 }, (_, n) => from + n);
  await Promise.all(
    numbers.map(async (n) => {
      const response = await fetch(`${url}/${path}/${n}`, { method, headers: { 'x-request-id': `r${n}` } });
      assert.is(await response.text(), `${path} ${n}\n`);
    }),
  );
}
