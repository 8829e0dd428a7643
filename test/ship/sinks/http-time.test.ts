// The HTTP sink against time: deadlines, aborts, and what they must not leave behind.

import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { EventEmitter, once } from 'node:events';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { httpSink } from '../../../lib/ship/sinks/http.js';
import { closed, withDestination, withServer } from '../../helpers/destination.js';
import type { AnswerWith } from '../../helpers/destination.js';
import { BATCH, failing, failureOf, send, settling, withHttpSink } from '../../helpers/http-sink.js';

const it = suite('ship/sinks/http, time');

const silence: AnswerWith = () => {};
const slow: AnswerWith = (response) => void response.writeHead(200).write('{"accepted":');
const never = () => new Promise<string>(() => {});

/** Resolves when a client of this process has read the head of an answer. */
function headRead(): Promise<void> {
  return new Promise((resolve) => {
    const channel = 'undici:request:headers';
    const read = () => {
      unsubscribe(channel, read);
      resolve();
    };
    subscribe(channel, read);
  });
}

it('no answer within the time is an outage, and the connection is freed', async () => {
  await withHttpSink(silence, { timeoutMs: 5000 }, async ({ sink, clock, nth }) => {
    const sending = failing(sink);
    const freed = closed((await nth(1)).socket);
    clock.advance(4999);
    assert.is(clock.pending, 1);
    clock.advance(1);
    const error = await failureOf(sending, 'outage');
    assert.match(error.message, /no answer within 5000 ms/);
    await freed;
  });
});

it('the time is over the whole answer, not its first byte', async () => {
  await withHttpSink(slow, { timeoutMs: 5000 }, async ({ sink, clock }) => {
    const head = headRead();
    const sending = failing(sink);
    await head;
    clock.advance(5000);
    await failureOf(sending, 'outage');
  });
});

it('the time is real time unless a clock is given', async () => {
  await withDestination(silence, async ({ origin }) => {
    const sink = httpSink({ baseUrl: origin, timeoutMs: 20 });
    await failureOf(failing(sink), 'outage');
    await sink.close?.();
  });
});

it('an abort rejects with its reason and frees the connection', async () => {
  await withHttpSink(silence, {}, async ({ sink, clock, nth }) => {
    const stop = new AbortController();
    const sending = failing(sink, stop.signal);
    const freed = closed((await nth(1)).socket);
    const reason = new Error('stopped');
    stop.abort(reason);
    assert.is(await sending, reason);
    assert.is(clock.pending, 0);
    await freed;
  });
});

it('an abort in the middle of an answer rejects with its reason', async () => {
  await withHttpSink(slow, {}, async ({ sink, nth }) => {
    const stop = new AbortController();
    const head = headRead();
    const sending = failing(sink, stop.signal);
    const freed = closed((await nth(1)).socket);
    await head;
    stop.abort();
    assert.is(await sending, stop.signal.reason);
    await freed;
  });
});

it('an abort does not wait for a connection to become free, and what waited is never sent', async () => {
  const answers: (() => void)[] = [];
  const later: AnswerWith = (response) => answers.push(() => response.end('{"accepted":3}'));
  await withHttpSink(later, { connections: 1 }, async ({ sink, nth, arrived }) => {
    const first = send(sink);
    await nth(1);
    const stop = new AbortController();
    const second = failing(sink, stop.signal);
    stop.abort();
    assert.is(await second, stop.signal.reason);
    answers[0]!();
    assert.is((await first).accepted, 3);
    const third = send(sink);
    await nth(2);
    answers[1]!();
    await third;
    assert.is(arrived.length, 2);
  });
});

it('an abort does not wait for a token', async () => {
  await withHttpSink(silence, { token: never }, async ({ sink, arrived }) => {
    const stop = new AbortController();
    const sending = failing(sink, stop.signal);
    stop.abort();
    assert.is(await sending, stop.signal.reason);
    assert.is(arrived.length, 0);
  });
});

it('the time is over the token as well', async () => {
  const provider = new EventEmitter();
  const token = () => {
    provider.emit('asked');
    return never();
  };
  await withHttpSink(silence, { token }, async ({ sink, clock, arrived }) => {
    const asked = once(provider, 'asked');
    const sending = failing(sink);
    await asked;
    clock.advance(30_000);
    await failureOf(sending, 'outage');
    assert.is(arrived.length, 0);
  });
});

it('nothing is read or sent when the signal has fired before', async () => {
  await withHttpSink(settling, {}, async ({ sink, arrived }) => {
    const unread = { ...BATCH, gzip: () => Promise.reject(new Error('was read')) };
    const signal = AbortSignal.abort(new Error('stopped'));
    assert.is(await failing(sink, signal, unread), signal.reason);
    assert.is(arrived.length, 0);
  });
});

it('close does not wait for a connection that only an abandoned request wanted', async () => {
  // Takes connections and never answers the TLS handshake.
  await withServer(
    (socket) => socket.resume(),
    async (port, server) => {
      const sink = httpSink({ baseUrl: `https://127.0.0.1:${port}` });
      const stop = new AbortController();
      const sending = failing(sink, stop.signal);
      await once(server, 'connection');
      stop.abort();
      assert.is(await sending, stop.signal.reason);
      const from = performance.now();
      await sink.close?.();
      assert.ok(performance.now() - from < 5000, 'waited until the connection was given up');
    },
  );
});

it.run();
