// [m] The node that the proxy shows to the control plane: id, cluster, metadata. Istio: pkg/bootstrap/config.go, pkg/model/proxy.go.
import { emptyObject, isObject } from './proxy-config.ts';
import type { JsonObject, ProxyConfig } from './proxy-config.ts';

/** What istiod's feature gates take us for: the version whose bootstrap and configuration we are tested with. */
export const DEFAULT_ISTIO_VERSION = '1.26.8';

export interface NodeIdentity {
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
  readonly serviceCluster: string;
  readonly outlierLogPath: string;
}

export interface NodeDescription {
  readonly id: string;
  readonly cluster: string;
  readonly metadata: JsonObject;
}

const META_PREFIX = 'ISTIO_META_';
const META_JSON_PREFIX = 'ISTIO_METAJSON_';
/** Changes with every rollout and tells nothing. */
const IGNORED_LABEL = 'pod-template-hash';

function parseObject(name: string, text: string, problems: string[]): JsonObject {
  try {
    const value: unknown = JSON.parse(text);
    if (isObject(value)) return value;
  } catch {
    // told below
  }
  problems.push(`${name}: must be a JSON object, as in {"app":"reviews"}`);
  return emptyObject();
}

function addVariables(metadata: JsonObject, inputs: NodeInputs, problems: string[]): JsonObject {
  const staticLabels = emptyObject();
  for (const [name, value] of inputs.variables) {
    if (name.startsWith(META_PREFIX)) {
      metadata[name.slice(META_PREFIX.length)] = value;
    } else if (name.startsWith(META_JSON_PREFIX)) {
      for (const [key, entry] of Object.entries(parseObject(name, value, problems))) {
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

function clusterOf(inputs: NodeInputs, labels: JsonObject): string {
  const { podNamespace } = inputs.identity;
  for (const label of ['app', 'app.kubernetes.io/name', 'service.istio.io/canonical-name']) {
    const value = labels[label];
    if (typeof value === 'string' && value !== '') return `${value}.${podNamespace}`;
  }
  return podNamespace === '' ? inputs.serviceCluster : `${inputs.serviceCluster}.${podNamespace}`;
}

function sortedByName(metadata: JsonObject): JsonObject {
  const sorted = emptyObject();
  for (const name of Object.keys(metadata).sort()) sorted[name] = metadata[name];
  return sorted;
}

export function describeNode(inputs: NodeInputs, problems: string[]): NodeDescription {
  const { identity } = inputs;
  const metadata = Object.assign(emptyObject(), {
    CLUSTER_ID: 'Kubernetes',
    ISTIO_VERSION: DEFAULT_ISTIO_VERSION,
    ENVOY_SKIP_DEPRECATED_LOGS: 'true',
    METADATA_DISCOVERY: 'false',
  });
  const staticLabels = addVariables(metadata, inputs, problems);
  const labels = mergeLabels(staticLabels, inputs.podLabels);
  metadata['ENVOY_PROMETHEUS_PORT'] = inputs.prometheusPort;
  metadata['ENVOY_STATUS_PORT'] = inputs.readyPort;
  metadata['INSTANCE_IPS'] = identity.instanceIps.join(',');
  metadata['NAME'] = identity.podName;
  metadata['NAMESPACE'] ??= identity.podNamespace;
  metadata['PROXY_CONFIG'] = inputs.proxyConfig.message;
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
  if (inputs.outlierLogPath !== '') metadata['OUTLIER_LOG_PATH'] = inputs.outlierLogPath;
  const name = `${identity.podName}.${identity.podNamespace}`;
  return {
    id: `sidecar~${identity.instanceIps[0] ?? ''}~${name}~${identity.domain}`,
    cluster: clusterOf(inputs, labels),
    metadata: sortedByName(metadata),
  };
}

const ESCAPES: ReadonlyMap<string, string> = new Map([
  ['n', '\n'],
  ['t', '\t'],
  ['r', '\r'],
]);

/** A downward API file: one `name="value"` a line, the value quoted as in Go. */
export function parseDownwardApiFile(text: string): ReadonlyMap<string, string> {
  const values = new Map<string, string>();
  for (const line of text.split('\n')) {
    const equals = line.indexOf('=');
    const quoted = line.slice(equals + 1);
    if (equals <= 0 || quoted.length < 2 || !quoted.startsWith('"') || !quoted.endsWith('"'))
      continue;
    const value = quoted.slice(1, -1).replace(/\\(.)/g, (_, c: string) => ESCAPES.get(c) ?? c);
    values.set(line.slice(0, equals), value);
  }
  return values;
}
