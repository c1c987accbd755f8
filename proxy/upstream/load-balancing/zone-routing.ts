// [w] ZoneRouting: zone-aware routing of priority 0 (envoy-behaviour §7.5): requests stay in the own zone as far as its
// share of upstream hosts reaches for its share of our like; the rest goes where there is more than is needed.
import type { ZoneAwareConfig } from '../../config/load-balancing-config.ts';
import type { HostList } from '../host-list.ts';
import type { HostSet, LocalityHosts, PriorityHosts } from '../host-set.ts';
import type { BalancerEnvironment } from './balancer-environment.ts';
import { healthOf } from './priority-levels.ts';
import type { PriorityLevels } from './priority-levels.ts';

const ENABLED_KEY = 'upstream.zone_routing.enabled';
const MIN_CLUSTER_SIZE_KEY = 'upstream.zone_routing.min_cluster_size';
/** Shares are in hundredths of a percent. */
const WHOLE = 10_000;

type Plan =
  | { readonly kind: 'none' }
  | { readonly kind: 'direct' }
  | {
      readonly kind: 'residual';
      /** Of 10 000. */
      readonly localPart: number;
      /** By locality, each with those before it. */
      readonly capacity: readonly number[];
    };

const NONE: Plan = { kind: 'none' };

export class ZoneRouting {
  readonly #config: ZoneAwareConfig;
  readonly #environment: BalancerEnvironment;
  readonly #levels: PriorityLevels;
  readonly #minClusterSize: number;
  readonly #enabled: { readonly numerator: number; readonly denominator: number };
  #plan: Plan = NONE;
  #localVersion = -1;
  #localPanic = false;

  constructor(config: ZoneAwareConfig, levels: PriorityLevels, environment: BalancerEnvironment) {
    const { runtime } = environment;
    this.#config = config;
    this.#environment = environment;
    this.#levels = levels;
    this.#minClusterSize = runtime.integer(MIN_CLUSTER_SIZE_KEY, config.minClusterSize);
    const { routingEnabledPercent: numerator } = config;
    this.#enabled = runtime.fraction(ENABLED_KEY, { numerator, denominator: 100 });
  }

  /** `changed`: our hosts did; the local cluster's are looked after here. */
  update(changed: boolean): void {
    const local = this.#environment.localHosts();
    const version = local === null ? -2 : local.version;
    if (!changed && version === this.#localVersion) return;
    this.#localVersion = version;
    this.#environment.stats.inc('lb_recalculate_zone_structures');
    const upstream = this.#levels.hosts.priorities[0]!;
    this.#plan = this.#makePlan(upstream, local);
    this.#localPanic =
      local !== null && this.#levels.isPanicking(healthOf(local.priorities[0]!, false));
  }

  /** Undefined: hosts of all zones; null: none. */
  pick(degraded: boolean): HostList | null | undefined {
    const plan = this.#plan;
    if (plan.kind === 'none') return undefined;
    const { random, stats } = this.#environment;
    if (random.nextUint32() % this.#enabled.denominator >= this.#enabled.numerator)
      return undefined;
    if (this.#localPanic) {
      stats.inc('lb_local_cluster_not_ok');
      return this.#config.failTrafficOnPanic ? null : undefined;
    }
    const { localities } = this.#levels.hosts.priorities[0]!;
    const group = localities[this.#choose(plan)]!;
    return degraded ? group.degraded : group.healthy;
  }

  /** Index of a locality. */
  #choose(plan: Exclude<Plan, { readonly kind: 'none' }>): number {
    const { random, stats } = this.#environment;
    if (plan.kind === 'direct') {
      stats.inc('lb_zone_routing_all_directly');
      return 0;
    }
    if (random.nextUint32() % WHOLE < plan.localPart) {
      stats.inc('lb_zone_routing_sampled');
      return 0;
    }
    stats.inc('lb_zone_routing_cross_zone');
    const { capacity } = plan;
    const total = capacity.at(-1)!;
    if (total === 0) {
      // Rounding ate the rest.
      stats.inc('lb_zone_no_capacity_left');
      return random.nextUint32() % capacity.length;
    }
    const roll = random.nextUint32() % total;
    return capacity.findIndex((upTo) => roll < upTo);
  }

  #makePlan(upstream: PriorityHosts, local: HostSet | null): Plan {
    const { stats } = this.#environment;
    const { localities, hasLocal } = upstream;
    if (localities.length < 2) return NONE;
    const ours = local === null ? undefined : local.priorities[0]!;
    if (ours === undefined || !ours.hasLocal || ours.localities[0]!.healthy.hosts.length === 0) {
      stats.inc('lb_local_cluster_not_ok');
      return NONE;
    }
    if (upstream.healthy.hosts.length < this.#minClusterSize) {
      stats.inc('lb_zone_cluster_too_small');
      return NONE;
    }
    const forced = this.#config.forceLocalMinSize;
    if (forced !== undefined && hasLocal && localities[0]!.healthy.hosts.length >= forced)
      return { kind: 'direct' };
    return this.#planByShares(localities, hasLocal, ours.localities);
  }

  #planByShares(
    localities: readonly LocalityHosts[],
    hasLocal: boolean,
    ours: readonly LocalityHosts[],
  ): Plan {
    const upstreamShares = this.#shares(localities);
    const ourShares = this.#shares(ours);
    const shareOf = new Map(ours.map((group, i) => [group.locality.key, ourShares[i]!]));
    const needed = localities.map((group) => shareOf.get(group.locality.key) ?? 0);
    const localShare = hasLocal ? upstreamShares[0]! : 0;
    const localNeed = hasLocal ? needed[0]! : 0;
    if (localShare > 0 && localShare >= localNeed) return { kind: 'direct' };
    let total = 0;
    const capacity = localities.map((_, i) => {
      if (!(hasLocal && i === 0)) total += Math.max(0, upstreamShares[i]! - needed[i]!);
      return total;
    });
    const localPart = localNeed > 0 ? Math.floor((localShare * WHOLE) / localNeed) : 0;
    return { kind: 'residual', localPart, capacity };
  }

  #shares(groups: readonly LocalityHosts[]): readonly number[] {
    const sizes = groups.map(({ healthy }) =>
      this.#config.byWeight ? healthy.totalWeight : healthy.hosts.length,
    );
    const total = sizes.reduce((sum, size) => sum + size, 0);
    return sizes.map((size) => (total === 0 ? 0 : Math.floor((WHOLE * size) / total)));
  }
}
