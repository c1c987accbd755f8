// [m] Route tables that stand inside connection managers, for the static part of RoutesConfigDump (Envoy: rds_impl.cc, StaticRouteConfigProvider).
import { unpackAnyAs } from '../../../xds-protos/any.ts';
import { decode, encode } from '../../../xds-protos/codec.ts';
import type { ConfigDumpEntry } from '../../config/config-resource.ts';

const LISTENER = 'envoy.config.listener.v3.Listener';
const MANAGER = 'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager';
const ROUTES = 'envoy.config.route.v3.RouteConfiguration';

/** One for each connection manager that has its own, as Envoy lists them: names may come twice. */
export const inlineRoutes = (listeners: readonly ConfigDumpEntry[]): readonly ConfigDumpEntry[] =>
  listeners.flatMap(routesOfListener);

function routesOfListener({ raw, lastUpdatedMs }: ConfigDumpEntry): ConfigDumpEntry[] {
  const { filter_chains: chains = [], default_filter_chain: last } = decode(LISTENER, raw);
  return (last === undefined ? chains : [...chains, last])
    .flatMap((chain) => chain.filters ?? [])
    .flatMap((filter): ConfigDumpEntry[] => {
      const routes = unpackAnyAs(MANAGER, filter.typed_config)?.route_config;
      if (routes === undefined) return [];
      return [
        {
          name: routes.name ?? '',
          state: 'static',
          version: '',
          raw: encode(ROUTES, routes),
          lastUpdatedMs,
          errorState: undefined,
        },
      ];
    });
}
