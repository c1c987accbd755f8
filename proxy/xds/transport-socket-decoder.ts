// [m] Decodes transport sockets: plaintext, and what stands in front of it.
import type { TransportSocket } from '../../xds-protos/gen/envoy.config.core.v3.ts';
import { lazyPart } from '../base/lazy-part.ts';
import type { TransportSocketConfig } from '../config/transport-socket-config.ts';
import type { FieldReader } from './field-reader.ts';
import { decodeUpstreamProxyProtocol } from './proxy-protocol-decoder.ts';
import { typedConfigOf } from './typed-config.ts';
import type { TypedConfig } from './typed-config.ts';

const tls = lazyPart<typeof import('./tls-socket-decoder.ts')>('xds/tls-socket-decoder');

export const RAW_BUFFER: TransportSocketConfig = { kind: 'raw_buffer' };

const PROXY_PROTOCOL =
  'envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport';
const DOWNSTREAM = 'envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext';
const UPSTREAM = 'envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext';

export function decodeTransportSocket(
  reader: FieldReader<TransportSocket> | undefined,
  side: 'downstream' | 'upstream',
): TransportSocketConfig {
  if (reader === undefined) return RAW_BUFFER;
  const config = typedConfigOf(reader);
  if (config === undefined) return RAW_BUFFER;
  if (config.typeName === 'envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer')
    return RAW_BUFFER;
  // Where the bytes are none of that type, the problem is told already.
  if (side === 'downstream' && config.typeName === DOWNSTREAM) {
    const reader = config.as(DOWNSTREAM);
    return reader === undefined
      ? RAW_BUFFER
      : { kind: 'tls', settings: tls().decodeDownstream(reader) };
  }
  if (side === 'upstream' && config.typeName === UPSTREAM) {
    const reader = config.as(UPSTREAM);
    return reader === undefined
      ? RAW_BUFFER
      : { kind: 'tls', settings: tls().decodeUpstream(reader) };
  }
  if (side === 'upstream' && config.typeName === PROXY_PROTOCOL) return decodeProxied(config);
  config.unknown(reader.string('name'));
  return RAW_BUFFER;
}

/** Another socket, behind a header. */
function decodeProxied(config: TypedConfig): TransportSocketConfig {
  const wrapper = config.as(PROXY_PROTOCOL);
  wrapper?.refuse('tlv_as_pool_key');
  const settings = wrapper?.child('config');
  return {
    ...decodeTransportSocket(wrapper?.required('transport_socket'), 'upstream'),
    proxyProtocol: settings
      ? decodeUpstreamProxyProtocol(settings)
      : { version: 1, passThroughTlvs: undefined, addedTlvs: [] },
  };
}
