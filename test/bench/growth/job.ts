// The words of growth: what is done to logs with more and more in them, and what is seen. Types only.

/** What is asked of the process that holds one log. */
export type GrowthRequest =
  | { readonly is: 'fill'; readonly dir: string; readonly records: number }
  | { readonly is: 'open'; readonly dir: string }
  | {
      readonly is: 'cycle';
      readonly dir: string;
      readonly sinkUrl: string;
      readonly backlog: number;
      readonly work: number;
    }
  | { readonly is: 'drain'; readonly dir: string; readonly sinkUrl: string }
  | { readonly is: 'day'; readonly dir: string; readonly sinkUrl: string; readonly minutes: number };

export type GrowthReply =
  | { readonly is: 'filled'; readonly diskBytes: number; readonly wireBytes: number }
  | { readonly is: 'opened'; readonly openMs: number }
  | { readonly is: 'worked'; readonly cycle: Cycle }
  | { readonly is: 'drained'; readonly drain: Drain }
  | { readonly is: 'lived'; readonly day: Day }
  | { readonly is: 'failed'; readonly message: string };

/** One round at one backlog, which is the same behind it. */
export interface Cycle {
  readonly openMs: number;
  readonly statsUs: number;
  /** Of the last 100 records. */
  readonly dumpMs: number;
  readonly appendPerSecond: number;
  readonly appendP99Ms: number;
  readonly deliverPerSecond: number;
  readonly evictPerSecond: number;
}

/** A whole backlog delivered, in a process that did nothing else before. */
export interface Drain {
  readonly recordsPerSecond: number;
  readonly samples: readonly DrainSample[];
}

export interface DrainSample {
  readonly seconds: number;
  readonly backlog: number;
  readonly rssBytes: number;
}

export interface GrowthAt {
  readonly backlog: number;
  /** Of the folder, as filled. */
  readonly diskBytes: number;
  /** What its lines have on the wire. */
  readonly wireBytes: number;
  readonly cycles: readonly Cycle[];
  readonly drain: Drain;
}

export interface Growth {
  /** Records of each kind of work in a cycle. */
  readonly work: number;
  readonly emptyOpenMs: readonly number[];
  /** From the smallest backlog to the largest. */
  readonly at: readonly GrowthAt[];
}

/** A day with an outage, in minutes. */
export interface Day {
  readonly minutes: number;
  readonly maxBytes: number;
  /** When the receiver was down, in hours of the day. */
  readonly outages: readonly { readonly from: number; readonly to: number }[];
  readonly samples: readonly DaySample[];
  readonly appended: number;
  readonly delivered: number;
  readonly dropped: number;
}

/** A part of the day. */
export interface DaySample {
  /** Its end, in hours. */
  readonly hour: number;
  readonly appendedPerSecond: number;
  readonly deliveredPerSecond: number;
  readonly latencyP50Ms: number;
  readonly latencyP99Ms: number;
  readonly backlogBytes: number;
  readonly diskBytes: number;
  readonly rssBytes: number;
}
