// [m] Decodes the TCP proxy (envoy-behaviour §8.1, istio-contract §2.7).
import type { TcpProxy } from '../../xds-protos/gen/envoy.extensions.filters.network.tcp_proxy.v3.ts';
import type { TcpProxyConfig } from '../config/listener-config.ts';
import { decodeAccessLogs } from './access-log-decoder.ts';
import { decodeTcpLogOptions } from './access-log-options-decoder.ts';
import type { FieldReader } from './field-reader.ts';
import { MAX_UINT32 } from './route-action-decoder.ts';

const DEFAULT_IDLE_TIMEOUT_MS = 3_600_000;

export function decodeTcpProxy(reader: FieldReader<TcpProxy>): TcpProxyConfig {
  reader.refuse('tunneling_config');
  reader.refuse('on_demand');
  return {
    statPrefix: reader.requiredString('stat_prefix'),
    cluster: decodeCluster(reader),
    idleTimeoutMs: reader.durationMs('idle_timeout', DEFAULT_IDLE_TIMEOUT_MS),
    maxDownstreamConnectionDurationMs: reader.has('max_downstream_connection_duration')
      ? reader.positiveDurationMs('max_downstream_connection_duration', 0)
      : undefined,
    maxConnectAttempts: reader.number('max_connect_attempts', 1, 1),
    hashSourceIp: decodeHashPolicy(reader),
    accessLogs: decodeAccessLogs(reader.children('access_log')),
    accessLogOptions: decodeTcpLogOptions(reader),
  };
}

function decodeCluster(reader: FieldReader<TcpProxy>): TcpProxyConfig['cluster'] {
  const weighted = reader.child('weighted_clusters');
  if (weighted === undefined) {
    if (!reader.has('cluster')) reader.problem('', 'one of cluster, weighted_clusters is required');
    return { kind: 'cluster', name: reader.has('cluster') ? reader.requiredString('cluster') : '' };
  }
  const clusters = weighted.children('clusters').map((entry) => {
    if (!entry.has('weight')) entry.problem('weight', 'must be at least 1');
    return { name: entry.requiredString('name'), weight: entry.number('weight', 1, 1) };
  });
  if (clusters.length === 0) weighted.problem('clusters', 'at least one is required');
  const sum = clusters.reduce((total, cluster) => total + cluster.weight, 0);
  if (sum > MAX_UINT32) weighted.problem('clusters', `the sum of weights exceeds ${MAX_UINT32}`);
  return { kind: 'weighted', clusters };
}

function decodeHashPolicy(reader: FieldReader<TcpProxy>): boolean {
  let sourceIp = false;
  for (const policy of reader.children('hash_policy')) {
    if (policy.has('source_ip')) sourceIp = true;
    else policy.problem('', 'only source_ip is supported by this version');
  }
  return sourceIp;
}
