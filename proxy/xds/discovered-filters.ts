// [m] The filters of a listener whose settings are discovered: where they stand, and the listener with what came in their place.
import { subscriptionKey } from '../config/config-source.ts';
import type { SubscriptionRef } from '../config/config-source.ts';
import { discoveredRef } from '../config/discovered-filter-config.ts';
import type { DiscoveredFilterConfig } from '../config/discovered-filter-config.ts';
import type { HttpFilterConfig, HttpFilterSettings } from '../config/http-filter-config.ts';
import type { FilterChainConfig, ListenerConfig } from '../config/listener-config.ts';
import type { NetworkFilterConfig } from '../config/network-filter-config.ts';

export type DiscoveredPlace = {
  /** subscriptionKey() of what is asked for. */
  readonly key: string;
  readonly ref: SubscriptionRef;
} & (
  | { readonly chain: 'http'; readonly filter: DiscoveredFilterConfig<HttpFilterSettings> }
  | { readonly chain: 'network'; readonly filter: DiscoveredFilterConfig<NetworkFilterConfig> }
);

/** What is to stand at a place. `hash` '' and undefined: nothing came, and there is no default. */
export interface Filling {
  readonly http?: HttpFilterSettings | undefined;
  readonly network?: NetworkFilterConfig | undefined;
  readonly hash: string;
}

/** What a filter has to become by those before it. */
export type FilterGuard = (filters: readonly HttpFilterConfig[]) => readonly HttpFilterConfig[];

const NONE: readonly DiscoveredPlace[] = [];

const chainsOf = ({
  filterChains,
  defaultFilterChain,
}: ListenerConfig): readonly FilterChainConfig[] =>
  defaultFilterChain === undefined ? filterChains : [...filterChains, defaultFilterChain];

/** In the order they stand. */
export function discoveredPlaces(listener: ListenerConfig): readonly DiscoveredPlace[] {
  let places: DiscoveredPlace[] | undefined;
  for (const chain of chainsOf(listener)) {
    for (const filter of chain.networkFilters) {
      if (filter.kind === 'discovered') (places ??= []).push(networkPlace(filter.name, filter));
      else if (filter.kind === 'http_connection_manager')
        for (const { name, settings } of filter.settings.httpFilters)
          if (settings.kind === 'discovered') (places ??= []).push(httpPlace(name, settings));
    }
  }
  return places ?? NONE;
}

function httpPlace(
  name: string,
  filter: DiscoveredFilterConfig<HttpFilterSettings>,
): DiscoveredPlace {
  const ref = discoveredRef(name, filter);
  return { chain: 'http', ref, key: subscriptionKey(ref), filter };
}

function networkPlace(
  name: string,
  filter: DiscoveredFilterConfig<NetworkFilterConfig>,
): DiscoveredPlace {
  const ref = discoveredRef(name, filter);
  return { chain: 'network', ref, key: subscriptionKey(ref), filter };
}

/** Its chains that have such filters, and itself, get other hashes. */
export function filledListener(
  listener: ListenerConfig,
  fillingOf: (place: DiscoveredPlace) => Filling,
  guard: FilterGuard,
): ListenerConfig {
  const hashes: string[] = [];
  const fill = (chain: FilterChainConfig): FilterChainConfig => {
    const filled = filledChain(chain, fillingOf, guard);
    if (filled !== chain) hashes.push(filled.hash);
    return filled;
  };
  const filterChains = listener.filterChains.map(fill);
  const defaultFilterChain = listener.defaultFilterChain && fill(listener.defaultFilterChain);
  const hash = [listener.hash, ...hashes].join('+');
  return { ...listener, filterChains, defaultFilterChain, hash };
}

function filledChain(
  chain: FilterChainConfig,
  fillingOf: (place: DiscoveredPlace) => Filling,
  guard: FilterGuard,
): FilterChainConfig {
  const hashes: string[] = [];
  const take = (place: DiscoveredPlace): Filling => {
    const filling = fillingOf(place);
    hashes.push(filling.hash);
    return filling;
  };
  const networkFilters = chain.networkFilters.map((filter): NetworkFilterConfig => {
    if (filter.kind === 'discovered')
      return take(networkPlace(filter.name, filter)).network ?? filter;
    if (filter.kind !== 'http_connection_manager') return filter;
    const before = hashes.length;
    const httpFilters = filter.settings.httpFilters.map((entry) => filledEntry(entry, take));
    if (hashes.length === before) return filter;
    return {
      ...filter,
      settings: { ...filter.settings, httpFilters: guard(httpFilters) },
    };
  });
  if (hashes.length === 0) return chain;
  return { ...chain, networkFilters, hash: [chain.hash, ...hashes].join('+') };
}

function filledEntry(
  entry: HttpFilterConfig,
  take: (place: DiscoveredPlace) => Filling,
): HttpFilterConfig {
  const { name, settings } = entry;
  if (settings.kind !== 'discovered') return entry;
  return { ...entry, settings: take(httpPlace(name, settings)).http ?? settings };
}
