// The words of the benchmark: what is measured, by whom, and what a measurement says. Types only.

/** Who does the work: this library, or what it is measured against. */
export type ContenderName = 'wal' | 'file' | 'better-sqlite3' | 'lmdb' | 'level' | 'level-groups' | 'undici';

/** What one measurement consists of. */
export type Job = AppendJob | PathJob | DeliverJob | AssembleJob;

/** What the records are: request logs with audit events among them, or what hardly compresses. */
export type Content = 'service' | 'noise';

interface Production {
  readonly content: Content;
  /** Callers that each append, wait for the acknowledgement, and append again. */
  readonly producers: number;
  /** 1: `append`; more: so many at once by `appendMany`. */
  readonly recordsPerCall: number;
  readonly warmUpMs: number;
  readonly measureMs: number;
}

export interface AppendJob extends Production {
  readonly is: 'append';
}

/** What is appended goes the whole way meanwhile; over when everything is delivered and deleted. */
export interface PathJob extends Production {
  readonly is: 'path';
}

export interface BacklogJob {
  readonly content: Content;
  /** The backlog. */
  readonly records: number;
  /** Records that were appended together, and so are stored together. At most 512. */
  readonly recordsPerEntry: number;
}

export interface DeliverJob extends BacklogJob {
  readonly is: 'deliver';
}

/** Bodies are made of the backlog and go nowhere. */
export interface AssembleJob extends BacklogJob {
  readonly is: 'assemble';
}

/** Where a backlog is delivered: to who only counts lines, to the receiver with one of its stores, or to a broker. */
export type Destination = 'count' | 'level' | 'postgres' | 'jetstream';

/** What one measurement says. */
export interface Measurement {
  recordsPerSecond: number;
  /** From the call to its acknowledgement. */
  latencyP50Ms?: number;
  latencyP99Ms?: number;
  /** User and system time of all threads of the process that appends or delivers. */
  cpuUsPerRecord: number;
  /** The same of the receiver and of the database behind it, or of the broker. */
  receiverCpuUsPerRecord?: number;
  loopDelayP99Ms: number;
  /** What the process wrote to the disk, by the kernel's account: whole pages, again where a page is written again. */
  writtenBytesPerRecord: number;
  /** By how much the folder grew. */
  storedBytesPerRecord?: number;
  /** The same as a share of the records' lines on the wire. */
  storedToWire?: number;
}

export type Metric = keyof Measurement;

/** What the parent asks of a contender's process. */
export interface Request {
  readonly job: Job;
  /** An empty folder for this measurement alone. */
  readonly dir: string;
  /** Of the destination: `http://127.0.0.1:<port>`, or `nats://<user>:<password>@127.0.0.1:<port>/<stream>`. */
  readonly sinkUrl: string;
  /** Where to write a CPU profile of what is measured. */
  readonly profile?: string;
}
