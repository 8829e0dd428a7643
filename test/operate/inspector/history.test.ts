// What the page makes of one look after the other, without a browser.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';

interface History {
  times: number[];
  backlog: (number | null)[];
  appended: (number | null)[];
  shipped: (number | null)[];
  add(at: number, stream: { lastSeq: number }, shipper: { delivered: number; backlogRecords: number }): void;
  rates(): { appended: number; shipped: number } | undefined;
}

type Format = Record<'size' | 'duration' | 'rate' | 'short', (value: number) => string>;

const page = (name: string) => new URL(`../../../lib/operate/inspector/page/${name}`, import.meta.url).href;
const { History } = (await import(page('history.js'))) as { History: new () => History };
const format = (await import(page('format.js'))) as Format;

const it = suite('operate/inspector/history');

it('rates are what grew between two looks, by their times', () => {
  const history = new History();
  assert.is(history.rates(), undefined);
  history.add(1000, { lastSeq: 10 }, { delivered: 0, backlogRecords: 10 });
  history.add(3000, { lastSeq: 30 }, { delivered: 10, backlogRecords: 20 });
  assert.equal(history.times, [1, 3]);
  assert.equal(history.backlog, [10, 20]);
  assert.equal(history.appended, [null, 10]);
  assert.equal(history.rates(), { appended: 10, shipped: 5 });
});

it('what was not looked at is a hole in the line; a clock that went back begins a new one', () => {
  const history = new History();
  const look = (at: number) => history.add(at, { lastSeq: 0 }, { delivered: 0, backlogRecords: 1 });
  look(1_000_000);
  look(1_000_000);
  look(1_060_000);
  assert.equal(history.backlog, [1, null, 1]);
  assert.equal(history.times, [1000, 1059.999, 1060]);
  look(1_059_000);
  assert.is(history.times.length, 3);
  look(1_000);
  assert.equal([history.times, history.backlog], [[1], [1]]);
});

it('a quarter of an hour is kept', () => {
  const history = new History();
  for (let n = 0; n < 2000; n++) {
    history.add(n * 1000, { lastSeq: n }, { delivered: n, backlogRecords: n });
  }
  for (const list of [history.times, history.backlog, history.appended, history.shipped])
    assert.is(list.length, 900);
  assert.is(history.backlog.at(-1), 1999);
});

it('numbers read as people say them', () => {
  const says = (name: keyof Format, values: number[]) => values.map(format[name]).join(' | ');
  assert.is(says('size', [0, 1023, 1536, 104_857_600, 5e12]), '0 B | 1,023 B | 1.5 KB | 100 MB | 4.5 TB');
  assert.is(
    says('duration', [-5, 999, 61_000, 3_660_000, 2e8]),
    '0 s | 0 s | 1 min 1 s | 1 h 1 min | 2 d 7 h',
  );
  assert.is(says('rate', [0, 0.25, 9.94, 1234]), '0/s | 0.3/s | 9.9/s | 1,234/s');
  assert.is(says('short', [0, 2.5, 999, 1500, 2_340_000]), '0 | 2.5 | 999 | 1.5 k | 2.3 M');
});

it.run();
