// [w] What each %COMMAND% of a format prints (envoy-behaviour §11.1): commands become getters, once, at configuration.
import { randomUuid } from '../base/uuid.ts';
import { byteText } from './log-text.ts';
import { grpcStatusCamel, grpcStatusNumber, grpcStatusSnake } from './grpc-status.ts';
import { compileTimeFormat } from './time-format.ts';
import { formatError } from './format-command.ts';
import { compileHeaderField, isHeaderCommand } from './header-fields.ts';
import { H } from '../http/headers.ts';
import { longFlagName } from '../stream-info/response-flags.ts';
import type { FormatCommand } from './format-command.ts';
import type { AccessLogEntry } from '../http/conn-manager-context.ts';
import type { HeaderMap } from '../http/header-map.ts';
import type { StreamInfo } from '../stream-info/stream-info.ts';

/** A byte string (log-text.ts), a number, or null for a missing value. */
export type FieldValue = string | number | null;
export type Field = (entry: AccessLogEntry) => FieldValue;

/** What formats know of the process. */
export interface FormatEnvironment {
  /** `%HOSTNAME%`; undefined: missing. */
  readonly hostname: string | undefined;
  /** `%ENVIRONMENT(X)%`. */
  readonly variables: ReadonlyMap<string, string>;
}

const orNull = (text: string): string | null => (text === '' ? null : text);

/** Names from configuration; the last one is kept with its bytes, since requests come in runs of the same. */
function configText(read: (info: StreamInfo) => string): Field {
  let last = '';
  let lastBytes: string | null = null;
  return ({ info }) => {
    const text = read(info);
    if (text === last) return lastBytes;
    last = text;
    lastBytes = orNull(byteText(text));
    return lastBytes;
  };
}

const wireText =
  (read: (info: StreamInfo) => string): Field =>
  ({ info }) =>
    orNull(read(info));

/** Whole milliseconds between two moments; null when one never came. */
const duration =
  (from: (info: StreamInfo) => number, to: (info: StreamInfo) => number): Field =>
  ({ info }) => {
    const ms = Math.floor(to(info) - from(info));
    return Number.isNaN(ms) ? null : ms;
  };

function withoutPort(address: string): string {
  const colon = address.lastIndexOf(':');
  if (colon < 0) return address;
  const host = address.slice(0, colon);
  return host.startsWith('[') ? host.slice(1, -1) : host;
}

function portOf(address: string): number | null {
  const colon = address.lastIndexOf(':');
  const port = colon < 0 ? NaN : Number(address.slice(colon + 1));
  return Number.isInteger(port) ? port : null;
}

const SPACES = /[ \t\n\v\f\r]/g;
const underscored = (text: string): string => text.replace(SPACES, '_');

/** Names and values, without what HTTP/1 puts between them. */
const linesBytes = (headers: HeaderMap | undefined): number =>
  headers === undefined ? 0 : headers.byteSize() - 4 * headers.size;

function requestHeadersBytes({ requestHeaders: headers }: AccessLogEntry): number {
  if (headers === undefined) return 0;
  const pseudo = (name: string, value: string | undefined): number =>
    value ? name.length + value.length : 0;
  return (
    linesBytes(headers) +
    pseudo(':method', headers.method) +
    pseudo(':path', headers.path) +
    pseudo(':authority', headers.authority) +
    pseudo(':scheme', headers.scheme)
  );
}

const responseHeadersBytes = ({ responseHeaders: headers }: AccessLogEntry): number =>
  headers === undefined ? 0 : linesBytes(headers) + ':status'.length + 3;

const startMs = (info: StreamInfo): number => info.startMs;
const emitWallMs = (info: StreamInfo): number =>
  Number.isNaN(info.endMs) ? info.startWallMs : info.startWallMs + (info.endMs - info.startMs);

