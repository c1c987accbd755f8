// [b] What all levels of a route table say to filters, weighted clusters included.
import type { HttpFilterPerRouteConfig } from './http-filter-config.ts';
import type { RouteConfig } from './route-config.ts';

export function* perFilterConfigs(table: RouteConfig): Generator<HttpFilterPerRouteConfig> {
  yield* table.perFilter;
  for (const host of table.virtualHosts) {
    yield* host.perFilter;
    for (const { perFilter, action } of host.routes) {
      yield* perFilter;
      if (action.kind === 'route' && action.cluster.kind === 'weighted')
        for (const cluster of action.cluster.clusters) yield* cluster.perFilter;
    }
  }
}
