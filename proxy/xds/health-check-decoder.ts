// [m] Decodes active health checks of a cluster (envoy.config.core.v3.HealthCheck; envoy-behaviour §7.8).
import type { Cluster } from '../../xds-protos/gen/envoy.config.cluster.v3.ts';
import type {
  HealthCheck,
  HealthCheck_GrpcHealthCheck,
  HealthCheck_HttpHealthCheck,
  HealthCheck_Payload,
  HealthCheck_TcpHealthCheck,
  HeaderValueOption,
} from '../../xds-protos/gen/envoy.config.core.v3.ts';
import type { Int64Range } from '../../xds-protos/gen/envoy.type.v3.ts';
import type {
  GrpcHealthCheckConfig,
  HealthCheckConfig,
  HealthCheckerConfig,
  HealthCheckIntervalsConfig,
  HealthCheckLogConfig,
  HttpHealthCheckConfig,
  StatusRangeConfig,
  TcpHealthCheckConfig,
} from '../config/health-check-config.ts';
import type { HeaderOperationConfig } from '../config/header-mutation-filter-config.ts';
import type { FieldReader } from './field-reader.ts';
import { decodeHeaderAdd } from './header-mutation-decoder.ts';
import { breaksHeader, decodeStringMatch } from './matcher-decoder.ts';
import { structLabels } from './metadata-decoder.ts';
import { typedConfigOf } from './typed-config.ts';

const DEFAULT_NO_TRAFFIC_MS = 60_000;
const DEFAULT_RESPONSE_BUFFER_BYTES = 1024;
/** Of one check's answer, whatever configuration says. */
const MAX_RESPONSE_BUFFER_BYTES = 1_048_576;
const MAX_HEADERS = 1000;
const FILE_SINK = 'envoy.extensions.health_check.event_sinks.file.v3.HealthCheckEventFileSink';
/** Methods whose requests may have a body. */
const WITH_BODY: ReadonlySet<string> = new Set(['POST', 'PUT', 'PATCH', 'OPTIONS']);

type Reader = FieldReader<HealthCheck>;

/** Of a cluster that has some. `http2`: it speaks HTTP/2, which gRPC checks need. */
export function decodeHealthCheck(
  cluster: FieldReader<Cluster>,
  http2: boolean,
): HealthCheckConfig {
  const checks = cluster.children('health_checks');
  const reader = checks[0]!;
  if (checks.length > 1)
    cluster.problem('health_checks', 'more than one is not supported by this version');
  if (cluster.enumName('type', 'STATIC') === 'ORIGINAL_DST')
    cluster.problem('health_checks', 'is not supported for ORIGINAL_DST clusters by this version');
  reader.required('timeout');
  reader.required('interval');
  for (const threshold of ['unhealthy_threshold', 'healthy_threshold'] as const)
    if (!reader.has(threshold)) reader.problem(threshold, 'is required');
  reader.refuse('event_service');
  const criteria = reader.message.transport_socket_match_criteria;
  return {
    timeoutMs: reader.positiveDurationMs('timeout', 0),
    initialJitterMs: reader.durationMs('initial_jitter', 0),
    intervals: decodeIntervals(reader),
    unhealthyThreshold: reader.number('unhealthy_threshold', 0),
    healthyThreshold: reader.number('healthy_threshold', 0),
    reuseConnection: reader.bool('reuse_connection', true),
    checker: decodeChecker(cluster, reader, http2),
    log: decodeLog(reader),
    alpnProtocols: reader.message.tls_options?.alpn_protocols ?? [],
    transportSocketMatch: criteria === undefined ? undefined : structLabels(criteria),
  };
}

