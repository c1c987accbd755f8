// [m] Decodes the TCP proxy (envoy-behaviour §8.1, istio-contract §2.7).
import type {
  TcpProxy,
  TcpProxy_TunnelingConfig,
} from '../../xds-protos/gen/envoy.extensions.filters.network.tcp_proxy.v3.ts';
import type { TcpHashPolicy, TcpProxyConfig, TunnelingConfig } from '../config/tcp-proxy-config.ts';
import { decodeAccessLogs } from './access-logs.ts';
import { decodeTcpLogOptions } from './access-log-options-decoder.ts';
import type { FieldReader } from './field-reader.ts';
import { decodeHeaderAdd } from './header-mutation-decoder.ts';
import { loadBalancerLabels } from './metadata-decoder.ts';
import { decodeTcpOnDemand } from './on-demand-decoder.ts';
import { decodeAddedTlvs } from './proxy-protocol-decoder.ts';
import { MAX_UINT32 } from './route-action-decoder.ts';

const DEFAULT_IDLE_TIMEOUT_MS = 3_600_000;
/** More is kept for no client before there is an upstream. */
const MAX_EARLY_DATA_BYTES = 16 * 1024 * 1024;

export function decodeTcpProxy(reader: FieldReader<TcpProxy>): TcpProxyConfig {
  reader.refuse('check_drain_close');
  const tunneling = reader.child('tunneling_config');
  const earlyData = decodeEarlyData(reader);
  return {
    statPrefix: reader.requiredString('stat_prefix'),
    cluster: decodeCluster(reader),
    metadataMatch: loadBalancerLabels(reader.child('metadata_match')),
    idleTimeoutMs: reader.durationMs('idle_timeout', DEFAULT_IDLE_TIMEOUT_MS),
    maxDownstreamConnectionDurationMs: decodeMaxDuration(reader),
    maxDurationJitterPercent: decodeJitter(reader),
    maxConnectAttempts: reader.number('max_connect_attempts', 1, 1),
    backoff: decodeBackoff(reader),
    hashPolicy: decodeHashPolicy(reader),
    ...earlyData,
    tunneling: tunneling && decodeTunneling(tunneling),
    proxyProtocolTlvs: decodeTlvs(reader),
    onDemand: decodeTcpOnDemand(reader.child('on_demand')),
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
    return {
      name: entry.requiredString('name'),
      weight: entry.number('weight', 1, 1),
      metadataMatch: loadBalancerLabels(entry.child('metadata_match')),
    };
  });
  if (clusters.length === 0) weighted.problem('clusters', 'at least one is required');
  const sum = clusters.reduce((total, cluster) => total + cluster.weight, 0);
  if (sum > MAX_UINT32) weighted.problem('clusters', `the sum of weights exceeds ${MAX_UINT32}`);
  return { kind: 'weighted', clusters };
}

function decodeMaxDuration(reader: FieldReader<TcpProxy>): number | undefined {
  if (!reader.has('max_downstream_connection_duration')) return undefined;
  return Math.max(1, reader.positiveDurationMs('max_downstream_connection_duration', 1));
}

function decodeJitter(reader: FieldReader<TcpProxy>): number | undefined {
  const jitter = reader.child('max_downstream_connection_duration_jitter_percentage');
  return jitter?.number('value', 0, 0, 100);
}

function decodeBackoff(reader: FieldReader<TcpProxy>): TcpProxyConfig['backoff'] {
  const backoff = reader.child('backoff_options');
  if (backoff === undefined) return undefined;
  if (!backoff.has('base_interval')) backoff.problem('base_interval', 'is required');
  const baseMs = Math.max(1, backoff.positiveDurationMs('base_interval', 1));
  const maxMs = Math.max(1, backoff.positiveDurationMs('max_interval', 10 * baseMs));
  if (maxMs < baseMs)
    backoff.problem(
      'max_interval',
      'max_interval must be greater than or equal to the base_interval',
    );
  return { baseMs, maxMs };
}

function decodeHashPolicy(reader: FieldReader<TcpProxy>): TcpHashPolicy | undefined {
  const policies = reader.children('hash_policy');
  if (policies.length > 1) reader.problem('hash_policy', 'at most one is allowed');
  const policy = policies[0];
  if (policy === undefined) return undefined;
  if (policy.has('source_ip')) return { kind: 'source_ip' };
  const state = policy.child('filter_state');
  if (state !== undefined) return { kind: 'filter_state', key: state.requiredString('key') };
  policy.problem('', 'one of source_ip, filter_state is required');
  return undefined;
}

function decodeEarlyData(
  reader: FieldReader<TcpProxy>,
): Pick<TcpProxyConfig, 'connectOn' | 'maxEarlyDataBytes'> {
  const mode = reader.enumName('upstream_connect_mode', 'IMMEDIATE');
  const maxEarlyDataBytes = reader.optionalNumber('max_early_data_bytes', 0, MAX_EARLY_DATA_BYTES);
  // A chain begins behind its handshake: waiting for that is connecting at once.
  if (mode !== 'ON_DOWNSTREAM_DATA') return { connectOn: undefined, maxEarlyDataBytes };
  if (maxEarlyDataBytes === undefined)
    reader.problem('max_early_data_bytes', 'is required for ON_DOWNSTREAM_DATA');
  return { connectOn: 'data', maxEarlyDataBytes };
}

function decodeTunneling(reader: FieldReader<TcpProxy_TunnelingConfig>): TunnelingConfig {
  reader.refuse('request_id_extension');
  reader.refuse('formatters');
  for (const field of ['request_id_header', 'request_id_metadata_key'] as const)
    if (reader.string(field) !== '') reader.refuse(field);
  const post = reader.bool('use_post');
  const postPath = reader.string('post_path');
  if (!post && postPath !== '')
    reader.problem('post_path', "Can't set a post path when POST method isn't used");
  return {
    hostname: reader.requiredString('hostname'),
    postPath: post ? postPath || '/' : undefined,
    headersToAdd: reader.children('headers_to_add').map(decodeHeaderAdd),
    propagateResponseHeaders: reader.bool('propagate_response_headers'),
    propagateResponseTrailers: reader.bool('propagate_response_trailers'),
  };
}

const MERGE_POLICIES = {
  ADD_IF_ABSENT: 'if absent',
  OVERWRITE_BY_TYPE_IF_EXISTS_OR_ADD: 'overwrite',
  APPEND_IF_EXISTS_OR_ADD: 'append',
} as const;

function decodeTlvs(reader: FieldReader<TcpProxy>): TcpProxyConfig['proxyProtocolTlvs'] {
  const policy = reader.enumName('proxy_protocol_tlv_merge_policy', 'ADD_IF_ABSENT');
  const tlvs = reader.children('proxy_protocol_tlvs');
  return tlvs.length === 0
    ? undefined
    : { added: decodeAddedTlvs(tlvs), policy: MERGE_POLICIES[policy] };
}
