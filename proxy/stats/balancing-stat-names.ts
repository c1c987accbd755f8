// [b] Stats of a cluster's load balancing; part of the table in stat-names.ts.
import { counters, gauges } from './stat-rows.ts';
import type { StatRow } from './stat-rows.ts';

/** Each is there once it is not 0. */
export const BALANCING_ROWS: readonly StatRow[] = [
  ...counters(`
    lb_healthy_panic: choices among all hosts because too few are healthy
    lb_local_cluster_not_ok: times zones could not count because the local cluster is missing or in panic
    lb_recalculate_zone_structures: times the shares of zones were worked out
    lb_subsets_created: subsets that got their first host (each worker counts its own)
    lb_subsets_removed: subsets that lost their last host (each worker counts its own)
    lb_subsets_selected: choices in the subset that the request asked for
    lb_subsets_fallback: choices in the fallback subset
    lb_subsets_fallback_panic: choices among all hosts because the fallback subset gave none
    lb_zone_cluster_too_small: times zones did not count because there are too few hosts
    lb_zone_no_capacity_left: choices of any zone because none had hosts to spare
    lb_zone_routing_all_directly: choices in the own zone, which has enough hosts
    lb_zone_routing_sampled: choices in the own zone, as far as its share reaches
    lb_zone_routing_cross_zone: choices in another zone`),
  ...gauges(`
    lb_subsets_active: subsets (of all workers)
    lb_subsets_single_host_per_subset_duplicate: subsets with more than their one host (of all workers)
    ring_hash_lb.size: places of the ring built last
    ring_hash_lb.min_hashes_per_host: places of the host with the fewest
    ring_hash_lb.max_hashes_per_host: places of the host with the most
    maglev_lb.min_entries_per_host: places of the host with the fewest
    maglev_lb.max_entries_per_host: places of the host with the most`),
];

/** All threads have the same value: theirs are not summed. */
export const sameInAllThreads = (name: string): boolean =>
  name.includes('.ring_hash_lb.') || name.includes('.maglev_lb.');
