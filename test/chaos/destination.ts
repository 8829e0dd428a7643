// Where the chaos test delivers: a real one, in a process of its own. One file each, and an entry in the tests.

import type { Dice } from '../crash/points-random.js';

export interface Destination {
  readonly name: string;
  /** Starts it, with its data in a folder that is there. `script` runs roles of child.ts; so many `records` will come. */
  start(folder: string, script: URL, dice: Dice, records: number): Promise<RunningDestination>;
}

export interface RunningDestination extends AsyncDisposable {
  /** How the producer makes its sink: see `sinkOf` in producer.ts. */
  readonly sink: SinkPlan;
  /** What was done to what the producer sent, for people. */
  readonly faults: Readonly<Record<string, number>>;
  /** Ends it and yields what it has, of one kind: each record and notice as often as it is there, in its order. */
  stored(kind: string): AsyncIterable<string>;
}

/** A name that the producer knows, and what its sink needs. */
export type SinkPlan =
  | { readonly is: 'http'; readonly baseUrl: string }
  | {
      readonly is: 'jetstream';
      readonly servers: string;
      readonly user: { name: string; password: string };
      readonly stream: string;
    };

/** What a record of the test is. `bad` ones are to be refused: by id, or with all that is sent with them; by JetStream for their size. */
export interface ChaosRecord {
  readonly n: number;
  readonly bad?: 'by id' | 'whole batch';
  readonly text: string;
}
