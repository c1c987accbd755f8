// [m] Decodes the bootstrap (istio-contract §5, envoy-behaviour §13.1, §15).
import type {
  Admin,
  Bootstrap,
  Bootstrap_DynamicResources,
  ClusterManager,
} from '../../xds-protos/gen/envoy.config.bootstrap.v3.ts';
import type { ConfigSource, Node } from '../../xds-protos/gen/envoy.config.core.v3.ts';
import { lazyPart } from '../base/lazy-part.ts';
import type { AccessLogConfig } from '../config/access-log-config.ts';
import type {
  AdminConfig,
  AdsConfig,
  BootstrapConfig,
  NodeConfig,
  RuntimeLayerConfig,
} from '../config/bootstrap-config.ts';
import type { ClusterConfig } from '../config/cluster-config.ts';
import type { SourceRef } from '../config/config-source.ts';
import { decodeAccessLogs } from './access-logs.ts';
import { decodeAddress } from './address-decoder.ts';
import { readCluster } from './cluster-decoder.ts';
import { ConfigProblems } from './config-problems.ts';
import type { FieldObserver } from './config-problems.ts';
import { decodeConfigSource } from './config-source.ts';
import { typedConfigOf } from './typed-config.ts';
import { FieldReader } from './field-reader.ts';
import { readListener } from './listener-decoder.ts';
import { decodeRuntimeLayers, mergeLayers } from './runtime-decoder.ts';
import { checkStaticReferences } from './static-references.ts';
import { decodeStats } from './stats-config-decoder.ts';
import { decodeBindConfig } from './socket-option-decoder.ts';

const secretDecoder = lazyPart<typeof import('./secret-decoder.ts')>('xds/secret-decoder');

type Reader = FieldReader<Bootstrap>;

/** Throws ConfigError with every problem. Static clusters and listeners keep the order of the message. */
export function decodeBootstrap(message: Bootstrap, watch?: FieldObserver): BootstrapConfig {
  const problems = new ConfigProblems(watch);
  const reader = new FieldReader(message, '', problems);
  const resources = reader.child('static_resources');
  const clusters =
    resources
      ?.children('clusters')
      .map((cluster) => readCluster(cluster, { version: '', addedViaApi: false })) ?? [];
  const listeners =
    resources?.children('listeners').map((listener) => readListener(listener, '')) ?? [];
  const secrets =
    resources?.children('secrets').map((secret) => secretDecoder().readSecret(secret, '')) ?? [];
  const dynamic = reader.child('dynamic_resources');
  const runtimeLayers = decodeRuntimeLayers(reader);
  const config: BootstrapConfig = {
    node: decodeNode(reader),
    admin: decodeAdmin(reader.child('admin')),
    clusters,
    listeners,
    secrets,
    ads: dynamic && decodeAds(dynamic, clusters),
    cds: sourceOf(dynamic?.child('cds_config')),
    lds: sourceOf(dynamic?.child('lds_config')),
    stats: decodeStats(reader),
    runtimeLayers,
    runtime: mergeLayers(runtimeLayers),
    ...decodeClusterManager(reader.child('cluster_manager')),
    maxDownstreamConnections: decodeConnectionLimit(reader),
    inert: [...inertParts(reader), ...inertLayers(runtimeLayers)],
  };
  checkDynamic(config, dynamic);
  checkStaticReferences(config, problems);
  problems.throwIfAny();
  return config;
}

const inertLayers = (layers: readonly RuntimeLayerConfig[]): readonly string[] =>
  layers.filter(({ kind }) => kind === 'inert').map(({ name }) => `runtime layer ${name} (disk)`);

function decodeClusterManager(
  reader: FieldReader<ClusterManager> | undefined,
): Pick<BootstrapConfig, 'localClusterName' | 'upstreamBind' | 'outlierEventLogPath'> {
  return {
    localClusterName: reader?.string('local_cluster_name') ?? '',
    upstreamBind: decodeBindConfig(reader?.child('upstream_bind_config'), 'Bootstrap'),
    outlierEventLogPath: reader?.child('outlier_detection')?.string('event_log_path') ?? '',
  };
}

function decodeNode(reader: Reader): NodeConfig {
  const node: FieldReader<Node> | undefined = reader.child('node');
  const locality = node?.child('locality');
  return {
    id: node?.string('id') ?? '',
    cluster: node?.string('cluster') ?? '',
    metadataJson: JSON.stringify(node?.message.metadata ?? {}),
    locality: locality && {
      region: locality.string('region'),
      zone: locality.string('zone'),
      subZone: locality.string('sub_zone'),
    },
  };
}

