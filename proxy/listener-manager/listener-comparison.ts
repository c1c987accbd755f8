// [m] Questions about listener configurations: which tables they need, whether two want the same address, whether only
// filter chains differ (envoy-behaviour §8.5).
import { util } from '../base/node-builtins.ts';
import { routeRef } from '../config/http-connection-manager-config.ts';
import { scopeTables } from '../config/scoped-routes-config.ts';
import { subscriptionKey } from '../config/config-source.ts';
import type { ConfigSourceConfig, SubscriptionRef } from '../config/config-source.ts';
import type { AddressConfig, ListenerConfig } from '../config/listener-config.ts';
import { chainsOf } from './listener-update.ts';

/** Tables to be had by RDS, each once. */
export function routeRefsOf(listener: ListenerConfig): readonly SubscriptionRef[] {
  const refs = new Map<string, SubscriptionRef>();
  for (const chain of chainsOf(listener)) {
    for (const filter of chain.networkFilters) {
      if (filter.kind !== 'http_connection_manager') continue;
      const { routes } = filter.settings;
      if (routes.kind === 'inline') continue;
      for (const ref of routes.kind === 'rds' ? [routeRef(routes)] : scopeTables(routes))
        refs.set(subscriptionKey(ref), ref);
    }
  }
  return [...refs.values()];
}

/** Why what it names cannot be asked for; undefined: all of it can. */
export function sourceProblem(
  listener: ListenerConfig,
  check: ((source: ConfigSourceConfig) => string | undefined) | undefined,
): string | undefined {
  for (const { source } of routeRefsOf(listener)) {
    const problem = check?.(source);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

export function addressesOf(listener: ListenerConfig): readonly AddressConfig[] {
  return [listener.address, ...listener.additionalAddresses];
}

export function printAddress(address: AddressConfig): string {
  if (address.kind === 'pipe') return address.path;
  return address.address.includes(':')
    ? `[${address.address}]:${address.port}`
    : `${address.address}:${address.port}`;
}

/** The first address both want, or undefined. Port 0 is a new port each time; who does not bind conflicts with nobody who does. */
export function sharedAddress(a: ListenerConfig, b: ListenerConfig): AddressConfig | undefined {
  if (a.bindToPort !== b.bindToPort) return undefined;
  const taken = new Set(addressesOf(b).map(printAddress));
  return addressesOf(a).find((address) => {
    const anyPort = address.kind === 'ip' && address.port === 0 && a.bindToPort;
    return !anyPort && taken.has(printAddress(address));
  });
}

export function onlyFilterChainsDiffer(a: ListenerConfig, b: ListenerConfig): boolean {
  const chainless = (listener: ListenerConfig): object => ({
    ...listener,
    version: '',
    hash: '',
    filterChains: [],
    defaultFilterChain: undefined,
  });
  return util.isDeepStrictEqual(chainless(a), chainless(b));
}
