// [w] Counters of one connection manager, prefix `http.<stat_prefix>.` (Envoy's names).
import type { Connection } from '../network/connection.ts';
import type { StatId, StatsStore } from '../stats/store.ts';

export class ConnManagerStats {
  readonly store: StatsStore;
  readonly cxTotal: StatId;
  readonly cxActive: StatId;
  readonly cxHttp1Total: StatId;
  readonly cxHttp1Active: StatId;
  readonly cxHttp2Total: StatId;
  readonly cxHttp2Active: StatId;
  readonly cxDestroy: StatId;
  readonly cxDestroyLocal: StatId;
  readonly cxDestroyRemote: StatId;
  readonly cxDestroyActiveRq: StatId;
  readonly cxDestroyLocalActiveRq: StatId;
  readonly cxDestroyRemoteActiveRq: StatId;
  readonly cxProtocolError: StatId;
  readonly cxIdleTimeout: StatId;
  readonly cxMaxDurationReached: StatId;
  readonly cxMaxRequestsReached: StatId;
  readonly cxDrainClose: StatId;
  readonly cxRxBytesTotal: StatId;
  readonly cxTxBytesTotal: StatId;
  readonly cxUpgradesTotal: StatId;
  readonly cxUpgradesActive: StatId;
  readonly cxDelayedCloseTimeout: StatId;
  readonly cxHttp1SoftDrain: StatId;
  readonly cxLengthMs: StatId;
  readonly flowControlPaused: StatId;
  readonly flowControlResumed: StatId;
  readonly rqTotal: StatId;
  readonly rqHttp1Total: StatId;
  readonly rqHttp2Total: StatId;
  readonly rqActive: StatId;
  readonly rqCompleted: StatId;
  readonly rqTime: StatId;
  readonly rqRxReset: StatId;
  readonly rqTxReset: StatId;
  readonly rqTimeout: StatId;
  readonly rqHeaderTimeout: StatId;
  readonly rqIdleTimeout: StatId;
  readonly rqMaxDurationReached: StatId;
  readonly rqTooLarge: StatId;
  readonly rqTooManyPrematureResets: StatId;
  readonly rqNonRelativePath: StatId;
  readonly rqFailedPathNormalization: StatId;
  readonly rqRedirectedWithNormalizedPath: StatId;
  readonly rqWsOnNonWsRoute: StatId;
  readonly rqResponseBeforeRqComplete: StatId;
  readonly rqRejectedViaIpDetection: StatId;
  readonly rsTooLarge: StatId;
  /** Of all connection managers together, as Envoy counts them. */
  readonly http1DroppedUnderscores: StatId;
  readonly http1RejectedUnderscores: StatId;
  readonly #rqByClass: readonly StatId[];
  readonly #tracing: readonly StatId[];
  /** The same under the listener: `listener.<stat_prefix>.http.<stat_prefix>.`. */
  readonly #listenerRqCompleted: StatId;
  readonly #listenerRqByClass: readonly StatId[];

