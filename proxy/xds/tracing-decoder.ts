// [m] Decodes sampling and operations of tracing, of a connection manager and of routes (envoy-behaviour §1.7).
import type { HttpConnectionManager_Tracing } from '../../xds-protos/gen/envoy.extensions.filters.network.http_connection_manager.v3.ts';
import type { Route, Tracing } from '../../xds-protos/gen/envoy.config.route.v3.ts';
import type {
  RouteTracingConfig,
  SamplingConfig,
  SamplingFraction,
} from '../config/tracing-config.ts';
import type { FieldReader } from './field-reader.ts';
import { decodeFraction } from './matcher-decoder.ts';

const ALL: SamplingFraction = { numerator: 100, denominator: 100 };

type Percents = 'client_sampling' | 'random_sampling' | 'overall_sampling';

export function decodeManagerSampling(
  reader: FieldReader<HttpConnectionManager_Tracing>,
): SamplingConfig {
  const percent = (field: Percents): number =>
    reader.child(field)?.number('value', 0, 0, 100) ?? 100;
  const fine = (field: Percents): SamplingFraction => ({
    numerator: Math.round(percent(field) * 100),
    denominator: 10_000,
  });
  return {
    client: { numerator: Math.trunc(percent('client_sampling')), denominator: 100 },
    random: fine('random_sampling'),
    overall: fine('overall_sampling'),
  };
}

/** Undefined: the route says nothing of tracing. */
export function decodeRouteTracing(reader: FieldReader<Route>): RouteTracingConfig | undefined {
  const decorator = reader.child('decorator');
  const tracing = reader.child('tracing');
  if (decorator === undefined && tracing === undefined) return undefined;
  return {
    operation: decorator?.requiredString('operation') ?? '',
    propagate: decorator?.bool('propagate', true) ?? true,
    sampling: tracing && decodeSampling(tracing),
  };
}

function decodeSampling(reader: FieldReader<Tracing>): SamplingConfig {
  const fraction = (field: Percents): SamplingFraction => {
    const given = reader.child(field);
    return given === undefined ? ALL : decodeFraction(given);
  };
  return {
    client: fraction('client_sampling'),
    random: fraction('random_sampling'),
    overall: fraction('overall_sampling'),
  };
}