function decodeIntervals(reader: Reader): HealthCheckIntervalsConfig {
  const intervalMs = reader.positiveDurationMs('interval', 0);
  const noTrafficMs = reader.positiveDurationMs('no_traffic_interval', DEFAULT_NO_TRAFFIC_MS);
  const unhealthyMs = reader.positiveDurationMs('unhealthy_interval', intervalMs);
  return {
    intervalMs,
    noTrafficMs,
    noTrafficHealthyMs: reader.positiveDurationMs('no_traffic_healthy_interval', noTrafficMs),
    unhealthyMs,
    unhealthyEdgeMs: reader.positiveDurationMs('unhealthy_edge_interval', unhealthyMs),
    healthyEdgeMs: reader.positiveDurationMs('healthy_edge_interval', intervalMs),
    jitterMs: reader.durationMs('interval_jitter', 0),
    jitterPercent: reader.number('interval_jitter_percent', 0),
  };
}

function decodeLog(reader: Reader): HealthCheckLogConfig {
  const paths: string[] = [];
  const path = reader.nonEmpty('event_log_path');
  if (path !== undefined) paths.push(path);
  for (const sink of reader.children('event_logger')) {
    const config = typedConfigOf(sink);
    if (config === undefined) continue;
    if (config.typeName !== FILE_SINK) {
      config.unknown(sink.string('name'));
      continue;
    }
    const file = config.as(FILE_SINK);
    if (file !== undefined) paths.push(file.requiredString('event_log_path'));
  }
  return {
    paths,
    alwaysFailures: reader.bool('always_log_health_check_failures'),
    alwaysSuccess: reader.bool('always_log_health_check_success'),
  };
}

const NO_CHECK: TcpHealthCheckConfig = { kind: 'tcp', send: new Uint8Array(), receive: [] };

function decodeChecker(
  cluster: FieldReader<Cluster>,
  reader: Reader,
  http2: boolean,
): HealthCheckerConfig {
  const http = reader.child('http_health_check');
  if (http !== undefined) return decodeHttp(http);
  const tcp = reader.child('tcp_health_check');
  if (tcp !== undefined) return decodeTcp(tcp);
  const grpc = reader.child('grpc_health_check');
  if (grpc !== undefined) {
    if (!http2)
      grpc.problem(
        '',
        `${cluster.string('name')} cluster must support HTTP/2 for gRPC healthchecking`,
      );
    return decodeGrpc(grpc);
  }
  const custom = reader.child('custom_health_check');
  if (custom === undefined) {
    reader.problem(
      '',
      'one of http_health_check, tcp_health_check, grpc_health_check, custom_health_check is required',
    );
  } else
    custom.problem(
      '',
      `health checker ${custom.requiredString('name')} is not supported by this version`,
    );
  return NO_CHECK;
}

function decodeHttp(reader: FieldReader<HealthCheck_HttpHealthCheck>): HttpHealthCheckConfig {
  const method = reader.enumName('method', 'METHOD_UNSPECIFIED');
  if (method === 'CONNECT') reader.problem('method', 'must not be CONNECT');
  const codec = reader.enumName('codec_client_type', 'HTTP1');
  if (codec === 'HTTP3') reader.problem('codec_client_type', 'HTTP3 is not supported');
  const name = method === 'METHOD_UNSPECIFIED' ? 'GET' : method;
  const send = reader.child('send');
  if (send !== undefined && !WITH_BODY.has(name)) {
    send.problem(
      '',
      `HTTP health check cannot specify a request payload with method '${name}'. Only methods that support a request body (POST, PUT, PATCH, OPTIONS) can be used with payload.`,
    );
  }
  const matcher = reader.child('service_name_matcher');
  const expected = decodeRanges(reader, 'expected_statuses');
  const bufferBytes = reader.number('response_buffer_size', DEFAULT_RESPONSE_BUFFER_BYTES);
  return {
    kind: 'http',
    host: wireValue(reader, 'host', reader.string('host')),
    path: wireValue(reader, 'path', reader.requiredString('path')),
    method: name,
    http2: codec === 'HTTP2',
    send: send && decodePayload(send),
    receive: reader.children('receive').map(decodePayload),
    responseBufferBytes:
      bufferBytes === 0
        ? MAX_RESPONSE_BUFFER_BYTES
        : Math.min(bufferBytes, MAX_RESPONSE_BUFFER_BYTES),
    headers: [
      ...decodeRemovals(reader),
      ...decodeAdditions(
        reader,
        'request_headers_to_add',
        reader.children('request_headers_to_add'),
      ),
    ],
    expectedStatuses: expected.length === 0 ? [{ start: 200, end: 201 }] : expected,
    retriableStatuses: decodeRanges(reader, 'retriable_statuses'),
    serviceNameMatcher: matcher && decodeStringMatch(matcher),
  };
}

