// [m] What of a resource was accepted but does nothing yet, or refuses: for the start-up log line and /config_dump.
import type { AccessLogConfig, AccessLogFilterConfig } from '../config/access-log-config.ts';
import type { ClusterConfig } from '../config/cluster-config.ts';
import { inlineTables } from '../config/http-connection-manager-config.ts';
import type { HttpConnectionManagerConfig } from '../config/http-connection-manager-config.ts';
import type { ListenerConfig } from '../config/listener-config.ts';
import type { NetworkFilterConfig } from '../config/network-filter-config.ts';
import type { RouteConfig } from '../config/route-config.ts';

export type InspectedResource =
  | { readonly listener: ListenerConfig }
  | { readonly cluster: ClusterConfig }
  | { readonly routes: RouteConfig };

/**
 * Sorted, without duplicates; empty when everything is built. One line each, such as
 * `http filter istio.stats: does nothing in this version` or `http filter envoy.filters.http.rbac: refuses requests`.
 */
export function inertParts(resource: InspectedResource): readonly string[] {
  const notes = new Set<string>();
  if ('listener' in resource) noteListener(resource.listener, notes);
  else if ('cluster' in resource) noteCluster(resource.cluster, notes);
  else noteRoutes(resource.routes, notes);
  return [...notes].sort();
}

const idle = (what: string): string => `${what}: does nothing in this version`;
const refuses = (what: string, whom: string): string =>
  `${what}: not enforced in this version, refuses ${whom}`;

function noteListener(listener: ListenerConfig, notes: Set<string>): void {
  for (const part of listener.inert ?? []) notes.add(idle(`listener ${part}`));
  noteAccessLogs(listener.accessLogs, notes);
  const chains = listener.defaultFilterChain
    ? [...listener.filterChains, listener.defaultFilterChain]
    : listener.filterChains;
  for (const chain of chains) {
    for (const filter of chain.networkFilters) noteNetworkFilter(filter, notes);
  }
}

function noteNetworkFilter(filter: NetworkFilterConfig, notes: Set<string>): void {
  switch (filter.kind) {
    case 'inert':
      notes.add(idle(`network filter ${filter.name}`));
      return;
    case 'refuse':
      notes.add(refuses(`network filter ${filter.name}`, 'connections'));
      return;
    case 'tcp_proxy':
      noteAccessLogs(filter.settings.accessLogs, notes);
      return;
    case 'http_connection_manager':
      noteConnectionManager(filter.settings, notes);
      return;
    default:
  }
}

function noteConnectionManager(manager: HttpConnectionManagerConfig, notes: Set<string>): void {
  for (const part of manager.inert ?? []) notes.add(idle(`http connection manager ${part}`));
  noteAccessLogs(manager.accessLogs, notes);
  for (const filter of manager.httpFilters) {
    if (filter.settings.kind === 'router')
      noteAccessLogs(filter.settings.upstreamLogs ?? [], notes);
    if (filter.settings.kind === 'inert') notes.add(idle(`http filter ${filter.name}`));
    if (filter.settings.kind === 'refuse')
      notes.add(refuses(`http filter ${filter.name}`, 'requests'));
    if (filter.settings.kind === 'set_filter_state' && filter.settings.shared)
      notes.add(idle(`shared_with_upstream of http filter ${filter.name}`));
  }
  for (const table of inlineTables(manager)) noteRoutes(table, notes);
}

function noteRoutes(routes: RouteConfig, notes: Set<string>): void {
  for (const part of routes.inert ?? []) notes.add(idle(`route table ${part}`));
  const perFilter = [
    ...routes.perFilter,
    ...routes.virtualHosts.flatMap((host) => [
      ...host.perFilter,
      ...host.routes.flatMap((route) => route.perFilter),
    ]),
  ];
  for (const config of perFilter) {
    if (config.settings?.kind === 'inert')
      notes.add(idle(`per-route settings of http filter ${config.name}`));
    if (config.settings?.kind === 'refuse')
      notes.add(refuses(`per-route settings of http filter ${config.name}`, 'requests'));
    if (config.settings?.kind === 'set_filter_state' && config.settings.shared)
      notes.add(idle(`shared_with_upstream of per-route settings of http filter ${config.name}`));
  }
}

function noteCluster(cluster: ClusterConfig, notes: Set<string>): void {
  for (const part of cluster.inert) notes.add(idle(`cluster ${part}`));
  const resolver = (cluster.forwardProxy ?? cluster).dns.resolver;
  if (resolver?.overTcp === true) notes.add(idle('cluster use_tcp_for_dns_lookups'));
  if (resolver?.rotate === true) notes.add(idle('cluster rotate_nameservers'));
}

function noteAccessLogs(logs: readonly AccessLogConfig[], notes: Set<string>): void {
  for (const log of logs) {
    if (log.sink.kind === 'inert') notes.add(idle(`access log ${log.name}`));
    if (log.filter !== undefined) noteLogFilter(log.filter, notes);
  }
}

function noteLogFilter(filter: AccessLogFilterConfig, notes: Set<string>): void {
  if (filter.kind === 'inert')
    notes.add(`access log filter ${filter.typeUrl}: lets everything through in this version`);
  if (filter.kind === 'and' || filter.kind === 'or')
    for (const inner of filter.filters) noteLogFilter(inner, notes);
}
