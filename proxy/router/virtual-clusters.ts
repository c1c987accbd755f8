// [w] VirtualClusters: requests of a virtual host sorted by their heads, for statistics and logs only (envoy-behaviour §3.10).
import type { VirtualClusterConfig } from '../config/route-config.ts';
import type { RequestHeaders } from '../http/header-map.ts';
import { allHeadersMatch, compileHeaderMatchers } from './header-matcher.ts';
import type { HeaderMatcher } from './header-matcher.ts';
import type { RouteEnvironment } from './route-environment.ts';
import { ScopeStats } from './scope-stats.ts';

export interface VirtualCluster {
  /** As logged; '' of the one that takes the rest. */
  readonly name: string;
  readonly matchers: readonly HeaderMatcher[];
  readonly stats: ScopeStats | null;
}

export class VirtualClusters {
  /** The last one takes what no other does. */
  readonly #clusters: readonly VirtualCluster[];

  /** Throws ConfigError with the place in `place` for a bad regex. */
  constructor(
    configs: readonly VirtualClusterConfig[],
    virtualHost: string,
    environment: RouteEnvironment,
    place: string,
  ) {
    const { stats } = environment;
    const prefix = `vhost.${virtualHost}.vcluster.`;
    const cluster = (name: string, matchers: readonly HeaderMatcher[]): VirtualCluster => ({
      name,
      matchers,
      stats: stats === null ? null : new ScopeStats(stats, `${prefix}${name || 'other'}.`),
    });
    this.#clusters = [
      ...configs.map(({ name, headers }, i) =>
        cluster(name, compileHeaderMatchers(headers, `${place}.virtual_clusters[${i}].headers`)),
      ),
      cluster('', []),
    ];
  }

  /** Null where there are none. */
  static from(
    configs: readonly VirtualClusterConfig[] | undefined,
    virtualHost: string,
    environment: RouteEnvironment,
    place: string,
  ): VirtualClusters | null {
    if (configs === undefined || configs.length === 0) return null;
    return new VirtualClusters(configs, virtualHost, environment, place);
  }

  match(headers: RequestHeaders): VirtualCluster {
    return this.#clusters.find(({ matchers }) => allHeadersMatch(matchers, headers))!;
  }
}
