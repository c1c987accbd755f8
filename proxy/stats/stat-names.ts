// [b] The table of all stats: name, kind, unit, meaning. docs/stats.md is made from it (stats-document.ts); a test holds
// it against what the code registers. Names are Envoy's; `<…>` stands for a part that varies.
import { BALANCING_ROWS } from './balancing-stat-names.ts';
import { CLUSTER_UPDATE_ROWS, DNS_CACHE_GROUP } from './cluster-stat-names.ts';
import { DISCOVERY_STAT_GROUPS } from './discovery-stat-names.ts';
import { FILTER_STAT_GROUPS } from './filter-stat-names.ts';
import { HEALTH_STAT_GROUPS } from './health-stat-names.ts';
import { MANAGER_STAT_GROUPS } from './manager-stat-names.ts';
import { counters, gauges, histograms } from './stat-rows.ts';
import type { StatGroup, StatRow } from './stat-rows.ts';
import { TLS_STAT_GROUPS } from './ssl-stat-names.ts';

const HTTP2_ROWS: readonly StatRow[] = [
  ...counters(`
    dropped_headers_with_underscores: header lines dropped for an underscore in their name
    requests_rejected_with_underscores_in_headers: requests refused for an underscore in a name
    goaway_sent: GOAWAY frames sent
    header_overflow: streams reset because their header list was too large or too long
    headers_cb_no_stream: always 0
    inbound_empty_frames_flood: connections ended for too many empty frames
    inbound_priority_frames_flood: connections ended for too many PRIORITY frames
    inbound_window_update_frames_flood: connections ended for too many WINDOW_UPDATE frames
    keepalive_timeout: connections ended because a PING was not answered
    metadata_empty_frames: always 0
    outbound_control_flood: connections ended because too many control frames waited for them
    outbound_flood: connections ended because too many frames waited for them
    rx_messaging_error: messages that break the rules
    rx_reset: streams the peer reset
    stream_refused_errors: streams the peer refused
    trailers: trailers sent
    tx_flush_timeout: streams given up because the peer opened no window
    tx_reset: streams we reset
  `),
  ...gauges(`
    deferred_stream_close: always 0
    outbound_control_frames_active: always 0
    outbound_frames_active: always 0
    pending_send_bytes [bytes]: body bytes that wait for window or socket
    streams_active: open streams
  `),
];

