// [m] Compiles the settings of HTTP filters and throws the result away: what workers could not compile is part of the
// NACK. For what a decoder cannot judge (formats with %COMMANDS%).
import type {
  HttpFilterPerRouteSettings,
  HttpFilterSettings,
} from '../config/http-filter-config.ts';
import type { RouteConfig } from '../config/route-config.ts';
import { EMPTY_ENVIRONMENT } from '../access-log/formatter.ts';
import { Mutations } from './http/header-mutation.ts';
import { FilterStateUpdate } from './http/set-filter-state.ts';

/** Throws ConfigError. */
export function trialCompile(settings: HttpFilterSettings | HttpFilterPerRouteSettings): void {
  switch (settings.kind) {
    case 'header_mutation':
    case 'header_mutation_per_route':
      void new Mutations(settings.mutations);
      return;
    case 'set_filter_state':
      void new FilterStateUpdate(settings, EMPTY_ENVIRONMENT);
      return;
    default:
  }
}

/** What all levels of a route table say to filters. Throws ConfigError. */
export function trialCompilePerRoute(table: RouteConfig): void {
  for (const { settings } of perFilterConfigs(table))
    if (settings !== undefined) trialCompile(settings);
}

function* perFilterConfigs(table: RouteConfig): Generator<RouteConfig['perFilter'][number]> {
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
