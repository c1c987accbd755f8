// [b] RouteEnvironment: what a route table is compiled for.
import { EMPTY_ENVIRONMENT } from '../access-log/format-environment.ts';
import type { FormatEnvironment } from '../access-log/format-environment.ts';
import { Runtime } from '../base/runtime.ts';
import type { StatsStore } from '../stats/store.ts';

export interface RouteEnvironment {
  readonly runtime: Runtime;
  /** For %HOSTNAME% and %ENVIRONMENT% in header values. */
  readonly format: FormatEnvironment;
  /** Statistics of virtual clusters and routes; null where a table is compiled only to see whether it can be. */
  readonly stats: StatsStore | null;
  /** Where a route's metadata does not say (docs/replay-guard.md); absent: false. */
  readonly guardReplays?: boolean;
  /** The same of docs/stale-connections.md; absent: true. */
  readonly replayStale?: boolean;
}

export const NO_ENVIRONMENT: RouteEnvironment = {
  runtime: Runtime.EMPTY,
  format: EMPTY_ENVIRONMENT,
  stats: null,
};
