// [m] Whether resources can be asked for at a source at all, in Envoy's words (envoy-behaviour §13.1).
import { fs } from '../base/node-builtins.ts';
import type { BootstrapConfig } from '../config/bootstrap-config.ts';
import { routeRef } from '../config/http-connection-manager-config.ts';
import type { ClusterConfig } from '../config/cluster-config.ts';
import type { ConfigSourceConfig } from '../config/config-source.ts';
import { discoveredPlaces } from '../xds/discovered-filters.ts';
import type { ListenerConfig } from '../config/listener-config.ts';

/** What is wrong with it; undefined: nothing. */
export function sourceProblem(
  source: ConfigSourceConfig,
  staticClusters: readonly ClusterConfig[],
): string | undefined {
  switch (source.kind) {
    case 'ads':
      return undefined;
    case 'grpc': {
      const cluster = staticClusters.find(({ name }) => name === source.cluster);
      if (cluster !== undefined && cluster.type !== 'EDS') return undefined;
      return `envoy.config.core.v3.ApiConfigSource must have a statically defined non-EDS cluster: '${source.cluster}' does not exist, was added via api, or is an EDS cluster`;
    }
    case 'path':
      if (!fs.existsSync(source.path))
        return `paths must refer to an existing path in the system: '${source.path}' does not exist`;
      if (source.watchedDirectory !== '' && !fs.existsSync(source.watchedDirectory))
        return `unable to add filesystem watch for file ${source.watchedDirectory}/: No such file or directory`;
      return undefined;
  }
}

/** Of all sources that the bootstrap names. */
export function bootstrapSourceProblems(config: BootstrapConfig): readonly string[] {
  const named: [where: string, source: ConfigSourceConfig][] = [];
  if (config.cds !== undefined) named.push(['cds_config', config.cds.source]);
  if (config.lds !== undefined) named.push(['lds_config', config.lds.source]);
  for (const { name, edsSource } of config.clusters)
    if (edsSource !== undefined) named.push([`cluster '${name}'`, edsSource.source]);
  for (const listener of config.listeners)
    for (const source of sourcesOf(listener)) named.push([`listener '${listener.name}'`, source]);
  return named.flatMap(([where, source]) => {
    const problem = sourceProblem(source, config.clusters);
    return problem === undefined ? [] : [`${where}: ${problem}`];
  });
}

function sourcesOf(listener: ListenerConfig): readonly ConfigSourceConfig[] {
  const routes = [...listener.filterChains, listener.defaultFilterChain].flatMap(
    (chain) =>
      chain?.networkFilters.flatMap((filter) => {
        if (filter.kind !== 'http_connection_manager') return [];
        const { routes } = filter.settings;
        if (routes.kind === 'scoped')
          return [routes.tables.source, ...(routes.discovery ? [routes.discovery.source] : [])];
        return routes.kind === 'rds' ? [routeRef(routes).source] : [];
      }) ?? [],
  );
  return [...routes, ...discoveredPlaces(listener).map(({ ref }) => ref.source)];
}
