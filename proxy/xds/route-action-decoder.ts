// [m] Decodes the action "forward to a cluster" (envoy-behaviour §3.3–3.8, istio-contract §3.5).
import type {
  RouteAction,
  RouteAction_MaxStreamDuration,
  RouteAction_UpgradeConfig,
  RouteAction_UpgradeConfig_ConnectConfig,
  WeightedCluster,
  WeightedCluster_ClusterWeight,
} from '../../xds-protos/gen/envoy.config.route.v3.ts';
import type {
  ClusterSpecifierConfig,
  ConnectConfig,
  MaxStreamDurationConfig,
  RequestMirrorConfig,
  RouteActionConfig,
  UpgradeConfig,
  WeightedClusterConfig,
} from '../config/route-config.ts';
import type { FieldReader } from './field-reader.ts';
import { decodeHashPolicies } from './hash-policy-decoder.ts';
import { decodeHeaderMutations } from './header-mutation-decoder.ts';
import { decodeInternalRedirect } from './internal-redirect-decoder.ts';
import { breaksHeader, decodeRegexRewrite } from './matcher-decoder.ts';
import { loadBalancerLabels } from './metadata-decoder.ts';
import { decodeMirrors } from './mirror-decoder.ts';
import { decodePerFilter } from './per-route-decoder.ts';
import { decodeUpstreamProxyProtocol } from './proxy-protocol-decoder.ts';
import { decodeRateLimits } from './rate-limits.ts';
import { decodeHedgePolicy, decodeRetryPolicy } from './retry-policy-decoder.ts';
import { typedConfigOf } from './typed-config.ts';

const DEFAULT_TIMEOUT_MS = 15_000;
export const MAX_UINT32 = 4_294_967_295;

const NOT_FOUND_STATUS = {
  SERVICE_UNAVAILABLE: 503,
  NOT_FOUND: 404,
  INTERNAL_SERVER_ERROR: 500,
} as const;
const REWRITE_TEMPLATE = 'envoy.extensions.path.rewrite.uri_template.v3.UriTemplateRewriteConfig';

/** `mirrors`: those of the virtual host or the table, where the route has none. */
export function decodeRouteAction(
  reader: FieldReader<RouteAction>,
  mirrors: readonly RequestMirrorConfig[],
): RouteActionConfig {
  refuseUnbuilt(reader);
  const retry = reader.child('retry_policy');
  const stream = reader.child('max_stream_duration');
  return {
    kind: 'route',
    cluster: decodeClusterSpecifier(reader),
    clusterNotFoundStatus:
      NOT_FOUND_STATUS[reader.enumName('cluster_not_found_response_code', 'SERVICE_UNAVAILABLE')],
    timeoutMs: reader.durationMs('timeout', DEFAULT_TIMEOUT_MS),
    maxGrpcTimeoutMs: reader.optionalDurationMs('max_grpc_timeout'),
    grpcTimeoutOffsetMs: reader.optionalDurationMs('grpc_timeout_offset'),
    idleTimeoutMs: reader.optionalDurationMs('idle_timeout'),
    maxStreamDuration: stream && decodeMaxStreamDuration(stream),
    retryPolicy: retry && decodeRetryPolicy(retry),
    hedgeOnPerTryTimeout: decodeHedgePolicy(reader.child('hedge_policy')),
    internalRedirect: decodeInternalRedirect(reader),
    ...decodeRewrites(reader),
    appendXForwardedHost: reader.bool('append_x_forwarded_host'),
    priority: reader.enumName('priority', 'DEFAULT'),
    hashPolicy: decodeHashPolicies(reader.children('hash_policy')),
    mirrors: reader.has('request_mirror_policies') ? decodeMirrors(reader) : mirrors,
    upgrades: decodeUpgrades(reader.children('upgrade_configs')),
    metadataMatch: loadBalancerLabels(reader.child('metadata_match')),
    rateLimits: decodeRateLimits(reader),
    includeVirtualHostRateLimits: reader.bool('include_vh_rate_limits'),
  };
}

function refuseUnbuilt(reader: FieldReader<RouteAction>): void {
  reader.refuse('retry_policy_typed_config');
}

function decodeClusterSpecifier(reader: FieldReader<RouteAction>): ClusterSpecifierConfig {
  if (reader.has('cluster')) return { kind: 'cluster', name: reader.requiredString('cluster') };
  if (reader.has('cluster_header')) {
    const header = reader.requiredString('cluster_header').toLowerCase();
    if (breaksHeader(header))
      reader.problem('cluster_header', 'holds characters no header name can have');
    return { kind: 'cluster_header', header };
  }
  const weighted = reader.child('weighted_clusters');
  if (weighted !== undefined) return decodeWeightedClusters(weighted);
  reader.refuse('cluster_specifier_plugin');
  reader.refuse('inline_cluster_specifier_plugin');
  if (!reader.has('cluster_specifier_plugin') && !reader.has('inline_cluster_specifier_plugin')) {
    reader.problem('', 'one of cluster, cluster_header, weighted_clusters is required');
  }
  return { kind: 'cluster', name: '' };
}

function decodeWeightedClusters(reader: FieldReader<WeightedCluster>): ClusterSpecifierConfig {
  const clusters = reader.children('clusters').map(decodeClusterWeight);
  const sum = clusters.reduce((total, cluster) => total + cluster.weight, 0);
  if (clusters.length === 0) reader.problem('clusters', 'at least one is required');
  else if (sum === 0)
    reader.problem('clusters', 'Sum of weights in the weighted_cluster must be greater than 0.');
  else if (sum > MAX_UINT32) {
    reader.problem('clusters', `The sum of weights of all weighted clusters exceeds ${MAX_UINT32}`);
  }
  if (breaksHeader(reader.string('header_name')))
    reader.problem('header_name', 'holds characters no header name can have');
  return {
    kind: 'weighted',
    clusters,
    headerName: reader.nonEmpty('header_name')?.toLowerCase(),
    useHashPolicy: reader.bool('use_hash_policy'),
    runtimeKeyPrefix: reader.nonEmpty('runtime_key_prefix'),
  };
}

