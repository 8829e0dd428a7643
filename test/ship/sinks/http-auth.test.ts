// The HTTP sink and its credentials: the token on the wire, what a refusal of it leads to, what never leaks.

import { createSecretKey } from 'node:crypto';
import { inspect } from 'node:util';
import { decodeJwt, jwtVerify } from 'jose';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { TokenProvider } from '../../../lib/config.js';
import { httpSink } from '../../../lib/ship/sinks/http.js';
import { SinkError } from '../../../lib/ship/sink.js';
import type { Sink } from '../../../lib/ship/sink.js';
import { answering, closedPort } from '../../helpers/destination.js';
import type { AnswerWith, Arrived } from '../../helpers/destination.js';
import { failing, failureOf, send, settling, withHttpSink } from '../../helpers/http-sink.js';

const it = suite('ship/sinks/http, credentials');

const SECRET = 'a secret of thirty-two bytes, ok';
const SIGNING_SECRET = 'the signing secret, 32 bytes too';
const S2S = { issuer: 'gateway-s2s', audience: 'log-service', secret: SECRET };

function tokenOf({ headers }: Arrived): string {
  return /^Bearer (\S+)$/.exec(headers['authorization'] ?? '')?.[1] ?? '';
}

const refusedThenDown: AnswerWith = (response, request, number) =>
  answering(number === 1 ? 401 : 503)(response, request, number);

const quoting: AnswerWith = (response, request, number) =>
  answering(401, { error: `bad header: ${request.headers['authorization']}` })(response, request, number);

/** Refuses the first `count` requests. */
function refusing(count: number, status = 401): AnswerWith {
  return (response, request, number) =>
    (number <= count ? answering(status, '{"error":"token"}') : settling)(response, request, number);
}

it('sends the S2S token of the batch’s service as bearer', async () => {
  await withHttpSink(settling, { token: S2S }, async ({ sink, arrived, clock }) => {
    await send(sink);
    const currentDate = new Date(clock.now());
    const key = createSecretKey(SECRET, 'utf8');
    const { payload } = await jwtVerify(tokenOf(arrived[0]!), key, {
      issuer: 'gateway-s2s',
      audience: 'log-service',
      subject: 'gateway',
      currentDate,
    });
    assert.is(payload.exp! - payload.iat!, 300);
  });
});

it('no token, no authorization', async () => {
  await withHttpSink(settling, {}, async ({ sink, arrived }) => {
    await send(sink);
    assert.not('authorization' in arrived[0]!.headers);
  });
});

it('one token serves until 80 % of its life, and concurrent sends share one signing', async () => {
  await withHttpSink(settling, { token: S2S }, async ({ sink, arrived, clock }) => {
    const ids = () => new Set(arrived.map((request) => decodeJwt(tokenOf(request)).jti));
    await Promise.all(Array.from({ length: 8 }, () => send(sink)));
    assert.is(arrived.length, 8);
    assert.is(ids().size, 1);
    clock.advance(239_999);
    await send(sink);
    assert.is(ids().size, 1);
    clock.advance(1);
    await send(sink);
    assert.is(ids().size, 2);
  });
});

it('a refused token is replaced once, and the same batch sent again at once', async () => {
  for (const status of [401, 403]) {
    await withHttpSink(
      refusing(1, status),
      { token: S2S, signingKey: SIGNING_SECRET },
      async ({ sink, arrived }) => {
        assert.is((await send(sink)).accepted, 3);
        const [first, second] = arrived as [Arrived, Arrived];
        assert.is(arrived.length, 2);
        assert.is.not(tokenOf(second), tokenOf(first));
        const { authorization: _, ...headers } = first.headers;
        const { authorization: __, ...again } = second.headers;
        assert.equal(again, headers);
        assert.equal(second.body, first.body);
        // The fresh one is kept for the next batch.
        await send(sink);
        assert.is(tokenOf(arrived[2]!), tokenOf(second));
      },
    );
  }
});

it('a fresh token that is refused as well is unauthorized, after two requests', async () => {
  for (const status of [401, 403]) {
    await withHttpSink(refusing(9, status), { token: S2S }, async ({ sink, arrived }) => {
      const error = await failureOf(failing(sink), 'unauthorized');
      assert.is(error.status, status);
      assert.is(error.response, '{"error":"token"}');
      assert.is(arrived.length, 2);
    });
  }
});

