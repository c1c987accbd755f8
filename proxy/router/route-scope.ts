// [w] RouteScope: what a route takes over from its virtual host and route configuration.
import type { ConfigMetadata } from '../stream-info/upstream-facts.ts';
import type { HeaderMutator } from './header-mutator.ts';
import type { PerFilterSettings } from './per-filter-settings.ts';
import type { RateLimitPolicy } from './rate-limit-policy.ts';
import type { RetryPolicy } from './retry-policy.ts';
import type { RouteEnvironment } from './route-environment.ts';
import type { VirtualClusters } from './virtual-clusters.ts';

export interface RouteScope {
  readonly name: string;
  readonly metadata: ConfigMetadata;
  /** Place in the route configuration, for messages: `virtual_hosts[2]`. */
  readonly place: string;
  readonly environment: RouteEnvironment;
  readonly retryPolicy: RetryPolicy | null;
  readonly perFilter: PerFilterSettings | null;
  readonly requestMutators: readonly HeaderMutator[];
  readonly responseMutators: readonly HeaderMutator[];
  readonly mostSpecificMutationsWin: boolean;
  readonly includeRequestAttemptCount: boolean;
  readonly includeAttemptCountInResponse: boolean;
  readonly includeIsTimeoutRetryHeader: boolean;
  readonly hedgeOnPerTryTimeout: boolean;
  /** Null: requests are not sorted. */
  readonly virtualClusters: VirtualClusters | null;
  readonly rateLimits: RateLimitPolicy | null;
  /** Undefined: the connection's. */
  readonly bodyBufferLimitBytes: number | undefined;
}
