import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { changeOf, compare, comparisonOf } from '../bench/compare.js';
import type { Measurement } from '../bench/job.js';
import type { Report } from '../bench/report.js';
import { markdownOf } from '../bench/report.js';
import { ratiosOf } from '../bench/run.js';
import type { Spread } from '../bench/statistics.js';
import { FULL, SHORT, workloadsOf } from '../bench/workloads.js';

const it = suite('bench: compare');

function spread(lowest: number, median: number, highest: number): Spread {
  return { lowest, median, highest };
}

const before = spread(0.9, 1, 1.1);
const changes: readonly [string, Spread, 'better' | 'worse', 'slower' | 'faster' | 'the same'][] = [
  ['as it was', before, 'better', 'the same'],
  ['less, and apart', spread(0.6, 0.7, 0.8), 'better', 'slower'],
  ['less of what should be little', spread(0.6, 0.7, 0.8), 'worse', 'faster'],
  ['more, and apart', spread(1.2, 1.3, 1.4), 'better', 'faster'],
  ['more of what should be little', spread(1.2, 1.3, 1.4), 'worse', 'slower'],
  ['less, but the median was seen before', spread(0.6, 0.92, 0.95), 'better', 'the same'],
  ['less, but the old median is still seen', spread(0.5, 0.7, 1.05), 'better', 'the same'],
  ['ranges that only touch', spread(0.6, 0.7, 0.95), 'better', 'slower'],
];
for (const [what, now, more, verdict] of changes) {
  it(`${what}: ${verdict}`, () => assert.is(changeOf(before, now, more).verdict, verdict));
}

it('less by a twentieth is noise, however narrow the spread', () => {
  assert.is(changeOf(spread(1, 1, 1), spread(0.96, 0.96, 0.96), 'better').verdict, 'the same');
  assert.is(changeOf(spread(1, 1, 1), spread(0.94, 0.94, 0.94), 'better').verdict, 'slower');
});

function measured(recordsPerSecond: number, cpuUsPerRecord: number): Measurement {
  return { recordsPerSecond, cpuUsPerRecord, loopDelayP99Ms: 1, writtenBytesPerRecord: 100 };
}

/** A run of an append against the file, and of assembling, which nobody else does. */
function report(append: readonly number[], assemble: readonly number[]): Report {
  const workloads = workloadsOf(FULL);
  const named = (name: string) => workloads.find((workload) => workload.name === name)!;
  const file = append.map(() => measured(1000, 5));
  const wal = append.map((rate) => measured(rate, 5));
  const alone = assemble.map((rate) => measured(rate, 1));
  return {
    machine: {
      os: 'an OS',
      cpu: 'a CPU',
      cores: 2,
      memoryBytes: 2 ** 30,
      fileSystem: 'ext4',
      node: 'v20',
      versions: {},
      at: '2026-01-01',
    },
    repetitions: append.length,
    absent: { lmdb: 'not fetched' },
    results: [
      {
        workload: { ...named('append-1024'), against: ['file'] },
        measurements: { file, wal },
        ratios: { file: ratiosOf(file, wal) },
      },
      { workload: named('assemble'), measurements: { wal: alone }, ratios: {} },
    ],
  };
}

const OLD = report([1000, 1010, 990], [700, 710, 690]);

it('what got slower comes first: ratios where somebody else did the same, figures where nobody did', () => {
  const now = report([500, 505, 495], [1400, 1410, 1390]);
  const told = compare(OLD, now).filter(({ verdict }) => verdict !== 'the same');
  assert.equal(
    told.map(({ what, unit, verdict }) => `${what}, ${unit}: ${verdict}`),
    [
      'durable append, 1,024 producers: rate, × the file: slower',
      'reading out and assembling gzip bodies: rate, records/s: faster',
    ],
  );
  assert.is(told[0]!.times, 0.5);
  assert.match(comparisonOf(compare(OLD, now)), /1 slower, 1 faster, \d+ the same\./);
});

it('a run compared with itself has changed nowhere', () => {
  assert.match(comparisonOf(compare(OLD, OLD)), /^0 slower, 0 faster, [1-9]\d* the same\.$/m);
});

it('what only one of the runs measured is not compared', () => {
  const now = { ...OLD, results: OLD.results.slice(1) };
  assert.ok(compare(OLD, now).every(({ what }) => what.startsWith('reading out')));
});

it('a long run is not compared with a short one', () => {
  const now = {
    ...OLD,
    results: OLD.results.map((result) => {
      const short = workloadsOf(SHORT).find(({ name }) => name === result.workload.name)!;
      return { ...result, workload: { ...short, against: result.workload.against } };
    }),
  };
  assert.equal(compare(OLD, now), []);
  assert.match(comparisonOf([]), /^Nothing was measured in the same way/);
});

it('the table says what was reached, by how much, and who was not there', () => {
  const text = markdownOf(report([950, 900, 800], [650, 640, 720]));
  const row = (start: string) =>
    text
      .split('\n')
      .filter((line) => line.startsWith(`| ${start}`))
      .map((line) => line.split('|').map((cell) => cell.trim()));
  const append = row('durable append, 1,024 producers: rate');
  assert.equal(append[0]!.slice(2, -1), ['0.90 × the file', '0.80 to 0.95', 'at least 0.90', 'reached']);
  assert.equal(append[1]!.slice(2, -1), ['× lmdb', '', 'at least 1.00', 'not measured']);
  const [assemble] = row('reading out and assembling gzip bodies: rate');
  assert.equal(assemble!.slice(2, -1), ['650 records/s', '640 to 720', 'at least 700,000', 'missed']);
  assert.match(text, /Not here: lmdb: not fetched\./);
});

it.run();