function decodeAdmin(reader: FieldReader<Admin> | undefined): AdminConfig {
  const address = reader?.child('address');
  const logs: AccessLogConfig[] = [...decodeAccessLogs(reader?.children('access_log') ?? [])];
  const path = reader?.nonEmpty('access_log_path');
  if (path !== undefined) {
    // The deprecated field means Envoy's admin format; Istio gives /dev/null.
    const format = {
      kind: 'text',
      text: '[%START_TIME%] "%REQ(:METHOD)% %REQ(:PATH)%" %RESPONSE_CODE%\n',
    } as const;
    const sink = { kind: 'file', path, format: { ...format, omitEmptyValues: false } } as const;
    logs.push({ name: 'access_log_path', sink, filter: undefined });
  }
  return {
    address: address && decodeAddress(address, false),
    accessLogs: logs,
    profilePath: reader?.string('profile_path') ?? '',
  };
}

function decodeAds(
  dynamic: FieldReader<Bootstrap_DynamicResources>,
  clusters: readonly ClusterConfig[],
): AdsConfig | undefined {
  const reader = dynamic.child('ads_config');
  if (reader === undefined) return undefined;
  const type = reader.enumName('api_type', 'DEPRECATED_AND_UNAVAILABLE_DO_NOT_USE');
  if (type !== 'DELTA_GRPC' && type !== 'GRPC')
    reader.problem('api_type', `must be DELTA_GRPC or GRPC, is ${type}`);
  const version = reader.enumName('transport_api_version', 'AUTO');
  if (version !== 'V3') reader.problem('transport_api_version', `must be V3, is ${version}`);
  const service = reader.children('grpc_services')[0];
  if (service === undefined) reader.problem('grpc_services', 'one is required');
  service?.refuse('google_grpc');
  const grpc = service?.required('envoy_grpc');
  const clusterName = grpc?.requiredString('cluster_name') ?? '';
  const cluster = clusters.find((candidate) => candidate.name === clusterName);
  if (clusterName !== '' && (cluster === undefined || cluster.type === 'EDS')) {
    grpc?.problem(
      'cluster_name',
      `'${clusterName}' must be a cluster of static_resources, and not of type EDS`,
    );
  }
  return {
    mode: type === 'GRPC' ? 'sotw' : 'delta',
    clusterName,
    setNodeOnFirstMessageOnly: reader.bool('set_node_on_first_message_only'),
  };
}

const sourceOf = (source: FieldReader<ConfigSource> | undefined): SourceRef | undefined =>
  source && decodeConfigSource(source);

/** What only makes sense together. */
function checkDynamic(
  config: BootstrapConfig,
  dynamic: FieldReader<Bootstrap_DynamicResources> | undefined,
): void {
  if (dynamic === undefined) return;
  const sources = [config.cds, config.lds].flatMap((ref) =>
    ref === undefined ? [] : [ref.source],
  );
  if (config.ads === undefined && sources.some(({ kind }) => kind === 'ads'))
    dynamic.problem('ads_config', 'is required with ads');
  if (config.ads === undefined && sources.every(({ kind }) => kind !== 'grpc')) return;
  if (config.node.id === '' || config.node.cluster === '') {
    dynamic.problems.add(
      'node',
      "node 'id' and 'cluster' are required. Set it either in 'node' config or via --service-node and --service-cluster options.",
    );
  }
}

const CONNECTIONS_MONITOR =
  'envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig';

/** Of the overload manager only the limit of all connections is built. */
function decodeConnectionLimit(reader: Reader): number | undefined {
  let limit: number | undefined;
  for (const monitor of reader.child('overload_manager')?.children('resource_monitors') ?? []) {
    if (monitor.message.typed_config?.type_url.endsWith(`/${CONNECTIONS_MONITOR}`) !== true)
      continue;
    const config = typedConfigOf(monitor)?.as(CONNECTIONS_MONITOR);
    limit = config?.number('max_active_downstream_connections', 1, 1);
  }
  return limit;
}

function limitsOnlyConnections(reader: Reader): boolean {
  const manager = reader.child('overload_manager');
  if (manager === undefined) return true;
  const { actions = [], loadshed_points = [] } = manager.message;
  return (
    actions.length === 0 &&
    loadshed_points.length === 0 &&
    manager
      .children('resource_monitors')
      .every(({ message }) => message.typed_config?.type_url.endsWith(CONNECTIONS_MONITOR) === true)
  );
}

const INERT_FIELDS = [
  'tracing',
  'stats_sinks',
  'hds_config',
  'fatal_actions',
  'certificate_provider_instances',
  'xds_delegate_extension',
  'xds_config_tracker_extension',
] as const;

function inertParts(reader: Reader): readonly string[] {
  const extensions = reader
    .children('bootstrap_extensions')
    .map((e) => `bootstrap_extensions ${e.string('name')}`);
  return [
    ...INERT_FIELDS.filter((field) => reader.has(field)),
    ...(limitsOnlyConnections(reader) ? [] : ['overload_manager']),
    ...extensions,
  ];
}
