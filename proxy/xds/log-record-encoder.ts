// [m] Records of workers to messages of the gRPC access log service (envoy.data.accesslog.v3).
import { isUtf8 } from '../base/node-builtins.ts';
import { encode } from '../../xds-protos/codec.ts';
import type { Address } from '../../xds-protos/gen/envoy.config.core.v3.ts';
import type {
  AccessLogCommon,
  HTTPAccessLogEntry,
  HTTPAccessLogEntry_HTTPVersion,
  HTTPRequestProperties,
  HTTPResponseProperties,
  ResponseFlags,
  TCPAccessLogEntry,
} from '../../xds-protos/gen/envoy.data.accesslog.v3.ts';
import type { RequestMethod } from '../../xds-protos/gen/envoy.config.core.v3.ts';
import type { Any, Duration, JsonObject, JsonValue } from '../../xds-protos/well-known-types.ts';
import type { AccessLogType } from '../config/access-log-config.ts';
import type {
  HttpRecord,
  LogRecord,
  RecordedValue,
  RequestRecord,
  WireText,
} from '../config/log-record.ts';

const NOT_ASCII = /[^\u0000-\u007f]/;

/** A byte string as text; what is no UTF-8 becomes `!`, as in Envoy. */
function text(bytes: WireText): string {
  if (!NOT_ASCII.test(bytes)) return bytes;
  const buffer = Buffer.from(bytes, 'latin1');
  return isUtf8(buffer)
    ? buffer.toString('utf8')
    : buffer.toString('utf8').replaceAll('\ufffd', '!');
}

/** Undefined where it is empty: proto3 leaves it out. */
const texts = (from: ReadonlyMap<string, WireText>): Map<string, string> | undefined =>
  from.size === 0 ? undefined : new Map([...from].map(([name, value]) => [name, text(value)]));

const orNone = (value: string): string | undefined => (value === '' ? undefined : value);
const count = (value: number): bigint | undefined => (value === 0 ? undefined : BigInt(value));

function duration(ms: number): Duration | undefined {
  if (Number.isNaN(ms)) return undefined;
  const nanos = Math.max(0, Math.round(ms * 1e6));
  return { seconds: Math.floor(nanos / 1e9), nanos: nanos % 1e9 };
}

/** `ip:port`, `[v6]:port`. */
function address(printed: string): Address | undefined {
  const colon = printed.lastIndexOf(':');
  if (colon < 0) return printed === '' ? undefined : { pipe: { path: printed } };
  const host = printed.slice(0, colon);
  return {
    socket_address: {
      address: host.startsWith('[') ? host.slice(1, -1) : host,
      port_value: Number(printed.slice(colon + 1)),
    },
  };
}

const FLAGS: Readonly<Record<string, Exclude<keyof ResponseFlags, 'unauthorized_details'>>> = {
  LH: 'failed_local_healthcheck',
  UH: 'no_healthy_upstream',
  UT: 'upstream_request_timeout',
  LR: 'local_reset',
  UR: 'upstream_remote_reset',
  UF: 'upstream_connection_failure',
  UC: 'upstream_connection_termination',
  UO: 'upstream_overflow',
  NR: 'no_route_found',
  DI: 'delay_injected',
  FI: 'fault_injected',
  RL: 'rate_limited',
  RLSE: 'rate_limit_service_error',
  DC: 'downstream_connection_termination',
  URX: 'upstream_retry_limit_exceeded',
  SI: 'stream_idle_timeout',
  IH: 'invalid_envoy_request_headers',
  DPE: 'downstream_protocol_error',
  UMSDR: 'upstream_max_stream_duration_reached',
  RFCF: 'response_from_cache_filter',
  NFCF: 'no_filter_config_found',
  DT: 'duration_timeout',
  UPE: 'upstream_protocol_error',
  NC: 'no_cluster_found',
  OM: 'overload_manager',
  DF: 'dns_resolution_failure',
  DR: 'downstream_remote_reset',
};

function responseFlags(flags: string): ResponseFlags | undefined {
  if (flags === '') return undefined;
  const message: ResponseFlags = {};
  for (const flag of flags.split(',')) {
    const field = Object.hasOwn(FLAGS, flag) ? FLAGS[flag] : undefined;
    if (field !== undefined) message[field] = true;
    else if (flag === 'UAEX') message.unauthorized_details = { reason: 'EXTERNAL_SERVICE' };
  }
  return message;
}

function json(value: RecordedValue): JsonValue {
  if (value === null || typeof value === 'boolean' || typeof value === 'number') return value;
  if (typeof value === 'string') return text(value);
  if (value instanceof Map) return struct(value as ReadonlyMap<string, RecordedValue>);
  return (value as readonly RecordedValue[]).map(json);
}

function struct(value: ReadonlyMap<string, RecordedValue>): JsonObject {
  const object = Object.create(null) as JsonObject;
  for (const [key, field] of value) object[text(key)] = json(field);
  return object;
}

const stringValue = (value: string): Any => ({
  type_url: 'type.googleapis.com/google.protobuf.StringValue',
  value: encode('google.protobuf.StringValue', value),
});