/** Commands that take neither arguments nor a length, unless OPTIONS says so. */
const FIELDS = new Map<string, Field>([
  ['PROTOCOL', wireText((info) => info.protocol)],
  ['RESPONSE_CODE', ({ info }) => info.responseCode],
  ['RESPONSE_FLAGS', ({ info }) => info.flags],
  ['RESPONSE_FLAGS_LONG', ({ info }) => info.flags.split(',').map(longFlagName).join(',')],
  ['BYTES_RECEIVED', ({ info }) => info.bytesReceived],
  ['BYTES_SENT', ({ info }) => info.bytesSent],
  ['REQUEST_HEADERS_BYTES', requestHeadersBytes],
  ['RESPONSE_HEADERS_BYTES', responseHeadersBytes],
  ['RESPONSE_TRAILERS_BYTES', ({ responseTrailers }) => linesBytes(responseTrailers)],
  ['DOWNSTREAM_HEADER_BYTES_RECEIVED', ({ info }) => info.headerBytesReceived],
  ['DOWNSTREAM_HEADER_BYTES_SENT', ({ info }) => info.headerBytesSent],
  ['DOWNSTREAM_WIRE_BYTES_RECEIVED', ({ info }) => info.headerBytesReceived + info.bytesReceived],
  ['DOWNSTREAM_WIRE_BYTES_SENT', ({ info }) => info.headerBytesSent + info.bytesSent],
  ['DURATION', duration(startMs, (info) => info.endMs)],
  ['REQUEST_DURATION', duration(startMs, (info) => info.requestCompleteMs)],
  ['REQUEST_TX_DURATION', duration(startMs, (info) => info.upstreamLastByteSentMs)],
  ['RESPONSE_DURATION', duration(startMs, (info) => info.upstreamFirstByteReceivedMs)],
  [
    'RESPONSE_TX_DURATION',
    duration(
      (info) => info.upstreamFirstByteReceivedMs,
      (info) => info.endMs,
    ),
  ],
  ['UPSTREAM_REQUEST_ATTEMPT_COUNT', ({ info }) => info.attemptCount],
  ['UPSTREAM_HOST', wireText((info) => info.upstreamHost)],
  ['UPSTREAM_HOST_NAME', configText((info) => info.upstreamHostName || info.upstreamHost)],
  [
    'UPSTREAM_HOST_NAME_WITHOUT_PORT',
    configText((info) => withoutPort(info.upstreamHostName || info.upstreamHost)),
  ],
  ['UPSTREAM_CLUSTER', configText((info) => info.upstreamCluster)],
  ['UPSTREAM_CLUSTER_RAW', configText((info) => info.upstreamCluster)],
  ['UPSTREAM_LOCAL_ADDRESS', wireText((info) => info.upstreamLocalAddress)],
  [
    'UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT',
    wireText((info) => withoutPort(info.upstreamLocalAddress)),
  ],
  ['UPSTREAM_LOCAL_PORT', ({ info }) => portOf(info.upstreamLocalAddress)],
  ['UPSTREAM_REMOTE_ADDRESS', wireText((info) => info.upstreamHost)],
  ['UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT', wireText((info) => withoutPort(info.upstreamHost))],
  ['UPSTREAM_REMOTE_PORT', ({ info }) => portOf(info.upstreamHost)],
  [
    'UPSTREAM_TRANSPORT_FAILURE_REASON',
    configText((info) => underscored(info.upstreamTransportFailureReason)),
  ],
  ['CONNECTION_TERMINATION_DETAILS', configText((info) => info.connectionTerminationDetails)],
  ['DOWNSTREAM_REMOTE_ADDRESS', wireText((info) => info.remoteAddress)],
  ['DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT', wireText((info) => info.remoteIp)],
  ['DOWNSTREAM_REMOTE_PORT', ({ info }) => portOf(info.remoteAddress)],
  ['DOWNSTREAM_DIRECT_REMOTE_ADDRESS', wireText((info) => info.connection.directRemoteAddress)],
  [
    'DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT',
    wireText((info) => info.connection.directRemoteIp),
  ],
  ['DOWNSTREAM_DIRECT_REMOTE_PORT', ({ info }) => portOf(info.connection.directRemoteAddress)],
  ['DOWNSTREAM_LOCAL_ADDRESS', wireText((info) => info.connection.localAddress)],
  ['DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT', wireText((info) => info.connection.localIp)],
  ['DOWNSTREAM_LOCAL_PORT', ({ info }) => info.connection.localPort],
  ['REQUESTED_SERVER_NAME', wireText((info) => info.connection.requestedServerName)],
  ['ROUTE_NAME', configText((info) => info.routeName)],
  ['CONNECTION_ID', ({ info }) => info.connection.connectionId],
  ['STREAM_ID', ({ requestHeaders }) => streamId(requestHeaders)],
  ['UNIQUE_ID', () => randomUuid()],
  ['GRPC_STATUS_NUMBER', grpcStatusNumber],
  [
    'ACCESS_LOG_TYPE',
    ({ requestHeaders, info }) =>
      requestHeaders === undefined && info.protocol === '' ? 'TcpConnectionEnd' : 'DownstreamEnd',
  ],
]);

