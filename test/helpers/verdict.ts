// Judges one test file by what its process left behind: how it ended, what it printed, its source.
// uvu 0.5.6 exits 0 when `.run()` is forgotten, when a `before` hook throws and when `after.each` throws
// over a failing test; so nothing counts here but a summary whose numbers add up. Starts nothing (runner.ts).

/** How a test file's process ended. */
export type Exit =
  | { by: 'code'; code: number }
  | { by: 'signal'; signal: NodeJS.Signals }
  /** It was still running after `limitMs` and was killed. */
  | { by: 'limit'; limitMs: number };

export interface Verdict {
  /** Tests by number. A file that fails as a whole counts as one failed at least. */
  passed: number;
  failed: number;
  skipped: number;
  /** `<test>: <reason>`, as `skipIf` printed them. */
  skips: string[];
  /** What is wrong with this file, a sentence each; empty when it passed. */
  problems: string[];
}

/** The end of a uvu run. `Total` counts what ran, so without the skipped tests. */
const SUMMARY = /^ {2}Total: {5}(\d+)\n {2}Passed: {4}(\d+)\n {2}Skipped: {3}(\d+)\n {2}Duration: /gm;

/** @param stdout Without colours. */
export function judge(exit: Exit, stdout: string, source: string): Verdict {
  const summaries = [...stdout.matchAll(SUMMARY)];
  const [total = 0, passed = 0, skipped = 0] = summaries.at(-1)?.slice(1).map(Number) ?? [];
  const skips = [...stdout.matchAll(/^skipped: (.+)$/gm)].map(([, skip]) => skip!);
  const problems = [
    ...problemsOfExit(exit, summaries.length > 0),
    ...problemsOfSuites(source),
    summaries.length === 0 && exit.by !== 'limit' && 'printed no summary: no .run(), or it ended early',
    summaries.length > 1 && `printed ${summaries.length} summaries: its suites must run together`,
    summaries.length > 0 && total + skipped === 0 && 'registered no test',
    passed !== total && `${total - passed} of ${total} tests did not pass`,
    skips.length !== skipped &&
      `skipped ${skipped} tests and gave ${skips.length} reasons: use skipIf, no .only`,
  ].filter((problem) => problem !== false);
  const failed = problems.length === 0 ? 0 : Math.max(1, total - passed);
  return { passed, failed, skipped, skips, problems };
}

function problemsOfExit(exit: Exit, hasSummary: boolean): string[] {
  switch (exit.by) {
    case 'code':
      return exit.code === 0 ? [] : [`exited with ${exit.code}`];
    case 'signal':
      return [`killed by ${exit.signal}`];
    case 'limit': {
      const after = `within ${exit.limitMs / 1000} s`;
      return [hasSummary ? `did not exit ${after}: something is still open` : `did not finish ${after}`];
    }
    default:
      return exit satisfies never;
  }
}

/** uvu says nothing of a second suite that is never run, nor of tests that come after their suite's `.run()`. */
function problemsOfSuites(source: string): string[] {
  const problems: string[] = [];
  for (const [, name] of source.matchAll(/^\s*const (\w+) = suite\b/gm)) {
    const run = source.lastIndexOf(`${name}.run()`);
    if (run === -1) problems.push(`never calls ${name}.run()`);
    else if (new RegExp(`\\b${name}(\\.only|\\.skip)?\\(`).test(source.slice(run))) {
      problems.push(`registers tests after ${name}.run()`);
    }
  }
  return problems;
}
