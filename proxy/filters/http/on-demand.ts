// [w] envoy.filters.http.on_demand: a request for a cluster that is not there waits until it is asked for, and goes on whatever came of
// that; where nothing came, the router says so.
import type { OnDemandFilterConfig } from '../../config/on-demand-config.ts';
import { FilterStatus, PassThroughFilter } from '../../http/http-filter.ts';
import type { FilterCallbacks, HttpFilter, HttpFilterFactory } from '../../http/http-filter.ts';
import { RouteEntry } from '../../router/route-entry.ts';
import type {
  ClusterDiscovery,
  ClusterWait,
  ClusterWaiter,
} from '../../upstream/cluster-discovery.ts';
import type { FilterFactoryContext } from '../factory-context.ts';

class OnDemandFilter extends PassThroughFilter implements ClusterWaiter {
  readonly #factory: OnDemandFilterFactory;
  readonly #callbacks: FilterCallbacks;
  #wait: ClusterWait | null = null;

  constructor(factory: OnDemandFilterFactory, callbacks: FilterCallbacks) {
    super();
    this.#factory = factory;
    this.#callbacks = callbacks;
  }

  override decodeHeaders(): FilterStatus {
    this.#wait = this.#factory.ask(this.#callbacks.route, this);
    return this.#wait === null ? FilterStatus.Continue : FilterStatus.StopIteration;
  }

  onClusterDiscovery(): void {
    this.#wait = null;
    this.#callbacks.continueDecoding();
  }

  override onDestroy(): void {
    this.#wait?.cancel();
  }
}

export class OnDemandFilterFactory implements HttpFilterFactory {
  readonly name: string;
  readonly #config: OnDemandFilterConfig;
  readonly #clusters: FilterFactoryContext['clusters'];
  readonly #discovery: ClusterDiscovery | undefined;

  constructor(name: string, config: OnDemandFilterConfig, context: FilterFactoryContext) {
    this.name = name;
    this.#config = config;
    this.#clusters = context.clusters;
    this.#discovery = context.clusterDiscovery;
  }

  createFilter(callbacks: FilterCallbacks): HttpFilter {
    return new OnDemandFilter(this, callbacks);
  }

  /** Null: nothing to wait for. */
  ask(route: FilterCallbacks['route'], waiter: ClusterWaiter): ClusterWait | null {
    if (!(route instanceof RouteEntry) || route.action === null) return null;
    const { clusterName } = route;
    if (clusterName === '' || this.#clusters.get(clusterName) !== undefined) return null;
    const settings = route.filterSettings(this.name);
    const { clusters } = settings?.kind === 'on_demand' ? settings : this.#config;
    if (clusters === undefined) return null;
    return this.#discovery?.ask(clusters, clusterName, waiter) ?? null;
  }
}
