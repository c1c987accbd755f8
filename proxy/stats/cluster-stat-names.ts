// [b] Stats of a cluster that tell of its hosts, where they come from, and of pools; part of the table in stat-names.ts.
import { counters, gauges, histograms } from './stat-rows.ts';
import type { StatGroup, StatRow } from './stat-rows.ts';

export const CLUSTER_UPDATE_ROWS: readonly StatRow[] = [
  ...counters(`
    membership_change: times hosts came or went, by priority
    update_attempt: queries of DNS, updates of EDS
    update_success: those that gave hosts
    update_failure: those that failed
    update_empty: answers of EDS without the assignment
    update_no_rebuild: those that changed nothing
    update_rejected: assignments refused
    init_fetch_timeout: waits for the first assignment that were given up
    assignment_stale: assignments whose hosts were dropped because nobody renewed them
    assignment_timeout_received: assignments that name a time within which to renew them
    assignment_use_cached: always 0
    upstream_cx_connect_with_0_rtt: always 0
    upstream_cx_http3_total: always 0
    upstream_cx_preconnect_skipped: registered as in Envoy, and never counted
    upstream_http3_broken: always 0
    upstream_queue_overloaded: registered as in Envoy, and never counted
    upstream_rq_0rtt: always 0
    upstream_rq_rx_reset_no_error: registered as in Envoy, and never counted
    upstream_cx_pool_overflow: times the limit of connection pools was met
    upstream_cx_connect_attempts_exceeded: TCP sessions given up after their last attempt
    upstream_cx_max_duration_reached: connections closed for their age
    bind_errors: connections whose source address could not be had`),
  ...gauges(`
    warming_state: 1 while a version waits for its endpoints
    version: hash of the version of the last assignment
    membership_total: hosts
    membership_healthy: healthy hosts
    membership_degraded: degraded hosts
    membership_excluded: hosts that do not count
    max_host_weight: the greatest weight of a host
    upstream_cx_rx_bytes_buffered [bytes]: always 0
    upstream_cx_tx_bytes_buffered [bytes]: bytes that sockets have not taken`),
  ...histograms(`upstream_rq_per_cx: requests of a connection`),
];

export const DNS_CACHE_GROUP: StatGroup = {
  title: 'DNS caches of dynamic forward proxies',
  prefix: 'dns_cache.<name>.',
  rows: [
    ...counters(`
      dns_query_attempt: queries
      dns_query_success: those that were answered
      dns_query_failure: those that failed
      dns_query_timeout: those that took too long
      dns_rq_pending_overflow: requests refused because too many waited for an answer
      host_added: hosts that came
      host_address_changed: hosts whose addresses are others now
      host_overflow: hosts refused because the cache is full
      host_removed: hosts that nobody wanted any more
      cache_load: always 0`),
    ...gauges(`
      num_hosts: hosts`),
  ],
};
