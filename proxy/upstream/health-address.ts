// [m] Where active checks reach a host, and whether they do at all (envoy-behaviour §7.8).
import type { EndpointConfig } from '../config/endpoint-config.ts';
import type { AddressConfig } from '../config/listener-config.ts';
import { addressText } from './host.ts';

/** The address and port of `health_check_config` as far as it says them, else the endpoint's own. */
export function checkAddress({ address, healthCheck }: EndpointConfig): AddressConfig {
  const given = healthCheck?.address ?? address;
  const port = healthCheck?.port ?? 0;
  return given.kind === 'ip' && port !== 0 ? { ...given, port } : given;
}

/** Two endpoints of equal keys are checked alike: what is known of one holds for the other. */
export const checkKey = (endpoint: EndpointConfig): string =>
  `${addressText(checkAddress(endpoint))} ${endpoint.healthCheck?.hostname ?? ''} ${isChecked(endpoint)}`;

export const isChecked = (endpoint: EndpointConfig): boolean =>
  endpoint.healthCheck?.disabled !== true;
