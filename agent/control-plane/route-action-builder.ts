// [m] What a route does: clusters, redirect, rewrite, mirrors, retries, faults, CORS. Istio: core/route/route.go, retry.go.
import type {
  CorsPolicy,
  Destination,
  Fault,
  HeaderOperations,
  Headers,
  HttpMatch,
  HttpRoute,
  Redirect,
  Retries,
  Rewrite,
  WeightedDestination,
} from './istio-model.ts';
import { noHeaders, resolveHost } from './istio-model.ts';
import { anyOf, byText, durationOf, nonEmpty } from './json.ts';
import type { Json, JsonObject } from './json.ts';
import { outboundClusterName } from './names.ts';
import type { ProxyView, PushContext } from './push-context.ts';
import { stringMatcher } from './route-match-builder.ts';
import { effectivePolicy } from './traffic-policy.ts';

export interface RouteContext {
  readonly push: PushContext;
  readonly view: ProxyView;
  /** The namespace in which short host names are meant. */
  readonly namespace: string;
  /** The listener's port, which a destination without a port of its own takes. */
  readonly port: number;
}

const DEFAULT_RETRY_ON =
  'connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes';

const PREVIOUS_HOSTS: JsonObject = {
  name: 'envoy.retry_host_predicates.previous_hosts',
  typed_config: anyOf('envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate'),
};

/** A share of a million, as istiod counts percentages. */
const millionths = (percent: number): JsonObject => ({
  numerator: Math.round(percent * 10_000),
  denominator: 'MILLION',
});

/** Without a port of its own a destination has the listener's, or the only one that its service has. */
export function clusterOf(
  destination: Destination,
  { push, namespace, port }: RouteContext,
): { host: string; port: number; cluster: string } {
  const host = resolveHost(destination.host, namespace);
  const service = push.registry.services.get(host);
  const only = service?.ports.length === 1 ? service.ports[0]!.number : port;
  const number = destination.port ?? only;
  return { host, port: number, cluster: outboundClusterName(number, destination.subset, host) };
}

/** Status codes among the conditions move to their own field. */
function retryConditions(text: string): { retryOn: string; codes: number[] } {
  if (text === '') return { retryOn: DEFAULT_RETRY_ON, codes: [] };
  const parts = text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
  const codes = parts.filter((part) => /^[1-5][0-9]{2}$/.test(part)).map(Number);
  const conditions = parts.filter((part) => !/^[0-9]+$/.test(part));
  if (codes.length > 0 && !conditions.includes('retriable-status-codes'))
    conditions.push('retriable-status-codes');
  return { retryOn: conditions.join(','), codes };
}

/** Undefined where retries are switched off. */
export function retryPolicy(
  retries: Retries | undefined,
  consistentHash: boolean,
): JsonObject | undefined {
  if (retries !== undefined && retries.attempts === 0) return undefined;
  const { retryOn, codes } = retryConditions(retries?.retryOn ?? '');
  const { perTryTimeoutMs, backoffMs } = retries ?? {};
  const avoidPrevious = !consistentHash && retries?.ignorePreviousHosts !== false;
  return {
    retry_on: retryOn,
    num_retries: retries?.attempts ?? 2,
    per_try_timeout: perTryTimeoutMs === undefined ? undefined : durationOf(perTryTimeoutMs),
    retry_priority:
      retries?.retryRemoteLocalities === true
        ? {
            name: 'envoy.retry_priorities.previous_priorities',
            typed_config: anyOf(
              'envoy.extensions.retry.priority.previous_priorities.v3.PreviousPrioritiesConfig',
              { update_frequency: 2 },
            ),
          }
        : undefined,
    retry_host_predicate: avoidPrevious ? [PREVIOUS_HOSTS] : undefined,
    host_selection_retry_max_attempts: '5',
    retriable_status_codes: nonEmpty(codes),
    retry_back_off: backoffMs === undefined ? undefined : { base_interval: durationOf(backoffMs) },
  };
}