function decodeClusterWeight(
  reader: FieldReader<WeightedCluster_ClusterWeight>,
): WeightedClusterConfig {
  const name = reader.string('name');
  const clusterHeader = reader.nonEmpty('cluster_header')?.toLowerCase();
  if (name === '' && clusterHeader === undefined)
    reader.problem('', 'At least one of name or cluster_header need to be specified');
  if (name !== '' && clusterHeader !== undefined)
    reader.problem('', 'Only one of name or cluster_header can be specified');
  if (clusterHeader !== undefined && breaksHeader(clusterHeader))
    reader.problem('cluster_header', 'holds characters no header name can have');
  return {
    name,
    clusterHeader,
    weight: reader.number('weight', 0),
    headers: decodeHeaderMutations(reader),
    perFilter: decodePerFilter(reader),
    hostRewriteLiteral: reader.nonEmpty('host_rewrite_literal'),
    metadataMatch: loadBalancerLabels(reader.child('metadata_match')),
  };
}

function decodeMaxStreamDuration(
  reader: FieldReader<RouteAction_MaxStreamDuration>,
): MaxStreamDurationConfig {
  return {
    maxStreamDurationMs: reader.optionalDurationMs('max_stream_duration'),
    grpcTimeoutHeaderMaxMs: reader.optionalDurationMs('grpc_timeout_header_max'),
    grpcTimeoutHeaderOffsetMs: reader.durationMs('grpc_timeout_header_offset', 0),
  };
}

type Rewrites = Pick<
  RouteActionConfig,
  | 'prefixRewrite'
  | 'regexRewrite'
  | 'pathRewriteTemplate'
  | 'pathRewriteFormat'
  | 'hostRewriteFormat'
  | 'hostRewriteLiteral'
  | 'hostRewriteHeader'
  | 'hostRewritePathRegex'
  | 'autoHostRewrite'
>;

function decodeRewrites(reader: FieldReader<RouteAction>): Rewrites {
  const prefixRewrite = reader.nonEmpty('prefix_rewrite');
  const regex = reader.child('regex_rewrite');
  const hostRegex = reader.child('host_rewrite_path_regex');
  const pathRewriteTemplate = decodeRewriteTemplate(reader);
  const pathRewriteFormat = reader.nonEmpty('path_rewrite');
  const given = [prefixRewrite, regex, pathRewriteTemplate, pathRewriteFormat].filter(
    (rewrite) => rewrite !== undefined,
  );
  if (given.length > 1) {
    reader.problem('', 'Specify only one of prefix_rewrite, regex_rewrite or path_rewrite_policy');
  }
  for (const field of [
    'prefix_rewrite',
    'path_rewrite',
    'host_rewrite_literal',
    'host_rewrite_header',
    'host_rewrite',
  ] as const) {
    if (breaksHeader(reader.string(field))) reader.problem(field, 'must not hold NUL, CR or LF');
  }
  return {
    prefixRewrite,
    regexRewrite: regex && decodeRegexRewrite(regex),
    pathRewriteTemplate,
    pathRewriteFormat,
    hostRewriteFormat: reader.nonEmpty('host_rewrite'),
    hostRewriteLiteral: reader.nonEmpty('host_rewrite_literal'),
    hostRewriteHeader: reader.nonEmpty('host_rewrite_header')?.toLowerCase(),
    hostRewritePathRegex: hostRegex && decodeRegexRewrite(hostRegex),
    autoHostRewrite: reader.bool('auto_host_rewrite'),
  };
}

function decodeRewriteTemplate(reader: FieldReader<RouteAction>): string | undefined {
  const policy = reader.child('path_rewrite_policy');
  const config = policy && typedConfigOf(policy);
  if (config === undefined) return undefined;
  if (config.typeName === REWRITE_TEMPLATE) {
    return config.as(REWRITE_TEMPLATE)?.requiredString('path_template_rewrite');
  }
  config.unknown(policy!.string('name'));
  return undefined;
}

function decodeUpgrades(
  readers: readonly FieldReader<RouteAction_UpgradeConfig>[],
): readonly UpgradeConfig[] {
  const seen = new Set<string>();
  return readers.map((reader) => {
    const type = reader.requiredString('upgrade_type').toLowerCase();
    if (seen.has(type)) reader.problem('upgrade_type', `Duplicate upgrade ${type}`);
    seen.add(type);
    const connect = reader.child('connect_config');
    if (connect !== undefined && type !== 'connect')
      reader.problem('connect_config', `Non-CONNECT upgrade type ${type} has ConnectConfig`);
    return {
      type,
      enabled: reader.bool('enabled', true),
      connect: connect && decodeConnect(connect),
    };
  });
}

const NO_TLVS = { passThroughTlvs: undefined, addedTlvs: [] };

function decodeConnect(
  reader: FieldReader<RouteAction_UpgradeConfig_ConnectConfig>,
): ConnectConfig {
  const header = reader.child('proxy_protocol_config');
  return {
    allowPost: reader.bool('allow_post'),
    // As Envoy: its TLVs are checked and not sent.
    proxyHeader: header && { ...decodeUpstreamProxyProtocol(header), ...NO_TLVS },
  };
}
