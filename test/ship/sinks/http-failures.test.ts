// What the HTTP sink makes of destinations that are gone, broken or lying.

import type { OutgoingHttpHeaders } from 'node:http';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { httpSink } from '../../../lib/ship/sinks/http.js';
import type { FailureKind } from '../../../lib/ship/sink.js';
import { answering, closed, closedPort, withServer } from '../../helpers/destination.js';
import type { AnswerWith } from '../../helpers/destination.js';
import { failing, failureOf, send, settling, withHttpSink } from '../../helpers/http-sink.js';
import { ManualClock } from '../../helpers/manual-clock.js';

const it = suite('ship/sinks/http, failures');

const reset: AnswerWith = (_, { socket }) => void socket.resetAndDestroy();
const hangUp: AnswerWith = (_, { socket }) => void socket.end();
const firstResets: AnswerWith = (response, request, number) =>
  (number === 1 ? reset : settling)(response, request, number);

/** Begins an answer and drops the connection in the middle of it. */
function breakingOff(status: number, framing: OutgoingHttpHeaders, begun: string): AnswerWith {
  return (response, { socket }) => {
    response.writeHead(status, framing);
    response.write(begun, () => socket.destroy());
  };
}

it('a status is told with what the destination said about it', async () => {
  const table: [number, FailureKind][] = [
    [503, 'outage'],
    [429, 'outage'],
    [413, 'too-large'],
    [400, 'refused'],
    [422, 'refused'],
    [404, 'misconfigured'],
  ];
  for (const [status, failure] of table) {
    await withHttpSink(answering(status, 'because', { 'retry-after': '7' }), {}, async ({ sink, origin }) => {
      const error = await failureOf(failing(sink), failure);
      assert.is(error.message, `${origin}/api/audit/v1/ingest answered ${status}`);
      assert.is(error.status, status);
      assert.is(error.retryAfterMs, 7000);
      assert.is(error.response, 'because');
    });
  }
});

it('a date in Retry-After counts from the Date of the same answer', async () => {
  const headers = { date: 'Mon, 05 Jan 2026 10:00:00 GMT', 'retry-after': 'Mon, 05 Jan 2026 10:01:30 GMT' };
  await withHttpSink(answering(503, '', headers), {}, async ({ sink }) => {
    assert.is((await failureOf(failing(sink), 'outage')).retryAfterMs, 90_000);
  });
});

it('a redirect is not followed', async () => {
  for (const status of [301, 302, 303, 307, 308]) {
    const answer: AnswerWith = (response, request, number) => {
      const elsewhere = answering(status, '', { location: `http://${request.headers['host']}/elsewhere` });
      (number === 1 ? elsewhere : settling)(response, request, number);
    };
    await withHttpSink(answer, {}, async ({ sink, arrived }) => {
      await failureOf(failing(sink), 'misconfigured');
      assert.is(arrived.length, 1);
    });
  }
});

it('a success that does not add up is unproven', async () => {
  const lies = ['', 'OK', '{"accepted":2}', '{"accepted":3,"duplicates":1}', '{"accepted":3', '[3]'];
  for (const lie of lies) {
    await withHttpSink(answering(200, lie), {}, async ({ sink }) => {
      await failureOf(failing(sink), 'unproven');
    });
  }
});

it('an answer without end is read to the bound, and the connection freed', async () => {
  const table: [number, FailureKind][] = [
    [200, 'unproven'],
    [500, 'outage'],
  ];
  for (const [status, failure] of table) {
    let written = 0;
    const endless: AnswerWith = (response) => {
      response.writeHead(status);
      const chunk = Buffer.alloc(65_536, 'x');
      const pump = () => {
        while (!response.destroyed) {
          written += chunk.length;
          if (response.write(chunk)) continue;
          response.once('drain', pump);
          return;
        }
      };
      pump();
    };
    await withHttpSink(endless, { acceptEmpty: true }, async ({ sink, nth }) => {
      const freed = nth(1).then(({ socket }) => closed(socket));
      const error = await failureOf(failing(sink), failure);
      await freed;
      assert.is(error.response?.length, 1024);
      // The bound is 1 MiB; the rest was in the buffers of two sockets.
      assert.ok(written < 32 * 1_048_576, `${written} bytes were taken`);
    });
  }
});

it('nobody there is an outage, and says so at once', async () => {
  const port = await closedPort();
  for (const host of ['127.0.0.1', 'localhost']) {
    // The clock stands still: no timeout has a part in this.
    const sink = httpSink({ baseUrl: `http://${host}:${port}` }, new ManualClock());
    const error = await failureOf(failing(sink), 'outage');
    assert.match(error.message, /ECONNREFUSED/);
    assert.is(error.status, undefined);
    await sink.close?.();
  }
});

it('a connection reset before the answer is an outage, and the request is not repeated', async () => {
  await withHttpSink(reset, {}, async ({ sink, arrived }) => {
    await failureOf(failing(sink), 'outage');
    assert.is(arrived.length, 1);
  });
});

it('a connection closed without an answer is an outage, and the request is not repeated', async () => {
  await withHttpSink(hangUp, {}, async ({ sink, arrived }) => {
    await failureOf(failing(sink), 'outage');
    assert.is(arrived.length, 1);
  });
});

it('a success that breaks off is an outage, also where what arrived looks like a receipt', async () => {
  for (const framing of [{ 'content-length': '100' }, { 'transfer-encoding': 'chunked' }]) {
    const answer = breakingOff(200, framing, '{"accepted":3}');
    await withHttpSink(answer, { acceptEmpty: true }, async ({ sink, arrived }) => {
      await failureOf(failing(sink), 'outage');
      assert.is(arrived.length, 1);
    });
  }
});

it('a refusal keeps its meaning where the connection breaks behind it', async () => {
  await withHttpSink(breakingOff(413, { 'content-length': '100' }, 'too la'), {}, async ({ sink }) => {
    assert.is((await failureOf(failing(sink), 'too-large')).response, 'too la');
  });
});

it('something that does not speak HTTP is an outage', async () => {
  await withServer(
    (socket) => socket.end('220 mail.internal ESMTP\r\n'),
    async (port) => {
      const sink = httpSink({ baseUrl: `http://127.0.0.1:${port}` });
      await failureOf(failing(sink), 'outage');
      await sink.close?.();
    },
  );
});

it('after an outage the same sink goes on', async () => {
  await withHttpSink(firstResets, { connections: 1 }, async ({ sink }) => {
    await failureOf(failing(sink), 'outage');
    assert.is((await send(sink)).accepted, 3);
  });
});

it.run();
