// [w] HashBalancer: ring hash and maglev over the priorities of a host set (envoy-behaviour §7.6). The key chooses the
// priority, too; degraded hosts get nothing; without a key chance decides.
import type { MaglevConfig, RingHashConfig } from '../../config/load-balancing-config.ts';
import type { HostSet, PriorityHosts } from '../host-set.ts';
import { Health } from '../host-health.ts';
import type { Host } from '../host.ts';
import type { LoadBalancer, LoadBalancerContext } from '../load-balancer.ts';
import type { BalancerEnvironment } from './balancer-environment.ts';
import { BoundedLoad } from './bounded-load.ts';
import { NOBODY, weightedHosts } from './hash-table.ts';
import type { HashTable, TableBuild } from './hash-table.ts';
import { buildMaglev } from './maglev.ts';
import { PriorityLevels } from './priority-levels.ts';
import { buildRing } from './ring-hash.ts';
import { TableKeeper } from './table-keeper.ts';

/** 2^32 modulo 100. */
const HIGH_PERCENT = 96;
/** How far a table that is out of date is searched for a host that still serves. */
const MAX_STALE_STEPS = 32;

export class HashBalancer implements LoadBalancer {
  readonly #config: RingHashConfig | MaglevConfig;
  readonly #environment: BalancerEnvironment;
  readonly #levels: PriorityLevels;
  readonly #keepers: TableKeeper[] = [];
  /** The key of the choice under way. */
  #high = 0;
  #low = 0;

  constructor(
    hosts: HostSet,
    config: RingHashConfig | MaglevConfig,
    environment: BalancerEnvironment,
  ) {
    this.#config = config;
    this.#environment = environment;
    this.#levels = new PriorityLevels(hosts, environment);
  }

  chooseHost(context: LoadBalancerContext | null): Host | null {
    this.#levels.evaluate();
    const key = context === null ? undefined : context.hashKey();
    const { random } = this.#environment;
    this.#high = key === undefined ? random.nextUint32() : Number(key >> 32n);
    this.#low = key === undefined ? random.nextUint32() : Number(key & 0xffffffffn);
    const priority = this.#priorityFor(((this.#high % 100) * HIGH_PERCENT + this.#low) % 100);
    const panic = this.#levels.loads.panic[priority.priority]!;
    if (panic) this.#environment.stats.inc('lb_healthy_panic');
    const retries = context === null ? 0 : context.hostSelectionRetryCount;
    for (let attempt = 0; ; attempt++) {
      const host = this.#hostAt(priority, panic, attempt);
      if (host === null || context === null || attempt >= retries) return host;
      if (!context.shouldSelectAnotherHost(host)) return host;
    }
  }

  #priorityFor(roll: number): PriorityHosts {
    const { loads, hosts } = this.#levels;
    let rest = roll;
    for (const percents of [loads.healthy, loads.degraded]) {
      for (let i = 0; i < percents.length; i++) {
        if (rest < percents[i]!) return hosts.priorities[i]!;
        rest -= percents[i]!;
      }
    }
    return hosts.priorities[0]!;
  }

  #hostAt(priority: PriorityHosts, panic: boolean, attempt: number): Host | null {
    const list = panic ? priority.all : priority.healthy;
    if (list.hosts.length === 0) return null;
    const keeper = (this.#keepers[priority.priority] ??= new TableKeeper(this.#environment.clock));
    const version = priority.version * 2 + Number(panic);
    if (!keeper.isCurrent(version)) keeper.renew(version, () => this.#build(priority, panic));
    const { table } = keeper;
    const high = this.#high;
    const low = this.#low;
    if (table !== null && keeper.isCurrent(version)) return table.choose(high, low, attempt);
    for (let i = 0; i < MAX_STALE_STEPS && table !== null; i++) {
      const host = table.choose(high, low, attempt + i);
      if (host === null || host.removed || host.priority !== priority.priority) continue;
      if (panic || host.health === Health.Healthy) return host;
    }
    return list.hosts[low % list.hosts.length]!;
  }

  *#build(priority: PriorityHosts, panic: boolean): TableBuild {
    const config = this.#config;
    const weighted = weightedHosts(this.#levels.hosts, priority, panic, config.localityWeighted);
    if (weighted.hosts.length === 0) return NOBODY;
    const environment = this.#environment;
    const { stats } = environment;
    const table: HashTable =
      config.kind === 'maglev'
        ? yield* buildMaglev(weighted, config, stats)
        : yield* buildRing(weighted, config, stats);
    if (config.balanceFactor === 0) return table;
    return new BoundedLoad(table, weighted, config.balanceFactor, () =>
      environment.activeRequests(),
    );
  }
}
