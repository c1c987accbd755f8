// [w] The balancer of most clusters: chooses a priority by load, a locality where they count, then a host by the
// cluster's policy. Choosing reads; what a change of hosts means is worked out at the next choice.
import { lazyPart } from '../../base/lazy-part.ts';
import type { LocalityPolicyConfig } from '../../config/load-balancing-config.ts';
import type { HostList, HostPicker } from '../host-list.ts';
import type { HostSet, PriorityHosts } from '../host-set.ts';
import type { Host } from '../host.ts';
import type { LoadBalancer, LoadBalancerContext } from '../load-balancer.ts';
import type { BalancerEnvironment } from './balancer-environment.ts';
import type { LocalityWeights } from './locality-weights.ts';
import { PriorityLevels } from './priority-levels.ts';
import type { ZoneRouting } from './zone-routing.ts';

const localityWeights = lazyPart<typeof import('./locality-weights.ts')>(
  'upstream/load-balancing/locality-weights',
);
const zoneRouting = lazyPart<typeof import('./zone-routing.ts')>(
  'upstream/load-balancing/zone-routing',
);

export type PickerFactory = (list: HostList) => HostPicker;

export class PriorityBalancer implements LoadBalancer {
  readonly #levels: PriorityLevels;
  readonly #environment: BalancerEnvironment;
  readonly #createPicker: PickerFactory;
  readonly #failOnPanic: boolean;
  /** By priority; null: localities have no weight. */
  readonly #weights: LocalityWeights[] | null;
  readonly #zones: ZoneRouting | null;
  readonly #priorityVersions: number[] = [];
  /** All requests go to these hosts; null: not so. */
  #only: HostList | null = null;

  constructor(
    hosts: HostSet,
    locality: LocalityPolicyConfig,
    createPicker: PickerFactory,
    environment: BalancerEnvironment,
  ) {
    this.#levels = new PriorityLevels(hosts, environment);
    this.#environment = environment;
    this.#createPicker = createPicker;
    this.#failOnPanic = locality.kind === 'zone_aware' && locality.failTrafficOnPanic;
    this.#weights = locality.kind === 'weighted' ? [] : null;
    this.#zones =
      locality.kind === 'zone_aware' && environment.localClusterName !== ''
        ? new (zoneRouting().ZoneRouting)(locality, this.#levels, environment)
        : null;
  }

  chooseHost(context: LoadBalancerContext | null): Host | null {
    let host = this.#pick(context);
    const retries = context === null ? 0 : context.hostSelectionRetryCount;
    for (let i = 0; i < retries && host !== null && context!.shouldSelectAnotherHost(host); i++)
      host = this.#pick(context);
    return host;
  }

  #pick(context: LoadBalancerContext | null): Host | null {
    this.#evaluate();
    const { loads } = this.#levels;
    const retryPriority = context === null ? null : context.retryPriority;
    const forRetry = retryPriority ? retryPriority.loads(loads.availability) : null;
    if (forRetry !== null)
      return retryPriority!.degraded === true
        ? this.#pickBy([], forRetry)
        : this.#pickBy(forRetry, []);
    return this.#only === null
      ? this.#pickBy(loads.healthy, loads.degraded)
      : this.#from(this.#only);
  }

  #evaluate(): void {
    const levels = this.#levels;
    const changed = levels.evaluate();
    if (this.#zones !== null) this.#zones.update(changed);
    if (!changed) return;
    const { priorities } = levels.hosts;
    if (this.#weights !== null) {
      for (const hosts of priorities) {
        const { priority, version } = hosts;
        if (this.#priorityVersions[priority] === version) continue;
        this.#priorityVersions[priority] = version;
        this.#weights[priority] ??= new (localityWeights().LocalityWeights)(
          this.#environment.random,
        );
        this.#weights[priority].update(levels.hosts, hosts);
      }
    }
    const { healthy, panic } = levels.loads;
    const only = healthy.indexOf(100);
    const plain = this.#weights === null && this.#zones === null;
    this.#only = plain && only >= 0 && !panic[only]! ? priorities[only]!.healthy : null;
  }

  #pickBy(healthy: readonly number[], degraded: readonly number[]): Host | null {
    const { priorities } = this.#levels.hosts;
    let roll = this.#environment.random.nextUint32() % 100;
    for (let i = 0; i < healthy.length; i++) {
      if (roll < healthy[i]!) return this.#pickIn(priorities[i]!, false);
      roll -= healthy[i]!;
    }
    for (let i = 0; i < degraded.length; i++) {
      if (roll < degraded[i]!) return this.#pickIn(priorities[i]!, true);
      roll -= degraded[i]!;
    }
    return null;
  }

  #pickIn(hosts: PriorityHosts, degraded: boolean): Host | null {
    const { priority } = hosts;
    if (this.#levels.loads.panic[priority]!) {
      this.#environment.stats.inc('lb_healthy_panic');
      return this.#failOnPanic ? null : this.#from(hosts.all);
    }
    const all = degraded ? hosts.degraded : hosts.healthy;
    const weights = this.#weights === null ? undefined : this.#weights[priority];
    if (weights !== undefined) return this.#from(weights.pick(degraded) ?? all);
    if (this.#zones === null || priority !== 0) return this.#from(all);
    const list = this.#zones.pick(degraded);
    return list === null ? null : this.#from(list ?? all);
  }

  #from(list: HostList): Host | null {
    return (list.picker ??= this.#createPicker(list)).pick();
  }
}
