import { createHash, createHmac, generateKeyPairSync, sign as signWith } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { WalError } from '../../lib/errors.js';
import { signatureVerification } from '../../lib/ingest/signature.js';
import type { IngestSigning } from '../../lib/ingest/signature.js';
import { Refusal } from '../../lib/ingest/refusal.js';
import { ManualClock } from '../helpers/manual-clock.js';

// Signed by hand here, from the standard's text: neither the sender's code nor its library is asked.

const it = suite('ingest/signature');

const SECRET = 'a signing secret of at least 32 bytes';
const clock = new ManualClock();
const NOW_S = clock.now() / 1000;
const ed25519 = generateKeyPairSync('ed25519');
const PUBLIC_PEM = ed25519.publicKey.export({ type: 'spki', format: 'pem' }).toString();
const keys = { default: SECRET, next: `${SECRET}, the next`, ed: { publicKey: PUBLIC_PEM } };
const verify = signatureVerification({ keys }, clock);

interface Signed {
  method?: string;
  path?: string;
  body?: string;
  digest?: string;
  key?: string;
  components?: string[];
  params?: string;
  secret?: string;
  privateKey?: KeyObject;
  label?: string;
}

const COMPONENTS = ['"@method"', '"@path"', '"content-digest"', '"idempotency-key"'];
const sha256 = (body: string) => `sha-256=:${createHash('sha256').update(body).digest('base64')}:`;

/** The headers of a signed request. */
function sign(over: Signed = {}): Record<string, string> {
  const { method = 'POST', path = '/api/audit/v1/ingest', body = 'hello', key = 'log:audit:1-2:0' } = over;
  const { digest = sha256(body), components = COMPONENTS, secret = SECRET, label = 'sig1' } = over;
  const { params = `;created=${NOW_S};keyid="default"` } = over;
  const values: Record<string, string> = {
    '"@method"': method,
    '"@path"': path,
    '"content-digest"': digest,
    '"content-digest";key="sha-256"': digest.slice('sha-256='.length),
    '"idempotency-key"': key,
    '"content-type"': 'application/x-ndjson',
  };
  const input = `(${components.join(' ')})${params}`;
  const base = [...components.map((name) => `${name}: ${values[name]}`), `"@signature-params": ${input}`];
  const bytes = Buffer.from(base.join('\n'));
  const signature = over.privateKey
    ? signWith(null, bytes, over.privateKey)
    : createHmac('sha256', secret).update(bytes).digest();
  return {
    'content-type': 'application/x-ndjson',
    'content-digest': digest,
    'idempotency-key': key,
    'signature-input': `${label}=${input}`,
    signature: `${label}=:${signature.toString('base64')}:`,
  };
}

const request = (headers: Record<string, string>, path = '/api/audit/v1/ingest', method = 'POST') =>
  new Request(`http://x${path}`, { method, headers });

/** What a 401 says, or `valid`. */
async function verdictOf(one: Request, body = 'hello', verifyWith = verify): Promise<string> {
  try {
    const checkBody = await verifyWith(one);
    checkBody(Buffer.from(body));
    return 'valid';
  } catch (error) {
    assert.instance(error, Refusal);
    const { status, code, message } = error as Refusal;
    assert.equal([status, code], [401, 'bad_signature']);
    return message;
  }
}

/** What is said of a signature that was created at a time, in s. */
const verdictAt = (created: number, more = '') =>
  verdictOf(request(sign({ params: `;created=${created};keyid="default"${more}` })));

it('a request that is what was signed is valid, under any label', async () => {
  assert.is(await verdictOf(request(sign())), 'valid');
  assert.is(await verdictOf(request(sign({ label: 'whatever' }))), 'valid');
});

it('more may be covered, and the algorithm may be named', async () => {
  assert.is(await verdictOf(request(sign({ components: [...COMPONENTS, '"content-type"'] }))), 'valid');
  const params = `;keyid="default";alg="hmac-sha256";created=${NOW_S}`;
  assert.is(await verdictOf(request(sign({ params }))), 'valid');
});

it('any of the keys verifies, and only under its own id', async () => {
  const params = `;created=${NOW_S};keyid="next"`;
  assert.is(await verdictOf(request(sign({ params, secret: `${SECRET}, the next` }))), 'valid');
  assert.match(await verdictOf(request(sign({ params }))), /does not fit/);
});

it('an Ed25519 key verifies what its other half has signed, and nothing else', async () => {
  const { privateKey } = ed25519;
  const params = `;created=${NOW_S};keyid="ed"`;
  assert.is(await verdictOf(request(sign({ params, privateKey }))), 'valid');
  assert.is(await verdictOf(request(sign({ params: `${params};alg="ed25519"`, privateKey }))), 'valid');
  assert.match(await verdictOf(request(sign({ params, privateKey })), 'hellO'), /body/);
  const stranger = generateKeyPairSync('ed25519').privateKey;
  assert.match(await verdictOf(request(sign({ params, privateKey: stranger }))), /does not fit/);
  // The public key is public: it must not do as a secret, whatever algorithm the request names.
  assert.match(await verdictOf(request(sign({ params, secret: PUBLIC_PEM }))), /does not fit/);
  const hmac = { params: `${params};alg="hmac-sha256"`, secret: PUBLIC_PEM };
  assert.match(await verdictOf(request(sign(hmac))), /algorithm/);
});

