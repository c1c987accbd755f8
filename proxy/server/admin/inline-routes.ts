// [m] Route tables, and scopes of them, that stand inside connection managers, for the static part of RoutesConfigDump (Envoy: rds_impl.cc, StaticRouteConfigProvider).
import { packAny, unpackAnyAs } from '../../../xds-protos/any.ts';
import { decode, encode } from '../../../xds-protos/codec.ts';
import type { ScopedRoutesConfigDump_InlineScopedRouteConfigs } from '../../../xds-protos/gen/envoy.admin.v3.ts';
import type { HttpConnectionManager } from '../../../xds-protos/gen/envoy.extensions.filters.network.http_connection_manager.v3.ts';
import type { Timestamp } from '../../../xds-protos/well-known-types.ts';
import type { ConfigDumpEntry } from '../../config/config-resource.ts';

const LISTENER = 'envoy.config.listener.v3.Listener';
const MANAGER = 'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager';
const SCOPE = 'envoy.config.route.v3.ScopedRouteConfiguration';
const ROUTES = 'envoy.config.route.v3.RouteConfiguration';

/** One for each connection manager that has its own, as Envoy lists them: names may come twice. */
export const inlineRoutes = (listeners: readonly ConfigDumpEntry[]): readonly ConfigDumpEntry[] =>
  listeners.flatMap(routesOfListener);

/** Scopes that connection managers list, by the name of the list. */
export const inlineScopes = (
  listeners: readonly ConfigDumpEntry[],
): readonly ScopedRoutesConfigDump_InlineScopedRouteConfigs[] =>
  listeners.flatMap(({ raw, lastUpdatedMs }) =>
    managersOf(raw).flatMap(({ scoped_routes: scoped }) => {
      const list = scoped?.scoped_route_configurations_list?.scoped_route_configurations;
      if (list === undefined) return [];
      const scoped_route_configs = list.map((scope) => packAny(SCOPE, scope));
      const last_updated = timestampOf(lastUpdatedMs);
      return [{ name: scoped?.name, scoped_route_configs, last_updated }];
    }),
  );

function managersOf(raw: Uint8Array): readonly HttpConnectionManager[] {
  const { filter_chains: chains = [], default_filter_chain: last } = decode(LISTENER, raw);
  return (last === undefined ? chains : [...chains, last])
    .flatMap((chain) => chain.filters ?? [])
    .flatMap((filter) => unpackAnyAs(MANAGER, filter.typed_config) ?? []);
}

function routesOfListener({ raw, lastUpdatedMs }: ConfigDumpEntry): ConfigDumpEntry[] {
  return managersOf(raw).flatMap(({ route_config: routes }): ConfigDumpEntry[] => {
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

export function timestampOf(wallMs: number): Timestamp {
  const seconds = Math.floor(wallMs / 1000);
  return { seconds, nanos: Math.floor((wallMs - seconds * 1000) * 1e6) };
}