/** The key of consistent hashing stands in the route, its table in the cluster. */
function hashPolicy(destinations: readonly WeightedDestination[], context: RouteContext): Json[] {
  const { push, view } = context;
  return destinations.flatMap(({ destination }): Json[] => {
    const { host, port } = clusterOf(destination, context);
    const rule = push.destinationRuleOf(host, view.node.namespace);
    const ofSubset = rule?.subsets.find(({ name }) => name === destination.subset)?.policy;
    const hash = effectivePolicy(rule?.policy, ofSubset, port)?.loadBalancer?.consistentHash;
    if (hash === undefined) return [];
    if (hash.headerName !== undefined) return [{ header: { header_name: hash.headerName } }];
    if (hash.cookie !== undefined) {
      const { name, path, ttlMs } = hash.cookie;
      return [{ cookie: { name, path, ttl: ttlMs === undefined ? undefined : durationOf(ttlMs) } }];
    }
    if (hash.sourceIp) return [{ connection_properties: { source_ip: true } }];
    if (hash.queryParameter !== undefined)
      return [{ query_parameter: { name: hash.queryParameter } }];
    return [];
  });
}

/** A request's Host is not added to but rewritten. */
const isHostHeader = (name: string): boolean =>
  name.startsWith(':') || name.toLowerCase() === 'host';

const sortedPairs = (map: ReadonlyMap<string, string>): [string, string][] =>
  [...map].sort(([a], [b]) => byText(a, b));

function additions(list: readonly HeaderOperations[]): readonly Json[] | undefined {
  const added: Json[] = [];
  for (const { set, add } of list) {
    for (const [key, value] of sortedPairs(set)) {
      if (!isHostHeader(key))
        added.push({ header: { key, value }, append_action: 'OVERWRITE_IF_EXISTS_OR_ADD' });
    }
    for (const [key, value] of sortedPairs(add))
      if (!isHostHeader(key)) added.push({ header: { key, value } });
  }
  return nonEmpty(added);
}

const removals = (list: readonly HeaderOperations[]): readonly Json[] | undefined =>
  nonEmpty(list.flatMap(({ remove }) => remove.filter((name) => !isHostHeader(name))));

/** Header operations of one message, in the order in which they are given. */
export function headerFields(list: readonly Headers[]): JsonObject {
  const requests = list.map(({ request }) => request);
  const responses = list.map(({ response }) => response);
  return {
    request_headers_to_add: additions(requests),
    request_headers_to_remove: removals(requests),
    response_headers_to_add: additions(responses),
    response_headers_to_remove: removals(responses),
  };
}

function hostOf({ request }: Headers): string | undefined {
  for (const [name, value] of request.set)
    if (name === ':authority' || name.toLowerCase() === 'host') return value;
  return undefined;
}

function clusterFields(
  destinations: readonly WeightedDestination[],
  context: RouteContext,
): JsonObject {
  const [only] = destinations;
  if (destinations.length === 1 && only !== undefined) {
    return {
      cluster: clusterOf(only.destination, context).cluster,
      host_rewrite_literal: hostOf(only.headers),
    };
  }
  return {
    weighted_clusters: {
      clusters: destinations
        .filter(({ weight }) => weight > 0)
        .map(({ destination, weight, headers }) => ({
          name: clusterOf(destination, context).cluster,
          weight,
          ...headerFields([headers]),
          host_rewrite_literal: hostOf(headers),
        })),
    },
  };
}

/** A prefix or an exact path is replaced as such; what a regular expression matched needs one to be replaced. */
function rewriteFields(rewrite: Rewrite | undefined, match: HttpMatch | undefined): JsonObject {
  if (rewrite === undefined) return {};
  const authority = { host_rewrite_literal: rewrite.authority };
  if (rewrite.uriRegex !== undefined) {
    return {
      ...authority,
      regex_rewrite: {
        pattern: { regex: rewrite.uriRegex.match },
        substitution: rewrite.uriRegex.rewrite,
      },
    };
  }
  if (rewrite.uri === undefined) return authority;
  if (match?.uri?.kind === 'regex') {
    return {
      ...authority,
      regex_rewrite: { pattern: { regex: match.uri.value }, substitution: rewrite.uri },
    };
  }
  return { ...authority, prefix_rewrite: rewrite.uri };
}

