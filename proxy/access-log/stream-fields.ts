// [w] Commands that print facts of the stream: codes, flags, bytes, names, identities (envoy-behaviour §11.1).
import { randomUuid } from '../base/uuid.ts';
import { H } from '../http/headers.ts';
import { closeFacts } from '../stream-info/close-facts.ts';
import { ResponseFlag, longFlagName } from '../stream-info/response-flags.ts';
import { bare, configText, getter, orNull, wireText } from './field.ts';
import { formatError } from './format-command.ts';
import { linesBytes, requestHeadersBytes, responseHeadersBytes } from '../http/header-bytes.ts';
import { grpcStatusCamel, grpcStatusNumber, grpcStatusSnake } from './grpc-status.ts';
import { byteText } from '../base/byte-text.ts';
import type { CommandTable, CompiledField, Field } from './field.ts';
import type { FormatEnvironment } from './format-environment.ts';
import type { FormatCommand } from './format-command.ts';
import type { AccessLogEntry } from '../http/conn-manager-context.ts';
import type { StreamInfo } from '../stream-info/stream-info.ts';
import type { StreamMeter } from '../stream-info/stream-meter.ts';

const SPACES = /[ \t\n\v\f\r]/g;
const underscored = (text: string): string => (text === '' ? '' : text.replace(SPACES, '_'));

/** Ids of TCP sessions, made when a log first asks; all lines of a session have the same. */
const sessionIds = new WeakMap<StreamInfo, string>();

/** The request's id; a TCP session gets one of its own. */
export function streamId({ requestHeaders: headers, info, type }: AccessLogEntry): string | null {
  if (type.startsWith('Upstream')) return null;
  if (headers !== undefined) return headers.get(H.xRequestId) ?? null;
  if (info.protocol !== '' || info.hasFlag(ResponseFlag.NoRouteFound)) return null;
  let id = sessionIds.get(info);
  if (id === undefined) {
    id = randomUuid();
    sessionIds.set(info, id);
  }
  return id;
}

const FIELDS: Readonly<Record<string, Field>> = {
  ACCESS_LOG_TYPE: ({ type }) => type,
  PROTOCOL: wireText((info) => info.protocol),
  UPSTREAM_PROTOCOL: ({ info }) =>
    info.upstreamConnection === null ? null : orNull(info.upstreamConnection.protocol),
  RESPONSE_CODE: ({ info }) => info.responseCode,
  RESPONSE_FLAGS: ({ info }) => info.flags,
  RESPONSE_FLAGS_LONG: ({ info }) => info.flags.split(',').map(longFlagName).join(','),
  CUSTOM_FLAGS: () => '',
  LOCAL_REPLY_BODY: ({ localReplyBody }) => localReplyBody,
  BYTES_RECEIVED: ({ info }) => info.bytesReceived,
  BYTES_SENT: ({ info }) => info.bytesSent,
  BYTES_RETRANSMITTED: () => 0,
  PACKETS_RETRANSMITTED: () => 0,
  REQUEST_HEADERS_BYTES: ({ requestHeaders }) => requestHeadersBytes(requestHeaders),
  RESPONSE_HEADERS_BYTES: ({ responseHeaders }) => responseHeadersBytes(responseHeaders),
  RESPONSE_TRAILERS_BYTES: ({ responseTrailers }) => linesBytes(responseTrailers),
  UPSTREAM_REQUEST_ATTEMPT_COUNT: ({ info }) => info.attemptCount,
  UPSTREAM_CLUSTER: configText((info) => info.cluster?.altStatName ?? info.upstreamCluster),
  UPSTREAM_CLUSTER_RAW: configText((info) => info.upstreamCluster),
  DOWNSTREAM_TRANSPORT_FAILURE_REASON: configText(
    ({ connection }) => connection.transportFailureReason ?? '',
  ),
  UPSTREAM_TRANSPORT_FAILURE_REASON: configText((info) =>
    underscored(info.upstreamTransportFailureReason),
  ),
  CONNECTION_TERMINATION_DETAILS: configText((info) => info.connectionTerminationDetails),
  ROUTE_NAME: configText((info) => info.routeName),
  LISTENER_NAME: configText((info) => info.connection.listener?.listenerName ?? ''),
  FILTER_CHAIN_NAME: configText((info) => info.connection.listener?.filterChainName ?? ''),
  VIRTUAL_CLUSTER_NAME: configText((info) => info.virtualClusterName),
  CONNECTION_ID: ({ info }) => info.connection.connectionId,
  UPSTREAM_CONNECTION_ID: ({ info }) => info.upstreamConnection?.id ?? 0,
  // Envoy keeps such lists per attempt, which has one connection, or none.
  UPSTREAM_CONNECTION_IDS_ATTEMPTED: ({ info }) =>
    info.upstreamConnection === null ? null : String(info.upstreamConnection.id),
  STREAM_ID: streamId,
  UNIQUE_ID: () => randomUuid(),
  GRPC_STATUS_NUMBER: grpcStatusNumber,
  DOWNSTREAM_DETECTED_CLOSE_TYPE: ({ info }) => closeFacts(info)?.downstream ?? 'Normal',
  UPSTREAM_DETECTED_CLOSE_TYPE: ({ info }) =>
    closeFacts(info)?.upstream ?? (info.host === null ? null : 'Normal'),
  DOWNSTREAM_LOCAL_CLOSE_REASON: ({ info }) => orNull(closeFacts(info)?.downstreamReason ?? ''),
  UPSTREAM_LOCAL_CLOSE_REASON: ({ info }) => orNull(closeFacts(info)?.upstreamReason ?? ''),
};

