// One demo from its input to its verdict: gathers what goes in, gives the processes their folders and secrets,
// and cleans up behind them.

import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { ImportProblem, StreamPolicy, WalStats } from '../../index.js';
import { openLevelStore } from '../../ingest/index.js';
import { Failure, UsageError } from '../errors.js';
import { count, counted, note, progress, unreadable } from '../output.js';
import type { Verdict } from './check.js';
import { check, expectAcknowledged, expectTally } from './check.js';
import { Children, plainEnvironment } from './children.js';
import type { Input } from './input.js';
import { readInput } from './input.js';
import type { Told } from './producer-process.js';
import type { Work } from './protocol.js';
import { ReceiverProcess } from './receiver.js';
import { holdsFor, play } from './scenario.js';
import { readStdin } from './stdin.js';

export interface DemoOptions {
  paths: readonly string[];
  /** Make so many records up, whatever stdin says. */
  records: number | undefined;
  /** Make so many up where there is no input. */
  recordsOtherwise: number;
  /** The kind of lines that don't say theirs. */
  kind: string;
  /** Where the log goes, to stay; otherwise into a temporary folder. */
  varDir: string | undefined;
}

export interface DemoReport extends Verdict {
  ok: boolean;
  seconds: number;
  outageSeconds: number;
  /** What could not be read. */
  problems: ImportProblem[];
  /** The log's folder, where it is still there. */
  dir?: string;
  /** What is kept for a look where something went wrong. */
  kept?: string;
}

/** What goes in: files, or records that are made up. */
type Material = { is: 'files'; input: Input } | { is: 'records'; count: number };

const LOOK_EVERY_MS = 200;

/** @throws {Failure} where it could not be played to its end; what is wrong at the end is in the report. */
export async function runDemo(options: DemoOptions, signal: AbortSignal): Promise<DemoReport> {
  const startedAt = performance.now();
  const folder = await makeFolder(options.varDir);
  let played = false;
  try {
    const material = await gather(options, folder, signal);
    signal.throwIfAborted();
    played = true;
    const report = await demo(material, options, folder, signal);
    if (!report.ok) return { ...report, seconds: secondsSince(startedAt), kept: folder };
    await rm(folder, { recursive: true });
    return { ...report, seconds: secondsSince(startedAt) };
  } catch (error) {
    if (played && !signal.aborted) note(`kept for a look: ${folder}`);
    else await rm(folder, { recursive: true, force: true });
    throw signal.aborted ? new Failure('interrupted') : error;
  }
}

async function demo(
  material: Material,
  options: DemoOptions,
  folder: string,
  signal: AbortSignal,
): Promise<Omit<DemoReport, 'seconds'>> {
  const told: Told = { acknowledged: new Map(), problems: new Map(), stats: undefined };
  const store = join(folder, 'received');
  const varDir = options.varDir === undefined ? folder : resolve(options.varDir);
  const { stats, outageMs } = await playWith(material, { varDir, store, kind: options.kind, told, signal });
  const verdict = await checkStore(material, told, stats, store);
  // What came by stdin is in a file that nobody has asked for.
  const named = (path: string) => path.replace(stdinFile(folder), 'stdin');
  const read = material.is === 'files' ? material.input.problems : [];
  const problems = [...read, ...told.problems.values()].map((problem) => ({
    ...problem,
    file: named(problem.file),
  }));
  if (problems.length > 0) verdict.reasons.push(unreadable(problems.length));
  return {
    ok: verdict.reasons.length === 0,
    outageSeconds: outageMs / 1000,
    ...verdict,
    missing: verdict.missing.map(named),
    problems,
    ...(options.varDir !== undefined && { dir: stats.dir }),
  };
}

function secondsSince(startedAt: number): number {
  return (performance.now() - startedAt) / 1000;
}

/** Finds out what goes in, and says it. */
async function gather(options: DemoOptions, folder: string, signal: AbortSignal): Promise<Material> {
  const { records, recordsOtherwise, kind } = options;
  const paths = records === undefined ? await pathsOf(options.paths, folder, signal) : [];
  if (paths.length === 0) {
    const made = records ?? recordsOtherwise;
    note(`input: ${counted(made, 'record')}, made up`);
    return { is: 'records', count: made };
  }
  const input = await readInput(paths, kind);
  const found = `${counted(input.recordsAt.length, 'record')} in ${counted(input.files.length, 'file')}`;
  if (input.recordsAt.length === 0) {
    const [problem] = input.problems;
    throw new Failure(problem ? `${problem.file}: ${problem.message}` : 'there is no record in the input');
  }
  note(`input: ${found}`);
  return { is: 'files', input };
}

