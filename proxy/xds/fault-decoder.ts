// [m] Decodes the fault filter (envoy-behaviour §6; Istio sends it empty on the chain and filled on routes).
import type {
  FaultAbort,
  HTTPFault,
} from '../../xds-protos/gen/envoy.extensions.filters.http.fault.v3.ts';
import type { FaultDelay } from '../../xds-protos/gen/envoy.extensions.filters.common.fault.v3.ts';
import type { FractionalPercent } from '../../xds-protos/gen/envoy.type.v3.ts';
import type {
  FaultAbortConfig,
  FaultConfig,
  FaultDelayConfig,
} from '../config/http-filter-config.ts';
import type { FractionConfig } from '../config/matcher-config.ts';
import type { FieldReader } from './field-reader.ts';
import { decodeFraction, decodeHeaderMatches } from './matcher-decoder.ts';

export function decodeFault(reader: FieldReader<HTTPFault>): FaultConfig {
  reader.refuse('response_rate_limit');
  const delay = reader.child('delay');
  const abort = reader.child('abort');
  return {
    kind: 'fault',
    delay: delay && decodeDelay(delay),
    abort: abort && decodeAbort(abort),
    upstreamCluster: reader.string('upstream_cluster'),
    headers: decodeHeaderMatches(reader.children('headers')),
    downstreamNodes: reader.message.downstream_nodes ?? [],
    maxActiveFaults: reader.optionalNumber('max_active_faults'),
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
  return { source: abortSource(reader), percentage: percentage(reader.child('percentage')) };
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
