// Runs test files, each in its own process, and reports. What a run was worth is verdict.ts's to say.

import { spawn, type ChildProcess } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { join, sep } from 'node:path';
import { loader } from './compile.js';
import { judge, type Exit, type Verdict } from './verdict.js';

export interface RunnerOptions {
  /** The folder whose `*.test.ts` are run, those below `bench/`, `examples/` and `fixtures/` excepted. */
  root: string;
  /** Only files whose path contains one of these. @default [] (all) */
  filters?: string[];
  /** How long one file may take, in ms. @default 120_000 */
  limitMs?: number;
  /** Files that run at once. @default 2 */
  jobs?: number;
  /** Takes the report, a line or a block of lines at a time. @default console.log */
  print?: (text: string) => void;
}

export interface FileRun {
  file: string;
  ms: number;
  /** What it printed, the last 1,048,576 characters. */
  output: string;
  verdict: Verdict;
}

const LIMIT_MS = 120_000;
/** One more than the cores of CI: most files also wait, for a disk or a process. */
const JOBS = 3;
const OUTPUT_CHARS_MAX = 1_048_576;
const SLOWEST = 5;
const NO_TESTS: ReadonlySet<string> = new Set(['bench', 'examples', 'fixtures']);

/** The running files' processes, for `killRunning`. */
const running = new Set<ChildProcess>();

/**
 * Runs every test file and prints a line for each, what failed, what was skipped and why, the slowest, and
 * last `N passed, N failed, N skipped`.
 *
 * @returns Whether there were tests and all passed.
 */
export async function runTests(options: RunnerOptions): Promise<boolean> {
  const { root, filters = [], limitMs = LIMIT_MS, jobs = JOBS, print = console.log } = options;
  const started = performance.now();
  const files = findTests(root, filters);
  if (files.length === 0) print(`no test file in ${root} matches ${filters.join(' or ') || '*.test.ts'}`);
  const runs = await runFiles(files, limitMs, jobs, (run) => print(reportOf(run)));
  print(closingOf(runs, performance.now() - started));
  return runs.length > 0 && runs.every(({ verdict }) => verdict.failed === 0);
}

export function findTests(root: string, filters: string[] = []): string[] {
  return readdirSync(root, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.test.ts') && !path.split(sep).some((part) => NO_TESTS.has(part)))
    .map((path) => join(root, path))
    .filter((path) => filters.length === 0 || filters.some((filter) => path.includes(filter)))
    .toSorted();
}

/** @returns The runs in the order of `files`. */
export async function runFiles(
  files: string[],
  limitMs: number,
  jobs: number,
  onRun: (run: FileRun) => void = () => {},
): Promise<FileRun[]> {
  const runs: FileRun[] = [];
  const waiting = files.entries();
  const work = async () => {
    // One iterator for all: each worker takes the next file that nobody has.
    for (const [index, file] of waiting) {
      const run = await runFile(file, limitMs);
      runs[index] = run;
      onRun(run);
    }
  };
  await Promise.all(Array.from({ length: jobs }, work));
  return runs;
}

async function runFile(file: string, limitMs: number): Promise<FileRun> {
  const started = performance.now();
  const source = readFileSync(file, 'utf8');
  const { FORCE_COLOR: _, ...env } = process.env;
  const child = spawn(process.execPath, ['--import', loader(), file], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...env, NO_COLOR: '1' },
    // A process group of its own, so that what the file started goes with it.
    detached: true,
  });
  running.add(child);
  let output = '';
  // The summary is looked for in here alone: two pipes may arrive out of order, one in the midst of the other.
  let stdout = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout = endOf(stdout + text);
    output = endOf(output + text);
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    output = endOf(output + text);
  });
  const exit = await exitOf(child, limitMs);
  running.delete(child);
  return { file, ms: performance.now() - started, output, verdict: judge(exit, stdout, source) };
}

function endOf(output: string): string {
  return output.slice(-OUTPUT_CHARS_MAX);
}

/** Resolves when the process is gone and everything that it printed was read. */
function exitOf(child: ChildProcess, limitMs: number): Promise<Exit> {
  return new Promise((resolve, reject) => {
    let limit: Exit | undefined;
    const timer = setTimeout(() => {
      limit = { by: 'limit', limitMs };
      killGroup(child);
    }, limitMs);
    child.once('error', reject);
    // Processes that it left behind would hold its output open, and 'close' would never come.
    child.once('exit', () => killGroup(child));
    child.once('close', (code: number | null, signal: NodeJS.Signals | null) => {
      clearTimeout(timer);
      resolve(limit ?? (signal === null ? { by: 'code', code: code ?? 1 } : { by: 'signal', signal }));
    });
  });
}

/** Ends what is running, for a runner that must go itself. */
export function killRunning(): void {
  for (const child of running) killGroup(child);
}

function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // Nobody of the group is left.
  }
}

function reportOf({ file, ms, output, verdict }: FileRun): string {
  const { passed, skipped, problems } = verdict;
  const counts = `${passed} passed${skipped > 0 ? `, ${skipped} skipped` : ''}, ${seconds(ms)}`;
  // What a file that passed has to say all the same.
  const notes = Array.from(output.matchAll(/^note: (.+)$/gm), ([, note]) => `      ${note}`);
  if (problems.length === 0) return [`ok    ${file}  ${counts}`, ...notes].join('\n');
  return [`FAIL  ${file}  ${counts}`, ...problems.map((problem) => `      ${problem}`), output].join('\n');
}

function closingOf(runs: FileRun[], ms: number): string {
  const sum = (count: 'passed' | 'failed' | 'skipped') =>
    runs.reduce((total, { verdict }) => total + verdict[count], 0);
  const slowest = runs.toSorted((a, b) => b.ms - a.ms).slice(0, SLOWEST);
  const sections: [title: string, lines: string[]][] = [
    ['Failed', runs.flatMap(({ file, verdict }) => verdict.problems.map((problem) => `${file}: ${problem}`))],
    ['Skipped', runs.flatMap(({ file, verdict }) => verdict.skips.map((skip) => `${file}: ${skip}`))],
    ['Slowest', slowest.map((run) => `${seconds(run.ms).padStart(8)}  ${run.file}`)],
  ];
  return [
    ...sections.flatMap(([title, lines]) =>
      lines.length > 0 ? ['', title, ...lines.map((l) => `  ${l}`)] : [],
    ),
    '',
    `${runs.length} files in ${seconds(ms)}`,
    `${sum('passed')} passed, ${sum('failed')} failed, ${sum('skipped')} skipped`,
  ].join('\n');
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
