// What happens in a demo, in its order: the receiver goes away for two seconds, the producer is killed while it
// delivers what had piled up, another one takes over. Decides when; the processes do the work.

import { setTimeout as sleep } from 'node:timers/promises';
import type { WalStats } from '../../index.js';
import { counted } from '../output.js';
import type { Children } from './children.js';
import type { Told } from './producer-process.js';
import { ProducerProcess } from './producer-process.js';
import type { Job, Work } from './protocol.js';
import type { ReceiverProcess } from './receiver.js';

export interface Scenario {
  children: Children;
  receiver: ReceiverProcess;
  /** The producer's environment but for the receiver's URL. */
  env: NodeJS.ProcessEnv;
  service: string;
  streams: Job['streams'];
  /** What is left to do, given what was told so far. */
  work: () => Work;
  /** Where the producer waits: before the outage, in it, and where it is killed at the latest. */
  holds: [number, number, number];
  told: Told;
  /** Fires where everything must end. */
  trouble: AbortSignal;
  /** A line for each step. */
  say: (line: string) => void;
}

export interface Played {
  /** Where the log stood at the end. */
  stats: WalStats;
  outageMs: number;
}

const OUTAGE_MS = 2000;

export async function play(scenario: Scenario): Promise<Played> {
  const { receiver, told, say } = scenario;
  await receiver.start();
  say(`receiver: listens on ${receiver.url}, asks for a JWT`);
  const first = startProducer(scenario, scenario.holds);
  await first.untilHeld(1);
  say(`producer: ${counted(appended(told), 'record')} durable, shipping gzipped`);
  const outageMs = await takeReceiverAway(scenario, first);
  await killProducer(scenario, first);
  const second = startProducer(scenario, []);
  say('producer: a new process carries on');
  const stats = await second.finish();
  say('producer: everything appended and delivered');
  await receiver.stop();
  return { stats, outageMs };
}

function startProducer(scenario: Scenario, holds: number[]): ProducerProcess {
  const { children, receiver, env, service, streams, work, told, trouble } = scenario;
  const job: Job = { is: 'job', service, streams, work: work(), holds };
  return new ProducerProcess(children, { ...env, WAL_BASE_URL: receiver.url }, job, told, trouble);
}

/** Two seconds without a receiver, while the producer appends. Returns how long it was, in ms. */
async function takeReceiverAway(scenario: Scenario, producer: ProducerProcess): Promise<number> {
  const { receiver, told, trouble, say } = scenario;
  await receiver.stop();
  const stoppedAt = performance.now();
  say('receiver: stopped');
  producer.go();
  await producer.untilHeld(2);
  const waiting = backlog(told);
  say(`producer: ${counted(appended(told), 'record')} durable, ${counted(waiting, 'record')} waiting`);
  await sleep(Math.max(0, OUTAGE_MS - (performance.now() - stoppedAt)), undefined, { signal: trouble });
  // Where a line in the midst of the input can't be read, it may be that nothing waits.
  if (waiting > 0) await producer.until(() => producer.failing);
  await receiver.start();
  const outageMs = performance.now() - stoppedAt;
  say(`receiver: back after ${(outageMs / 1000).toFixed(1)} s`);
  if (waiting > 0) await producer.until(() => producer.recovered);
  return outageMs;
}

/**
 * Kills the producer while it delivers what had piled up and, if there are records enough, appends more: its
 * last batch has arrived, but the acknowledgement of it may not be on its disk.
 */
async function killProducer(scenario: Scenario, producer: ProducerProcess): Promise<void> {
  const { holds, told, say } = scenario;
  const before = appended(told);
  if (holds[2] > holds[1]) {
    producer.go();
    await producer.until(() => producer.held >= 3 || appended(told) > before);
  }
  await producer.kill();
  say(`producer: killed by SIGKILL with ${counted(appended(told), 'record')} durable`);
}

/** Records that are known to be durable. */
function appended({ acknowledged, stats }: Told): number {
  const imported = Object.values(stats?.streams ?? {}).reduce((sum, { lastSeq }) => sum + lastSeq, 0);
  return Math.max(acknowledged.size, imported);
}

function backlog({ stats }: Told): number {
  return Object.values(stats?.streams ?? {}).reduce(
    (sum, { shippers }) => sum + (shippers['default']?.backlogRecords ?? 0),
    0,
  );
}

/**
 * A third before the outage, a third in it, a part of the rest until the producer is killed: the other part is
 * for the one that follows. Of a single record, it is the outage that sees it.
 */
export function holdsFor(records: number): [number, number, number] {
  const before = Math.floor(records / 3);
  const during = Math.max(before + 1, Math.floor((records * 2) / 3));
  return [before, during, Math.max(during, Math.floor((records * 5) / 6))];
}