/** The request's id; a connection without requests gets one of its own. */
function streamId(headers: HeaderMap | undefined): string | null {
  return headers === undefined ? randomUuid() : (headers.get(H.xRequestId) ?? null);
}

/** Envoy has these commands; their facts do not exist here yet, so they print as missing. */
const MISSING: ReadonlySet<string> = new Set([
  ...[
    'UPSTREAM_PROTOCOL',
    'VIRTUAL_CLUSTER_NAME',
    'FILTER_CHAIN_NAME',
    'TRACE_ID',
    'ROUNDTRIP_DURATION',
  ],
  ...[
    'LOCAL_REPLY_BODY',
    'CUSTOM_FLAGS',
    'UPSTREAM_CONNECTION_ID',
    'DOWNSTREAM_TRANSPORT_FAILURE_REASON',
  ],
  ...['DOWNSTREAM_HANDSHAKE_DURATION', 'UPSTREAM_CONNECTION_POOL_READY_DURATION'],
  ...[
    'DOWNSTREAM_DIRECT_LOCAL_ADDRESS',
    'DOWNSTREAM_DIRECT_LOCAL_ADDRESS_WITHOUT_PORT',
    'DOWNSTREAM_DIRECT_LOCAL_PORT',
  ],
  ...['UPSTREAM_WIRE_BYTES_SENT', 'UPSTREAM_WIRE_BYTES_RECEIVED', 'UPSTREAM_HEADER_BYTES_SENT'],
  ...['UPSTREAM_HEADER_BYTES_RECEIVED', 'BYTES_RETRANSMITTED', 'PACKETS_RETRANSMITTED'],
  ...['UP', 'DOWN'].flatMap((way) =>
    ['SENT', 'RECEIVED'].map((d) => `${way}STREAM_DECOMPRESSED_HEADER_BYTES_${d}`),
  ),
  ...['IP', 'DNS', 'URI', 'EMAIL', 'OTHERNAME'].flatMap((k) =>
    ['LOCAL', 'PEER'].map((s) => `DOWNSTREAM_${s}_${k}_SAN`),
  ),
  ...['IP', 'DNS', 'URI'].flatMap((kind) =>
    ['LOCAL', 'PEER'].map((side) => `UPSTREAM_${side}_${kind}_SAN`),
  ),
  ...['UPSTREAM', 'DOWNSTREAM'].flatMap((side) =>
    [
      'LOCAL_SUBJECT',
      'PEER_SUBJECT',
      'PEER_ISSUER',
      'PEER_CERT',
      'TLS_SESSION_ID',
      'TLS_CIPHER',
      'TLS_VERSION',
    ].map((what) => `${side}_${what}`),
  ),
  ...[
    'FINGERPRINT_256',
    'FINGERPRINT_1',
    'SERIAL',
    'CHAIN_FINGERPRINTS_256',
    'CHAIN_FINGERPRINTS_1',
    'CHAIN_SERIALS',
  ].map((what) => `DOWNSTREAM_PEER_${what}`),
  ...['TLS_JA3_FINGERPRINT', 'TLS_JA4_FINGERPRINT'],
]);

