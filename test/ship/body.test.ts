// The memory of bodies: what is lent goes from one to the next, what is given is left alone.

import { randomBytes } from 'node:crypto';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { Socket } from 'node:net';
import { crc32, gunzipSync, gzipSync } from 'node:zlib';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Piece } from '../../lib/log/gzip.js';
import { GzipBody, lendBody, setBody } from '../../lib/ship/body.js';
import type { Sink } from '../../lib/ship/sink.js';
import { httpSink } from '../../lib/ship/sinks/http.js';
import { batchOf, recordLines } from '../helpers/batch.js';
import type { AnswerWith, Arrived } from '../helpers/destination.js';
import { answering, withDestination, withServer } from '../helpers/destination.js';
import { failureOf, failing, send } from '../helpers/http-sink.js';
import { withWal } from '../helpers/wal.js';

const it = suite('ship/body');

function bodyOf(lines: string | Buffer): GzipBody {
  const stored = Buffer.from(lines);
  const piece: Piece = { codec: 0, stored, lineBytes: stored.length, linesCrc: crc32(stored) };
  return new GzipBody([piece]);
}

function textOf(bytes: Buffer): string {
  return gunzipSync(bytes).toString();
}

/** The memory of as many bodies as there may be memory left for. */
async function memoryOfNext(): Promise<ArrayBufferLike[]> {
  const memory: ArrayBufferLike[] = [];
  for (let n = 0; n < 5; n++) memory.push((await bodyOf('next').lend()).bytes.buffer);
  return memory;
}

/** Takes every line there is in a body. */
const taking: AnswerWith = (response, request, number) => {
  answering(200, { accepted: textOf(request.body).split('\n').length - 1 })(response, request, number);
};

function linesOf(arrived: readonly Arrived[]): string {
  return arrived.map(({ body }) => textOf(body)).join('');
}

/** Resolves when a request has been given to its connection. */
function givenToConnection(): Promise<void> {
  const channel = 'undici:client:sendHeaders';
  return new Promise((resolve) => {
    const given = () => {
      unsubscribe(channel, given);
      setImmediate(resolve);
    };
    subscribe(channel, given);
  });
}

/** What requests hold that came over one connection, one after another. */
async function readBodies(socket: Socket, count: number): Promise<Buffer[]> {
  const bodies: Buffer[] = [];
  let bytes = Buffer.alloc(0);
  for await (const chunk of socket as AsyncIterable<Buffer>) {
    bytes = Buffer.concat([bytes, chunk]);
    const head = bytes.indexOf('\r\n\r\n') + 4;
    const end = head + Number(/content-length: (\d+)/.exec(bytes.toString('latin1', 0, head))?.[1]);
    if (head < 4 || bytes.length < end) continue;
    bodies.push(bytes.subarray(head, end));
    if (bodies.length === count) break;
    bytes = bytes.subarray(end);
  }
  return bodies;
}

it('what was sent leaves its memory to the next body, once', async () => {
  const one = await bodyOf('one').lend();
  const memory = one.bytes.buffer;
  one.sent();
  one.sent();
  const two = await bodyOf('two').lend();
  const three = await bodyOf('three').lend();
  assert.is(two.bytes.buffer, memory);
  assert.is.not(three.bytes.buffer, memory);
  assert.equal(
    [two, three].map(({ bytes }) => textOf(bytes)),
    ['two', 'three'],
  );
});

it('whoever asks for the body of a batch at the same time has one of their own', async () => {
  const body = bodyOf('fan-out');
  body.prepare();
  const [one, two] = await Promise.all([body.lend(), body.lend()]);
  one.sent();
  assert.ok((await memoryOfNext()).includes(one.bytes.buffer));
  assert.is(textOf(two.bytes), 'fan-out');
});

it('what was kept is lent again as it is, and what was sent is not', async () => {
  const body = bodyOf('again');
  const first = await body.lend();
  first.keep();
  first.sent();
  const second = await body.lend();
  assert.is(second.bytes, first.bytes);
  second.sent();
  second.keep();
  const other = await bodyOf('other').lend();
  const third = await body.lend();
  assert.is.not(third.bytes.buffer, other.bytes.buffer);
  assert.equal(
    [third, other].map(({ bytes }) => textOf(bytes)),
    ['again', 'other'],
  );
});

