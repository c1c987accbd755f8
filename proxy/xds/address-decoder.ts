// [m] Decodes addresses and CIDR ranges.
import { ipFamily } from '../base/ip-text.ts';
import type {
  Address,
  CidrRange,
  SocketAddress,
} from '../../xds-protos/gen/envoy.config.core.v3.ts';
import type { AddressConfig, CidrConfig } from '../config/listener-config.ts';
import type { FieldReader } from './field-reader.ts';

export const MAX_PORT = 65_535;
/** sun_path with its closing NUL (Linux); abstract names start with @. */
const MAX_PIPE_PATH = 107;

const NOWHERE: AddressConfig = { kind: 'ip', address: '0.0.0.0', port: 0 };

/** `names`: host names are allowed where a DNS cluster resolves them. */
export function decodeAddress(
  reader: FieldReader<Address> | undefined,
  names: boolean,
): AddressConfig {
  if (reader === undefined) return NOWHERE;
  const socket = reader.child('socket_address');
  if (socket !== undefined) return decodeSocketAddress(socket, names);
  const pipe = reader.child('pipe');
  if (pipe !== undefined) {
    const path = pipe.requiredString('path');
    if (Buffer.byteLength(path) > MAX_PIPE_PATH)
      pipe.problem('path', `must be at most ${MAX_PIPE_PATH} bytes long`);
    return { kind: 'pipe', path, mode: pipe.number('mode', 0, 0, 0o777) };
  }
  if (reader.has('envoy_internal_address')) reader.refuse('envoy_internal_address');
  else reader.problem('', 'one of socket_address, pipe is required');
  return NOWHERE;
}

function decodeSocketAddress(reader: FieldReader<SocketAddress>, names: boolean): AddressConfig {
  if (reader.enumName('protocol', 'TCP') !== 'TCP')
    reader.problem('protocol', 'only TCP is supported by this version');
  reader.refuse('named_port');
  if (!reader.has('port_value') && !reader.has('named_port'))
    reader.problem('port_value', 'is required');
  if (reader.string('resolver_name') !== '') reader.refuse('resolver_name');
  const address = reader.requiredString('address');
  if (address !== '' && !names && ipFamily(address) === 0) {
    reader.problem(
      'address',
      `malformed IP address: ${address}. Consider setting resolver_name or setting cluster type to 'STRICT_DNS' or 'LOGICAL_DNS'`,
    );
  }
  return { kind: 'ip', address, port: reader.number('port_value', 0, 0, MAX_PORT) };
}

export function decodeCidr(reader: FieldReader<CidrRange>): CidrConfig {
  const address = reader.requiredString('address_prefix');
  const family = ipFamily(address);
  if (address !== '' && family === 0)
    reader.problem('address_prefix', `malformed IP address: ${address}`);
  const widest = family === 6 ? 128 : 32;
  // Absent means 0 (protobuf default of the wrapper in Envoy), which matches every address of the family.
  return { address, prefixLength: Math.min(reader.number('prefix_len', 0, 0, 128), widest) };
}
