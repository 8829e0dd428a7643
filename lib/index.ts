// The public API: named exports, no logic.

export { Wal } from './wal.js';
export type { QuarantinedItem, ResendOptions } from './quarantine.js';
export type {
  AppendReceipt,
  CompactOptions,
  CompactProgress,
  CompactReport,
  EvictOptions,
  EvictReport,
  EvictedRange,
  ReplayOptions,
} from './reports.js';
export { s2sTokenFromEnv, walOptionsFromEnv } from './environment.js';
export type { AlertName, AlertOptions } from './alert-options.js';
export type { HttpSinkOptions, S2sTokenOptions, StreamPolicy, TokenProvider, WalOptions } from './config.js';
export { systemClock } from './clock.js';
export type { Clock } from './clock.js';
export type { FieldsDropped } from './declared.js';
export { WalError } from './errors.js';
export type { WalErrorCode } from './errors.js';
export type { ReleaseReason, WalEvent } from './events.js';
export type { KindsOf } from './kinds.js';
export { migrateLog } from './migrate-log.js';
export type { MigrateReport } from './migrate-log.js';
export type { ImportOptions, ImportProblem, ImportProgress, ImportReport } from './import/import.js';
export type { Problem, VerifyReport } from './log/verify.js';
export { dumpItems } from './operate/dump.js';
export type { DumpItem, DumpOptions, DumpSource } from './operate/dump.js';
export type { HealthCheck, HealthStatus, WalHealth } from './operate/health.js';
export { serveInspector } from './operate/inspector/server.js';
export type { Inspector, InspectorOptions } from './operate/inspector/server.js';
export type { CursorLook, GapsLook, WalLook } from './operate/look.js';
export type { MetricFamily, MetricName, WalMetrics } from './operate/metrics.js';
export { printMetrics } from './operate/metrics-line.js';
export type { PrintMetricsOptions } from './operate/metrics-line.js';
export type { MetricsRegistry } from './operate/registry.js';
export { RemoteLog } from './operate/remote.js';
export { tailItems } from './operate/tail.js';
export type { FollowedLog, Following, TailItem, TailOptions, TailSource } from './operate/tail.js';
export type { ReadItem } from './passage.js';
export type { ReadOptions } from './reading.js';
export type { AuditRecord, DefaultKinds, Gap, GapReason, LogRecord, WireLine } from './records.js';
export type { Redaction, RedactionRule } from './redaction.js';
export type { Shipper } from './ship/shipper.js';
export type { ShipOptions, ShipperState } from './ship/shipper-context.js';
export { SinkError } from './ship/sink.js';
export type { Batch, FailureKind, Receipt, SendContext, Sink } from './ship/sink.js';
export { httpSink } from './ship/sinks/http.js';
export { jetStreamSink } from './ship/sinks/jetstream.js';
export type { JetStreamSinkOptions } from './ship/sinks/jetstream/options.js';
export type { ShipperStats, StreamStats, WalStats } from './stats.js';
