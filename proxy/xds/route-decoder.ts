// [m] Decodes route tables: RouteConfiguration from RDS or inline in a connection manager (envoy-behaviour §3,
// istio-contract §3).
import type {
  Route,
  RouteConfiguration,
  VirtualCluster,
  VirtualHost,
} from '../../xds-protos/gen/envoy.config.route.v3.ts';
import type { FilterAction } from '../../xds-protos/gen/envoy.config.route.v3.ts';
import { lazyPart } from '../base/lazy-part.ts';
import type {
  PerFilterConfigs,
  RequestMirrorConfig,
  RouteConfig,
  RouteEntryConfig,
  VirtualClusterConfig,
  VirtualHostConfig,
} from '../config/route-config.ts';
import { decodeCorsPolicy } from './cors-decoder.ts';
import { DomainRegistry } from './domain-registry.ts';
import type { FieldReader } from './field-reader.ts';
import { decodeHeaderMutations } from './header-mutation-decoder.ts';
import { decodeHeaderMatches } from './matcher-decoder.ts';
import { decodeMetadata } from './metadata-decoder.ts';
import { decodePerFilter } from './per-route-decoder.ts';
import { decodeDirectResponse, decodeRedirect } from './redirect-decoder.ts';
import { decodeRateLimits } from './rate-limits.ts';
import { decodeHedgePolicy, decodeRetryPolicy } from './retry-policy-decoder.ts';
import { decodeMirrors } from './mirror-decoder.ts';
import { decodeRouteAction } from './route-action-decoder.ts';
import { MATCH_ALL, decodeRouteMatch } from './route-match-decoder.ts';
import { decodeRouteTracing } from './tracing-decoder.ts';

const matchTree = lazyPart<typeof import('./match-tree-decoder.ts')>('xds/match-tree-decoder');

const DEFAULT_MAX_DIRECT_RESPONSE_BYTES = 4096;
const CORS_FILTER = 'envoy.filters.http.cors';

/** What the levels above a route hand down. */
interface Inherited {
  readonly mirrors: readonly RequestMirrorConfig[];
  readonly maxDirectResponseBytes: number;
}

export interface RouteTableSource {
  /** '' for a static or inline table. */
  readonly version: string;
  /** By RDS: clusters are not checked by default, and the name is required. */
  readonly dynamic: boolean;
}

export function decodeRouteTable(
  reader: FieldReader<RouteConfiguration>,
  source: RouteTableSource,
): RouteConfig {
  reader.refuse('vhds');
  reader.refuse('cluster_specifier_plugins');
  const inherited: Inherited = {
    mirrors: decodeMirrors(reader),
    maxDirectResponseBytes: reader.number(
      'max_direct_response_body_size_bytes',
      DEFAULT_MAX_DIRECT_RESPONSE_BYTES,
    ),
  };
  const domains = new DomainRegistry(reader.string('name'));
  return {
    name: source.dynamic ? reader.requiredString('name') : reader.string('name'),
    version: source.version,
    virtualHosts: reader
      .children('virtual_hosts')
      .map((host) => decodeVirtualHost(host, domains, inherited)),
    headers: decodeHeaderMutations(reader),
    perFilter: decodePerFilter(reader),
    internalOnlyHeaders: (reader.message.internal_only_headers ?? []).map((name) =>
      name.toLowerCase(),
    ),
    mostSpecificHeaderMutationsWins: reader.bool('most_specific_header_mutations_wins'),
    ignorePortInHostMatching: reader.bool('ignore_port_in_host_matching'),
    ignorePathParametersInPathMatching: reader.bool('ignore_path_parameters_in_path_matching'),
    validateClusters: reader.bool('validate_clusters', !source.dynamic),
    inert: inertParts(reader.message),
  };
}

/** Undefined where everything is done. */
function inertParts({ virtual_hosts = [] }: RouteConfiguration): readonly string[] | undefined {
  const flushes = virtual_hosts.some(({ routes = [] }) =>
    routes.some(({ route }) => route?.flush_timeout !== undefined),
  );
  return flushes ? ['flush_timeout of routes'] : undefined;
}

function decodeVirtualHost(
  reader: FieldReader<VirtualHost>,
  domains: DomainRegistry,
  inherited: Inherited,
): VirtualHostConfig {
  reader.refuse('route_specifiers');
  reader.refuse('retry_policy_typed_config');
  const retry = reader.child('retry_policy');
  const own = reader.has('request_mirror_policies')
    ? { ...inherited, mirrors: decodeMirrors(reader) }
    : inherited;
  return {
    name: reader.requiredString('name'),
    domains: domains.claim(reader),
    ...decodeRoutes(reader, own),
    headers: decodeHeaderMutations(reader),
    perFilter: withLegacyCors(reader, decodePerFilter(reader)),
    retryPolicy: retry && decodeRetryPolicy(retry),
    hedgeOnPerTryTimeout: decodeHedgePolicy(reader.child('hedge_policy')),
    includeIsTimeoutRetryHeader: reader.bool('include_is_timeout_retry_header'),
    includeRequestAttemptCount: reader.bool('include_request_attempt_count'),
    includeAttemptCountInResponse: reader.bool('include_attempt_count_in_response'),
    requireTls: reader.enumName('require_tls', 'NONE'),
    virtualClusters: decodeVirtualClusters(reader.children('virtual_clusters')),
    perRequestBufferLimitBytes: bodyBufferLimit(reader),
    rateLimits: decodeRateLimits(reader),
    metadata: decodeMetadata(reader.child('metadata')),
  };
}

