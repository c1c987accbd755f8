// [m] Addresses as envoy.config.core.v3.Address, for JSON dumps.
import type { Address } from '../../../xds-protos/gen/envoy.config.core.v3.ts';
import type { AddressConfig } from '../../config/listener-config.ts';

export function addressMessage(address: AddressConfig): Address {
  if (address.kind === 'pipe') return { pipe: { path: address.path, mode: address.mode } };
  return { socket_address: { address: address.address, port_value: address.port } };
}
