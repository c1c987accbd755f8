// [m] Decodes socket options, source addresses and keepalive (envoy.config.core.v3; envoy-behaviour §7.2).
import { ipFamily } from '../base/ip-text.ts';
import { LITTLE_ENDIAN } from '../base/byte-order.ts';
import type {
  BindConfig,
  ExtraSourceAddress,
  SocketAddress,
  SocketOption,
  TcpKeepalive,
} from '../../xds-protos/gen/envoy.config.core.v3.ts';
import type {
  SocketOptionConfig,
  SourceAddressConfig,
  TcpKeepaliveConfig,
  UpstreamBindConfig,
} from '../config/socket-config.ts';
import type { FieldReader } from './field-reader.ts';

const STATES = {
  STATE_PREBIND: 'PREBIND',
  STATE_BOUND: 'BOUND',
  STATE_LISTENING: 'LISTENING',
} as const;

const FAMILIES = {
  SOCKET_IP_VERSION_UNSPECIFIED: {},
  SOCKET_IP_VERSION_IPV4: { family: 4 },
  SOCKET_IP_VERSION_IPV6: { family: 6 },
} as const;

const MAX_INT = 0x7fff_ffffn;
const MIN_INT = -0x8000_0000n;

export const decodeSocketOptions = (
  readers: readonly FieldReader<SocketOption>[],
): readonly SocketOptionConfig[] =>
  readers.map(decodeSocketOption).filter((option) => option !== undefined);

/** Undefined: not of stream sockets. */
function decodeSocketOption(reader: FieldReader<SocketOption>): SocketOptionConfig | undefined {
  const type = reader.child('type');
  if (type?.has('datagram') === true && !type.has('stream')) return undefined;
  const { level = 0n, name = 0n, int_value, buf_value } = reader.message;
  for (const [field, value] of [
    ['level', level],
    ['name', name],
    ['int_value', int_value ?? 0n],
  ] as const) {
    if (value > MAX_INT || value < MIN_INT) reader.problem(field, 'must fit into 32 bits');
  }
  if (int_value === undefined && buf_value === undefined) reader.problem('value', 'is required');
  return {
    level: Number(level),
    name: Number(name),
    // A copy: the decoder's bytes are a view of the whole response.
    value:
      (buf_value && new Uint8Array(buf_value)) ??
      intBytes(Number(BigInt.asIntN(32, int_value ?? 0n))),
    state: STATES[reader.enumName('state', 'STATE_PREBIND')],
    ...FAMILIES[reader.enumName('ip_version', 'SOCKET_IP_VERSION_UNSPECIFIED')],
  };
}

export function intBytes(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setInt32(0, value, LITTLE_ENDIAN);
  return bytes;
}

export function decodeKeepalive(
  reader: FieldReader<TcpKeepalive> | undefined,
): TcpKeepaliveConfig | undefined {
  return (
    reader && {
      timeSeconds: reader.optionalNumber('keepalive_time'),
      intervalSeconds: reader.optionalNumber('keepalive_interval'),
      probes: reader.optionalNumber('keepalive_probes'),
    }
  );
}

/** `owner`: `Cluster c`, for messages. */
export function decodeBindConfig(
  reader: FieldReader<BindConfig> | undefined,
  owner: string,
): UpstreamBindConfig | undefined {
  if (reader === undefined) return undefined;
  const source = reader.child('source_address');
  const more = moreSources(reader, owner);
  if (source === undefined && more.length > 0) {
    reader.problem(
      '',
      `${owner}'s upstream binding config has extra/additional source addresses but no source_address. Extra/additional addresses cannot be specified if source_address is not set.`,
    );
  }
  const sources = source === undefined ? [] : [decodeSource(source), ...more];
  if (sources.length === 2 && isV6(sources[0]!) === isV6(sources[1]!)) {
    reader.problem(
      '',
      `${owner}'s upstream binding config has two same IP version source addresses. Only two different IP version source addresses can be supported in BindConfig's source_address and extra_source_addresses/additional_source_addresses fields`,
    );
  }
  return {
    sources,
    freebind: reader.bool('freebind'),
    socketOptions: decodeSocketOptions(reader.children('socket_options')),
  };
}

const isV6 = ({ address }: SourceAddressConfig): boolean => address.includes(':');

function moreSources(
  reader: FieldReader<BindConfig>,
  owner: string,
): readonly SourceAddressConfig[] {
  const extra = reader.children('extra_source_addresses');
  const additional = reader.children('additional_source_addresses');
  if (extra.length > 0 && additional.length > 0) {
    reader.problem(
      '',
      `Can't specify both \`extra_source_addresses\` and \`additional_source_addresses\` in the ${owner}'s upstream binding config`,
    );
  } else if (extra.length + additional.length > 1) {
    reader.problem(
      '',
      `${owner}'s upstream binding config has more than one extra/additional source addresses. Only one extra/additional source can be supported in BindConfig's extra_source_addresses/additional_source_addresses field`,
    );
  }
  return [...extra.map(decodeExtra), ...additional.map(decodeSource)];
}

function decodeExtra(reader: FieldReader<ExtraSourceAddress>): SourceAddressConfig {
  const address = reader.required('address');
  const source = address === undefined ? { address: '', port: 0 } : decodeSource(address);
  const options = reader.child('socket_options');
  if (options === undefined) return source;
  return { ...source, socketOptions: decodeSocketOptions(options.children('socket_options')) };
}

function decodeSource(reader: FieldReader<SocketAddress>): SourceAddressConfig {
  const address = reader.requiredString('address');
  if (address !== '' && ipFamily(address) === 0)
    reader.problem('address', `malformed IP address: ${address}`);
  return { address, port: reader.number('port_value', 0, 0, 65_535) };
}