export const STAT_GROUPS: readonly StatGroup[] = [
  {
    title: 'Listeners',
    prefix: 'listener.<stat_prefix>.',
    rows: [
      ...counters(`
        downstream_cx_total: connections accepted
        downstream_cx_destroy: connections that ended
        downstream_pre_cx_timeout: connections whose first bytes came too late for the listener filters
        no_filter_chain_match: connections closed because no filter chain was for them
        worker_<n>.downstream_cx_total: connections accepted by one worker
        downstream_cx_overflow: registered as in Envoy, and never counted
        downstream_cx_overload_reject: registered as in Envoy, and never counted
        downstream_cx_transport_socket_connect_timeout: connections closed because their handshake took too long
        downstream_global_cx_overflow: registered as in Envoy, and never counted
        downstream_listener_filter_error: registered as in Envoy, and never counted
        downstream_listener_filter_remote_close: registered as in Envoy, and never counted
        extension_config_missing: registered as in Envoy, and never counted
        network_extension_config_missing: connections closed as a network filter that is discovered has no settings
        http.<stat_prefix>.downstream_rq_completed: responses sent by one of its connection managers
        http.<stat_prefix>.downstream_rq_<n>xx: the same by class of code`),
      ...gauges(`
        downstream_cx_active: open connections
        worker_<n>.downstream_cx_active: open connections of one worker
        downstream_pre_cx_active: connections in the listener filters`),
      ...histograms(`downstream_cx_length_ms [ms]: life of a connection`),
    ],
  },
  {
    title: 'HTTP connection managers',
    prefix: 'http.<stat_prefix>.',
    rows: [
      ...counters(`
        downstream_cx_total: connections
        downstream_cx_http1_total: HTTP/1 connections
        downstream_cx_destroy: connections that ended
        downstream_cx_destroy_local: connections that the proxy ended
        downstream_cx_destroy_remote: connections that the client ended
        downstream_cx_destroy_active_rq: connections that ended with a request under way
        downstream_cx_destroy_local_active_rq: the same, ended by the proxy
        downstream_cx_destroy_remote_active_rq: the same, ended by the client
        downstream_cx_protocol_error: connections closed for a breach of protocol
        downstream_cx_idle_timeout: connections closed for idleness
        downstream_cx_max_duration_reached: connections closed for their age
        downstream_cx_max_requests_reached: connections closed after their last allowed request
        downstream_cx_drain_close: connections closed because the listener or the server drains
        downstream_cx_delayed_close_timeout: connections whose client did not go within the delayed close time-out
        downstream_cx_http2_total: HTTP/2 connections
        downstream_cx_http3_total: always 0
        downstream_cx_ssl_total: always 0
        downstream_cx_overload_disable_keepalive: always 0
        downstream_cx_rx_bytes_total [bytes]: received
        downstream_cx_tx_bytes_total [bytes]: sent
        downstream_cx_upgrades_total: connections upgraded (WebSocket)
        downstream_flow_control_paused_reading_total: times reading stopped because the other side was slow
        downstream_flow_control_resumed_reading_total: times reading went on
        downstream_rq_total: requests
        downstream_rq_http1_total: HTTP/1 requests
        downstream_rq_http2_total: HTTP/2 requests
        downstream_rq_http3_total: always 0
        downstream_rq_completed: responses sent, of any code
        downstream_rq_<n>xx: responses by class of code
        downstream_rq_rx_reset: requests that the client broke off
        downstream_rq_tx_reset: requests that the proxy broke off
        downstream_rq_timeout: requests that were not complete in time (request_timeout)
        downstream_rq_header_timeout: requests whose headers were not complete in time
        downstream_rq_idle_timeout: requests that stood still too long (stream_idle_timeout)
        downstream_rq_max_duration_reached: requests that took longer than allowed
        downstream_rq_overload_close: always 0
        downstream_rq_too_many_premature_resets: connections ended because their client reset too many requests
        downstream_rq_rejected_via_ip_detection: requests refused by an original IP detection extension
        rs_too_large: responses too large to hold (500)
        downstream_rq_too_large: bodies over the buffer limit (413)
        downstream_rq_non_relative_path: targets that are no path (404)
        downstream_rq_failed_path_normalization: paths that could not be normalised (400)
        downstream_rq_redirected_with_normalized_path: paths answered with a redirect to their normal form
        downstream_rq_ws_on_non_ws_route: upgrades that the route does not allow
        downstream_rq_response_before_rq_complete: responses that were complete before their request
        tracing.client_enabled: requests traced because the client asked (x-client-trace-id)
        tracing.health_check: always 0
        tracing.not_traceable: requests not traced
        tracing.random_sampling: requests traced by chance
        tracing.service_forced: requests traced because a service asked (x-envoy-force-trace)
        filter_not_enforced: requests refused because a security filter is configured and not built
        no_route: requests for which no route was found (404)
        no_cluster: requests whose cluster does not exist
        rq_direct_response: requests answered by a route's direct response
        rq_redirect: registered as in Envoy, and never counted
        rq_total: requests that reached the router
        rq_overload_local_reply: requests refused for overload
        rq_reset_after_downstream_response_started: responses broken off after their headers went out
        passthrough_internal_redirect_bad_location: redirects passed on because their location is no target
        passthrough_internal_redirect_unsafe_scheme: redirects passed on because their scheme is another one
        passthrough_internal_redirect_too_many_redirects: redirects passed on because there were too many
        passthrough_internal_redirect_no_route: redirects passed on because no route is for their target
        passthrough_internal_redirect_predicate: redirects passed on because a predicate did not want them`),
      ...gauges(`
        downstream_cx_active: open connections
        downstream_cx_http1_active: open HTTP/1 connections
        downstream_cx_http1_soft_drain: connections that end after their next response, for their age
        downstream_cx_http2_active: open HTTP/2 connections
        downstream_cx_http3_active: always 0
        downstream_cx_ssl_active: always 0
        downstream_cx_rx_bytes_buffered: always 0
        downstream_cx_tx_bytes_buffered: always 0
        downstream_cx_upgrades_active: open upgraded connections
        downstream_rq_active: requests under way`),
      ...histograms(`
        downstream_cx_length_ms [ms]: life of a connection
        downstream_rq_time [ms]: from the first byte of a request to the last of its response`),
    ],
  },
  ...FILTER_STAT_GROUPS,
  {
    title: 'HTTP/2 codec, downstream; there once a client spoke it',
    prefix: 'http2.',
    rows: HTTP2_ROWS,
  },
  {
    title: 'TCP proxies',
    prefix: 'tcp.<stat_prefix>.',
    rows: counters(`
      downstream_cx_total: connections
      downstream_cx_no_route: connections whose cluster does not exist
      downstream_cx_rx_bytes_total [bytes]: received
      downstream_cx_tx_bytes_total [bytes]: sent
      downstream_flow_control_paused_reading_total: times reading stopped because the other side was slow
      downstream_flow_control_resumed_reading_total: times reading went on
      idle_timeout: connections closed for idleness
      max_downstream_connection_duration: connections closed for their age
      on_demand_cluster_attempt: clusters asked for, where \`on_demand\` is configured
      on_demand_cluster_success: of these, clusters that came
      on_demand_cluster_missing: of these, clusters that the server does not have
      on_demand_cluster_timeout: of these, clusters that did not come in time`),
  },
  {
    title: 'Clusters',
    prefix: 'cluster.<name>.',
    rows: [
      ...counters(`
        upstream_cx_total: connections opened
        upstream_cx_http1_total: HTTP/1 connections opened
        upstream_cx_http2_total: HTTP/2 connections opened
        upstream_cx_close_notify: connections that the server announced to end
        upstream_cx_connect_fail: connections that could not be opened
        upstream_cx_connect_timeout: connections that took too long to open
        upstream_cx_destroy: connections that ended
        upstream_cx_destroy_local: connections that the proxy ended
        upstream_cx_destroy_remote: connections that the host ended
        upstream_cx_destroy_with_active_rq: connections that ended with a request under way
        upstream_cx_destroy_local_with_active_rq: the same, ended by the proxy
        upstream_cx_destroy_remote_with_active_rq: the same, ended by the host
        upstream_cx_overflow: times the connection limit was met
        upstream_cx_none_healthy: requests for which no host was to be had
        upstream_cx_protocol_error: connections closed for a breach of protocol
        upstream_cx_max_requests: connections closed after their last allowed request
        upstream_cx_idle_timeout: connections closed for idleness
        upstream_cx_rx_bytes_total [bytes]: received
        upstream_cx_tx_bytes_total [bytes]: sent
        upstream_rq_total: requests sent, retries included
        upstream_rq_completed: responses, of any code
        upstream_rq_<code>: responses by code
        upstream_rq_<n>xx: responses by class of code
        retry.upstream_rq_completed: responses that were swallowed because the request was tried again
        retry.upstream_rq_<code>: the same, by code
        retry.upstream_rq_<n>xx: the same, by class of code
        internal.upstream_rq_completed: responses to requests from inside (x-envoy-internal)
        internal.upstream_rq_<code>: the same, by code
        internal.upstream_rq_<n>xx: the same, by class of code
        external.upstream_rq_completed: responses to requests from outside
        external.upstream_rq_<code>: the same, by code
        external.upstream_rq_<n>xx: the same, by class of code
        canary.upstream_rq_completed: responses of canaries (x-envoy-upstream-canary, or the host's metadata)
        canary.upstream_rq_<code>: the same, by code
        canary.upstream_rq_<n>xx: the same, by class of code
        zone.<from>.<to>.upstream_rq_completed: responses by the zones of node and host
        zone.<from>.<to>.upstream_rq_<code>: the same, by code
        zone.<from>.<to>.upstream_rq_<n>xx: the same, by class of code
        upstream_internal_redirect_succeeded_total: redirects that were followed inside
        upstream_internal_redirect_failed_total: redirects that could not be followed and went to the client
        upstream_rq_pending_total: requests that waited for a connection
        upstream_rq_pending_overflow: requests refused because too many waited
        upstream_rq_active_overflow: requests refused because too many were under way
        upstream_rq_pending_failure_eject: waiting requests failed with their connection
        upstream_rq_cancelled: requests given up before they had a connection
        upstream_rq_timeout: requests that timed out as a whole
        upstream_rq_per_try_timeout: attempts that timed out
        upstream_rq_per_try_idle_timeout: attempts that stood still too long
        upstream_rq_rx_reset: requests that the host broke off
        upstream_rq_tx_reset: requests that the proxy broke off, where the protocol can (never on HTTP/1)
        upstream_rq_retry: retries
        upstream_rq_retry_success: retries that succeeded
        upstream_rq_retry_overflow: retries left out because too many were under way
        upstream_rq_retry_limit_exceeded: requests whose retries were used up
        upstream_rq_replay_guarded: retries left out because the request might have been done twice (not in Envoy)
        upstream_rq_retry_backoff_exponential: retries after the usual back-off
        upstream_rq_retry_backoff_ratelimited: retries after the wait that an answer asked for
        upstream_rq_max_duration_reached: attempts that took longer than the cluster allows
        upstream_rq_maintenance_mode: requests refused for maintenance
        retry_or_shadow_abandoned: retries or mirrors given up because the body is too large to keep
        upstream_flow_control_paused_reading_total: times reading stopped because the client was slow
        upstream_flow_control_resumed_reading_total: times reading went on
        upstream_flow_control_backed_up_total: times the host did not take the request fast enough
        upstream_flow_control_drained_total: times it caught up
        original_dst_host_invalid: original destinations that are no address
        grpc.success: gRPC calls with status 0
        grpc.failure: gRPC calls with another status
        grpc.total: gRPC calls
        grpc.<status>: gRPC calls by status
        grpc.request_message_count: messages sent
        grpc.response_message_count: messages received`),
      ...gauges(`
        upstream_cx_active: open connections
        upstream_rq_active: requests under way
        upstream_rq_pending_active: requests that wait for a connection`),
      ...CLUSTER_UPDATE_ROWS,
      ...BALANCING_ROWS,
      ...histograms(`
        upstream_cx_connect_ms [ms]: time to open a connection
        upstream_cx_length_ms [ms]: life of a connection
        upstream_rq_time [ms]: from the last byte of the request to the last byte of the response
        internal.upstream_rq_time [ms]: the same, for requests from inside
        external.upstream_rq_time [ms]: the same, for requests from outside
        zone.<from>.<to>.upstream_rq_time [ms]: the same, by the zones of node and host
        grpc.upstream_rq_time [ms]: the same, of gRPC calls`),
    ],
  },
  {
    title: 'HTTP/1 codec',
    prefix: 'http1.',
    rows: counters(`
      dropped_headers_with_underscores: request headers left out because of underscores in their names
      requests_rejected_with_underscores_in_headers: requests refused for the same`),
  },
  {
    title: 'HTTP/2 codec, upstream; there once the cluster was spoken to by it',
    prefix: 'cluster.<name>.http2.',
    rows: HTTP2_ROWS,
  },
  {
    title: 'Virtual clusters (`other` takes the rest), and routes that have a `stat_prefix`',
    prefix: 'vhost.<name>.<kind>.<its_name>.',
    rows: [
      ...counters(`
        upstream_rq_total: attempts that got a connection
        upstream_rq_timeout: requests that took longer than their route allows
        upstream_rq_retry: retries
        upstream_rq_retry_success: retries whose answer was not tried again
        upstream_rq_retry_overflow: retries that circuit breakers or the budget did not allow
        upstream_rq_retry_limit_exceeded: requests that failed beyond their last retry
        upstream_rq_completed: responses, replies in the upstream's stead included
        upstream_rq_<code>: the same, by code
        upstream_rq_<n>xx: the same, by class of code`),
      ...histograms(`
        upstream_rq_time [ms]: from the last byte of the request to the last byte of the response`),
    ],
  },
  DNS_CACHE_GROUP,
  ...MANAGER_STAT_GROUPS,
  ...DISCOVERY_STAT_GROUPS,
  ...TLS_STAT_GROUPS,
  {
    title: 'Server',
    prefix: 'server.',
    rows: [
      ...counters(`
        worker_restarts: workers replaced after a fault (not in Envoy)
        static_unknown_fields: sets of fields of the bootstrap that are not known
        dynamic_unknown_fields: sets of fields of resources that are not known, each once
        wip_protos: registered as in Envoy, and never counted`),
      ...gauges(`
        state: 0 live, 1 draining, 2 before initialisation, 3 initialising
        live: 1 when live
        uptime [s]: since start
        concurrency: worker threads
        inert_parts: things that are configured and not done, or refused (not in Envoy; /outrigger/inert lists them)
        total_connections: open downstream connections
        memory_allocated [bytes]: heap in use
        memory_heap_size [bytes]: heap reserved
        memory_physical_size [bytes]: resident memory
        envoy_bug_failures: broken invariants that were survived
        parent_connections: always 0 (no hot restart)
        hot_restart_epoch: always 0
        hot_restart_generation: always 0`),
      ...histograms(`initialization_time_ms [ms]: from start to live`),
    ],
  },
  {
    title: 'Access log files',
    prefix: 'filesystem.',
    rows: [
      ...counters(`
        flushed_by_timer: buffers written because their time was up
        reopen_failed: files that could not be opened again
        write_buffered: lines put into buffers
        write_completed: writes done
        write_failed: writes that failed; their lines are lost
        write_dropped: lines dropped because the file did not keep up (not in Envoy)`),
      ...gauges(`write_total_buffered [bytes]: waiting to be written`),
    ],
  },
  {
    title: 'Access log service',
    prefix: 'access_logs.grpc_access_log.',
    rows: [
      ...counters(`
        logs_written: entries put into buffers
        logs_dropped: entries left out because the service did not keep up
        grpc_entries_flushed: entries handed to a stream
        grpc_entries_flush_failed: entries lost because the service could not be found`),
    ],
  },
  ...HEALTH_STAT_GROUPS,
];