/** As MISSING, with arguments. */
const MISSING_WITH_ARGS: ReadonlySet<string> = new Set([
  ...[
    'DYNAMIC_METADATA',
    'CLUSTER_METADATA',
    'UPSTREAM_METADATA',
    'METADATA',
    'FILTER_STATE',
    'UPSTREAM_FILTER_STATE',
  ],
  ...['PER_REQUEST_STATE', 'CEL', 'TYPED_CEL', 'COMMON_DURATION', 'XFCC_VALUE'],
  ...['DOWNSTREAM', 'UPSTREAM'].flatMap((side) => [
    `${side}_PEER_CERT_V_START`,
    `${side}_PEER_CERT_V_END`,
  ]),
]);

/** Bytes of a text value beyond the limit are left out. */
function limited(field: Field, maxLength: number | undefined): Field {
  if (maxLength === undefined) return field;
  return (entry) => {
    const value = field(entry);
    return value === null ? null : String(value).slice(0, maxLength);
  };
}

const constant =
  (value: FieldValue): Field =>
  () =>
    value;

/** A value known now, or a getter. Throws ConfigError that names the command. */
export function compileField(
  command: FormatCommand,
  environment: FormatEnvironment,
): Field | { readonly value: FieldValue } {
  const { name, args, maxLength } = command;
  if (isHeaderCommand(name)) return limited(compileHeaderField(command), maxLength);
  if (name === 'ENVIRONMENT' || name === 'HOSTNAME')
    return { value: environmentValue(command, environment) };
  if (MISSING_WITH_ARGS.has(name)) return { value: null };
  const timed = compileTime(command);
  if (timed !== undefined) return timed;
  if (name === 'GRPC_STATUS') return compileGrpcStatus(command);
  if (name === 'RESPONSE_CODE_DETAILS') return compileDetails(command);
  const field = FIELDS.get(name) ?? (MISSING.has(name) ? constant(null) : undefined);
  if (field === undefined) throw formatError(`Not supported field in StreamInfo: ${name}`);
  if (args !== undefined || maxLength !== undefined) {
    throw formatError(`${name} does not take any parameters or length`);
  }
  return MISSING.has(name) ? { value: null } : field;
}

function environmentValue(
  { name, args, maxLength }: FormatCommand,
  environment: FormatEnvironment,
): FieldValue {
  if (name === 'ENVIRONMENT' && (args === undefined || args === ''))
    throw formatError(`${name} requires parameters`);
  const value = name === 'HOSTNAME' ? environment.hostname : environment.variables.get(args ?? '');
  return value === undefined || value === '' ? null : byteText(value).slice(0, maxLength);
}

function compileTime({ name, args = '', maxLength }: FormatCommand): Field | undefined {
  const local = name.endsWith('_LOCAL');
  const start = name === 'START_TIME' || name === 'START_TIME_LOCAL';
  if (!start && name !== 'EMIT_TIME' && name !== 'EMIT_TIME_LOCAL') return undefined;
  const format = compileTimeFormat(byteText(args), local);
  return limited(
    start ? ({ info }) => format(info.startWallMs) : ({ info }) => format(emitWallMs(info)),
    maxLength,
  );
}

function compileGrpcStatus({ name, args = '' }: FormatCommand): Field {
  switch (args) {
    case '':
    case 'CAMEL_STRING':
      return grpcStatusCamel;
    case 'SNAKE_STRING':
      return grpcStatusSnake;
    case 'NUMBER':
      return grpcStatusNumber;
    default:
      throw formatError(`${name} takes CAMEL_STRING, SNAKE_STRING or NUMBER, got '${args}'`);
  }
}

function compileDetails({ name, args = '' }: FormatCommand): Field {
  if (args !== '' && args !== 'ALLOW_WHITESPACES')
    throw formatError(`${name} takes ALLOW_WHITESPACES, got '${args}'`);
  if (args !== '') return configText((info) => info.responseCodeDetails);
  return configText((info) => underscored(info.responseCodeDetails));
}
