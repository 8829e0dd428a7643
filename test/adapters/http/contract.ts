// What the middleware of every framework has to do, as tests of a small service that each of them builds.

import { EventEmitter, once } from 'node:events';
import type { IncomingHttpHeaders } from 'node:http';
import { Readable } from 'node:stream';
import type { Test } from 'uvu';
import * as assert from 'uvu/assert';
import type { AuditLog } from '../../../lib/adapters/audit.js';
import { unended } from '../../../lib/adapters/audit.js';
import type { HttpAuditEvent, HttpAuditOptions } from '../../../lib/adapters/http/options.js';
import { WalError } from '../../../lib/index.js';
import type { AuditRecord } from '../../../lib/index.js';
import { turns, until } from '../../helpers/until.js';
import type { AnyWal, OpenWal } from '../../helpers/wal.js';
import { readAll, withWal } from '../../helpers/wal.js';

/** What the tests need of a request, in any framework. `/login` puts the user there. */
export interface AnyRequest {
  headers: IncomingHttpHeaders;
  user?: string;
}

export type Options = HttpAuditOptions<AnyRequest>;

/**
 * Starts the service: `/items/:id` echoes the id, `POST /login` sets the user, `/throws` throws, `/teapot` answers
 * 418, `/chunks` streams, `/sized` streams with a length, `/never` does not answer, `/health` does. Each emits
 * `handled` with its name.
 */
export type StartService = (options: Options, handled: EventEmitter) => Promise<RunningService>;

export interface RunningService {
  url: string;
  failures: () => number;
  close: () => Promise<unknown>;
}

export const TEXT = 'a text that is sent in two pieces';
export const SECRET = 'tok_5ecre7';

/** A stream that gives `TEXT` in two pieces. */
export function pieces(): Readable {
  return Readable.from([Buffer.from(TEXT.slice(0, 10)), Buffer.from(TEXT.slice(10))]);
}

export interface Service extends OpenWal {
  readonly url: string;
  readonly failures: () => number;
  readonly handled: EventEmitter;
  readonly told: HttpAuditEvent[];
  /** All audit events so far, oldest first. */
  readonly audit: () => Promise<Event[]>;
  /** How many are on disk. */
  readonly durable: () => number;
}

/** An audit event, with what the middleware puts into it. */
export type Event = AuditRecord & {
  ctx: { requestId: string; operation: { id: string; phase: 'begin' | 'end' } };
  data?: { status?: number; durationMs: number };
};

export async function withService(
  start: StartService,
  options: Partial<Options> & { log?: (wal: AnyWal) => AuditLog },
  use: (service: Service) => Promise<void>,
): Promise<void> {
  const { log, ...rest } = options;
  await withWal({}, async (wal, opened) => {
    const handled = new EventEmitter();
    const told: HttpAuditEvent[] = [];
    const onEvent = (event: HttpAuditEvent) => void told.push(event);
    const common = { wal: log?.(wal) ?? wal, service: 'test', clock: opened.clock, onEvent };
    const { url, failures, close } = await start({ ...common, ...rest }, handled);
    try {
      await use({
        ...opened,
        url,
        failures,
        handled,
        told,
        durable: () => wal.stats().streams['audit']!.lastSeq,
        audit: async () => {
          const items = await readAll(wal, 'audit');
          return items.map((item) => ('record' in item ? item.record : {}) as unknown as Event);
        },
      });
    } finally {
      await close();
    }
  });
}

/** The log, but for what the test does to events of one phase. */
export function intercepting(
  phase: 'begin' | 'end',
  before: () => Promise<void> | void,
): (wal: AnyWal) => AuditLog {
  return (wal) => ({
    append: async (kind, record) => {
      if ((record as Event).ctx.operation.phase === phase) await before();
      return await wal.append(kind, record);
    },
  });
}

function refuse(): never {
  throw new WalError('WAL_FULL', 'no room for it');
}

