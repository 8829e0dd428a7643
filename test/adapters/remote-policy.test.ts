// A policy from a real HTTP server, that fails in every way.

import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { remotePolicy } from '../../lib/adapters/remote-policy.js';
import type { PolicyEvent, RemotePolicyOptions } from '../../lib/adapters/remote-policy.js';
import { WalError } from '../../lib/errors.js';
import { ManualClock } from '../helpers/manual-clock.js';
import { turns, until } from '../helpers/until.js';

const it = suite('adapters/remote-policy');

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

const json =
  (value: unknown): Answer =>
  (_, response) =>
    void response.end(JSON.stringify(value));
const status =
  (code: number): Answer =>
  (_, response) =>
    void response.writeHead(code).end('no');
const noDebug = { persist: { debug: false } };
const allDebug = { persist: { debug: true } };

/** Answers as it was told last. */
class Server {
  answer: Answer = json(noDebug);
  readonly requests: IncomingMessage[] = [];
  readonly #server = createServer((request, response) => {
    this.requests.push(request);
    this.answer(request, response);
  });

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/api/log/v1/config`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
  }
}

async function withPolicy(
  options: Partial<RemotePolicyOptions>,
  use: (on: {
    server: Server;
    policy: ReturnType<typeof remotePolicy>;
    clock: ManualClock;
    events: PolicyEvent[];
  }) => Promise<void>,
  first: Answer = json(noDebug),
): Promise<void> {
  await using server = new Server();
  server.answer = first;
  const clock = new ManualClock();
  const events: PolicyEvent[] = [];
  const url = await server.listen();
  await using policy = remotePolicy({ url, clock, onEvent: (event) => void events.push(event), ...options });
  await use({ server, policy, clock, events });
}

const types = (events: PolicyEvent[]) => events.map(({ type }) => type);

it('asks for the service, and takes what is answered', async () => {
  await withPolicy(
    { token: ({ service }) => `token-of-${service}` },
    async ({ server, policy, clock, events }) => {
      server.answer = json(allDebug);
      const persists = policy.follow('gateway');
      assert.not(persists({ level: 'debug', category: undefined }), 'the default, before the first answer');
      assert.ok(persists({ level: 'warn', category: undefined }), 'the default, before the first answer');
      await until(() => events.length > 0);
      assert.ok(persists({ level: 'debug', category: undefined }));
      assert.equal(events, [
        { type: 'policy-changed', service: 'gateway', answer: { ...allDebug, overrides: [] } },
      ]);
      assert.is(server.requests[0]?.url, '/api/log/v1/config?service=gateway');
      assert.is(server.requests[0]?.headers.authorization, 'Bearer token-of-gateway');
      await until(() => clock.pending === 1);
      clock.advance(66_000);
      await until(() => server.requests.length === 2);
      await until(() => clock.pending === 1);
      assert.is(events.length, 1, 'the same answer is no change');
      server.answer = json(noDebug);
      clock.advance(66_000);
      await until(() => events.length === 2);
      assert.not(persists({ level: 'debug', category: undefined }));
    },
  );
});

it('is asked again after its time to live, a tenth more or less', async () => {
  await withPolicy({ ttlMs: 10_000 }, async ({ server, policy, clock }) => {
    policy.follow('gateway');
    for (let asked = 1; asked <= 5; asked++) {
      await until(() => server.requests.length === asked && clock.pending === 1);
      clock.advance(8_999);
      await turns();
      assert.is(server.requests.length, asked);
      clock.advance(2_002);
    }
  });
});

it('keeps the last good answer whatever comes then, and tells once', async () => {
  const failures: Record<string, Answer> = {
    'status 500': status(500),
    'status 404': status(404),
    'a redirect': (_, response) => void response.writeHead(302, { location: '/elsewhere' }).end(),
    'no JSON': (_, response) => void response.end('<html>'),
    'another shape': json({ persist: 'all' }),
    'too much': (_, response) => void response.end(JSON.stringify({ ...allDebug, x: 'x'.repeat(70_000) })),
    'nothing in time': () => {},
    'half an answer': (_, response) => void response.writeHead(200, { 'content-length': 100 }).write('{'),
    'a broken connection': (request) => void request.socket.destroy(),
  };
  for (const [name, failure] of Object.entries(failures)) {
    await withPolicy({ timeoutMs: 200 }, async ({ server, policy, events }) => {
      server.answer = json(allDebug);
      const persists = policy.follow('gateway');
      await until(() => events.length === 1);
      server.answer = failure;
      assert.not(await policy.refresh(), name);
      assert.not(await policy.refresh(), name);
      assert.ok(persists({ level: 'debug', category: undefined }), name);
      server.answer = json(allDebug);
      assert.ok(await policy.refresh(), name);
      assert.equal(types(events), ['policy-changed', 'policy-failing', 'policy-recovered'], name);
    });
  }
});

it('failures before the first answer leave the fallback', async () => {
  await withPolicy(
    { fallback: ({ level }) => level === 'debug' },
    async ({ policy, events }) => {
      const persists = policy.follow('gateway');
      await until(() => events.length === 1);
      assert.is(events[0]?.type === 'policy-failing' && events[0].message, 'answered 503');
      assert.ok(persists({ level: 'debug', category: undefined }));
      assert.not(persists({ level: 'error', category: undefined }));
    },
    status(503),
  );
});

it('after five failures in a row nothing is asked for a while', async () => {
  await withPolicy(
    { breakerOpenMs: 1_000_000 },
    async ({ server, policy }) => {
      policy.follow('gateway');
      for (let n = 0; n < 10; n++) assert.not(await policy.refresh());
      assert.is(server.requests.length, 5);
    },
    status(500),
  );
  await withPolicy(
    { breakerOpenMs: 1 },
    async ({ server, policy, events }) => {
      policy.follow('gateway');
      for (let n = 0; n < 5; n++) await policy.refresh();
      server.answer = json(allDebug);
      while (!(await policy.refresh()));
      assert.is(types(events).at(-1), 'policy-changed');
    },
    status(500),
  );
});

it('a refused token is renewed at the next try', async () => {
  const refreshes: boolean[] = [];
  const token = ({ refresh }: { refresh: boolean }) => {
    refreshes.push(refresh);
    return 'abc';
  };
  await withPolicy(
    { token },
    async ({ server, policy }) => {
      policy.follow('gateway');
      await policy.refresh();
      server.answer = json(allDebug);
      assert.ok(await policy.refresh());
      assert.equal(refreshes, [false, true]);
    },
    status(401),
  );
});

it('a token that cannot be had, or never comes, is a failure like any', async () => {
  const token = () => Promise.reject(new Error('no key'));
  await withPolicy({ token }, async ({ policy, events }) => {
    policy.follow('gateway');
    assert.not(await policy.refresh());
    assert.equal(events, [{ type: 'policy-failing', service: 'gateway', message: 'no key' }]);
  });
  await withPolicy({ token: () => new Promise(() => {}), timeoutMs: 20 }, async ({ policy, events }) => {
    policy.follow('gateway');
    assert.not(await policy.refresh());
    assert.equal(types(events), ['policy-failing']);
  });
});

it('closing ends what is under way, and asks no more', async () => {
  await withPolicy(
    {},
    async ({ server, policy, clock, events }) => {
      const persists = policy.follow('gateway');
      await until(() => server.requests.length === 1);
      await policy.close();
      await policy.close();
      clock.advance(1_000_000);
      await turns();
      assert.is(server.requests.length, 1);
      assert.equal(events, []);
      assert.not(await policy.refresh());
      assert.ok(persists({ level: 'error', category: undefined }));
      assert.throws(() => policy.follow('gateway'), /closed/);
    },
    () => {},
  );
});

it('is for one service, and its options are checked', async () => {
  await withPolicy({}, async ({ policy }) => {
    policy.follow('gateway');
    policy.follow('gateway');
    assert.throws(() => policy.follow('other'), /'gateway'/);
  });
  const refused = (options: object, says: RegExp) =>
    assert.throws(
      () => remotePolicy({ url: 'http://127.0.0.1', ...options }),
      (error: unknown) =>
        error instanceof WalError && error.code === 'WAL_CONFIG' && says.test(error.message),
    );
  refused({ url: 'log.internal' }, /url/);
  refused({ url: 'http://me:secret@log.internal' }, /\[user\]@log/);
  refused({ ttlMs: 10 }, /ttlMs.*10/);
  refused({ timeout: 10 }, /'timeout'/);
});

it('an observer that throws changes nothing', async () => {
  const onEvent = () => {
    throw new Error('no');
  };
  await withPolicy({ onEvent }, async ({ policy }) => {
    policy.follow('gateway');
    assert.ok(await policy.refresh());
  });
});

it.run();
