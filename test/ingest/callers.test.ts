import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { IngestAuth, LogList } from '../../lib/ingest/index.js';
import { gapLine, recordLine } from '../../lib/records.js';
import { recordLines } from '../helpers/batch.js';
import { AUDIENCE, ISSUER, SECRET, signToken, withReceiver } from '../helpers/receiver.js';
import type { Receiver } from '../helpers/receiver.js';

const it = suite('ingest/callers');

const AUTH: IngestAuth = { issuer: ISSUER, audience: AUDIENCE, secret: SECRET };
const WRITER = '0123456789ABCDEF';

/** A line whose record names this service; `undefined`: none. */
const lineOf = (seq: number, service: unknown) =>
  recordLine(WRITER, 'audit', seq, JSON.stringify({ ts: 1, ...(service !== undefined && { service }) }));

const bearer = async (sub: string) => ({ authorization: `Bearer ${await signToken({ sub })}` });

async function send({ post }: Receiver, caller: string, body: string, logId = `log-of-${caller}`) {
  return await post('audit', body, { ...(await bearer(caller)), 'wal-log': logId });
}

async function logsFor({ url }: Receiver, caller: string, query = ''): Promise<string[]> {
  const response = await fetch(`${url}/api/logs${query}`, { headers: await bearer(caller) });
  assert.is(response.status, 200);
  const { logs, truncated } = (await response.json()) as LogList;
  assert.is(truncated, false);
  return logs.map(({ logId, lastSeq, missing }) => `${logId} ${lastSeq}-${missing}`);
}

it('a caller writes records of its own service only; of another, they are rejected one by one', async () => {
  await withReceiver({ auth: AUTH }, async (receiver) => {
    const services = ['gateway', 'door', undefined, 'Gateway', null, ['gateway']];
    const body = services.map((service, index) => lineOf(index + 1, service)).join('');
    const { status, answer } = await send(receiver, 'gateway', body);
    assert.is(status, 200);
    assert.equal([answer.accepted, answer.duplicates], [2, 0]);
    assert.equal(
      answer.rejected.map(({ id }) => id),
      [2, 4, 5, 6].map((seq) => `${WRITER}:audit:${seq}`),
    );
    for (const { reason } of answer.rejected) assert.match(reason, /record.service/);
    assert.is(await receiver.store.count('audit'), 2);
  });
});

it('it may be allowed to write for others', async () => {
  const onBehalfOf = { relay: '*', gateway: ['door'] } as const;
  await withReceiver({ auth: { ...AUTH, onBehalfOf } }, async (receiver) => {
    const acceptedOf = async (caller: string, service: string, seq: number) =>
      (await send(receiver, caller, lineOf(seq, service))).answer.accepted;
    assert.is(await acceptedOf('relay', 'whoever', 1), 1);
    assert.is(await acceptedOf('gateway', 'door', 2), 1);
    assert.is(await acceptedOf('gateway', 'gateway', 3), 1);
    assert.is(await acceptedOf('gateway', 'relay', 4), 0);
    assert.is(await acceptedOf('door', 'gateway', 5), 0);
  });
});

it('nobody speaks for a log of another service: a notice of it could hide what is missing', async () => {
  const onBehalfOf = { operator: ['gateway'] } as const;
  await withReceiver({ auth: { ...AUTH, onBehalfOf } }, async (receiver) => {
    const log = 'log-of-gateway';
    const notice = gapLine(log, 'audit', { from: 2, to: 3, reason: 'age', at: 1 });
    await send(receiver, 'gateway', lineOf(1, 'gateway') + lineOf(4, 'gateway'), log);
    for (let attempt = 0; attempt < 2; attempt++) {
      const { status, error } = await send(receiver, 'door', notice, log);
      assert.equal([status, error?.code], [403, 'forbidden']);
    }
    const other = { ...(await bearer('door')), 'wal-log': log };
    assert.is((await receiver.post('billing', recordLines(1, 'billing').join(''), other)).status, 403);
    // Without wal-log there is nothing to check it by.
    const { answer } = await receiver.post('audit', notice, await bearer('door'));
    assert.match(answer.rejected[0]?.reason ?? '', /wal-log/);
    assert.equal(await logsFor(receiver, 'gateway'), ['log-of-gateway 4-2']);
    assert.is((await send(receiver, 'operator', notice, log)).status, 200);
    assert.equal(await logsFor(receiver, 'operator'), ['log-of-gateway 4-0']);
    // Who writes for another does not take its log away.
    assert.equal(await logsFor(receiver, 'gateway'), ['log-of-gateway 4-0']);
    assert.is(await receiver.store.ownerOf(log), 'gateway');
  });
});

it('who is not among the callers is told so, whatever the token', async () => {
  await withReceiver({ auth: { ...AUTH, callers: ['gateway'] } }, async (receiver) => {
    assert.is((await send(receiver, 'gateway', lineOf(1, 'gateway'))).status, 200);
    const { status, error, headers } = await send(receiver, 'door', lineOf(2, 'door'));
    assert.equal([status, error?.code], [403, 'forbidden']);
    assert.match(headers.get('www-authenticate') ?? '', 'insufficient_scope');
    const logs = await fetch(`${receiver.url}/api/logs`, { headers: await bearer('door') });
    assert.is(logs.status, 403);
  });
});

it('the logs are listed for those whose they are, with what is missing', async () => {
  const onBehalfOf = { operator: '*' } as const;
  await withReceiver({ auth: { ...AUTH, onBehalfOf } }, async (receiver) => {
    await send(receiver, 'gateway', lineOf(1, 'gateway') + lineOf(4, 'gateway'));
    await send(receiver, 'door', lineOf(5, 'door'));
    assert.equal(await logsFor(receiver, 'gateway'), ['log-of-gateway 4-2']);
    assert.equal(await logsFor(receiver, 'operator'), ['log-of-door 5-4', 'log-of-gateway 4-2']);
    assert.equal(await logsFor(receiver, 'operator', '?log=log-of-door'), ['log-of-door 5-4']);
    assert.equal(await logsFor(receiver, 'operator', '?kind=log'), []);
    assert.equal(await logsFor(receiver, 'stranger'), []);
  });
});

it('the list of logs needs a token, a kind that is one, and GET', async () => {
  await withReceiver({ auth: AUTH }, async ({ url }) => {
    const statusOf = async (query: string, init?: RequestInit) =>
      (await fetch(`${url}/api/logs${query}`, init)).status;
    assert.is(await statusOf(''), 401);
    const headers = await bearer('gateway');
    assert.is(await statusOf('?kind=a/b', { headers }), 400);
    assert.is(await statusOf('', { headers, method: 'POST', body: '' }), 405);
    assert.is(await statusOf('/', { headers }), 404);
  });
  await withReceiver({ auth: false }, async ({ url }) => {
    const response = await fetch(`${url}/api/logs`);
    assert.equal(await response.json(), { logs: [], truncated: false });
  });
});

it.run();
