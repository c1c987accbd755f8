// [b] Every message between main and a worker thread: one union each way, plain data only.
//
// Order: main posts `init` first, `secrets` and `config` right behind it; a worker answers `ready` once and `applied` per config.
// A replaced worker gets `init`, the sum of all updates as one `config`, then the drain and health state in force.
import type { NodeConfig } from '../config/bootstrap-config.ts';
import type { GrpcLogConfig } from '../config/access-log-config.ts';
import type { UpstreamBindConfig } from '../config/socket-config.ts';
import type { DnsCacheConfig, ForwardHostConfig } from '../config/dns-cache-config.ts';
import type { LogRecord } from '../config/log-record.ts';
import type { SourceRef } from '../config/config-source.ts';
import type { ConfigUpdate } from '../config/snapshot.ts';
import type { AddressConfig } from '../config/listener-config.ts';
import type { LogLevel } from '../base/logger.ts';
import type { TokenBucketPlace } from '../filters/token-bucket-memory.ts';
import type { MonitorEvent } from '../upstream/host-monitor.ts';
import type { HostCounts } from '../upstream/host.ts';
import type { EarlyListeners } from '../listener-manager/early-sockets.ts';
import type { StatNames, StatsReport } from '../stats/store.ts';
import type { SecretUpdate } from '../tls/secret-store.ts';

export type DrainStrategy = 'gradual' | 'immediate';

export interface ComponentLogLevel {
  readonly component: string;
  readonly level: LogLevel;
}

/** What a worker needs to know for its whole life. */
export interface WorkerInit {
  /** 0 to concurrency - 1; a replacement takes the index of the dead one. */
  readonly workerIndex: number;
  readonly concurrency: number;
  readonly logLevel: LogLevel;
  readonly componentLogLevels: readonly ComponentLogLevel[];
  readonly node: NodeConfig;
  /** First non-loopback address of the host, of the family that `--local-address-ip-version` names. */
  readonly localAddress: string;
  /** Static runtime layers merged. */
  readonly runtime: ReadonlyMap<string, string>;
  /** The cluster that this proxy is one of, for zone-aware routing; '': not said. */
  readonly localClusterName: string;
  /** Of all listeners, by the overload manager; undefined: no limit of it. */
  readonly maxDownstreamConnections: number | undefined;
  /** Retries that could do a thing twice are left out, unless a route says otherwise. */
  readonly guardReplays: boolean;
  /** Requests that met a dead connection are sent once more, unless a route says otherwise. */
  readonly replayStale: boolean;
  /** Access logs are flushed at least this often. */
  readonly fileFlushIntervalMs: number;
  /** And as soon as that much waits. */
  readonly fileFlushMinSizeKb: number;
  /** What access log formats may print of the host: `%HOSTNAME%`, `%ENVIRONMENT(X)%`. */
  readonly hostname: string;
  readonly environment: ReadonlyMap<string, string>;
  /** How listeners that an update replaced or removed give up their connections. */
  readonly drainStrategy: DrainStrategy;
  readonly drainTimeMs: number;
  /** Open until `early_over`; undefined: none. */
  readonly early: EarlyListeners | undefined;
  /** Circuit breakers: an Int32Array over it, INTS_PER_SLOT (upstream/resource-manager.ts) ints per cluster slot. */
  readonly circuitBreakerCounts: SharedArrayBuffer;
  /** `cluster_manager.upstream_bind_config`. */
  readonly upstreamBind?: UpstreamBindConfig | undefined;
  /** Connections per host: upstream/shared-host-counts.ts. */
  readonly hostCounts: SharedArrayBuffer;
  /** Token buckets of local rate limits: filters/token-bucket-memory.ts. */
  readonly tokenBuckets: SharedArrayBuffer;
  /** Outliers: upstream/outlier-memory.ts. */
  readonly outlierCounts: SharedArrayBuffer;
  /** Active faults: filters/shared-counts.ts. */
  readonly sharedCounts: SharedArrayBuffer;
  /** Of this process: TLS ticket keys are made of it, so that a session of one worker is known to the others. */
  readonly ticketSecret: Uint8Array;
}

/** Where a cluster counts its circuit breakers; given with the update that first names the cluster. */
export interface CircuitBreakerSlot {
  readonly cluster: string;
  readonly slot: number;
}

