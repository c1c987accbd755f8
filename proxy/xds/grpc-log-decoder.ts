// [m] Decodes loggers of the gRPC access log service (envoy.extensions.access_loggers.grpc.v3).
import type { CommonGrpcAccessLogConfig } from '../../xds-protos/gen/envoy.extensions.access_loggers.grpc.v3.ts';
import type { CustomTag } from '../../xds-protos/gen/envoy.type.tracing.v3.ts';
import type { GrpcService } from '../../xds-protos/gen/envoy.config.core.v3.ts';
import type { GrpcLogConfig, LogTagConfig } from '../config/access-log-config.ts';
import type { FieldReader } from './field-reader.ts';
import type { TypedConfig } from './typed-config.ts';

export const HTTP_GRPC_LOG = 'envoy.extensions.access_loggers.grpc.v3.HttpGrpcAccessLogConfig';
export const TCP_GRPC_LOG = 'envoy.extensions.access_loggers.grpc.v3.TcpGrpcAccessLogConfig';

const DEFAULT_FLUSH_INTERVAL_MS = 1000;
const DEFAULT_BUFFER_BYTES = 16_384;
/** What a worker keeps for main at most. */
const MAX_BUFFER_BYTES = 4 * 1024 * 1024;

const lower = (names: readonly string[] | undefined): readonly string[] =>
  (names ?? []).map((name) => name.toLowerCase());

export function decodeGrpcLog(config: TypedConfig): GrpcLogConfig | undefined {
  if (config.typeName === TCP_GRPC_LOG) {
    const reader = config.as(TCP_GRPC_LOG);
    const common = reader?.required('common_config');
    const none = { requestHeaders: [], responseHeaders: [], responseTrailers: [] };
    return common && { entries: 'tcp', ...decodeCommon(common), ...none };
  }
  const reader = config.as(HTTP_GRPC_LOG);
  const common = reader?.required('common_config');
  if (reader === undefined || common === undefined) return undefined;
  return {
    entries: 'http',
    ...decodeCommon(common),
    requestHeaders: lower(reader.message.additional_request_headers_to_log),
    responseHeaders: lower(reader.message.additional_response_headers_to_log),
    responseTrailers: lower(reader.message.additional_response_trailers_to_log),
  };
}

type Common = Omit<
  GrpcLogConfig,
  'entries' | 'requestHeaders' | 'responseHeaders' | 'responseTrailers'
>;

function decodeCommon(reader: FieldReader<CommonGrpcAccessLogConfig>): Common {
  const service = reader.required('grpc_service');
  return {
    kind: 'grpc',
    logName: reader.requiredString('log_name'),
    ...decodeService(service),
    flushIntervalMs: reader.positiveDurationMs('buffer_flush_interval', DEFAULT_FLUSH_INTERVAL_MS),
    bufferBytes: Math.min(
      MAX_BUFFER_BYTES,
      reader.number('buffer_size_bytes', DEFAULT_BUFFER_BYTES),
    ),
    filterStateObjects: reader.message.filter_state_objects_to_log ?? [],
    tags: reader.children('custom_tags').map(decodeTag),
  };
}

function decodeService(
  reader: FieldReader<GrpcService> | undefined,
): Pick<GrpcLogConfig, 'cluster' | 'authority' | 'initialMetadata'> {
  const envoy = reader?.child('envoy_grpc');
  if (reader !== undefined && envoy === undefined) {
    if (reader.has('google_grpc'))
      reader.problem(
        'google_grpc',
        'is not supported by this version: name a cluster in envoy_grpc',
      );
    else reader.problem('', 'one of envoy_grpc, google_grpc is required');
  }
  const cluster = envoy?.requiredString('cluster_name') ?? '';
  const headers = reader?.children('initial_metadata') ?? [];
  return {
    cluster,
    authority: envoy?.nonEmpty('authority') ?? cluster,
    initialMetadata: new Map(
      headers.map((header) => [header.string('key').toLowerCase(), header.string('value')]),
    ),
  };
}

function decodeTag(reader: FieldReader<CustomTag>): LogTagConfig {
  const tag = reader.requiredString('tag');
  const literal = reader.child('literal');
  if (literal !== undefined)
    return {
      tag,
      source: { kind: 'literal', value: literal.requiredString('value') },
      fallback: '',
    };
  const environment = reader.child('environment');
  if (environment !== undefined) {
    const name = environment.requiredString('name');
    return {
      tag,
      source: { kind: 'environment', name },
      fallback: environment.string('default_value'),
    };
  }
  const header = reader.child('request_header');
  if (header !== undefined) {
    const name = header.requiredString('name').toLowerCase();
    return {
      tag,
      source: { kind: 'request_header', name },
      fallback: header.string('default_value'),
    };
  }
  return decodeMetadataTag(reader, tag);
}

const KINDS = ['request', 'route', 'cluster', 'host'] as const;

function decodeMetadataTag(reader: FieldReader<CustomTag>, tag: string): LogTagConfig {
  const metadata = reader.child('metadata');
  if (metadata === undefined)
    reader.problem('', 'one of literal, environment, request_header, metadata is required');
  const kind = metadata?.child('kind');
  const key = metadata?.required('metadata_key');
  const of = KINDS.find((name) => kind?.has(name)) ?? 'request';
  const path = [
    key?.requiredString('key') ?? '',
    ...(key?.children('path') ?? []).map((segment) => segment.requiredString('key')),
  ];
  return {
    tag,
    source: { kind: 'metadata', of, path },
    fallback: metadata?.string('default_value') ?? '',
  };
}
