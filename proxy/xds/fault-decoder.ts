// [m] Decodes the fault filter (envoy-behaviour §6; Istio sends it empty on the chain and filled on routes).
import type {
  FaultAbort,
  HTTPFault,
} from '../../xds-protos/gen/envoy.extensions.filters.http.fault.v3.ts';
import type {
  FaultDelay,
  FaultRateLimit,
} from '../../xds-protos/gen/envoy.extensions.filters.common.fault.v3.ts';
import type { FractionalPercent } from '../../xds-protos/gen/envoy.type.v3.ts';
import type {
  FaultAbortConfig,
  FaultConfig,
  FaultDelayConfig,
  FaultRateLimitConfig,
  FaultRuntimeKeys,
} from '../config/fault-config.ts';
import type { FractionConfig } from '../config/matcher-config.ts';
import type { FieldReader } from './field-reader.ts';
import { decodeFraction, decodeHeaderMatches } from './matcher-decoder.ts';
import { metadataStruct } from './metadata-decoder.ts';

export function decodeFault(reader: FieldReader<HTTPFault>): FaultConfig {
  const delay = reader.child('delay');
  const abort = reader.child('abort');
  const rateLimit = reader.child('response_rate_limit');
  return {
    kind: 'fault',
    delay: delay && decodeDelay(delay),
    abort: abort && decodeAbort(abort),
    responseRateLimit: rateLimit && decodeRateLimit(rateLimit),
    upstreamCluster: reader.string('upstream_cluster'),
    headers: decodeHeaderMatches(reader.children('headers')),
    downstreamNodes: reader.message.downstream_nodes ?? [],
    maxActiveFaults: reader.optionalNumber('max_active_faults'),
    disableDownstreamClusterStats: reader.bool('disable_downstream_cluster_stats'),
    filterMetadata: metadataStruct(reader.message.filter_metadata),
    runtime: runtimeKeys(reader),
  };
}

function runtimeKeys(reader: FieldReader<HTTPFault>): FaultRuntimeKeys {
  const key = (field: keyof HTTPFault & `${string}_runtime`, own: string): string =>
    reader.nonEmpty(field) ?? `fault.http.${own}`;
  return {
    delayPercent: key('delay_percent_runtime', 'delay.fixed_delay_percent'),
    delayDuration: key('delay_duration_runtime', 'delay.fixed_duration_ms'),
    abortPercent: key('abort_percent_runtime', 'abort.abort_percent'),
    abortHttpStatus: key('abort_http_status_runtime', 'abort.http_status'),
    abortGrpcStatus: key('abort_grpc_status_runtime', 'abort.grpc_status'),
    responseRateLimitPercent: key(
      'response_rate_limit_percent_runtime',
      'rate_limit.response_percent',
    ),
    maxActiveFaults: key('max_active_faults_runtime', 'max_active_faults'),
  };
}

/** An absent percentage is never, as the message's default says. */
const percentage = (reader: FieldReader<FractionalPercent> | undefined): FractionConfig =>
  reader === undefined ? { numerator: 0, denominator: 100 } : decodeFraction(reader);

function decodeDelay(reader: FieldReader<FaultDelay>): FaultDelayConfig {
  if (!reader.has('fixed_delay') && !reader.has('header_delay')) {
    reader.problem('', 'one of fixed_delay, header_delay is required');
  }
  return {
    fixedDelayMs: reader.has('fixed_delay')
      ? reader.positiveDurationMs('fixed_delay', 0)
      : undefined,
    percentage: percentage(reader.child('percentage')),
  };
}

function decodeAbort(reader: FieldReader<FaultAbort>): FaultAbortConfig {
  return {
    source: abortSource(reader),
    percentage: percentage(reader.child('percentage')),
    responseBody: reader.nonEmpty('response_body') ?? 'fault filter abort',
  };
}

function abortSource(reader: FieldReader<FaultAbort>): FaultAbortConfig['source'] {
  if (reader.has('http_status')) {
    return { kind: 'http_status', status: reader.number('http_status', 500, 200, 599) };
  }
  if (reader.has('grpc_status'))
    return { kind: 'grpc_status', status: reader.number('grpc_status', 2) };
  if (!reader.has('header_abort'))
    reader.problem('', 'one of http_status, grpc_status, header_abort is required');
  return { kind: 'header' };
}

function decodeRateLimit(reader: FieldReader<FaultRateLimit>): FaultRateLimitConfig {
  const fixed = reader.child('fixed_limit');
  if (fixed === undefined && !reader.has('header_limit'))
    reader.problem('', 'one of fixed_limit, header_limit is required');
  if (fixed !== undefined && !fixed.has('limit_kbps'))
    fixed.problem('limit_kbps', 'must be at least 1, is 0');
  return {
    limitKbps: fixed?.number('limit_kbps', 1, 1),
    percentage: percentage(reader.child('percentage')),
  };
}
