// [m] A listener as main knows it: the version in force and the one that warms.
import type { TimerHandle } from '../base/clock.ts';
import type { ConfigErrorState, ConfigResource } from '../config/config-resource.ts';
import type { SubscriptionRef } from '../config/config-source.ts';
import type { AddressConfig, ListenerConfig } from '../config/listener-config.ts';
import type { SecretUser } from '../tls/secret-waits.ts';

export interface ListenerVersion {
  readonly resource: ConfigResource<ListenerConfig>;
  /** Of what was filled in, too. */
  routeRefs: readonly SubscriptionRef[];
  /** Undefined: it names no secret. */
  readonly secretUser: SecretUser | undefined;
  readonly lastUpdatedMs: number;
  /** As workers have it, with what its targets filled in; before: as it came. */
  published: ListenerConfig;
  fetchTimers: readonly TimerHandle[];
}

export interface KnownListener {
  readonly isStatic: boolean;
  active: ListenerVersion | undefined;
  warming: ListenerVersion | undefined;
  errorState: ConfigErrorState | undefined;
  readonly bound: Map<string, AddressConfig>;
}

export function newListener(isStatic: boolean): KnownListener {
  return {
    isStatic,
    active: undefined,
    warming: undefined,
    errorState: undefined,
    bound: new Map(),
  };
}
