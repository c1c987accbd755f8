// [w] Statistics that virtual clusters and routes keep of their own, beside those of the upstream cluster (envoy-behaviour
// §3.10): `vhost.<virtual host>.vcluster.<name>.…`, `vhost.<virtual host>.route.<stat_prefix>.…`.
import type { StatId, StatsStore } from '../stats/store.ts';
import { CodeCounters } from '../upstream/code-counters.ts';

export class ScopeStats {
  readonly codes: CodeCounters;
  readonly store: StatsStore;
  readonly total: StatId;
  readonly timeout: StatId;
  readonly retry: StatId;
  readonly retrySuccess: StatId;
  readonly retryOverflow: StatId;
  readonly retryLimitExceeded: StatId;

  /** `prefix` ends in a dot. */
  constructor(store: StatsStore, prefix: string) {
    const counter = (name: string): StatId => store.counter(`${prefix}upstream_rq_${name}`);
    this.store = store;
    this.codes = new CodeCounters(store, prefix);
    this.total = counter('total');
    this.timeout = counter('timeout');
    this.retry = counter('retry');
    this.retrySuccess = counter('retry_success');
    this.retryOverflow = counter('retry_overflow');
    this.retryLimitExceeded = counter('retry_limit_exceeded');
  }
}

/** Where one request is counted besides its cluster; null, as for nearly all: nowhere. */
export type StatsScopes = readonly ScopeStats[] | null;

export type ScopeCounter = {
  [K in keyof ScopeStats]: ScopeStats[K] extends StatId ? K : never;
}[keyof ScopeStats];

export function countIn(scopes: StatsScopes, counter: ScopeCounter): void {
  if (scopes === null) return;
  for (const scope of scopes) scope.store.inc(scope[counter]);
}
