// [m] Localities with hosts that an assignment left out put back, or one of them taken away.
import type { LocalityEndpointsConfig } from '../config/endpoint-config.ts';
import type { WatchedHost } from './health-host.ts';
import { addressText } from './host.ts';

export function localitiesWith(
  localities: readonly LocalityEndpointsConfig[],
  kept: readonly WatchedHost[],
  without = '',
): readonly LocalityEndpointsConfig[] {
  if (kept.length === 0 && without === '') return localities;
  const result = localities.map((locality) => ({
    ...locality,
    endpoints: locality.endpoints.filter(({ address }) => addressText(address) !== without),
  }));
  for (const { locality, endpoint } of kept) {
    const place = result.find((candidate) => isSamePlace(candidate, locality));
    if (place === undefined) result.push({ ...locality, endpoints: [endpoint] });
    else place.endpoints = [...place.endpoints, endpoint];
  }
  return result;
}

const isSamePlace = (a: LocalityEndpointsConfig, b: LocalityEndpointsConfig): boolean =>
  a.priority === b.priority &&
  a.region === b.region &&
  a.zone === b.zone &&
  a.subZone === b.subZone;
