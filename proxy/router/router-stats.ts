// [w] Counters of one router filter: `http.<stat_prefix>.…` (envoy-behaviour §3.10).
import type { StatId, StatsStore } from '../stats/store.ts';

export class RouterStats {
  readonly store: StatsStore;
  readonly noRoute: StatId;
  readonly noCluster: StatId;
  readonly rqDirectResponse: StatId;
  /** Registered like Envoy's, and like there never incremented. */
  readonly rqRedirect: StatId;
  readonly rqTotal: StatId;
  readonly rqOverloadLocalReply: StatId;
  readonly rqResetAfterDownstreamResponseStarted: StatId;

  constructor(store: StatsStore, statPrefix: string) {
    const counter = (name: string): StatId => store.counter(`http.${statPrefix}.${name}`);
    this.store = store;
    this.noRoute = counter('no_route');
    this.noCluster = counter('no_cluster');
    this.rqDirectResponse = counter('rq_direct_response');
    this.rqRedirect = counter('rq_redirect');
    this.rqTotal = counter('rq_total');
    this.rqOverloadLocalReply = counter('rq_overload_local_reply');
    this.rqResetAfterDownstreamResponseStarted = counter(
      'rq_reset_after_downstream_response_started',
    );
  }
}
