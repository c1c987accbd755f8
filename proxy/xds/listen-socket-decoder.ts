// [m] Decodes what a listener says of its sockets (envoy-behaviour §8.2).
import type { Listener } from '../../xds-protos/gen/envoy.config.listener.v3.ts';
import type { ListenSocketConfig, ListenerConfig } from '../config/listener-config.ts';
import type { FieldReader } from './field-reader.ts';
import { decodeKeepalive, decodeSocketOptions } from './socket-option-decoder.ts';

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
    keepalive: decodeKeepalive(keepalive),
    options: decodeSocketOptions(reader.children('socket_options')),
  };
  const { transparent, freebind, fastOpenQueueLength, options } = config;
  const plain = !transparent && !freebind && fastOpenQueueLength === 0 && options.length === 0;
  return plain && keepalive === undefined ? undefined : config;
}