export type ToWorker =
  | { readonly kind: 'init'; readonly init: WorkerInit }
  /** `slots` has one entry for every cluster in `update.clusters`; a cluster keeps its slot for life. */
  | {
      readonly kind: 'config';
      readonly update: ConfigUpdate;
      readonly slots: readonly CircuitBreakerSlot[];
      /** Objects of `update`, by identity. */
      readonly bucketPlaces: readonly TokenBucketPlace[];
    }
  /** Answer: `stats`. `all`: name every stat again (StatsStore.report). */
  | { readonly kind: 'collect_stats'; readonly requestId: number; readonly all: boolean }
  /** Answer: `clusters`. */
  | { readonly kind: 'collect_clusters'; readonly requestId: number }
  /**
   * Responses of the named direction now say `connection: close`: at once (immediate), or with the probability
   * elapsed / drainTimeMs (gradual). Listeners go on accepting. `elapsedMs` > 0 only towards a replaced worker.
   */
  | {
      readonly kind: 'drain_started';
      readonly inboundOnly: boolean;
      readonly strategy: DrainStrategy;
      readonly drainTimeMs: number;
      readonly elapsedMs: number;
    }
  /** Closes listening sockets for good; later updates of those listeners are not bound. Live connections stay. */
  | { readonly kind: 'stop_listeners'; readonly inboundOnly: boolean }
  /** The first configuration is complete: connections that came before it are taken up. */
  | { readonly kind: 'early_over' }
  /** `/healthcheck/fail`: listeners of drain type DEFAULT close after each response while it is true. */
  | { readonly kind: 'health_check_failed'; readonly failed: boolean }
  /** `component` undefined: all. */
  | { readonly kind: 'log_level'; readonly component: string | undefined; readonly level: LogLevel }
  /** New ones before the `config` that needs them, removals after the one that does not. */
  | { readonly kind: 'secrets'; readonly updates: readonly SecretUpdate[] }
  /** A `grpc_logs` batch of that key is done with: another may follow. */
  | { readonly kind: 'grpc_logs_sent'; readonly key: string }
  /** News of the hosts of a DNS cache; `removed`: forgotten ones. */
  | {
      readonly kind: 'forward_hosts';
      readonly cache: string;
      readonly hosts: readonly ForwardHostConfig[];
      readonly removed: readonly string[];
    }
  /** The server says that a cluster which was `cluster_wanted` does not exist. */
  | { readonly kind: 'cluster_missing'; readonly cluster: string }
  /** SIGUSR1: access log files are closed and opened again. */
  | { readonly kind: 'reopen_logs' }
  /** Flush logs, close everything, let the thread end. */
  | { readonly kind: 'shutdown' };

/** One host of one cluster as one worker counts it. */
export interface HostReport {
  readonly cluster: string;
  /** `Host.addressText`. */
  readonly address: string;
  readonly counts: HostCounts;
}

/** What a worker could not do with an update that main had validated: a mistake of ours, logged and counted. */
export interface ApplyProblem {
  readonly resource: 'cluster' | 'endpoints' | 'host health' | 'route' | 'listener';
  readonly name: string;
  readonly message: string;
}

export interface WorkerLogRecord {
  readonly level: LogLevel;
  readonly component: string;
  readonly message: string;
  /** Only values that structuredClone takes. */
  readonly fields: Readonly<Record<string, unknown>> | undefined;
  readonly wallMs: number;
}

export type FromWorker =
  /** `init` was taken. */
  | { readonly kind: 'ready' }
  /** The worker runs on this version from now on. */
  | {
      readonly kind: 'applied';
      readonly version: number;
      readonly problems: readonly ApplyProblem[];
    }
  /** Outcome of one bind; `error` says what failed and where; undefined: accepting on `address` (with the real port where 0 was asked). */
  | {
      readonly kind: 'listener_bound';
      readonly name: string;
      readonly address: AddressConfig;
      readonly error: string | undefined;
    }
  /** Before `stats`, where there are too many names for one message. */
  | { readonly kind: 'stat_names'; readonly names: StatNames }
  | { readonly kind: 'stats'; readonly requestId: number; readonly report: StatsReport }
  | { readonly kind: 'clusters'; readonly requestId: number; readonly hosts: readonly HostReport[] }
  /** Batched and bounded by the sender; `dropped` counts records left out since the last message. */
  | { readonly kind: 'log'; readonly records: readonly WorkerLogRecord[]; readonly dropped: number }
  /** Entries for an access log service; at most two batches of a key wait for their `grpc_logs_sent`. */
  | {
      readonly kind: 'grpc_logs';
      readonly key: string;
      readonly config: GrpcLogConfig;
      readonly records: readonly LogRecord[];
    }
  /** Requests found out something about a host; main decides what it means. */
  | {
      readonly kind: 'host_event';
      readonly cluster: string;
      readonly address: string;
      readonly event: MonitorEvent;
    }
  /** A cluster that is checked opens its first connections. */
  | { readonly kind: 'cluster_used'; readonly cluster: string }
  /** A host of a DNS cache that this worker does not know. Answer: `forward_hosts`, now or when the name is resolved. */
  | { readonly kind: 'forward_lookup'; readonly cache: DnsCacheConfig; readonly host: string }
  /** A request or connection waits for a cluster that this worker does not know. Answer: `config`, or `cluster_missing`. */
  | { readonly kind: 'cluster_wanted'; readonly cluster: string; readonly ref: SourceRef }
  /** It still has requests; a few times in its time to live. */
  | { readonly kind: 'forward_used'; readonly cache: string; readonly host: string }
  /** Live downstream connections; at most once a second, when it changed. */
  | { readonly kind: 'connections'; readonly active: number }
  /** Last words of a thread that cannot go on; it ends right after. */
  | { readonly kind: 'fatal'; readonly message: string };
