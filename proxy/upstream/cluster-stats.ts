// [w] Counters of one cluster, registered when the cluster is first used by this worker, never before.
import type { StatId, StatsStore } from '../stats/store.ts';
import { CodeCounters } from './code-counters.ts';
import { registerQuietStats } from './quiet-cluster-stats.ts';
import { ByteCounts } from './conn-pool/byte-counts.ts';

export class ClusterStats {
  readonly store: StatsStore;
  readonly prefix: string;
  readonly upstreamCxTotal: StatId;
  readonly upstreamCxActive: StatId;
  readonly upstreamCxHttp1Total: StatId;
  readonly upstreamCxHttp2Total: StatId;
  readonly upstreamCxCloseNotify: StatId;
  readonly upstreamCxConnectFail: StatId;
  readonly upstreamCxConnectTimeout: StatId;
  readonly upstreamCxDestroy: StatId;
  readonly upstreamCxDestroyLocal: StatId;
  readonly upstreamCxDestroyRemote: StatId;
  readonly upstreamCxDestroyWithActiveRq: StatId;
  readonly upstreamCxDestroyLocalWithActiveRq: StatId;
  readonly upstreamCxDestroyRemoteWithActiveRq: StatId;
  readonly upstreamCxConnectAttemptsExceeded: StatId;
  readonly upstreamCxOverflow: StatId;
  readonly upstreamCxPoolOverflow: StatId;
  readonly upstreamCxMaxDurationReached: StatId;
  readonly upstreamCxNoneHealthy: StatId;
  readonly upstreamCxProtocolError: StatId;
  readonly upstreamCxMaxRequests: StatId;
  readonly upstreamCxIdleTimeout: StatId;
  readonly upstreamCxRxBytesTotal: StatId;
  readonly upstreamCxTxBytesTotal: StatId;
  readonly upstreamCxTxBytesBuffered: StatId;
  readonly upstreamRqPerCx: StatId;
  readonly bindErrors: StatId;
  /** Of HTTP connections while they live. */
  readonly bytes: ByteCounts;
  readonly upstreamCxConnectMs: StatId;
  readonly upstreamCxLengthMs: StatId;
  readonly upstreamRqTotal: StatId;
  readonly upstreamRqActive: StatId;
  readonly upstreamRqPendingTotal: StatId;
  readonly upstreamRqPendingActive: StatId;
  readonly upstreamRqPendingOverflow: StatId;
  readonly upstreamRqActiveOverflow: StatId;
  readonly upstreamRqPendingFailureEject: StatId;
  readonly upstreamRqCancelled: StatId;
  readonly upstreamRqTimeout: StatId;
  readonly upstreamRqPerTryTimeout: StatId;
  readonly upstreamRqRxReset: StatId;
  readonly upstreamRqTxReset: StatId;
  readonly upstreamRqRetry: StatId;
  readonly upstreamRqRetrySuccess: StatId;
  readonly upstreamRqRetryOverflow: StatId;
  readonly upstreamRqRetryLimitExceeded: StatId;
  readonly upstreamRqRetryBackoffExponential: StatId;
  readonly upstreamRqMaintenanceMode: StatId;
  readonly upstreamRqPerTryIdleTimeout: StatId;
  readonly upstreamRqMaxDurationReached: StatId;
  readonly upstreamRqRetryBackoffRatelimited: StatId;
  readonly retryOrShadowAbandoned: StatId;
  readonly upstreamInternalRedirectSucceeded: StatId;
  readonly upstreamInternalRedirectFailed: StatId;
  readonly upstreamFlowControlPaused: StatId;
  readonly upstreamFlowControlResumed: StatId;
  readonly upstreamFlowControlBackedUp: StatId;
  readonly upstreamFlowControlDrained: StatId;
  readonly originalDstHostInvalid: StatId;
  /** Answers of the cluster by code: all of them, and by who asked. */
  readonly all: CodeCounters;
  readonly internal: CodeCounters;
  readonly external: CodeCounters;
  #canary: CodeCounters | null = null;
  /** Answers that were swallowed. */
  #retry: CodeCounters | null = null;
  #zones: Map<string, CodeCounters> | null = null;