it('an unsigned request is refused', async () => {
  const { signature, 'signature-input': input, ...unsigned } = sign();
  assert.match(await verdictOf(request(unsigned)), /none/);
  assert.match(await verdictOf(request({ ...unsigned, signature: signature! })), /Incomplete/);
  assert.match(await verdictOf(request({ ...unsigned, 'signature-input': input! })), /Incomplete/);
});

it('a body, path, method or idempotency key that was exchanged is noticed', async () => {
  const headers = sign();
  assert.match(await verdictOf(request(headers), 'hellO'), /body/);
  assert.match(await verdictOf(request(headers, '/api/log/v1/ingest')), /does not fit/);
  assert.match(await verdictOf(request(headers, '/api/audit/v1/ingest', 'PUT')), /does not fit/);
  assert.match(await verdictOf(request({ ...headers, 'idempotency-key': 'x' })), /does not fit/);
  const digest = { ...headers, 'content-digest': sha256('hellO') };
  assert.match(await verdictOf(request(digest), 'hellO'), /does not fit/);
});

it('a signature of other components, keys or times is no signature of this request', async () => {
  const { signature } = sign({ params: `;created=${NOW_S - 1};keyid="default"` });
  assert.match(await verdictOf(request({ ...sign(), signature: signature! })), /does not fit/);
  assert.match(await verdictOf(request(sign({ secret: 'another secret of 32 bytes or more' }))), /fit/);
  assert.match(await verdictOf(request(sign({ params: `;created=${NOW_S};keyid="who"` }))), /known keyid/);
});

it('every component that counts must be covered', async () => {
  for (const missing of COMPONENTS) {
    const components = COMPONENTS.filter((name) => name !== missing);
    assert.match(await verdictOf(request(sign({ components }))), /Missing required signed fields/, missing);
  }
});

it('a parameter does not make a part of a component count for the whole', async () => {
  const components = COMPONENTS.map((name) => (name === '"content-digest"' ? `${name};key="sha-256"` : name));
  assert.match(await verdictOf(request(sign({ components }))), /parameters/);
});

it('created and keyid are required, and created is a time', async () => {
  for (const params of ['', `;created=${NOW_S}`, ';keyid="default"', ';created="x";keyid="default"']) {
    assert.is.not(await verdictOf(request(sign({ params }))), 'valid', params);
  }
});

it('a signature counts for five minutes, into the past and into the future', async () => {
  assert.is(await verdictAt(NOW_S - 300), 'valid');
  assert.is(await verdictAt(NOW_S + 300), 'valid');
  assert.match(await verdictAt(NOW_S - 301), /300 s/);
  assert.match(await verdictAt(NOW_S + 301), /300 s/);
  assert.match(await verdictAt(NOW_S, `;expires=${NOW_S - 301}`), /expired/);
  assert.match(await verdictAt(NOW_S, ';expires="x"'), /expired/);
});

it('another algorithm is refused', async () => {
  const params = `;created=${NOW_S};keyid="default";alg="ed25519"`;
  assert.match(await verdictOf(request(sign({ params }))), /algorithm/);
});

it('a signature that someone on the way added is no concern', async () => {
  const ours = sign();
  const theirs = {
    ...ours,
    'signature-input': `${ours['signature-input']}, proxy=("@authority");keyid="proxy"`,
    signature: `${ours['signature']}, proxy=:AAAA:`,
  };
  assert.is(await verdictOf(request(theirs)), 'valid');
});

it('headers that are no structured fields are refused, not crashed over', async () => {
  for (const [name, value] of [
    ['signature', 'sig1=garbage('],
    ['signature-input', '((('],
    ['signature-input', 'sig1=5;created=1;keyid="default"'],
    ['signature', 'sig1=5'],
    ['content-digest', 'sha-256=nonsense'],
  ]) {
    assert.is.not(await verdictOf(request({ ...sign(), [name!]: value! })), 'valid', value);
  }
  assert.match(await verdictOf(request(sign({ digest: 'sha-512=:AAAA:' }))), /no sha-256/);
});

it('sha-256 is found among several digests', async () => {
  const digest = `sha-512=:AAAA:, ${sha256('hello')}`;
  assert.is(await verdictOf(request(sign({ digest }))), 'valid');
});

it('keys are checked at the door, and not shown', () => {
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey;
  const tables = [
    {},
    undefined,
    'secret',
    { default: 'hunter2' },
    { ed: {} },
    { ed: { publicKey: 'hunter2' } },
    { ed: { publicKey: PUBLIC_PEM, alg: 'none' } },
    { ed: { publicKey: rsa.export({ type: 'spki', format: 'pem' }) } },
    { ed: { publicKey: ed25519.privateKey.export({ type: 'pkcs8', format: 'pem' }) } },
  ];
  for (const given of tables) {
    try {
      signatureVerification({ keys: given } as IngestSigning, clock);
      assert.unreachable();
    } catch (error) {
      assert.instance(error, WalError);
      assert.match((error as WalError).message, /signing.keys/);
      assert.not.match((error as WalError).message, /hunter2/);
    }
  }
});

it.run();
