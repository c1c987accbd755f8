// [w] Counters of one tcp_proxy, prefix `tcp.<stat_prefix>.` (envoy-behaviour §8.1).
import type { StatId, StatsStore } from '../../stats/store.ts';

export class TcpProxyStats {
  readonly store: StatsStore;
  readonly cxTotal: StatId;
  readonly cxNoRoute: StatId;
  readonly cxRxBytesTotal: StatId;
  readonly cxTxBytesTotal: StatId;
  readonly flowControlPaused: StatId;
  readonly flowControlResumed: StatId;
  readonly earlyData: StatId;
  readonly idleTimeout: StatId;
  readonly maxDuration: StatId;
  readonly upstreamFlushTotal: StatId;
  readonly upstreamFlushActive: StatId;

  constructor(store: StatsStore, statPrefix: string) {
    const prefix = `tcp.${statPrefix}.`;
    this.store = store;
    this.cxTotal = store.counter(`${prefix}downstream_cx_total`);
    this.cxNoRoute = store.counter(`${prefix}downstream_cx_no_route`);
    this.cxRxBytesTotal = store.counter(`${prefix}downstream_cx_rx_bytes_total`);
    this.cxTxBytesTotal = store.counter(`${prefix}downstream_cx_tx_bytes_total`);
    this.flowControlPaused = store.counter(`${prefix}downstream_flow_control_paused_reading_total`);
    this.flowControlResumed = store.counter(
      `${prefix}downstream_flow_control_resumed_reading_total`,
    );
    this.earlyData = store.counter(`${prefix}early_data_received_count_total`);
    this.idleTimeout = store.counter(`${prefix}idle_timeout`);
    this.maxDuration = store.counter(`${prefix}max_downstream_connection_duration`);
    this.upstreamFlushTotal = store.counter(`${prefix}upstream_flush_total`);
    this.upstreamFlushActive = store.gauge(`${prefix}upstream_flush_active`);
    // Bytes stay in no buffer of ours longer than an event, but for slow readers.
    store.gauge(`${prefix}downstream_cx_rx_bytes_buffered`);
    store.gauge(`${prefix}downstream_cx_tx_bytes_buffered`);
  }
}

/** Only where `on_demand` is configured. */
export class TcpOnDemandStats {
  readonly store: StatsStore;
  readonly attempt: StatId;
  readonly success: StatId;
  readonly missing: StatId;
  readonly timeout: StatId;

  constructor(store: StatsStore, statPrefix: string) {
    const counter = (what: string): StatId =>
      store.counter(`tcp.${statPrefix}.on_demand_cluster_${what}`);
    this.store = store;
    this.attempt = counter('attempt');
    this.success = counter('success');
    this.missing = counter('missing');
    this.timeout = counter('timeout');
  }
}