export function routeActionFields(
  route: HttpRoute,
  match: HttpMatch | undefined,
  context: RouteContext,
): JsonObject {
  const hash = hashPolicy(route.route, context);
  const timeout = durationOf(route.timeoutMs ?? 0);
  return {
    ...clusterFields(route.route, context),
    // A header on the route's own level speaks for every destination.
    ...(hostOf(route.headers) === undefined ? {} : { host_rewrite_literal: hostOf(route.headers) }),
    ...rewriteFields(route.rewrite, match),
    timeout,
    // A service without rules of its own keeps the default policy, consistent hash or not.
    retry_policy: retryPolicy(route.retries, hash.length > 0 && route.configPath !== undefined),
    hash_policy: nonEmpty(hash),
    max_grpc_timeout: timeout,
    request_mirror_policies: nonEmpty(
      route.mirrors
        .filter(({ percent }) => percent > 0)
        .map(({ destination, percent }) => ({
          cluster: clusterOf(destination, context).cluster,
          runtime_fraction: { default_value: millionths(percent) },
          trace_sampled: false,
        })),
    ),
  };
}

const REDIRECT_CODES: ReadonlyMap<number, string> = new Map([
  [301, 'MOVED_PERMANENTLY'],
  [302, 'FOUND'],
  [303, 'SEE_OTHER'],
  [307, 'TEMPORARY_REDIRECT'],
  [308, 'PERMANENT_REDIRECT'],
]);

function redirectPort(redirect: Redirect): number | undefined {
  if (redirect.port === 'FROM_PROTOCOL_DEFAULT') return redirect.scheme === 'https' ? 443 : 80;
  return redirect.port === 'FROM_REQUEST_PORT' ? undefined : redirect.port;
}

export function redirectFields(redirect: Redirect): JsonObject {
  return {
    host_redirect: redirect.authority,
    path_redirect: redirect.uri ?? '',
    response_code: REDIRECT_CODES.get(redirect.code),
    scheme_redirect: redirect.scheme,
    port_redirect: redirectPort(redirect),
  };
}

function faultConfig({ delay, abort }: Fault): JsonObject {
  return anyOf('envoy.extensions.filters.http.fault.v3.HTTPFault', {
    delay:
      delay === undefined
        ? undefined
        : { fixed_delay: durationOf(delay.fixedDelayMs), percentage: millionths(delay.percent) },
    abort:
      abort === undefined
        ? undefined
        : {
            http_status: abort.httpStatus,
            grpc_status: abort.grpcStatus,
            percentage: millionths(abort.percent),
          },
  });
}

function corsConfig(cors: CorsPolicy): JsonObject {
  const list = (texts: readonly string[]): string | undefined =>
    texts.length === 0 ? undefined : texts.join(',');
  return anyOf('envoy.extensions.filters.http.cors.v3.CorsPolicy', {
    allow_origin_string_match: nonEmpty(cors.allowOrigins.map(stringMatcher)),
    allow_methods: list(cors.allowMethods),
    allow_headers: list(cors.allowHeaders),
    expose_headers: list(cors.exposeHeaders),
    max_age: cors.maxAgeMs === undefined ? undefined : String(Math.floor(cors.maxAgeMs / 1000)),
    allow_credentials: cors.allowCredentials,
    filter_enabled: { default_value: { numerator: 100 } },
    forward_not_matching_preflights: cors.forwardUnmatchedPreflights,
  });
}

export function perFilterConfig({ fault, cors }: HttpRoute): JsonObject | undefined {
  if (fault === undefined && cors === undefined) return undefined;
  return {
    'envoy.filters.http.fault': fault === undefined ? undefined : faultConfig(fault),
    'envoy.filters.http.cors': cors === undefined ? undefined : corsConfig(cors),
  };
}

/** The headers of a single destination are those of the route. */
export function routeHeaders(route: HttpRoute): readonly Headers[] {
  return [route.headers, route.route.length === 1 ? route.route[0]!.headers : noHeaders];
}
