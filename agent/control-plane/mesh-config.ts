// [m] MeshConfig: the settings of the whole mesh that the builders read. Istio: mesh/v1alpha1 MeshConfig.
import type { FieldReader } from './field-reader.ts';

export interface MeshConfig {
  readonly trustDomain: string;
  readonly rootNamespace: string;
  /** Empty: no access log. */
  readonly accessLogFile: string;
  readonly accessLogFormat: string;
  readonly enableTracing: boolean;
  readonly tracingSamplingPercent: number;
  /** Whether the filters of istio.stats are sent. */
  readonly metrics: boolean;
  readonly allowAny: boolean;
  readonly inboundLocalhost: boolean;
  readonly protocolDetectionTimeoutMs: number;
  readonly connectTimeoutMs: number;
  readonly autoMtls: boolean;
}

/** istiod's defaults. */
export const defaultMeshConfig: MeshConfig = {
  trustDomain: 'cluster.local',
  rootNamespace: 'istio-system',
  accessLogFile: '',
  accessLogFormat: '',
  enableTracing: true,
  tracingSamplingPercent: 1,
  metrics: false,
  allowAny: true,
  inboundLocalhost: false,
  protocolDetectionTimeoutMs: 0,
  connectTimeoutMs: 10_000,
  autoMtls: true,
};

const READ: readonly string[] = [
  'trustDomain',
  'rootNamespace',
  'accessLogFile',
  'accessLogFormat',
  'accessLogEncoding',
  'enableTracing',
  'defaultConfig',
  'defaultProviders',
  'outboundTrafficPolicy',
  'inboundTrafficPolicy',
  'protocolDetectionTimeout',
  'connectTimeout',
  'enableAutoMtls',
  'enablePrometheusMerge',
];

export function readMeshConfig(mesh: FieldReader): MeshConfig {
  const fallback = defaultMeshConfig;
  for (const [name, field] of mesh.entries()) {
    // Most of MeshConfig is about parts that do not exist here: told, not refused.
    if (!READ.includes(name)) field.warn('has no effect in the embedded control plane');
  }
  const outbound = mesh
    .at('outboundTrafficPolicy')
    .at('mode')
    .choice(['ALLOW_ANY', 'REGISTRY_ONLY']);
  const inbound = mesh.at('inboundTrafficPolicy').at('mode').choice(['PASSTHROUGH', 'LOCALHOST']);
  if (mesh.at('accessLogEncoding').choice(['TEXT', 'JSON']) === 'JSON')
    mesh
      .at('accessLogEncoding')
      .fail('must be TEXT; JSON is not supported by the embedded control plane');
  const format = mesh.at('accessLogFormat').text() ?? fallback.accessLogFormat;
  return {
    trustDomain: mesh.at('trustDomain').text() ?? fallback.trustDomain,
    rootNamespace: mesh.at('rootNamespace').text() ?? fallback.rootNamespace,
    accessLogFile: mesh.at('accessLogFile').text() ?? fallback.accessLogFile,
    // Envoy writes no line break of its own.
    accessLogFormat: format === '' || format.endsWith('\n') ? format : `${format}\n`,
    enableTracing: mesh.at('enableTracing').flag() ?? fallback.enableTracing,
    tracingSamplingPercent:
      mesh.at('defaultConfig').at('tracing').at('sampling').number(0, 100) ??
      fallback.tracingSamplingPercent,
    metrics: mesh.at('defaultProviders').at('metrics').texts().includes('prometheus'),
    allowAny: outbound !== 'REGISTRY_ONLY',
    inboundLocalhost: inbound === 'LOCALHOST',
    protocolDetectionTimeoutMs:
      mesh.at('protocolDetectionTimeout').durationMs() ?? fallback.protocolDetectionTimeoutMs,
    connectTimeoutMs: mesh.at('connectTimeout').durationMs() ?? fallback.connectTimeoutMs,
    autoMtls: mesh.at('enableAutoMtls').flag() ?? fallback.autoMtls,
  };
}
