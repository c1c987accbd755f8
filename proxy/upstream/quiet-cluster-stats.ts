// [w] Stats that Envoy shows of each cluster from its first use, at 0: balancing counts that nothing has touched yet, and
// those of protocols that are not spoken here. Dashboards and alerts name them.
import type { StatsStore } from '../stats/store.ts';

const COUNTERS: readonly string[] = [
  'lb_healthy_panic',
  'lb_local_cluster_not_ok',
  'lb_recalculate_zone_structures',
  'lb_subsets_created',
  'lb_subsets_fallback',
  'lb_subsets_fallback_panic',
  'lb_subsets_removed',
  'lb_subsets_selected',
  'lb_zone_cluster_too_small',
  'lb_zone_no_capacity_left',
  'lb_zone_routing_all_directly',
  'lb_zone_routing_cross_zone',
  'lb_zone_routing_sampled',
  'upstream_cx_connect_with_0_rtt',
  'upstream_cx_http3_total',
  'upstream_cx_preconnect_skipped',
  'upstream_http3_broken',
  'upstream_queue_overloaded',
  'upstream_rq_0rtt',
  'upstream_rq_rx_reset_no_error',
];
const GAUGES: readonly string[] = ['lb_subsets_active', 'upstream_cx_rx_bytes_buffered'];

/** `prefix`: `cluster.<name>.` */
export function registerQuietStats(store: StatsStore, prefix: string): void {
  for (const name of COUNTERS) store.counter(prefix + name);
  for (const name of GAUGES) store.gauge(prefix + name);
}