it('what is given never changes, made ahead or not', async () => {
  const ahead = bodyOf('ahead');
  ahead.prepare();
  const given = [await ahead.give(), await bodyOf('not').give()];
  for (let n = 0; n < 10; n++) (await bodyOf(`${n} of those behind`).lend()).sent();
  assert.equal(given.map(textOf), ['ahead', 'not']);
  assert.is(await ahead.give(), given[0]);
});

it('a sink around the HTTP sink may hold the bodies that it asks for', async () => {
  await withWal({}, async (wal) => {
    await withDestination(taking, async ({ origin, arrived }) => {
      const sink = httpSink({ baseUrl: origin });
      const held: [bytes: Buffer, text: string][] = [];
      const around: Sink = {
        name: 'around',
        body: 'gzip',
        send: async (batch, context) => {
          held.push([await batch.gzip(), (await batch.lines()).toString()]);
          return await sink.send(batch, context);
        },
      };
      for (let n = 0; n < 12; n++) await wal.appendMany('log', [{ n }, { n, text: 'x'.repeat(n * 1000) }]);
      await wal.ship('log', around, { batchMax: 3 }).idle();
      await sink.close?.();
      assert.is(held.length, 12);
      for (const [bytes, text] of held) assert.is(textOf(bytes), text);
      assert.is(linesOf(arrived), held.map(([, text]) => text).join(''));
    });
  });
});

it('a sink around the HTTP sink may have another body sent', async () => {
  await withWal({}, async (wal) => {
    await withDestination(taking, async ({ origin, arrived }) => {
      const sink = httpSink({ baseUrl: origin });
      const around: Sink = {
        name: 'around',
        send: async (batch, context) => {
          const lines = (await batch.lines()).toString().replaceAll('secret', '[gone]');
          return await sink.send(Object.assign(batch, { gzip: async () => gzipSync(lines) }), context);
        },
      };
      await wal.append('log', { text: 'a secret' });
      await wal.ship('log', around).idle();
      assert.match(linesOf(arrived), '"a [gone]"');
      await sink.close?.();
    });
  });
});

it('a body whose try has failed keeps its memory until it arrives', async () => {
  const lines = recordLines(3);
  const batch = batchOf(lines);
  setBody(batch, bodyOf(lines.join('')));
  const memory = await lendBody(batch);
  memory.keep();
  const once: AnswerWith = (...request) => (request[2] === 1 ? answering(503) : taking)(...request);
  await withDestination(once, async ({ origin, arrived }) => {
    const sink = httpSink({ baseUrl: origin });
    await failureOf(failing(sink, undefined, batch), 'outage');
    assert.not((await memoryOfNext()).includes(memory.bytes.buffer));
    await send(sink, batch);
    assert.is(linesOf(arrived), lines.join('').repeat(2));
    assert.ok((await memoryOfNext()).includes(memory.bytes.buffer));
    await sink.close?.();
  });
});

it('a receiver that answers before it has read gets every byte all the same', async () => {
  const contents = Array.from({ length: 4 }, () => randomBytes(1_900_000));
  const connections: Socket[] = [];
  // What the connection does not take while nobody reads is on this side when the next body is made.
  const speak = (socket: Socket) => connections.push(socket.pause());
  await withServer(speak, async (port) => {
    const sink = httpSink({ baseUrl: `http://127.0.0.1:${port}`, connections: 1 });
    for (const content of contents) {
      const batch = batchOf(recordLines(1));
      setBody(batch, bodyOf(content));
      const given = givenToConnection();
      const sending = send(sink, batch);
      await given;
      connections[0]!.write('HTTP/1.1 200 OK\r\ncontent-length: 14\r\n\r\n{"accepted":1}');
      await sending;
    }
    const bodies = await readBodies(connections[0]!, contents.length);
    const arrived = bodies.map((body, n) => gunzipSync(body).equals(contents[n]!));
    assert.equal(
      arrived,
      contents.map(() => true),
    );
    await sink.close?.();
  });
});

it.run();
