// The shape of growth: the same work on logs with more and more in them, which take turns; then each of them drained
// by a process of its own; then a day.

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Child } from '../child.js';
import { startDestination } from '../destination.js';
import type { Cycle, Day, Growth, GrowthAt, GrowthReply, GrowthRequest } from './job.js';

/** Ten million records take their time on a busy machine. */
const ANSWER_MS_MAX = 1_800_000;

export interface GrowthExtent {
  readonly backlogs: readonly number[];
  readonly work: number;
  readonly cycles: number;
}

export interface Where {
  /** The folder of the compiled modules. */
  readonly modules: string;
  /** A folder on the disk that is measured. */
  readonly dir: string;
  /** Told what is being done. */
  readonly tell: (text: string) => void;
}

export async function runGrowth(extent: GrowthExtent, { modules, dir, tell }: Where): Promise<Growth> {
  await using destination = await startDestination('count', modules, dir);
  const sinkUrl = await destination.url();
  const empty = await Subject.start(modules, join(dir, 'growth-empty'));
  const logs: { subject: Subject; backlog: number; filled: Filled; cycles: Cycle[] }[] = [];
  try {
    for (const backlog of extent.backlogs) {
      tell(`growth: a backlog of ${backlog.toLocaleString('en')} …`);
      const subject = await Subject.start(modules, join(dir, `growth-${backlog}`));
      // Known at once: whatever happens next, it is stopped.
      const log = { subject, backlog, filled: { diskBytes: 0, wireBytes: 0 }, cycles: [] };
      logs.push(log);
      const { diskBytes, wireBytes } = await subject.ask({ is: 'fill', records: backlog }, 'filled');
      log.filled = { diskBytes, wireBytes };
    }
    const emptyOpenMs: number[] = [];
    // The first does not count: a process that has filled millions is warm, one that has filled little is not.
    for (let n = 0; n <= extent.cycles; n++) {
      tell(n === 0 ? 'growth: warming up …' : `growth: cycle ${n} of ${extent.cycles} …`);
      const { openMs } = await empty.ask({ is: 'open' }, 'opened');
      if (n > 0) emptyOpenMs.push(openMs);
      for (const { subject, backlog, cycles } of n % 2 === 0 ? logs : logs.toReversed()) {
        const request = { is: 'cycle', sinkUrl, backlog, work: extent.work } as const;
        const { cycle } = await subject.ask(request, 'worked');
        if (n > 0) cycles.push(cycle);
      }
    }
    const at: GrowthAt[] = [];
    for (const { subject, backlog, filled, cycles } of logs) {
      tell(`growth: draining ${backlog.toLocaleString('en')} …`);
      await subject.restart();
      const { drain } = await subject.ask({ is: 'drain', sinkUrl }, 'drained');
      at.push({ backlog, ...filled, cycles, drain });
    }
    return { work: extent.work, emptyOpenMs, at };
  } finally {
    await Promise.all([empty, ...logs.map(({ subject }) => subject)].map((subject) => subject.stop()));
  }
}

export async function runDay(minutes: number, { modules, dir, tell }: Where): Promise<Day> {
  tell(`a day in ${minutes} min …`);
  await using destination = await startDestination('count', modules, dir);
  const sinkUrl = await destination.url();
  const subject = await Subject.start(modules, join(dir, 'day'));
  try {
    return (await subject.ask({ is: 'day', sinkUrl, minutes }, 'lived')).day;
  } finally {
    await subject.stop();
  }
}

type Filled = Pick<GrowthAt, 'diskBytes' | 'wireBytes'>;
type WithoutDir<Request> = Request extends GrowthRequest ? Omit<Request, 'dir'> : never;

/** One log and the process that holds it. */
class Subject {
  readonly #modules: string;
  readonly #dir: string;
  #child: Child;

  private constructor(modules: string, dir: string) {
    this.#modules = modules;
    this.#dir = dir;
    this.#child = this.#fork();
  }

  static async start(modules: string, dir: string): Promise<Subject> {
    await mkdir(dir);
    return new Subject(modules, dir);
  }

  async ask<Is extends GrowthReply['is']>(
    request: WithoutDir<GrowthRequest>,
    is: Is,
  ): Promise<Extract<GrowthReply, { is: Is }>> {
    const reply = (await this.#child.ask({ ...request, dir: this.#dir })) as GrowthReply;
    if (reply.is === 'failed') throw new Error(reply.message);
    if (reply.is !== is) throw new Error(`expected to hear '${is}', heard '${reply.is}'`);
    return reply as Extract<GrowthReply, { is: Is }>;
  }

  /** A process that remembers nothing. */
  async restart(): Promise<void> {
    await this.#child.stop();
    this.#child = this.#fork();
  }

  stop(): Promise<void> {
    return this.#child.stop();
  }

  #fork(): Child {
    return new Child(join(this.#modules, 'growth', 'subject.js'), [], ANSWER_MS_MAX);
  }
}
