// [w] Counters of the HTTP/2 codec: `http2.` for all downstream connections, `cluster.<name>.http2.` for upstream ones
// (Envoy's names).
import type { StatId, StatsStore } from '../../stats/store.ts';

export class Http2Stats {
  readonly store: StatsStore;
  readonly droppedHeadersWithUnderscores: StatId;
  readonly requestsRejectedWithUnderscores: StatId;
  readonly goawaySent: StatId;
  readonly headerOverflow: StatId;
  readonly emptyFramesFlood: StatId;
  readonly priorityFramesFlood: StatId;
  readonly windowUpdateFramesFlood: StatId;
  readonly outboundFlood: StatId;
  readonly outboundControlFlood: StatId;
  readonly keepaliveTimeout: StatId;
  readonly rxMessagingError: StatId;
  readonly rxReset: StatId;
  readonly txReset: StatId;
  readonly streamRefusedErrors: StatId;
  readonly trailers: StatId;
  readonly txFlushTimeout: StatId;
  readonly streamsActive: StatId;
  readonly pendingSendBytes: StatId;

  constructor(store: StatsStore, prefix: string) {
    const counter = (name: string): StatId => store.counter(`${prefix}http2.${name}`);
    this.store = store;
    this.droppedHeadersWithUnderscores = counter('dropped_headers_with_underscores');
    this.requestsRejectedWithUnderscores = counter('requests_rejected_with_underscores_in_headers');
    this.goawaySent = counter('goaway_sent');
    this.headerOverflow = counter('header_overflow');
    this.emptyFramesFlood = counter('inbound_empty_frames_flood');
    this.priorityFramesFlood = counter('inbound_priority_frames_flood');
    this.windowUpdateFramesFlood = counter('inbound_window_update_frames_flood');
    this.outboundFlood = counter('outbound_flood');
    this.outboundControlFlood = counter('outbound_control_flood');
    this.keepaliveTimeout = counter('keepalive_timeout');
    this.rxMessagingError = counter('rx_messaging_error');
    this.rxReset = counter('rx_reset');
    this.txReset = counter('tx_reset');
    this.streamRefusedErrors = counter('stream_refused_errors');
    this.trailers = counter('trailers');
    this.txFlushTimeout = counter('tx_flush_timeout');
    this.streamsActive = store.gauge(`${prefix}http2.streams_active`);
    this.pendingSendBytes = store.gauge(`${prefix}http2.pending_send_bytes`);
    // Gauges and counters that stay at 0 here, kept for dashboards.
    for (const name of ['headers_cb_no_stream', 'metadata_empty_frames']) counter(name);
    for (const name of [
      'deferred_stream_close',
      'outbound_frames_active',
      'outbound_control_frames_active',
    ])
      store.gauge(`${prefix}http2.${name}`);
  }
}