/** The given paths, stdin being a file by then; stdin also where none are given and it delivers something. */
async function pathsOf(given: readonly string[], folder: string, signal: AbortSignal): Promise<string[]> {
  const file = stdinFile(folder);
  const asked = given.includes('-');
  const read = (asked || given.length === 0) && (await readStdin(file, asked, signal));
  signal.throwIfAborted();
  if (given.length === 0) return read ? [file] : [];
  return given.map((path) => (path === '-' ? file : path));
}

function stdinFile(folder: string): string {
  return join(folder, 'stdin.ndjson');
}

interface Stage {
  varDir: string;
  store: string;
  kind: string;
  told: Told;
  signal: AbortSignal;
}

/** Starts the processes, plays the scenario, and leaves none of them behind. */
async function playWith(material: Material, { varDir, store, kind, told, signal }: Stage) {
  const children = new Children();
  const kill = () => children.kill();
  const trouble = new AbortController();
  const interrupt = () => trouble.abort(new Failure('interrupted'));
  process.once('exit', kill);
  signal.addEventListener('abort', interrupt, { once: true });
  using shown = progress('starting');
  const looking = setInterval(() => shown.say(describe(told)), LOOK_EVERY_MS);
  try {
    const env = {
      ...plainEnvironment(),
      VAR_DIR: varDir,
      WAL_S2S_ISSUER: 'nv-wal-demo',
      WAL_S2S_AUDIENCE: 'nv-wal-demo',
      WAL_S2S_SECRET: randomBytes(32).toString('hex'),
    };
    // A new one each time: nothing that an earlier run has left in this VAR_DIR is shipped with it.
    const service = `demo-${Date.now().toString(36)}-${process.pid}`;
    return await play({
      children,
      receiver: new ReceiverProcess({
        children,
        env,
        store,
        sender: service,
        onGone: (why) => trouble.abort(why),
      }),
      env,
      service,
      streams: streamsOf(material),
      work: () => workOf(material, kind, told),
      holds: holdsOf(material),
      told,
      trouble: trouble.signal,
      say: note,
    });
  } catch (error) {
    throw trouble.signal.aborted ? trouble.signal.reason : error;
  } finally {
    clearInterval(looking);
    signal.removeEventListener('abort', interrupt);
    kill();
    process.off('exit', kill);
  }
}

/** The kinds that lines say are declared: what is to be shown is not that a log refuses what it does not know. */
function streamsOf(material: Material): Record<string, Partial<StreamPolicy>> {
  if (material.is === 'records') return {};
  const kinds = [...material.input.tally.kinds].filter((kind) => /^[a-z][a-z0-9_-]{0,31}$/.test(kind));
  const own = kinds.filter((kind) => kind !== 'log' && kind !== 'audit');
  return Object.fromEntries(own.map((kind) => [kind, { whenFull: 'reject' }]));
}

function workOf(material: Material, kind: string, { acknowledged }: Told): Work {
  if (material.is === 'records') return { is: 'records', count: material.count - acknowledged.size };
  // What is in the log already, the import itself leaves out.
  return { is: 'files', files: material.input.files, kind };
}

/** Where the producer waits: counted in records, or in lines where it reads files. */
function holdsOf(material: Material): [number, number, number] {
  if (material.is === 'records') return holdsFor(material.count);
  const { recordsAt } = material.input;
  const [before, during, atLast] = holdsFor(recordsAt.length);
  const lineOf = (records: number) => (records === 0 ? 0 : recordsAt[records - 1]!);
  return [lineOf(before), lineOf(during), lineOf(atLast)];
}

async function checkStore(material: Material, told: Told, stats: WalStats, dir: string): Promise<Verdict> {
  await using store = await openLevelStore(dir);
  if (material.is === 'records') return await check(stats, store, expectAcknowledged(told.acknowledged));
  const { tally } = material.input;
  return await check(stats, store, expectTally(tally, new Set(told.problems.keys()), stats));
}

async function makeFolder(varDir: string | undefined): Promise<string> {
  try {
    return await mkdtemp(join(varDir === undefined ? tmpdir() : resolve(varDir), 'nv-wal-demo-'));
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    throw new UsageError(`can't make a folder in ${varDir ?? tmpdir()}: ${message}`, { cause });
  }
}

function describe({ stats }: Told): string {
  let appended = 0;
  let delivered = 0;
  for (const { lastSeq, shippers } of Object.values(stats?.streams ?? {})) {
    appended += lastSeq;
    delivered += shippers['default']?.delivered ?? 0;
  }
  return `${count(appended)} appended, ${count(delivered)} delivered`;
}