function decodeRoutes(
  reader: FieldReader<VirtualHost>,
  inherited: Inherited,
): Pick<VirtualHostConfig, 'routes' | 'matcher'> {
  const decode = (route: FieldReader<Route>): RouteEntryConfig => decodeRoute(route, inherited);
  const matcher = reader.child('matcher');
  const routes = reader.children('routes').map(decode);
  if (matcher === undefined) return { routes };
  if (routes.length > 0)
    reader.problem('matcher', 'cannot set both matcher and routes on virtual host');
  const decoder = new (matchTree().MatchTreeDecoder)(decode);
  return { matcher: decoder.decode(matcher), routes: decoder.routes };
}

function decodeVirtualClusters(
  readers: readonly FieldReader<VirtualCluster>[],
): readonly VirtualClusterConfig[] | undefined {
  if (readers.length === 0) return undefined;
  return readers.map((reader) => {
    const headers = decodeHeaderMatches(reader.children('headers'));
    if (headers.length === 0) reader.problem('headers', "virtual clusters must define 'headers'");
    return { name: reader.requiredString('name'), headers };
  });
}

/** The newer field wins. */
function bodyBufferLimit(
  reader: FieldReader<VirtualHost> | FieldReader<Route>,
): number | undefined {
  return (
    reader.optionalNumber('request_body_buffer_limit') ??
    reader.optionalNumber('per_request_buffer_limit_bytes')
  );
}

function decodeRoute(reader: FieldReader<Route>, inherited: Inherited): RouteEntryConfig {
  reader.refuse('route_specifiers');
  const match = reader.required('match');
  const action = reader.child('route');
  const perFilter = decodePerFilter(reader);
  return {
    name: reader.string('name'),
    match: match === undefined ? MATCH_ALL : decodeRouteMatch(match),
    action: decodeAction(reader, inherited),
    headers: decodeHeaderMutations(reader),
    perFilter: action === undefined ? perFilter : withLegacyCors(action, perFilter),
    tracing: decodeRouteTracing(reader),
    metadata: decodeMetadata(reader.child('metadata')),
    statPrefix: reader.string('stat_prefix'),
    perRequestBufferLimitBytes: bodyBufferLimit(reader),
  };
}

function decodeAction(
  reader: FieldReader<Route>,
  inherited: Inherited,
): RouteEntryConfig['action'] {
  const route = reader.child('route');
  if (route !== undefined) {
    return {
      ...decodeRouteAction(route, inherited.mirrors),
      guardReplays: ownSwitch(reader, 'guard_replays'),
      replayStale: ownSwitch(reader, 'replay_stale'),
    };
  }
  const redirect = reader.child('redirect');
  if (redirect !== undefined) return decodeRedirect(redirect);
  const direct = reader.child('direct_response');
  if (direct !== undefined) return decodeDirectResponse(direct, inherited.maxDirectResponseBytes);
  if (reader.has('non_forwarding_action')) return { kind: 'non_forwarding' };
  const filter: FieldReader<FilterAction> | undefined = reader.child('filter_action');
  if (filter !== undefined) reader.refuse('filter_action');
  else reader.problem('', 'one of route, redirect, direct_response is required');
  return { kind: 'non_forwarding' };
}

/** Words of ours in a route's metadata. */
function ownSwitch(reader: FieldReader<Route>, name: string): boolean | undefined {
  const own = reader.message.metadata?.filter_metadata?.get('outrigger');
  const value = own === undefined ? undefined : new Map(Object.entries(own)).get(name);
  if (value === undefined || typeof value === 'boolean') return value;
  reader.problem(`metadata.filter_metadata["outrigger"].${name}`, 'must be a boolean');
  return undefined;
}

/** The deprecated `cors` field of routes and virtual hosts; the filter's own message wins. */
function withLegacyCors(
  source: FieldReader<object>,
  perFilter: PerFilterConfigs,
): PerFilterConfigs {
  const cors = (source as FieldReader<{ readonly cors?: VirtualHost['cors'] }>).child('cors');
  if (cors === undefined) return perFilter;
  const settings = decodeCorsPolicy(cors);
  if (perFilter.some((config) => config.name === CORS_FILTER)) return perFilter;
  return [...perFilter, { name: CORS_FILTER, disabled: false, settings }];
}