it('what the second answer says is what counts', async () => {
  await withHttpSink(refusedThenDown, { token: S2S }, async ({ sink }) => {
    await failureOf(failing(sink), 'outage');
  });
});

it('without a token a refusal is unauthorized at once', async () => {
  await withHttpSink(refusing(9), {}, async ({ sink, arrived }) => {
    await failureOf(failing(sink), 'unauthorized');
    assert.is(arrived.length, 1);
  });
});

it('a function may bring the token; it is told the service and whether the last one was refused', async () => {
  const asked: [string, boolean, boolean][] = [];
  const token: TokenProvider = ({ service, refresh, signal }) => {
    asked.push([service, refresh, signal.aborted]);
    return refresh ? Promise.resolve('fresh/token+1.~_-==') : 'stale';
  };
  await withHttpSink(refusing(1), { token }, async ({ sink, arrived }) => {
    await send(sink);
    assert.equal(asked, [
      ['gateway', false, false],
      ['gateway', true, false],
    ]);
    assert.equal(arrived.map(tokenOf), ['stale', 'fresh/token+1.~_-==']);
  });
});

it('a token that no header can hold is not sent and not shown', async () => {
  for (const bad of ['', 'hunter2 hunter2', 'hunter2\r\nx-admin: 1', 'hunter2é', undefined, { hunter2: 1 }]) {
    await withHttpSink(settling, { token: () => bad as string }, async ({ sink, arrived }) => {
      const error = await failureOf(failing(sink), 'misconfigured');
      assert.not.match(inspect(error), /hunter2/);
      assert.is(arrived.length, 0);
    });
  }
});

it('a function that fails is an outage, unless it says itself what it is', async () => {
  const cause = new Error('vault is sealed');
  const ways: TokenProvider[] = [
    () => Promise.reject(cause),
    () => {
      throw cause;
    },
  ];
  for (const token of ways) {
    await withHttpSink(settling, { token }, async ({ sink }) => {
      const error = await failureOf(failing(sink), 'outage');
      assert.match(error.message, /no token for .*: vault is sealed/);
      assert.is(error.cause, cause);
    });
  }
  const said = new SinkError('misconfigured', 'no such role');
  await withHttpSink(settling, { token: () => Promise.reject(said) }, async ({ sink }) => {
    assert.is(await failureOf(failing(sink), 'misconfigured'), said);
  });
});

it('a destination that quotes the token back does not get it into an error', async () => {
  await withHttpSink(quoting, { token: S2S }, async ({ sink, arrived }) => {
    const error = await failureOf(failing(sink), 'unauthorized');
    assert.is(error.response, '{"error":"bad header: Bearer [token]"}');
    const shown = inspect(error, { depth: null, showHidden: true });
    for (const request of arrived) assert.not.ok(shown.includes(tokenOf(request)));
  });
});

it('no failure shows a token or a secret', async () => {
  const options = { token: S2S, signingKey: SIGNING_SECRET };
  const answers: AnswerWith[] = [
    answering(500, 'x'),
    answering(403),
    answering(200, 'x'),
    answering(302),
    (_, { socket }) => socket.resetAndDestroy(),
    (response, { socket }) => void response.writeHead(200).write('x', () => socket.destroy()),
    (response) => void response.socket?.end('not http\r\n\r\n'),
  ];
  const shown: string[] = [];
  const secrets = new Set([SECRET, SIGNING_SECRET]);
  const failOnce = async (sink: Sink) => {
    const error = await failing(sink);
    assert.instance(error, SinkError);
    shown.push(inspect(error, { depth: null, showHidden: true }));
  };
  for (const answer of answers) {
    await withHttpSink(answer, options, async ({ sink, arrived }) => {
      await failOnce(sink);
      for (const request of arrived) secrets.add(tokenOf(request));
    });
  }
  const gone = httpSink({ baseUrl: `http://127.0.0.1:${await closedPort()}`, ...options });
  await failOnce(gone);
  await gone.close?.();
  assert.is(shown.length, answers.length + 1);
  assert.ok(secrets.size > answers.length);
  for (const secret of secrets) assert.not.ok(shown.join('\n').includes(secret), secret);
});

it.run();