const ENDS: ReadonlySet<AccessLogType> = new Set<AccessLogType>([
  'NotSet',
  'DownstreamEnd',
  'TcpConnectionEnd',
  'UpstreamEnd',
]);

function common(record: LogRecord): AccessLogCommon {
  const { times, wire } = record;
  const wallMs = record.startWallMs;
  return {
    downstream_remote_address: address(record.downstreamRemote),
    downstream_local_address: address(record.downstreamLocal),
    start_time: duration(wallMs),
    time_to_last_rx_byte: duration(times.lastReceived),
    time_to_first_upstream_tx_byte: duration(times.firstUpstreamSent),
    time_to_last_upstream_tx_byte: duration(times.lastUpstreamSent),
    time_to_first_upstream_rx_byte: duration(times.firstUpstreamReceived),
    time_to_last_upstream_rx_byte: duration(times.lastUpstreamReceived),
    time_to_first_downstream_tx_byte: duration(times.firstSent),
    time_to_last_downstream_tx_byte: duration(times.lastSent),
    upstream_remote_address: address(record.upstreamRemote),
    upstream_local_address: address(record.upstreamLocal),
    // Only of streams that had a host.
    upstream_cluster: record.upstreamRemote === '' ? undefined : orNone(record.upstreamCluster),
    response_flags: responseFlags(record.flags),
    metadata:
      record.metadata.size === 0
        ? undefined
        : {
            filter_metadata: new Map(
              [...record.metadata].map(([namespace, value]) => [namespace, struct(value)]),
            ),
          },
    // The log of texts has them with underscores.
    upstream_transport_failure_reason: orNone(
      record.upstreamTransportFailureReason.replaceAll('_', ' '),
    ),
    route_name: orNone(record.routeName),
    downstream_direct_remote_address: address(record.downstreamDirectRemote),
    filter_state_objects:
      record.filterState.size === 0
        ? undefined
        : new Map([...record.filterState].map(([key, value]) => [key, stringValue(text(value))])),
    custom_tags: texts(record.tags),
    duration: duration(times.duration),
    upstream_request_attempt_count: record.attemptCount || undefined,
    connection_termination_details: orNone(record.connectionTerminationDetails),
    stream_id: orNone(text(record.streamId)),
    downstream_wire_bytes_sent: count(wire.downstreamSent),
    downstream_wire_bytes_received: count(wire.downstreamReceived),
    upstream_wire_bytes_sent: count(wire.upstreamSent),
    upstream_wire_bytes_received: count(wire.upstreamReceived),
    intermediate_log_entry: ENDS.has(record.type) ? undefined : true,
    access_log_type: record.type,
  };
}

const VERSIONS = new Map<string, HTTPAccessLogEntry_HTTPVersion>([
  ['HTTP/1.0', 'HTTP10'],
  ['HTTP/1.1', 'HTTP11'],
  ['HTTP/2', 'HTTP2'],
]);

const METHODS: ReadonlySet<string> = new Set<RequestMethod>([
  'GET',
  'HEAD',
  'POST',
  'PUT',
  'DELETE',
  'CONNECT',
  'OPTIONS',
  'TRACE',
  'PATCH',
]);

const request = (record: RequestRecord, bodyBytes: number): HTTPRequestProperties => ({
  request_method: METHODS.has(record.method) ? (record.method as RequestMethod) : undefined,
  scheme: orNone(record.scheme),
  authority: orNone(text(record.authority)),
  path: orNone(text(record.path)),
  user_agent: orNone(text(record.userAgent)),
  referer: orNone(text(record.referer)),
  forwarded_for: orNone(text(record.forwardedFor)),
  request_id: orNone(text(record.requestId)),
  original_path: orNone(text(record.originalPath)),
  request_headers_bytes: count(record.headersBytes),
  request_body_bytes: count(bodyBytes),
  request_headers: texts(record.headers),
  upstream_header_bytes_sent: count(record.upstreamHeaderBytesSent),
  downstream_header_bytes_received: count(record.downstreamHeaderBytesReceived),
});

const response = (record: HttpRecord, bodyBytes: number): HTTPResponseProperties => ({
  response_code: record.responseCode || undefined,
  response_headers_bytes: count(record.responseHeadersBytes),
  response_body_bytes: count(bodyBytes),
  response_headers: texts(record.responseHeaders),
  response_trailers: texts(record.responseTrailers),
  response_code_details: orNone(record.responseCodeDetails),
  upstream_header_bytes_received: count(record.upstreamHeaderBytesReceived),
  downstream_header_bytes_sent: count(record.downstreamHeaderBytesSent),
});

export const httpEntry = (record: LogRecord): HTTPAccessLogEntry => ({
  common_properties: common(record),
  protocol_version: VERSIONS.get(record.http?.protocol ?? ''),
  request:
    record.http?.request === undefined ? {} : request(record.http.request, record.receivedBytes),
  response: record.http && response(record.http, record.sentBytes),
});

export const tcpEntry = (record: LogRecord): TCPAccessLogEntry => ({
  common_properties: common(record),
  connection_properties: {
    received_bytes: count(record.receivedBytes),
    sent_bytes: count(record.sentBytes),
  },
});