  /** `listenerPrefix`: the part of its listener's stat names that varies. */
  // oxlint-disable-next-line eslint/max-lines-per-function -- a list of names
  constructor(store: StatsStore, statPrefix: string, listenerPrefix: string) {
    const prefix = `http.${statPrefix}.downstream_`;
    const counter = (name: string): StatId => store.counter(prefix + name);
    const gauge = (name: string): StatId => store.gauge(prefix + name);
    this.store = store;
    this.cxTotal = counter('cx_total');
    this.cxActive = gauge('cx_active');
    this.cxHttp1Total = counter('cx_http1_total');
    this.cxHttp1Active = gauge('cx_http1_active');
    this.cxHttp2Total = counter('cx_http2_total');
    this.cxHttp2Active = gauge('cx_http2_active');
    this.cxDestroy = counter('cx_destroy');
    this.cxDestroyLocal = counter('cx_destroy_local');
    this.cxDestroyRemote = counter('cx_destroy_remote');
    this.cxDestroyActiveRq = counter('cx_destroy_active_rq');
    this.cxDestroyLocalActiveRq = counter('cx_destroy_local_active_rq');
    this.cxDestroyRemoteActiveRq = counter('cx_destroy_remote_active_rq');
    this.cxProtocolError = counter('cx_protocol_error');
    this.cxIdleTimeout = counter('cx_idle_timeout');
    this.cxMaxDurationReached = counter('cx_max_duration_reached');
    this.cxMaxRequestsReached = counter('cx_max_requests_reached');
    this.cxDrainClose = counter('cx_drain_close');
    this.cxRxBytesTotal = counter('cx_rx_bytes_total');
    this.cxTxBytesTotal = counter('cx_tx_bytes_total');
    this.cxUpgradesTotal = counter('cx_upgrades_total');
    this.cxUpgradesActive = gauge('cx_upgrades_active');
    this.cxDelayedCloseTimeout = counter('cx_delayed_close_timeout');
    this.cxHttp1SoftDrain = gauge('cx_http1_soft_drain');
    this.cxLengthMs = store.histogram(`${prefix}cx_length_ms`);
    this.flowControlPaused = counter('flow_control_paused_reading_total');
    this.flowControlResumed = counter('flow_control_resumed_reading_total');
    this.rqTotal = counter('rq_total');
    this.rqHttp1Total = counter('rq_http1_total');
    this.rqHttp2Total = counter('rq_http2_total');
    this.rqTooManyPrematureResets = counter('rq_too_many_premature_resets');
    this.rqActive = gauge('rq_active');
    this.rqCompleted = counter('rq_completed');
    this.rqTime = store.histogram(`${prefix}rq_time`);
    this.rqRxReset = counter('rq_rx_reset');
    this.rqTxReset = counter('rq_tx_reset');
    this.rqTimeout = counter('rq_timeout');
    this.rqHeaderTimeout = counter('rq_header_timeout');
    this.rqIdleTimeout = counter('rq_idle_timeout');
    this.rqMaxDurationReached = counter('rq_max_duration_reached');
    this.rqTooLarge = counter('rq_too_large');
    this.rqNonRelativePath = counter('rq_non_relative_path');
    this.rqFailedPathNormalization = counter('rq_failed_path_normalization');
    this.rqRedirectedWithNormalizedPath = counter('rq_redirected_with_normalized_path');
    this.rqWsOnNonWsRoute = counter('rq_ws_on_non_ws_route');
    this.rqResponseBeforeRqComplete = counter('rq_response_before_rq_complete');
    this.rqRejectedViaIpDetection = counter('rq_rejected_via_ip_detection');
    this.rsTooLarge = store.counter(`http.${statPrefix}.rs_too_large`);
    const classes = (at: string): StatId[] =>
      [1, 2, 3, 4, 5].map((hundred) => store.counter(`${at}rq_${hundred}xx`));
    const listener = `listener.${listenerPrefix}.${prefix}`;
    this.#rqByClass = classes(prefix);
    this.#listenerRqCompleted = store.counter(`${listener}rq_completed`);
    this.#listenerRqByClass = classes(listener);
    this.#tracing = TRACE_REASONS.map((name) =>
      store.counter(`http.${statPrefix}.tracing.${name}`),
    );
    registerUncounted(store, statPrefix);
    this.http1DroppedUnderscores = store.counter('http1.dropped_headers_with_underscores');
    this.http1RejectedUnderscores = store.counter(
      'http1.requests_rejected_with_underscores_in_headers',
    );
  }

  /** What the end of a connection of either version counts. */
  chargeClose(remote: boolean, connection: Connection, lengthMs: number): void {
    const store = this.store;
    store.dec(this.cxActive);
    store.inc(this.cxDestroy);
    store.inc(remote ? this.cxDestroyRemote : this.cxDestroyLocal);
    store.add(this.cxRxBytesTotal, connection.bytesRead);
    store.add(this.cxTxBytesTotal, connection.bytesWritten);
    store.record(this.cxLengthMs, lengthMs);
  }

  /** A connection ended with requests on it. */
  chargeActiveGone(remote: boolean): void {
    this.store.inc(this.cxDestroyActiveRq);
    this.store.inc(remote ? this.cxDestroyRemoteActiveRq : this.cxDestroyLocalActiveRq);
  }

  chargeTracing(reason: number): void {
    this.store.inc(this.#tracing[reason]!);
  }

  /** `downstream_rq_completed` and the class of the code. */
  chargeResponse(status: number): void {
    const { store } = this;
    store.inc(this.rqCompleted);
    store.inc(this.#listenerRqCompleted);
    const index = Math.floor(status / 100) - 1;
    const byClass = this.#rqByClass[index];
    if (byClass === undefined) return;
    store.inc(byClass);
    store.inc(this.#listenerRqByClass[index]!);
  }
}

/** Names that Envoy shows and that nothing counts: what they count does not exist here. */
function registerUncounted(store: StatsStore, statPrefix: string): void {
  const prefix = `http.${statPrefix}.`;
  for (const name of UNCOUNTED) store.counter(prefix + name);
  for (const name of UNCOUNTED_GAUGES) store.gauge(prefix + name);
}

/** As TraceReason counts them. */
const TRACE_REASONS = ['not_traceable', 'random_sampling', 'service_forced', 'client_enabled'];

const UNCOUNTED: readonly string[] = [
  'downstream_cx_http3_total',
  'downstream_cx_overload_disable_keepalive',
  'downstream_cx_ssl_total',
  'downstream_rq_http3_total',
  'downstream_rq_overload_close',
  'tracing.health_check',
];

const UNCOUNTED_GAUGES: readonly string[] = [
  'downstream_cx_http3_active',
  'downstream_cx_rx_bytes_buffered',
  'downstream_cx_ssl_active',
  'downstream_cx_tx_bytes_buffered',
];