/** Envoy has these commands; their facts do not exist here, so they print as missing. */
const MISSING = [...['TRACE_ID', 'SPAN_ID', 'UPSTREAM_SERVER_NAME'], 'DOWNSTREAM_CX_RTT'];

/** Bytes as codecs count them, where a log asks for them; a TCP session's are those of its connections. */
const METERED: Readonly<Record<string, (meter: StreamMeter) => number>> = {
  DOWNSTREAM_WIRE_BYTES_RECEIVED: ({ downstream }) => downstream.received,
  DOWNSTREAM_WIRE_BYTES_SENT: ({ downstream }) => downstream.sent,
  DOWNSTREAM_HEADER_BYTES_RECEIVED: ({ downstream }) => downstream.headerReceived,
  DOWNSTREAM_HEADER_BYTES_SENT: ({ downstream }) => downstream.headerSent,
  UPSTREAM_WIRE_BYTES_RECEIVED: ({ upstream }) => upstream.received,
  UPSTREAM_WIRE_BYTES_SENT: ({ upstream }) => upstream.sent,
  UPSTREAM_HEADER_BYTES_RECEIVED: ({ upstream }) => upstream.headerReceived,
  UPSTREAM_HEADER_BYTES_SENT: ({ upstream }) => upstream.headerSent,
  ROUTE_RESOLUTION_COUNT: ({ routeResolutions }) => routeResolutions,
};

const metered: CommandTable = Object.entries(METERED).map(([name, read]) => [
  name,
  {
    form: 'bare',
    compile: () => ({
      kind: 'getter',
      get: ({ info }) => (info.meter === null ? 0 : read(info.meter)),
      needsMeter: true,
    }),
  },
]);

/** HTTP/1 compresses nothing; of HTTP/2's, what is sent still stands in the entry. */
const DECOMPRESSED: Readonly<
  Record<string, (entry: AccessLogEntry, meter: StreamMeter) => number>
> = {
  DOWNSTREAM_DECOMPRESSED_HEADER_BYTES_RECEIVED: ({ info }, { downstream }) =>
    compressed(info.protocol) ? downstream.decompressedReceived : downstream.headerReceived,
  DOWNSTREAM_DECOMPRESSED_HEADER_BYTES_SENT: ({ info, ...sent }, { downstream }) =>
    compressed(info.protocol)
      ? responseHeadersBytes(sent.responseHeaders) + linesBytes(sent.responseTrailers)
      : downstream.headerSent,
  UPSTREAM_DECOMPRESSED_HEADER_BYTES_RECEIVED: ({ info }, { upstream }) =>
    compressed(info.upstreamConnection?.protocol)
      ? upstream.decompressedReceived
      : upstream.headerReceived,
  UPSTREAM_DECOMPRESSED_HEADER_BYTES_SENT: ({ info, requestHeaders }, { upstream }) =>
    compressed(info.upstreamConnection?.protocol)
      ? requestHeadersBytes(requestHeaders)
      : upstream.headerSent,
};

const compressed = (protocol: string | undefined): boolean => protocol === 'HTTP/2';

const decompressed: CommandTable = Object.entries(DECOMPRESSED).map(([name, read]) => [
  name,
  {
    form: 'bare',
    compile: () => ({
      kind: 'getter',
      get: (entry) => (entry.info.meter === null ? 0 : read(entry, entry.info.meter)),
      needsMeter: true,
    }),
  },
]);

const resolutionTime: CompiledField = {
  kind: 'getter',
  get: ({ info: { meter } }) =>
    meter === null || meter.routeResolutions === 0
      ? null
      : Math.floor(meter.routeResolutionMs * 1000),
  needsMeter: true,
};

const missing: CommandTable = MISSING.map((name) => [
  name,
  { form: 'bare', compile: () => ({ kind: 'constant', value: null }) },
]);

function compileGrpcStatus({ args = '' }: FormatCommand): CompiledField {
  switch (args) {
    case '':
    case 'CAMEL_STRING':
      return getter(grpcStatusCamel);
    case 'SNAKE_STRING':
      return getter(grpcStatusSnake);
    case 'NUMBER':
      return getter(grpcStatusNumber);
    default:
      throw formatError(
        `GrpcStatusFormatter only supports CAMEL_STRING, SNAKE_STRING or NUMBER. Got: ${args}`,
      );
  }
}

const compileDetails = ({ args = '' }: FormatCommand): CompiledField =>
  getter(
    args === 'ALLOW_WHITESPACES'
      ? configText((info) => info.responseCodeDetails)
      : configText(
          (info) => info.responseCodeDetails,
          (text) => byteText(underscored(text)),
        ),
  );

/** A variable that is not set prints as `-` everywhere, JSON and omitted values too. */
function processText(value: string | undefined, maxLength: number | undefined): CompiledField {
  return { kind: 'constant', value: byteText(value ?? '-').slice(0, maxLength) };
}

export const STREAM_COMMANDS: CommandTable = [
  ...bare(FIELDS),
  ...metered,
  ...decompressed,
  ...missing,
  ['ROUTE_RESOLUTION_TIME_US', { form: 'bare', compile: () => resolutionTime }],
  ['GRPC_STATUS', { form: 'optional', compile: compileGrpcStatus }],
  ['RESPONSE_CODE_DETAILS', { form: 'optional', compile: compileDetails }],
  [
    'HOSTNAME',
    {
      form: 'bare',
      compile: (_command, { hostname }: FormatEnvironment) => processText(hostname, undefined),
    },
  ],
  [
    'ENVIRONMENT',
    {
      form: 'required-length',
      compile: ({ args, maxLength }, { variables }) => processText(variables.get(args!), maxLength),
    },
  ],
];
