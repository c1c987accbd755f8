// [m] Checks within the bootstrap as a whole: names are unique, static routes lead to clusters that exist.
import type { BootstrapConfig } from '../config/bootstrap-config.ts';
import type { FilterChainConfig } from '../config/listener-config.ts';
import type { RouteActionConfig, RouteConfig } from '../config/route-config.ts';
import type { SecretRef } from '../config/secret-config.ts';
import { clusterSecrets, listenerSecrets } from '../config/secret-references.ts';
import type { ConfigProblems } from './config-problems.ts';

export function checkStaticReferences(config: BootstrapConfig, problems: ConfigProblems): void {
  const clusters = new Set<string>();
  config.clusters.forEach(({ name }, index) => {
    if (clusters.has(name)) {
      problems.add(
        `static_resources.clusters[${index}]`,
        `cluster manager: duplicate cluster '${name}'`,
      );
    }
    clusters.add(name);
  });
  checkSecrets(config, problems);
  const listeners = new Set<string>();
  config.listeners.forEach((listener, index) => {
    const path = `static_resources.listeners[${index}]`;
    if (listeners.has(listener.name)) problems.add(path, `duplicate listener '${listener.name}'`);
    listeners.add(listener.name);
    listener.filterChains.forEach((chain, chainIndex) => {
      checkChain(chain, `${path}.filter_chains[${chainIndex}]`, clusters, problems);
    });
    if (listener.defaultFilterChain !== undefined) {
      checkChain(listener.defaultFilterChain, `${path}.default_filter_chain`, clusters, problems);
    }
  });
}

function checkSecrets(config: BootstrapConfig, problems: ConfigProblems): void {
  const secrets = new Set(config.secrets.map(({ name }) => name));
  const check = (path: string, refs: readonly SecretRef[]): void => {
    for (const { name, source } of refs) {
      if (source.kind === 'static' && !secrets.has(name))
        problems.add(path, `Unknown static secret: ${name}`);
    }
  };
  config.clusters.forEach((cluster, index) =>
    check(`static_resources.clusters[${index}]`, clusterSecrets(cluster)),
  );
  config.listeners.forEach((listener, index) =>
    check(`static_resources.listeners[${index}]`, listenerSecrets(listener)),
  );
}

function checkChain(
  chain: FilterChainConfig,
  path: string,
  clusters: ReadonlySet<string>,
  problems: ConfigProblems,
): void {
  chain.networkFilters.forEach((filter, index) => {
    if (filter.kind !== 'http_connection_manager' || filter.settings.routes.kind !== 'inline')
      return;
    const routes = filter.settings.routes.config;
    if (routes.validateClusters) {
      checkRoutes(
        routes,
        `${path}.filters[${index}].typed_config.route_config`,
        clusters,
        problems,
      );
    }
  });
}

function checkRoutes(
  table: RouteConfig,
  path: string,
  clusters: ReadonlySet<string>,
  problems: ConfigProblems,
): void {
  table.virtualHosts.forEach((host, hostIndex) => {
    // Envoy does not look into trees.
    if (host.matcher !== undefined) return;
    host.routes.forEach((route, routeIndex) => {
      if (route.action.kind !== 'route') return;
      const place = `${path}.virtual_hosts[${hostIndex}].routes[${routeIndex}].route`;
      for (const [what, name] of namedClusters(route.action)) {
        if (name !== '' && !clusters.has(name))
          problems.add(place, `route: unknown ${what} '${name}'`);
      }
    });
  });
}

/** '': a header names it. */
function namedClusters(
  action: RouteActionConfig,
): readonly (readonly [what: string, name: string])[] {
  const { cluster } = action;
  const mirrors = action.mirrors.map((mirror) => ['shadow cluster', mirror.cluster] as const);
  switch (cluster.kind) {
    case 'cluster':
      return [['cluster', cluster.name], ...mirrors];
    case 'weighted':
      return [
        ...cluster.clusters.map(({ name }) => ['weighted cluster', name] as const),
        ...mirrors,
      ];
    case 'cluster_header':
      return mirrors;
  }
}