function decodeGrpc(reader: FieldReader<HealthCheck_GrpcHealthCheck>): GrpcHealthCheckConfig {
  return {
    kind: 'grpc',
    serviceName: reader.string('service_name'),
    authority: wireValue(reader, 'authority', reader.string('authority')),
    headers: decodeAdditions(reader, 'initial_metadata', reader.children('initial_metadata')),
  };
}

function decodeTcp(reader: FieldReader<HealthCheck_TcpHealthCheck>): TcpHealthCheckConfig {
  reader.refuse('proxy_protocol_config');
  const send = reader.child('send');
  return {
    kind: 'tcp',
    send: send === undefined ? new Uint8Array() : decodePayload(send),
    receive: reader.children('receive').map(decodePayload),
  };
}

function decodePayload(reader: FieldReader<HealthCheck_Payload>): Uint8Array {
  const { text, binary } = reader.message;
  // A copy: the decoder's bytes are a view of the whole response.
  if (binary !== undefined) return new Uint8Array(binary);
  if (text === undefined) reader.problem('', 'one of text, binary is required');
  else if (text === '') reader.problem('text', 'is required');
  else if (text.length % 2 !== 0 || !/^[0-9a-fA-F]+$/.test(text))
    reader.problem('text', `invalid hex string '${text}'`);
  return new Uint8Array(Buffer.from(text ?? '', 'hex'));
}

function decodeRanges(
  reader: FieldReader<HealthCheck_HttpHealthCheck>,
  field: 'expected_statuses' | 'retriable_statuses',
): readonly StatusRangeConfig[] {
  const what = field === 'expected_statuses' ? 'expected' : 'retriable';
  return reader.children(field).map((range: FieldReader<Int64Range>) => {
    const start = Number(range.message.start ?? 0n);
    const end = Number(range.message.end ?? 0n);
    const wrong = (why: string): void =>
      range.problem('', `Invalid http ${what} status range: expecting ${why}`);
    if (start >= end) wrong(`start < end, but found start=${start} and end=${end}`);
    if (start < 100) wrong(`start >= 100, but found start=${start}`);
    if (end > 600) wrong(`end <= 600, but found end=${end}`);
    return { start, end };
  });
}

function decodeRemovals(
  reader: FieldReader<HealthCheck_HttpHealthCheck>,
): readonly HeaderOperationConfig[] {
  return (reader.message.request_headers_to_remove ?? []).map((text, i) => {
    const name = text.toLowerCase();
    const at = `request_headers_to_remove[${i}]`;
    if (name === '' || name.startsWith(':') || name === 'host')
      reader.problem(at, ':-prefixed or host headers may not be removed');
    if (breaksHeader(name)) reader.problem(at, 'must not hold NUL, CR or LF');
    return { kind: 'remove', name };
  });
}

/** What overwrites comes before what is added. */
function decodeAdditions(
  reader: FieldReader<object>,
  field: string,
  options: readonly FieldReader<HeaderValueOption>[],
): readonly HeaderOperationConfig[] {
  if (options.length > MAX_HEADERS)
    reader.problem(field, `must have at most ${MAX_HEADERS} entries, has ${options.length}`);
  const adds = options.map((option) => decodeHeaderAdd(option));
  const overwrites = adds.filter(({ action }) => action.startsWith('OVERWRITE'));
  const others = adds.filter(({ action }) => !action.startsWith('OVERWRITE'));
  return [...overwrites, ...others].map((add) => ({ kind: 'append', add }));
}

function wireValue<T extends object>(reader: FieldReader<T>, field: string, value: string): string {
  if (breaksHeader(value)) reader.problem(field, 'must not hold NUL, CR or LF');
  return value;
}
