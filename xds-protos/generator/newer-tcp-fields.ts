// Fields of listeners, TCP filters and the PROXY protocol that Envoy 1.40 has and the .proto files do not yet (development only):
// rows of newer-fields.ts.
import type { NewerField } from './newer-fields.ts';

const CORE = 'envoy.config.core.v3';
const LISTENER = 'envoy.config.listener.v3.Listener';
const TCP = 'envoy.extensions.filters.network.tcp_proxy.v3';
const PROXY = 'envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol';
const TLS_INSPECTOR = 'envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector';
const STATE = 'envoy.extensions.filters.network.set_filter_state.v3.Config';
const STATE_VALUE = 'envoy.extensions.filters.common.set_filter_state.v3.FilterStateValue';
const UPSTREAM_PROXY =
  'envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport';

const field = (message: string, number: number, name: string, type: string): NewerField => ({
  message,
  name,
  number,
  type,
});

const repeated = (message: string, number: number, name: string, type: string): NewerField => ({
  ...field(message, number, name, type),
  repeated: true,
});

export const newerTcpFields: readonly NewerField[] = [
  field(`${TCP}.TcpProxy`, 18, 'backoff_options', `${CORE}.BackoffStrategy`),
  repeated(`${TCP}.TcpProxy`, 19, 'proxy_protocol_tlvs', `${CORE}.TlvEntry`),
  field(
    `${TCP}.TcpProxy`,
    20,
    'max_downstream_connection_duration_jitter_percentage',
    'envoy.type.v3.Percent',
  ),
  field(`${TCP}.TcpProxy`, 21, 'upstream_connect_mode', `${TCP}.UpstreamConnectMode`),
  field(`${TCP}.TcpProxy`, 22, 'max_early_data_bytes', 'google.protobuf.UInt32Value'),
  field(
    `${TCP}.TcpProxy`,
    23,
    'proxy_protocol_tlv_merge_policy',
    `${TCP}.ProxyProtocolTlvMergePolicy`,
  ),
  field(`${TCP}.TcpProxy`, 24, 'check_drain_close', 'google.protobuf.BoolValue'),
  field(
    `${TCP}.TcpProxy.TunnelingConfig`,
    7,
    'request_id_extension',
    'envoy.extensions.filters.network.http_connection_manager.v3.RequestIDExtension',
  ),
  field(`${TCP}.TcpProxy.TunnelingConfig`, 8, 'request_id_header', 'string'),
  field(`${TCP}.TcpProxy.TunnelingConfig`, 9, 'request_id_metadata_key', 'string'),
  repeated(`${TCP}.TcpProxy.TunnelingConfig`, 10, 'formatters', `${CORE}.TypedExtensionConfig`),
  field(`${TCP}.TcpProxy.TcpAccessLogOptions`, 3, 'flush_access_log_on_start', 'bool'),
  repeated(`${CORE}.ProxyProtocolConfig`, 3, 'added_tlvs', `${CORE}.TlvEntry`),
  field(UPSTREAM_PROXY, 3, 'allow_unspecified_address', 'bool'),
  field(UPSTREAM_PROXY, 4, 'tlv_as_pool_key', 'bool'),
  field(PROXY, 6, 'tlv_location', `${PROXY}.TlvLocation`),
  field(
    `${PROXY}.KeyValuePair`,
    3,
    'value_string_encoding',
    `${PROXY}.KeyValuePair.ValueStringEncoding`,
  ),
  field(TLS_INSPECTOR, 3, 'enable_ja4_fingerprinting', 'google.protobuf.BoolValue'),
  field(TLS_INSPECTOR, 4, 'close_connection_on_client_hello_parsing_errors', 'bool'),
  field(TLS_INSPECTOR, 5, 'max_client_hello_size', 'google.protobuf.UInt32Value'),
  repeated(STATE, 2, 'on_downstream_tls_handshake', STATE_VALUE),
  repeated(STATE, 3, 'on_downstream_data', STATE_VALUE),
  field(LISTENER, 36, 'fcds_config', `${LISTENER}.FcdsConfig`),
  field(LISTENER, 37, 'tcp_keepalive', `${CORE}.TcpKeepalive`),
  field(LISTENER, 38, 'per_connection_buffer_high_watermark_timeout', 'google.protobuf.Duration'),
  field(LISTENER, 39, 'stats_matcher', 'envoy.config.metrics.v3.StatsMatcher'),
  {
    ...field(
      `${LISTENER}.ConnectionBalanceConfig`,
      3,
      'cpu_locality_balance',
      `${LISTENER}.ConnectionBalanceConfig.CpuLocalityBalance`,
    ),
    oneof: 'balance_type',
  },
  field(`${CORE}.SocketOption`, 7, 'type', `${CORE}.SocketOption.SocketType`),
  field(`${CORE}.SocketOption`, 8, 'ip_version', `${CORE}.SocketOption.SocketIpVersion`),
];

export const newerTcpMessages: Readonly<Record<string, readonly Omit<NewerField, 'message'>[]>> = {
  [`${CORE}.TlvEntry`]: [
    { name: 'type', number: 1, type: 'uint32' },
    { name: 'value', number: 2, type: 'bytes' },
    { name: 'format_string', number: 3, type: `${CORE}.SubstitutionFormatString` },
  ],
  [`${CORE}.SocketOption.SocketType`]: [
    { name: 'stream', number: 1, type: `${CORE}.SocketOption.SocketType.Stream` },
    { name: 'datagram', number: 2, type: `${CORE}.SocketOption.SocketType.Datagram` },
  ],
  [`${CORE}.SocketOption.SocketType.Stream`]: [],
  [`${CORE}.SocketOption.SocketType.Datagram`]: [],
  [`${LISTENER}.FcdsConfig`]: [
    { name: 'name', number: 1, type: 'string' },
    { name: 'config_source', number: 2, type: `${CORE}.ConfigSource` },
  ],
  [`${LISTENER}.ConnectionBalanceConfig.CpuLocalityBalance`]: [],
};

export const newerTcpEnums: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  [`${TCP}.UpstreamConnectMode`]: {
    IMMEDIATE: 0,
    ON_DOWNSTREAM_DATA: 1,
    ON_DOWNSTREAM_TLS_HANDSHAKE: 2,
  },
  [`${TCP}.ProxyProtocolTlvMergePolicy`]: {
    ADD_IF_ABSENT: 0,
    OVERWRITE_BY_TYPE_IF_EXISTS_OR_ADD: 1,
    APPEND_IF_EXISTS_OR_ADD: 2,
  },
  [`${PROXY}.TlvLocation`]: { DYNAMIC_METADATA: 0, FILTER_STATE: 1 },
  [`${PROXY}.KeyValuePair.ValueStringEncoding`]: { UNSPECIFIED: 0, SANITIZED_UTF8: 1, BASE64: 2 },
  [`${CORE}.SocketOption.SocketIpVersion`]: {
    SOCKET_IP_VERSION_UNSPECIFIED: 0,
    SOCKET_IP_VERSION_IPV4: 1,
    SOCKET_IP_VERSION_IPV6: 2,
  },
};
