// [w] Counters of one cluster's balancing, each registered when first needed: most clusters need none of them.
import type { StatId, StatsStore } from '../../stats/store.ts';

export const LB_COUNTERS = [
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
] as const;
export type LbCounter = (typeof LB_COUNTERS)[number];

export const LB_GAUGES = [
  'lb_subsets_active',
  'lb_subsets_single_host_per_subset_duplicate',
  'maglev_lb.max_entries_per_host',
  'maglev_lb.min_entries_per_host',
  'ring_hash_lb.max_hashes_per_host',
  'ring_hash_lb.min_hashes_per_host',
  'ring_hash_lb.size',
] as const;
export type LbGauge = (typeof LB_GAUGES)[number];

export class LbStats {
  readonly #store: StatsStore;
  readonly #prefix: string;
  readonly #ids = new Map<LbCounter | LbGauge, StatId>();

  /** `prefix`: `cluster.<name>.` */
  constructor(store: StatsStore, prefix: string) {
    this.#store = store;
    this.#prefix = prefix;
  }

  inc(name: LbCounter): void {
    let id = this.#ids.get(name);
    if (id === undefined) {
      id = this.#store.counter(this.#prefix + name);
      this.#ids.set(name, id);
    }
    this.#store.inc(id);
  }

  set(name: LbGauge, value: number): void {
    let id = this.#ids.get(name);
    if (id === undefined) {
      id = this.#store.gauge(this.#prefix + name);
      this.#ids.set(name, id);
    }
    this.#store.set(id, value);
  }
}
