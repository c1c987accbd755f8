// [w] Counters of one listener, prefix `listener.<stat_prefix>.`.
import type { StatId, StatsStore } from '../stats/store.ts';

export class ListenerStats {
  readonly store: StatsStore;
  readonly cxTotal: StatId;
  readonly cxActive: StatId;
  /** The same of this worker. */
  readonly workerCxTotal: StatId;
  readonly workerCxActive: StatId;
  readonly cxDestroy: StatId;
  readonly cxLengthMs: StatId;
  readonly preCxActive: StatId;
  readonly preCxTimeout: StatId;
  readonly overflow: StatId;
  readonly globalOverflow: StatId;
  readonly filterError: StatId;
  readonly filterRemoteClose: StatId;
  readonly noFilterChainMatch: StatId;
  readonly handshakeTimeout: StatId;

  constructor(store: StatsStore, statPrefix: string, workerIndex: number) {
    const prefix = `listener.${statPrefix}.`;
    this.store = store;
    this.cxTotal = store.counter(`${prefix}downstream_cx_total`);
    this.cxActive = store.gauge(`${prefix}downstream_cx_active`);
    const worker = `${prefix}worker_${workerIndex}.`;
    this.workerCxTotal = store.counter(`${worker}downstream_cx_total`);
    this.workerCxActive = store.gauge(`${worker}downstream_cx_active`);
    this.cxDestroy = store.counter(`${prefix}downstream_cx_destroy`);
    this.cxLengthMs = store.histogram(`${prefix}downstream_cx_length_ms`);
    this.preCxActive = store.gauge(`${prefix}downstream_pre_cx_active`);
    this.preCxTimeout = store.counter(`${prefix}downstream_pre_cx_timeout`);
    this.overflow = store.counter(`${prefix}downstream_cx_overflow`);
    this.globalOverflow = store.counter(`${prefix}downstream_global_cx_overflow`);
    this.filterError = store.counter(`${prefix}downstream_listener_filter_error`);
    this.filterRemoteClose = store.counter(`${prefix}downstream_listener_filter_remote_close`);
    this.noFilterChainMatch = store.counter(`${prefix}no_filter_chain_match`);
    this.handshakeTimeout = store.counter(
      `${prefix}downstream_cx_transport_socket_connect_timeout`,
    );
    // Counted by who stands in for the filter (filters/network/missing-settings.ts).
    store.counter(`${prefix}network_extension_config_missing`);
    for (const name of UNCOUNTED) store.counter(prefix + name);
  }
}

/** Names that Envoy shows and that nothing counts. */
const UNCOUNTED: readonly string[] = ['downstream_cx_overload_reject', 'extension_config_missing'];
