// [m] Decodes what a listener says of its sockets (envoy-behaviour §8.2).
import type { SocketOption } from '../../xds-protos/gen/envoy.config.core.v3.ts';
import type { Listener } from '../../xds-protos/gen/envoy.config.listener.v3.ts';
import type {
  ListenSocketConfig,
  ListenerConfig,
  SocketOptionConfig,
} from '../config/listener-config.ts';
import type { FieldReader } from './field-reader.ts';

const MIN_INT32 = -0x8000_0000;
const MAX_UINT32 = 0xffff_ffff;
/** More is no option of any kernel. */
const MAX_OPTION_BYTES = 256;

const STATES = {
  STATE_PREBIND: 'prebind',
  STATE_BOUND: 'bound',
  STATE_LISTENING: 'listening',
} as const;

export function decodeListenSockets(
  reader: FieldReader<Listener>,
): Pick<ListenerConfig, 'socket' | 'singleSocket' | 'exactBalance' | 'ignoreGlobalLimit'> {
  reader.refuse('enable_mptcp');
  const balance = reader.child('connection_balance_config');
  balance?.refuse('extend_balance');
  return {
    socket: decodeSocket(reader),
    singleSocket: reader.bool('enable_reuse_port', true) ? undefined : true,
    exactBalance: balance?.has('exact_balance') === true ? true : undefined,
    ignoreGlobalLimit:
      reader.bool('ignore_global_conn_limit') || reader.bool('bypass_overload_manager')
        ? true
        : undefined,
  };
}

/** Undefined: nothing beyond what every socket has. */
function decodeSocket(reader: FieldReader<Listener>): ListenSocketConfig | undefined {
  const keepalive = reader.child('tcp_keepalive');
  const config: ListenSocketConfig = {
    transparent: reader.bool('transparent'),
    freebind: reader.bool('freebind'),
    fastOpenQueueLength: reader.number('tcp_fast_open_queue_length', 0, 0, 0x7fff_ffff),
    keepalive: keepalive && {
      probes: keepalive.optionalNumber('keepalive_probes'),
      timeSeconds: keepalive.optionalNumber('keepalive_time'),
      intervalSeconds: keepalive.optionalNumber('keepalive_interval'),
    },
    options: reader
      .children('socket_options')
      .map(decodeSocketOption)
      .filter((option) => option !== undefined),
  };
  const { transparent, freebind, fastOpenQueueLength, options } = config;
  const plain = !transparent && !freebind && fastOpenQueueLength === 0 && options.length === 0;
  return plain && keepalive === undefined ? undefined : config;
}

/** Undefined: of datagram sockets. */
function decodeSocketOption(reader: FieldReader<SocketOption>): SocketOptionConfig | undefined {
  const type = reader.child('type');
  if (type?.has('datagram') === true && !type.has('stream')) return undefined;
  const { int_value, buf_value } = reader.message;
  if (int_value === undefined && buf_value === undefined)
    reader.problem('', 'one of int_value, buf_value is required');
  if (buf_value !== undefined && buf_value.length > MAX_OPTION_BYTES)
    reader.problem('buf_value', `must be at most ${MAX_OPTION_BYTES} bytes long`);
  const version = reader.enumName('ip_version', 'SOCKET_IP_VERSION_UNSPECIFIED');
  return {
    level: reader.number('level', 0, 0, MAX_UINT32),
    name: reader.number('name', 0, 0, MAX_UINT32),
    value:
      buf_value === undefined
        ? reader.number('int_value', 0, MIN_INT32, MAX_UINT32)
        : new Uint8Array(buf_value),
    state: STATES[reader.enumName('state', 'STATE_PREBIND')],
    family:
      version === 'SOCKET_IP_VERSION_UNSPECIFIED'
        ? undefined
        : version === 'SOCKET_IP_VERSION_IPV4'
          ? 4
          : 6,
  };
}
