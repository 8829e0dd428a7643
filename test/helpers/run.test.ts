import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { findTests, runFiles, runTests } from './runner.js';
import { judge, type Exit } from './verdict.js';

const FIXTURES = 'test/fixtures/runner';
/** Far above what any file here needs; only the one that hangs has a shorter one. */
const LIMIT_MS = 60_000;

const ofFile = suite('helpers/run: a file');

// What `leaves-a-process` starts holds its output open: without killing that too, the file would never end.
const CASES: [fixture: string, passed: number, failed: number, problems: string[]][] = [
  ['before-throws', 0, 1, ['1 of 1 tests did not pass']],
  ['after-each-throws', 0, 1, ['1 of 1 tests did not pass']],
  ['forgets-run', 0, 1, ['never calls it.run()', 'printed no summary: no .run(), or it ended early']],
  ['registers-none', 0, 1, ['registered no test']],
  ['exits-in-a-test', 0, 1, ['exited with 1', 'printed no summary: no .run(), or it ended early']],
  ['exits-at-load', 0, 1, ['printed no summary: no .run(), or it ended early']],
  ['rejects-unseen', 1, 1, ['exited with 1']],
  ['never-settles', 0, 1, ['exited with 1', 'printed no summary: no .run(), or it ended early']],
  ['leaves-a-process', 1, 0, []],
];

const runs = await runFiles(
  CASES.map(([fixture]) => join(FIXTURES, `${fixture}.ts`)),
  LIMIT_MS,
  2,
);

for (const [index, [fixture, passed, failed, problems]] of CASES.entries()) {
  ofFile(`that ${fixture.replaceAll('-', ' ')} ${failed > 0 ? 'fails' : 'passes'}`, () => {
    assert.equal(runs[index]!.verdict, { passed, failed, skipped: 0, skips: [], problems });
  });
}

ofFile('that hangs is killed at its limit', async () => {
  const [run] = await runFiles([join(FIXTURES, 'hangs.ts')], 1000, 1);
  assert.equal(run!.verdict.problems, ['did not finish within 1 s']);
  assert.is(run!.verdict.failed, 1);
});

ofFile.run();

const ofOutput = suite('helpers/run: a verdict');

const summary = (total: number, passed: number, skipped: number) =>
  `\n  Total:     ${total}\n  Passed:    ${passed}\n  Skipped:   ${skipped}\n  Duration:  1.00ms\n\n`;
const problemsOf = (exit: Exit, output: string, source = '') => judge(exit, output, source).problems;
const well: Exit = { by: 'code', code: 0 };

ofOutput('tells a file that hangs after its tests from one that hangs in them', () => {
  const exit = { by: 'limit', limitMs: 120_000 } as const;
  assert.equal(problemsOf(exit, summary(2, 2, 0)), ['did not exit within 120 s: something is still open']);
  assert.equal(problemsOf(exit, ' • •'), ['did not finish within 120 s']);
});

ofOutput('names the signal', () => {
  assert.equal(problemsOf({ by: 'signal', signal: 'SIGSEGV' }, summary(2, 2, 0)), ['killed by SIGSEGV']);
});

ofOutput('does not take the last of several summaries for the whole', () => {
  const output = summary(2, 1, 0) + summary(1, 1, 0);
  assert.equal(problemsOf(well, output), ['printed 2 summaries: its suites must run together']);
});

ofOutput('asks for the reason of each skipped test; an `.only` that was left in has none', () => {
  const problems = ['skipped 1 tests and gave 0 reasons: use skipIf, no .only'];
  assert.equal(problemsOf(well, summary(1, 1, 1)), problems);
  assert.equal(problemsOf(well, `skipped: tides: needs a moon\n${summary(1, 1, 1)}`), []);
});

ofOutput('sees in the source what uvu does not say: suites and tests that never run', () => {
  const suites = `const it = suite('a');\nit('…');\nit.run();\nconst also = suite('b');\nalso('…');\n`;
  assert.equal(problemsOf(well, summary(1, 1, 0), suites), ['never calls also.run()']);
  const late = `const it = suite<Context>('a');\nit('…');\nit.run();\nit.skip('…');\n`;
  assert.equal(problemsOf(well, summary(1, 1, 0), late), ['registers tests after it.run()']);
});

ofOutput('is not taken in by a line that looks like a summary', () => {
  assert.equal(problemsOf(well, 'Total: 3\nPassed: 3\nSkipped: 0\n'), [
    'printed no summary: no .run(), or it ended early',
  ]);
});

ofOutput.run();

const ofFolder = suite('helpers/run: a folder');
const TREE = join(FIXTURES, 'tree');

ofFolder('is searched for tests, its benchmarks and fixtures excepted', () => {
  const names = ['fails.test.ts', join('room', 'passes.test.ts'), 'skips.test.ts'];
  assert.equal(
    findTests(TREE),
    names.map((name) => join(TREE, name)),
  );
});

ofFolder('fails when one file does; the last line is the sum', async () => {
  const printed: string[] = [];
  assert.is(await runTests({ root: TREE, print: (text) => printed.push(text) }), false);
  const lines = printed.join('\n').split('\n');
  assert.is(lines.at(-1), '5 passed, 1 failed, 1 skipped');
  assert.ok(lines.includes(`  ${join(TREE, 'skips.test.ts')}: tides: needs a moon`));
  assert.ok(lines.some((line) => line.includes('does not hold')));
});

ofFolder('passes when all of its files do; a part of their path chooses them', async () => {
  const printed: string[] = [];
  const filters = [join('room', 'pass')];
  assert.is(await runTests({ root: TREE, filters, print: (text) => printed.push(text) }), true);
  assert.is(printed.join('\n').split('\n').at(-1), '2 passed, 0 failed, 0 skipped');
});

ofFolder('fails when no test is chosen', async () => {
  const printed: string[] = [];
  const print = (text: string) => printed.push(text);
  assert.is(await runTests({ root: TREE, filters: ['nowhere'], print }), false);
  assert.is(printed[0], `no test file in ${TREE} matches nowhere`);
});

ofFolder.run();
