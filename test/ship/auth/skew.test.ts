// The destination's clock: what its answers tell of it, and what that does to tokens and stats.

import { generateKeyPairSync } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { systemClock } from '../../../lib/clock.js';
import { ClockSkew } from '../../../lib/ship/auth/skew.js';
import { tokenProvider } from '../../../lib/ship/auth/token.js';
import { httpSink } from '../../../lib/ship/sinks/http.js';
import { withFolder } from '../../helpers/folder.js';
import { ManualClock } from '../../helpers/manual-clock.js';
import { withReceiver } from '../../helpers/receiver.js';
import { auditRecord, withWal } from '../../helpers/wal.js';

const it = suite('ship/auth/skew');

const NOW = Date.UTC(2026, 0, 1);
const S2S = { issuer: 'gateway-s2s', audience: 'log-service', secret: 'a secret of thirty-two bytes, ok' };
const dateAt = (ms: number) => new Date(ms).toUTCString();

it('is 0 while the header fits the time that the request took, else the middle of what it may be', () => {
  const table: [date: string | undefined, tookMs: number, skewMs: number | undefined][] = [
    [undefined, 0, undefined],
    ['yesterday', 0, undefined],
    [dateAt(NOW), 0, 0],
    [dateAt(NOW - 1_000), 0, 0],
    [dateAt(NOW + 2_000), 2_000, 0],
    [dateAt(NOW - 600_000), 0, -599_500],
    [dateAt(NOW + 600_000), 0, 600_500],
    [dateAt(NOW + 600_000), 4_000, 598_500],
    [dateAt(NOW + 400 * 86_400_000), 0, undefined],
  ];
  for (const [date, tookMs, skewMs] of table) {
    const skew = new ClockSkew();
    skew.measure(date, NOW, NOW + tookMs);
    assert.is(skew.ms, skewMs, `${date} ${tookMs}`);
  }
});

it('goes into iat and exp, and a token of before it was known is made again', async () => {
  const clock = new ManualClock(NOW);
  const skew = new ClockSkew();
  const bring = tokenProvider(S2S, clock, skew);
  const request = { service: 'gateway', refresh: false, signal: new AbortController().signal };
  assert.is(decodeJwt(await bring(request)).iat, NOW / 1000);
  skew.measure(dateAt(NOW - 600_000), NOW, NOW);
  const { iat, exp } = decodeJwt(await bring(request));
  assert.equal([iat, exp], [NOW / 1000 - 600, NOW / 1000 - 300]);
});

it('a service whose clock is ten minutes wrong delivers all the same, and stats say so', async () => {
  await withReceiver({}, async ({ url, issuer, audience, secret }) => {
    await withWal({}, async (wal) => {
      const clock = { ...systemClock, now: () => Date.now() + 600_000 };
      await wal.append('audit', auditRecord(1));
      const sink = httpSink({ baseUrl: url, token: { issuer, audience, secret } }, clock);
      const shipper = wal.ship('audit', sink, { lingerMs: 0 });
      await shipper.idle();
      const { clockSkewMs } = wal.stats().streams['audit']!.shippers['default']!;
      assert.ok(Math.abs(clockSkewMs! + 600_000) < 5_000, `${clockSkewMs}`);
    });
  });
});

it('a key may be a file, and a JWK brings its own id', async () => {
  await withFolder(async (folder) => {
    const { privateKey } = generateKeyPairSync('ed25519');
    const file = join(folder, 'key.jwk');
    await writeFile(file, JSON.stringify({ ...privateKey.export({ format: 'jwk' }), kid: 'spring' }));
    const { issuer, audience } = S2S;
    const headerWith = async (keyId?: string) => {
      const options = { issuer, audience, keyFile: file, ...(keyId !== undefined && { keyId }) };
      const { signal } = new AbortController();
      const token = await tokenProvider(options, systemClock)({ service: 'a', refresh: false, signal });
      return decodeProtectedHeader(token);
    };
    assert.equal(await headerWith(), { alg: 'EdDSA', typ: 'JWT', kid: 'spring' });
    assert.equal(await headerWith('autumn'), { alg: 'EdDSA', typ: 'JWT', kid: 'autumn' });
    assert.throws(
      () => tokenProvider({ issuer, audience, keyFile: join(folder, 'none') }, systemClock),
      /token\.keyFile/,
    );
  });
});

it.run();
