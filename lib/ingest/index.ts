// The public API of `@nv/wal/ingest`: named exports, no logic.

export { createIngestHandler } from './handler.js';
export type { IngestAnswer, IngestHandler } from './handler.js';
export { listLogs } from './continuity.js';
export type { LogList, LogQuery, LogReport } from './continuity.js';
export type { SeqRange } from './ranges.js';
export type { IngestLimits, IngestOptions, IngestRequest } from './options.js';
export { serveIngest, toNodeListener } from './node.js';
export type { IngestServer, NodeListener, ServeOptions } from './node.js';
export { openLevelStore } from './level-store.js';
export { openPostgresStore } from './postgres-store.js';
export type { PostgresStoreOptions } from './postgres-options.js';
export type { Arrival, IngestBatch, IngestLine, IngestStore, StoreResult, StoredLine } from './store.js';
export type { Caller, IngestAuth } from './auth.js';
export type { KeySource } from './keys.js';
export type { IngestSigning } from './signature.js';
export type { Rejection } from './lines.js';
export type { IngestErrorCode } from './refusal.js';
export { WalError } from '../errors.js';
export type { WalErrorCode } from '../errors.js';