  // oxlint-disable-next-line eslint/max-lines-per-function -- a list of names
  constructor(store: StatsStore, statName: string) {
    const prefix = `cluster.${statName}.`;
    const counter = (name: string): StatId => store.counter(prefix + name);
    const gauge = (name: string): StatId => store.gauge(prefix + name);
    this.store = store;
    this.prefix = prefix;
    this.upstreamCxTotal = counter('upstream_cx_total');
    this.upstreamCxActive = gauge('upstream_cx_active');
    this.upstreamCxHttp1Total = counter('upstream_cx_http1_total');
    this.upstreamCxHttp2Total = counter('upstream_cx_http2_total');
    this.upstreamCxCloseNotify = counter('upstream_cx_close_notify');
    this.upstreamCxConnectFail = counter('upstream_cx_connect_fail');
    this.upstreamCxConnectTimeout = counter('upstream_cx_connect_timeout');
    this.upstreamCxDestroy = counter('upstream_cx_destroy');
    this.upstreamCxDestroyLocal = counter('upstream_cx_destroy_local');
    this.upstreamCxDestroyRemote = counter('upstream_cx_destroy_remote');
    this.upstreamCxDestroyWithActiveRq = counter('upstream_cx_destroy_with_active_rq');
    this.upstreamCxDestroyLocalWithActiveRq = counter('upstream_cx_destroy_local_with_active_rq');
    this.upstreamCxDestroyRemoteWithActiveRq = counter('upstream_cx_destroy_remote_with_active_rq');
    this.upstreamCxConnectAttemptsExceeded = counter('upstream_cx_connect_attempts_exceeded');
    this.upstreamCxOverflow = counter('upstream_cx_overflow');
    this.upstreamCxPoolOverflow = counter('upstream_cx_pool_overflow');
    this.upstreamCxMaxDurationReached = counter('upstream_cx_max_duration_reached');
    this.upstreamCxNoneHealthy = counter('upstream_cx_none_healthy');
    this.upstreamCxProtocolError = counter('upstream_cx_protocol_error');
    this.upstreamCxMaxRequests = counter('upstream_cx_max_requests');
    this.upstreamCxIdleTimeout = counter('upstream_cx_idle_timeout');
    this.upstreamCxRxBytesTotal = counter('upstream_cx_rx_bytes_total');
    this.upstreamCxTxBytesTotal = counter('upstream_cx_tx_bytes_total');
    this.upstreamCxTxBytesBuffered = gauge('upstream_cx_tx_bytes_buffered');
    this.upstreamRqPerCx = store.histogram(`${prefix}upstream_rq_per_cx`);
    this.bindErrors = counter('bind_errors');
    this.bytes = new ByteCounts(this);
    this.upstreamCxConnectMs = store.histogram(`${prefix}upstream_cx_connect_ms`);
    this.upstreamCxLengthMs = store.histogram(`${prefix}upstream_cx_length_ms`);
    this.upstreamRqTotal = counter('upstream_rq_total');
    this.upstreamRqActive = gauge('upstream_rq_active');
    this.upstreamRqPendingTotal = counter('upstream_rq_pending_total');
    this.upstreamRqPendingActive = gauge('upstream_rq_pending_active');
    this.upstreamRqPendingOverflow = counter('upstream_rq_pending_overflow');
    this.upstreamRqActiveOverflow = counter('upstream_rq_active_overflow');
    this.upstreamRqPendingFailureEject = counter('upstream_rq_pending_failure_eject');
    this.upstreamRqCancelled = counter('upstream_rq_cancelled');
    this.upstreamRqTimeout = counter('upstream_rq_timeout');
    this.upstreamRqPerTryTimeout = counter('upstream_rq_per_try_timeout');
    this.upstreamRqRxReset = counter('upstream_rq_rx_reset');
    this.upstreamRqTxReset = counter('upstream_rq_tx_reset');
    this.upstreamRqRetry = counter('upstream_rq_retry');
    this.upstreamRqRetrySuccess = counter('upstream_rq_retry_success');
    this.upstreamRqRetryOverflow = counter('upstream_rq_retry_overflow');
    this.upstreamRqRetryLimitExceeded = counter('upstream_rq_retry_limit_exceeded');
    this.upstreamRqRetryBackoffExponential = counter('upstream_rq_retry_backoff_exponential');
    this.upstreamRqMaintenanceMode = counter('upstream_rq_maintenance_mode');
    this.upstreamRqPerTryIdleTimeout = counter('upstream_rq_per_try_idle_timeout');
    this.upstreamRqMaxDurationReached = counter('upstream_rq_max_duration_reached');
    this.upstreamRqRetryBackoffRatelimited = counter('upstream_rq_retry_backoff_ratelimited');
    this.retryOrShadowAbandoned = counter('retry_or_shadow_abandoned');
    this.upstreamInternalRedirectSucceeded = counter('upstream_internal_redirect_succeeded_total');
    this.upstreamInternalRedirectFailed = counter('upstream_internal_redirect_failed_total');
    this.upstreamFlowControlPaused = counter('upstream_flow_control_paused_reading_total');
    this.upstreamFlowControlResumed = counter('upstream_flow_control_resumed_reading_total');
    this.upstreamFlowControlBackedUp = counter('upstream_flow_control_backed_up_total');
    this.upstreamFlowControlDrained = counter('upstream_flow_control_drained_total');
    this.originalDstHostInvalid = counter('original_dst_host_invalid');
    registerQuietStats(store, prefix);
    this.all = this.#codes('');
    this.internal = this.#codes('internal.');
    this.external = this.#codes('external.');
  }

  get canary(): CodeCounters {
    return (this.#canary ??= this.#codes('canary.'));
  }

  get retry(): CodeCounters {
    return (this.#retry ??= this.#codes('retry.'));
  }

  zone(from: string, to: string): CodeCounters {
    const zones = (this.#zones ??= new Map<string, CodeCounters>());
    let counters = zones.get(to);
    if (counters === undefined) {
      counters = this.#codes(`zone.${from}.${to}.`);
      zones.set(to, counters);
    }
    return counters;
  }

  #codes(category: string): CodeCounters {
    return new CodeCounters(this.store, this.prefix + category);
  }
}