/** Adds the claims to a suite. */
export function claims(it: Test, start: StartService): void {
  it('a request has two events: who, what, where, and what came of it', async () => {
    await withService(start, {}, async ({ url, clock, audit, durable }) => {
      const headers = { 'x-request-id': 'r-1' };
      const response = await fetch(`${url}/items/7?token=${SECRET}`, { headers });
      assert.equal(await response.json(), { id: '7' });
      assert.is(durable(), 2, 'both are on disk when the answer is there');
      assert.is(response.headers.get('x-request-id'), 'r-1');
      const [begin, end] = await audit();
      const common = {
        ts: clock.now(),
        service: 'test',
        actor: { anonymous: true, ip: '127.0.0.1' },
        action: 'GET',
      };
      const { id } = begin!.ctx.operation;
      const { resource: _, ...begun } = begin!;
      assert.equal(begun, {
        ...common,
        outcome: 'begun',
        ctx: { requestId: 'r-1', operation: { id, phase: 'begin' } },
      });
      assert.equal(end, {
        ...common,
        resource: '/items/:id',
        outcome: 'ok',
        ctx: { requestId: 'r-1', operation: { id, phase: 'end' } },
        data: { status: 200, durationMs: 0 },
      });
    });
  });

  it('the answer waits for its end event, and the handler for the begin event', async () => {
    const gate = new EventEmitter();
    const wait = async () => void (await once(gate, 'open'));
    for (const phase of ['begin', 'end'] as const) {
      await withService(start, { log: intercepting(phase, wait) }, async ({ url, handled }) => {
        let isHandled = false;
        let isAnswered = false;
        handled.once('handled', () => (isHandled = true));
        const answer = textOf(`${url}/items/7`).finally(() => (isAnswered = true));
        await until(() => gate.listenerCount('open') > 0);
        await turns();
        assert.equal([isHandled, isAnswered], [phase === 'end', false]);
        gate.emit('open');
        assert.is(await answer, '{"id":"7"}');
      });
    }
  });

  it('what is streamed arrives whole, with its pair; its last piece waits for the end event', async () => {
    const gate = new EventEmitter();
    const wait = async () => void (await once(gate, 'open'));
    await withService(start, { log: intercepting('end', wait) }, async ({ url, audit }) => {
      for (const path of ['/chunks', '/sized']) {
        let text = '';
        const response = await fetch(url + path);
        const answer = (async () => {
          for await (const chunk of response.body!) text += Buffer.from(chunk as Uint8Array).toString();
          return text;
        })();
        await until(() => gate.listenerCount('open') > 0);
        gate.emit('open');
        assert.is(await answer, TEXT);
      }
      assert.equal(
        (await audit()).map(({ outcome }) => outcome),
        ['begun', 'ok', 'begun', 'ok'],
      );
    });
  });

  it('what fails, is refused or is not there has its pair, and says so', async () => {
    await withService(start, {}, async ({ url, audit }) => {
      const expected: [string, number, string, string][] = [
        ['/throws', 500, 'failed', '/throws'],
        ['/teapot', 418, 'refused', '/teapot'],
        [`/nowhere/${SECRET}`, 404, 'refused', 'unknown'],
      ];
      for (const [path, status] of expected) {
        const response = await fetch(url + path);
        await response.text();
        assert.is(response.status, status, path);
      }
      const ends = (await audit()).filter(({ outcome }) => outcome !== 'begun');
      assert.equal(
        ends.map(({ data, outcome, resource }) => [data?.status, outcome, resource]),
        expected.map((row) => row.slice(1)),
      );
      assert.not.match(JSON.stringify(await audit()), SECRET);
    });
  });

  it('a client that goes before its answer leaves a pair, aborted', async () => {
    await withService(start, {}, async ({ url, handled, clock, audit, durable }) => {
      const leave = new AbortController();
      const answer = fetch(`${url}/never`, { signal: leave.signal }).catch((error: Error) => error.name);
      await once(handled, 'handled');
      clock.advance(250);
      leave.abort();
      assert.is(await answer, 'AbortError');
      await until(() => durable() === 2);
      const [, end] = await audit();
      assert.equal([end?.outcome, end?.data], ['aborted', { durationMs: 250 }]);
    });
  });

  it('a client that goes while its request begins leaves a pair, too', async () => {
    const gate = new EventEmitter();
    const log = intercepting('begin', async () => void (await once(gate, 'open')));
    await withService(start, { log }, async ({ url, audit, durable }) => {
      const leave = new AbortController();
      const answer = fetch(`${url}/items/7`, { signal: leave.signal }).catch(() => {});
      await until(() => gate.listenerCount('open') > 0);
      leave.abort();
      await answer;
      // The server hears of it in a turn of its own.
      await turns(50);
      gate.emit('open');
      await until(() => durable() === 2);
      const outcomes = (await audit()).map(({ outcome }) => outcome);
      assert.is(outcomes[0], 'begun');
      // Should the server not have heard yet, it has answered into the void.
      assert.ok(['aborted', 'ok'].includes(outcomes[1]!), outcomes[1]);
    });
  });

  it('who asks may be known later: the end event has it', async () => {
    const actor = (request: AnyRequest) => request.user;
    await withService(start, { actor }, async ({ url, audit }) => {
      await (await fetch(`${url}/login`, { method: 'POST' })).text();
      assert.equal(
        (await audit()).map((event) => [event.action, event.actor]),
        [
          ['POST', { anonymous: true, ip: '127.0.0.1' }],
          ['POST', 'u-1'],
        ],
      );
    });
  });

  it('health is not audited, unless the list says otherwise', async () => {
    await withService(start, {}, async ({ url, durable }) => {
      for (const path of ['/health', '/health?verbose']) assert.is(await textOf(url + path), '"fine"');
      assert.is(durable(), 0);
    });
    await withService(start, { skip: ['/teapot'] }, async ({ url, durable }) => {
      await textOf(`${url}/teapot`);
      assert.is(durable(), 0);
      await textOf(`${url}/health`);
      assert.is(durable(), 2);
    });
  });

  it('a request id that is none, too long or several is not taken', async () => {
    await withService(start, {}, async ({ url, audit }) => {
      const given = ['a b', 'x'.repeat(129), '<script>', 'a,b', ''];
      for (const id of given) await textOf(`${url}/items/7`, { 'x-request-id': id });
      const ids = (await audit()).map(({ ctx }) => ctx.requestId);
      assert.is(new Set(ids).size, given.length);
      for (const id of ids) assert.match(id, /^[0-9a-f-]{36}$/);
    });
  });

  it('requests at once on the same connections have a pair each', async () => {
    await withService(start, {}, async ({ url, audit }) => {
      const ids = Array.from({ length: 200 }, (_, n) => `r-${n}`);
      await Promise.all(ids.map((id) => textOf(`${url}/items/${id}`, { 'x-request-id': id })));
      const events = await audit();
      assert.is(events.length, 400);
      for (const id of ids) {
        const [begin, end] = events.filter(({ ctx }) => ctx.requestId === id);
        assert.equal([begin?.outcome, end?.outcome], ['begun', 'ok']);
        assert.is(begin?.ctx.operation.id, end?.ctx.operation.id);
      }
    });
  });

  it('closed: a request whose begin event is not durable is refused, and not handled', async () => {
    let isFull = true;
    const log = intercepting('begin', () => (isFull ? refuse() : undefined));
    await withService(start, { failClosed: true, log }, async ({ url, handled, told, failures, durable }) => {
      let count = 0;
      handled.on('handled', () => count++);
      for (let n = 1; n <= 3; n++) {
        const response = await fetch(`${url}/items/7`);
        assert.is(response.status, 503);
        assert.equal(await response.json(), {
          error: 'Service Unavailable',
          message: 'the request cannot be audited',
        });
      }
      isFull = false;
      assert.is(await textOf(`${url}/items/7`), '{"id":"7"}');
      assert.equal([count, failures(), durable()], [1, 3, 2]);
      assert.equal(
        told.map(({ type }) => type),
        ['audit-failing', 'audit-recovered'],
      );
      assert.match(JSON.stringify(told), /no room for it/);
      assert.is((told[1] as { failures: number }).failures, 3);
    });
  });

  it('closed: a request whose end event is not durable gets no answer, and shows as begun and never ended', async () => {
    await withService(start, { failClosed: true, log: intercepting('end', refuse) }, async (service) => {
      const { url, failures, audit } = service;
      for (const path of ['/items/7', '/chunks', '/sized']) {
        const error = await textOf(url + path).catch((cause: Error) => cause);
        assert.instance(error, TypeError);
      }
      assert.is(failures(), 3);
      let open = 0;
      for await (const { record } of unended(await audit())) open += record.outcome === 'begun' ? 1 : 0;
      assert.is(open, 3);
    });
  });

  it('open: requests are answered, whichever event is not durable, and counted', async () => {
    for (const [phase, left] of [
      ['begin', 0],
      ['end', 1],
    ] as const) {
      await withService(
        start,
        { log: intercepting(phase, refuse) },
        async ({ url, failures, told, durable }) => {
          assert.is(await textOf(`${url}/items/7`), '{"id":"7"}');
          assert.equal([failures(), durable(), told.length], [1, left, 1]);
        },
      );
    }
  });

  it('a disk that hangs does not hang requests: an event that takes too long counts as one that failed', async () => {
    const gate = new EventEmitter();
    const hang = async () => void (await once(gate, 'open'));
    for (const failClosed of [false, true]) {
      const options = { log: intercepting('begin', hang), maxWaitMs: 2000, failClosed };
      await withService(start, options, async ({ url, clock, failures, durable, audit }) => {
        const answer = fetch(`${url}/items/7`);
        await until(() => gate.listenerCount('open') > 0 && clock.pending > 0);
        clock.advance(2000);
        assert.is((await answer).status, failClosed ? 503 : 200);
        assert.is(failures(), 1);
        gate.emit('open');
        await until(() => durable() === 1);
        assert.equal(
          (await audit()).map(({ outcome }) => outcome),
          ['begun'],
        );
      });
    }
  });

  it('an actor that throws is an event that can not be written', async () => {
    const actor = () => {
      throw new Error('no session');
    };
    await withService(start, { actor, failClosed: true }, async ({ url, told, durable }) => {
      assert.is((await fetch(`${url}/items/7`)).status, 503);
      assert.match(told.map((event) => ('message' in event ? event.message : '')).join(''), 'no session');
      assert.is(durable(), 0);
    });
  });
}

async function textOf(url: string, headers: Record<string, string> = {}): Promise<string> {
  return await (await fetch(url, { headers })).text();
}
