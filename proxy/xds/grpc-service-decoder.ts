// [m] Decodes envoy.config.core.v3.GrpcService for the calls that filters make.
import type {
  ApiVersion,
  GrpcService,
  HeaderValue,
} from '../../xds-protos/gen/envoy.config.core.v3.ts';
import type { GrpcServiceConfig } from '../config/grpc-service-config.ts';
import type { HeaderAddConfig } from '../config/header-mutation-config.ts';
import { decodeCoreRetryPolicy } from './core-retry-policy-decoder.ts';
import type { FieldReader } from './field-reader.ts';
import { breaksHeader } from './matcher-decoder.ts';

interface ServiceFields {
  readonly grpc_service?: GrpcService | undefined;
  readonly transport_api_version?: ApiVersion | number | undefined;
}

/** The fields `grpc_service` and `transport_api_version` of a message that is there; `timeoutMs` where the service has none. */
export function decodeGrpcService(
  source: FieldReader<object> | undefined,
  timeoutMs: number,
): GrpcServiceConfig {
  if (source === undefined) return NOWHERE;
  const reader = source as FieldReader<ServiceFields>;
  // Without one, Envoy 1.40 speaks version 3, too.
  if (reader.enumName('transport_api_version', 'AUTO') === 'V2')
    reader.problem('transport_api_version', 'must be V3');
  const service = reader.required('grpc_service');
  return service === undefined ? NOWHERE : decodeService(service, timeoutMs);
}

/** Stands where a problem was told. */
const NOWHERE: GrpcServiceConfig = {
  cluster: '',
  authority: '',
  timeoutMs: 0,
  retryPolicy: undefined,
  initialMetadata: [],
  maxMessageBytes: 0,
};

function decodeService(reader: FieldReader<GrpcService>, timeoutMs: number): GrpcServiceConfig {
  const envoy = reader.child('envoy_grpc');
  if (envoy === undefined) {
    if (reader.has('google_grpc'))
      reader.problem(
        'google_grpc',
        'is not supported by this version: name a cluster in envoy_grpc',
      );
    else reader.problem('', 'one of envoy_grpc, google_grpc is required');
    return NOWHERE;
  }
  envoy.refuse('skip_envoy_headers');
  const cluster = envoy.requiredString('cluster_name');
  const authority = envoy.string('authority');
  if (breaksHeader(authority)) envoy.problem('authority', 'must not hold NUL, CR or LF');
  // As in Envoy, the one of the service itself is not looked at here.
  const retry = envoy.child('retry_policy');
  return {
    cluster,
    authority: authority === '' ? cluster : authority,
    timeoutMs: reader.durationMs('timeout', timeoutMs),
    retryPolicy: retry && decodeCoreRetryPolicy(retry),
    initialMetadata: reader.children('initial_metadata').map(decodeMetadata),
    maxMessageBytes: envoy.number('max_receive_message_length', 0),
  };
}

function decodeMetadata(reader: FieldReader<HeaderValue>): HeaderAddConfig {
  const name = reader.requiredString('key').toLowerCase();
  const value = reader.string('value');
  if (name.startsWith(':') || name === 'host')
    reader.problem('key', ':-prefixed or host headers may not be modified');
  if (breaksHeader(name)) reader.problem('key', 'must not hold NUL, CR or LF');
  if (breaksHeader(value)) reader.problem('value', 'must not hold NUL, CR or LF');
  return { name, value, action: 'OVERWRITE_IF_EXISTS_OR_ADD', keepEmptyValue: false };
}
