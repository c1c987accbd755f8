// [m] What the listener manager is given, and whom it tells.
import type { TimeSource } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import type { Runtime } from '../base/runtime.ts';
import type { ConfigSourceConfig, SubscriptionRef } from '../config/config-source.ts';
import type { AddressConfig, ListenerConfig } from '../config/listener-config.ts';
import type { RouteConfig } from '../config/route-config.ts';
import type { StatsStore } from '../stats/store.ts';
import type { SecretWaits } from '../tls/secret-waits.ts';
import type { ListenerTarget } from './listener-targets.ts';

/** Where ready listeners and tables go. */
export interface ListenerSink {
  publishRoute(config: RouteConfig): void;
  removeRoute(name: string): void;
  publishListener(config: ListenerConfig): void;
  removeListener(name: string): void;
}

export interface ListenerManagerEvents {
  /** All that RDS is to be asked for, by subscriptionKey(). */
  onRoutesWanted(wanted: ReadonlyMap<string, SubscriptionRef>): void;
  /** A listener, or a new version of one, went to the workers. */
  onPublished(config: ListenerConfig): void;
  /** Warming came to an end or began, listeners came or went. */
  onChange(): void;
}

export interface ListenerManagerDeps {
  readonly sink: ListenerSink;
  readonly events: ListenerManagerEvents;
  readonly time: TimeSource;
  readonly stats: StatsStore;
  readonly runtime: Runtime;
  readonly secrets: SecretWaits;
  /** What listeners wait for besides routes and secrets. */
  readonly targets?: readonly ListenerTarget[];
  readonly log: Logger;
  /** A first version of that cluster is on its way: routes to it wait a little. */
  readonly isClusterWarming: (name: string) => boolean;
  /** Why nothing can be asked for there, for the NACK; absent: everything can. */
  readonly sourceProblem?: ((source: ConfigSourceConfig) => string | undefined) | undefined;
  /** How long listeners and chains drain that an update replaced. */
  readonly drainTimeMs: number;
}

export interface KnownListenerReport {
  readonly config: ListenerConfig;
  readonly boundAddresses: readonly AddressConfig[];
}
