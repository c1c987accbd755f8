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
  /** Redirects that were to be followed and went to the client instead. */
  readonly passthroughBadLocation: StatId;
  readonly passthroughUnsafeScheme: StatId;
  readonly passthroughTooManyRedirects: StatId;
  readonly passthroughNoRoute: StatId;
  readonly passthroughPredicate: StatId;

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
    const passthrough = (why: string): StatId => counter(`passthrough_internal_redirect_${why}`);
    this.passthroughBadLocation = passthrough('bad_location');
    this.passthroughUnsafeScheme = passthrough('unsafe_scheme');
    this.passthroughTooManyRedirects = passthrough('too_many_redirects');
    this.passthroughNoRoute = passthrough('no_route');
    this.passthroughPredicate = passthrough('predicate');
  }
}
