import { execFileSync, spawnSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { HttpSinkOptions } from '../../../lib/config.js';
import { httpSink } from '../../../lib/ship/sinks/http.js';
import { batchOf, recordLines } from '../../helpers/batch.js';
import { withFolder } from '../../helpers/folder.js';
import { withReceiver } from '../../helpers/receiver.js';
import { skipIf } from '../../helpers/skip.js';

const it = suite('ship/auth/wire-signature');

const VERIFY = fileURLToPath(new URL('verify_request.py', import.meta.url));
const SECRET = 'a signing secret of the tests, 32 bytes';
const pair = generateKeyPairSync('ed25519');
const PRIVATE_PEM = pair.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
const PUBLIC_PEM = pair.publicKey.export({ type: 'spki', format: 'pem' }).toString();

const python = (code: string) => spawnSync('python3', ['-c', code], { stdio: 'ignore' }).status === 0;
const noPython = !python('') && 'needs Python 3';
const noCryptography =
  noPython ||
  (!python('import cryptography') && 'needs the Python package cryptography (Debian: python3-cryptography)');

/** The bytes of one request as they come in, before any HTTP library has touched them. */
async function rawRequest(signingKey: HttpSinkOptions['signingKey'], gzip: boolean): Promise<Buffer> {
  const received: Buffer[] = [];
  const server = createServer((socket: Socket) => {
    socket.on('data', (chunk) => {
      received.push(chunk);
      const all = Buffer.concat(received);
      const head = all.indexOf('\r\n\r\n');
      const length = /content-length: (\d+)/i.exec(all.subarray(0, head).toString())?.[1];
      if (head === -1 || all.length < head + 4 + Number(length)) return;
      const answer = JSON.stringify({ accepted: 20 });
      const type = 'content-type: application/json\r\nconnection: close\r\n';
      socket.end(`HTTP/1.1 200 OK\r\n${type}content-length: ${answer.length}\r\n\r\n${answer}`);
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const sink = httpSink({
    baseUrl: `http://127.0.0.1:${port}/a%20b`,
    gzip,
    ...(signingKey && { signingKey }),
  });
  try {
    const lines = batchOf(recordLines(20));
    await sink.send(lines, { signal: new AbortController().signal, attempt: 1 });
  } finally {
    await sink.close?.();
    server.close();
  }
  return Buffer.concat(received);
}

function verified(raw: Buffer, ...keys: string[]): unknown {
  const stdio: ['pipe', 'pipe', 'pipe'] = ['pipe', 'pipe', 'pipe'];
  return JSON.parse(execFileSync('python3', [VERIFY, ...keys], { input: raw, stdio }).toString());
}

const COMPONENTS = ['@method', '@path', 'content-digest', 'idempotency-key'];

skipIf(it, noPython)(
  'a request signed with a secret is verified by who only knows the standards',
  async () => {
    for (const gzip of [true, false]) {
      const before = Math.floor(Date.now() / 1000);
      const raw = await rawRequest({ keyId: 'wal-2026', secret: SECRET }, gzip);
      const { created, ...rest } = verified(raw, `wal-2026=${SECRET}`) as { created: number };
      assert.equal(rest, { algorithm: 'hmac-sha256', keyid: 'wal-2026', components: COMPONENTS, lines: 20 });
      assert.ok(created >= before && created <= Date.now() / 1000);
      assert.throws(() => verified(raw, `wal-2026=${SECRET}!`), /signature/);
      // One byte of the body, and what was signed is something else.
      const changed = Buffer.from(raw);
      changed[changed.length - 1]! ^= 1;
      assert.throws(() => verified(changed, `wal-2026=${SECRET}`), /content-digest/);
    }
  },
);

skipIf(it, noCryptography)('so is one signed with an Ed25519 key', async () => {
  await withFolder(async (folder) => {
    const pem = join(folder, 'public.pem');
    await writeFile(pem, PUBLIC_PEM);
    const raw = await rawRequest({ keyId: 'ed-1', key: PRIVATE_PEM }, true);
    const { created: _, ...rest } = verified(raw, `ed-1=@${pem}`) as { created: number };
    assert.equal(rest, { algorithm: 'ed25519', keyid: 'ed-1', components: COMPONENTS, lines: 20 });
    const other = generateKeyPairSync('ed25519').publicKey.export({ type: 'spki', format: 'pem' });
    await writeFile(pem, other);
    assert.throws(() => verified(raw, `ed-1=@${pem}`), /InvalidSignature/);
  });
});

it('a receiver takes two keys while one replaces the other, and each only under its own id', async () => {
  const keys = { old: SECRET, next: { publicKey: PUBLIC_PEM } };
  const jwk = JSON.stringify(pair.privateKey.export({ format: 'jwk' }));
  const foreign = generateKeyPairSync('ed25519')
    .privateKey.export({ type: 'pkcs8', format: 'pem' })
    .toString();
  const senders: [NonNullable<HttpSinkOptions['signingKey']>, boolean][] = [
    [{ keyId: 'old', secret: SECRET }, true],
    [{ keyId: 'next', key: PRIVATE_PEM }, true],
    [{ keyId: 'next', key: jwk }, true],
    [{ keyId: 'old', key: PRIVATE_PEM }, false],
    [{ keyId: 'next', secret: SECRET }, false],
    [{ keyId: 'next', key: foreign }, false],
    [{ keyId: 'gone', secret: SECRET }, false],
    // The public key is public: it must not do as a secret.
    [{ keyId: 'next', secret: PUBLIC_PEM }, false],
  ];
  await withReceiver({ signing: { keys } }, async ({ url: baseUrl, issuer, audience, secret, requests }) => {
    for (const [signingKey, taken] of senders) {
      const sink = httpSink({ baseUrl, token: { issuer, audience, secret }, signingKey });
      const sending = sink.send(batchOf(recordLines(3)), {
        signal: new AbortController().signal,
        attempt: 1,
      });
      const [end] = await Promise.allSettled([sending]);
      assert.is(end.status === 'fulfilled', taken, JSON.stringify(signingKey).slice(0, 40));
      assert.is(requests.at(-1)?.status, taken ? 200 : 401);
      await sink.close?.();
    }
  });
});

it.run();
