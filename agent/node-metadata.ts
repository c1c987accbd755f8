// [m] The node that the proxy shows to the control plane: id, cluster, metadata. Istio: pkg/bootstrap/config.go, pkg/model/proxy.go.
import { emptyObject, isObject } from './proxy-config.ts';
import type { JsonObject, ProxyConfig } from './proxy-config.ts';
import { serviceClusterOf } from './service-cluster.ts';

/** What istiod's feature gates take us for: the version whose bootstrap and configuration we are tested with. */
export const DEFAULT_ISTIO_VERSION = '1.26.8';

/** A router is a gateway: nothing is redirected to it, and all of its listeners drain. */
export type NodeRole = 'sidecar' | 'router';

export interface NodeIdentity {
  readonly role: NodeRole;
  readonly podName: string;
  readonly podNamespace: string;
  readonly serviceAccount: string;
  /** The pod's address first. */
  readonly instanceIps: readonly string[];
  readonly domain: string;
}

export interface NodeInputs {
  readonly identity: NodeIdentity;
  readonly proxyConfig: ProxyConfig;
  /** Environment, then ProxyConfig.proxyMetadata for names the environment has not. */
  readonly variables: ReadonlyMap<string, string>;
  /** From the downward API. */
  readonly podLabels: ReadonlyMap<string, string>;
  readonly podAnnotations: ReadonlyMap<string, string>;
  readonly readyPort: number;
  readonly prometheusPort: number;
  readonly sdsSocketName: string;
  /** Of the command line. */
  readonly serviceCluster: string | undefined;
  readonly exitOnZeroConnections: boolean;
  readonly outlierLogPath: string;
}

/** Proto JSON. */
export interface NodeLocality {
  readonly region: string;
  readonly zone?: string;
  readonly sub_zone?: string;
}

export interface NodeDescription {
  readonly id: string;
  readonly cluster: string;
  /** Of the label `istio-locality`; istiod knows the one of the machine by itself. */
  readonly locality: NodeLocality | undefined;
  readonly metadata: JsonObject;
}

const META_PREFIX = 'ISTIO_META_';
const META_JSON_PREFIX = 'ISTIO_METAJSON_';
/** Changes with every rollout and tells nothing. */
const IGNORED_LABEL = 'pod-template-hash';
const LOCALITY_LABEL = 'istio-locality';

function parseObject(name: string, text: string, warnings: string[]): JsonObject {
  try {
    const value: unknown = JSON.parse(text);
    if (isObject(value)) return value;
  } catch {
    // told below
  }
  warnings.push(`${name}: is left out, as it is no JSON object such as {"app":"reviews"}`);
  return emptyObject();
}

function addVariables(metadata: JsonObject, inputs: NodeInputs, warnings: string[]): JsonObject {
  const staticLabels = emptyObject();
  for (const [name, value] of inputs.variables) {
    if (name.startsWith(META_PREFIX)) {
      metadata[name.slice(META_PREFIX.length)] = value;
    } else if (name.startsWith(META_JSON_PREFIX)) {
      for (const [key, entry] of Object.entries(parseObject(name, value, warnings))) {
        metadata[key] = entry;
        if (name === `${META_JSON_PREFIX}LABELS` && typeof entry === 'string')
          staticLabels[key] = entry;
      }
    }
  }
  return staticLabels;
}

function mergeLabels(staticLabels: JsonObject, podLabels: ReadonlyMap<string, string>): JsonObject {
  const labels = Object.assign(emptyObject(), staticLabels);
  for (const [name, value] of podLabels) {
    if (name !== IGNORED_LABEL) labels[name] = value;
  }
  return labels;
}

/** As `region/zone/subzone`; a label cannot hold slashes, so dots may stand for them. */
function localityIn(labels: JsonObject): NodeLocality | undefined {
  const label = labels[LOCALITY_LABEL];
  if (typeof label !== 'string' || label === '') return undefined;
  const text = label.includes('/') ? label : label.replaceAll('.', '/');
  labels[LOCALITY_LABEL] = text;
  const [region = '', zone, ...rest] = text.split('/');
  const subZone = rest.join('/');
  return {
    region,
    ...(zone === undefined ? {} : { zone }),
    ...(subZone === '' ? {} : { sub_zone: subZone }),
  };
}

function sortedByName(metadata: JsonObject): JsonObject {
  const sorted = emptyObject();
  for (const name of Object.keys(metadata).sort()) sorted[name] = metadata[name];
  return sorted;
}

/** What istiod cannot use is left out with a warning, as stock does: a pod must not fail for it. */
export function describeNode(inputs: NodeInputs, warnings: string[]): NodeDescription {
  const { identity, proxyConfig } = inputs;
  const metadata = Object.assign(emptyObject(), {
    CLUSTER_ID: 'Kubernetes',
    ISTIO_VERSION: DEFAULT_ISTIO_VERSION,
    ENVOY_SKIP_DEPRECATED_LOGS: 'true',
    METADATA_DISCOVERY: 'false',
  });
  const staticLabels = addVariables(metadata, inputs, warnings);
  const labels = mergeLabels(staticLabels, inputs.podLabels);
  const locality = localityIn(labels);
  metadata['ENVOY_PROMETHEUS_PORT'] = inputs.prometheusPort;
  metadata['ENVOY_STATUS_PORT'] = inputs.readyPort;
  metadata['INSTANCE_IPS'] = identity.instanceIps.join(',');
  metadata['NAME'] = identity.podName;
  metadata['NAMESPACE'] ??= identity.podNamespace;
  metadata['PROXY_CONFIG'] = proxyConfig.message;
  metadata['WORKLOAD_IDENTITY_SOCKET_FILE'] = inputs.sdsSocketName;
  if (identity.serviceAccount !== '') metadata['SERVICE_ACCOUNT'] = identity.serviceAccount;
  if (Object.keys(labels).length > 0) metadata['LABELS'] = labels;
  if (Object.keys(staticLabels).length > 0) metadata['STATIC_LABELS'] = staticLabels;
  if (inputs.podAnnotations.size > 0) {
    metadata['ANNOTATIONS'] = Object.assign(
      emptyObject(),
      Object.fromEntries(inputs.podAnnotations),
    );
  }
  if (inputs.exitOnZeroConnections) metadata['EXIT_ON_ZERO_ACTIVE_CONNECTIONS'] = 'true';
  if (inputs.outlierLogPath !== '') metadata['OUTLIER_LOG_PATH'] = inputs.outlierLogPath;
  const name = `${identity.podName}.${identity.podNamespace}`;
  return {
    id: `${identity.role}~${identity.instanceIps[0] ?? ''}~${name}~${identity.domain}`,
    cluster: serviceClusterOf(inputs.serviceCluster, proxyConfig, {
      namespace: identity.podNamespace,
      workloadName: inputs.variables.get(`${META_PREFIX}WORKLOAD_NAME`) ?? '',
      labels,
    }),
    locality,
    metadata: sortedByName(metadata),
  };
}
