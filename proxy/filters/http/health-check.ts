// [w] envoy.filters.http.health_check: answers health checks of the outside, from what is known here or was answered
// before, and marks answers while the operator fails health checks (envoy-behaviour §10.9).
import type { HealthCheckFilterConfig } from '../../config/http-filter-config.ts';
import type { TimeSource } from '../../base/clock.ts';
import type { HeaderMap, RequestHeaders, ResponseHeaders } from '../../http/header-map.ts';
import { headerName } from '../../http/headers.ts';
import { FilterStatus, PassThroughFilter } from '../../http/http-filter.ts';
import type { FilterCallbacks, HttpFilter, HttpFilterFactory } from '../../http/http-filter.ts';
import { allHeadersMatch, compileHeaderMatchers } from '../../router/header-matcher.ts';
import type { HeaderMatcher } from '../../router/header-matcher.ts';
import { wireText } from '../../router/wire-text.ts';
import type { StatId, StatsStore } from '../../stats/store.ts';
import { ResponseFlag } from '../../stream-info/response-flags.ts';
import type { ThreadLocalClusterManager } from '../../upstream/thread-local-cluster.ts';
import type { FilterFactoryContext } from '../factory-context.ts';

const HEALTHCHECKED_CLUSTER = headerName('x-envoy-upstream-healthchecked-cluster');
const IMMEDIATE_FAIL = headerName('x-envoy-immediate-health-check-fail');
const DEGRADED = headerName('x-envoy-degraded');

/**
 * The last answer, good until the end of its period. Periods are of one length from the start on, as with Envoy's
 * timer; each worker keeps its own answer.
 */
class CachedAnswer {
  readonly #time: TimeSource;
  readonly #periodMs: number;
  readonly #startMs: number;
  #period = -1;
  status = 200;
  degraded = false;

  constructor(time: TimeSource, periodMs: number) {
    this.#time = time;
    this.#periodMs = periodMs;
    this.#startMs = time.monotonicMs();
  }

  get fresh(): boolean {
    return this.#period === this.#now();
  }

  keep(status: number, degraded: boolean): void {
    this.#period = this.#now();
    this.status = status;
    this.degraded = degraded;
  }

  #now(): number {
    return Math.floor((this.#time.monotonicMs() - this.#startMs) / this.#periodMs);
  }
}

interface HealthCheckStats {
  readonly store: StatsStore;
  readonly requestTotal: StatId;
  readonly ok: StatId;
  readonly failed: StatId;
  readonly cachedResponse: StatId;
  readonly degraded: StatId;
  readonly failedClusterEmpty: StatId;
  readonly failedClusterNotFound: StatId;
  readonly failedClusterUnhealthy: StatId;
}

interface Verdict {
  readonly status: number;
  readonly details: string;
  readonly degraded: boolean;
}

const verdict = (status: number, details: string): Verdict => ({
  status,
  details,
  degraded: false,
});

class HealthCheckFilter extends PassThroughFilter {
  readonly #factory: HealthCheckFilterFactory;
  readonly #callbacks: FilterCallbacks;
  #isHealthCheck = false;
  /** The answer is ours. */
  #handling = false;

  constructor(factory: HealthCheckFilterFactory, callbacks: FilterCallbacks) {
    super();
    this.#factory = factory;
    this.#callbacks = callbacks;
  }

  override decodeHeaders(headers: RequestHeaders, endStream: boolean): FilterStatus {
    if (!this.#factory.isHealthCheck(headers)) return FilterStatus.Continue;
    this.#isHealthCheck = true;
    this.#callbacks.streamInfo.healthCheck = true;
    if (!this.#factory.answersItself) return FilterStatus.Continue;
    this.#handling = true;
    if (endStream) this.#answer();
    return FilterStatus.StopAndBuffer;
  }

  /** The body of a health check is of no use to anybody, but the answer waits for its end. */
  override decodeData(_chunk: Buffer, endStream: boolean): FilterStatus {
    if (!this.#handling) return FilterStatus.Continue;
    if (endStream) this.#answer();
    return FilterStatus.Consumed;
  }

  override decodeTrailers(_trailers: HeaderMap): FilterStatus {
    if (!this.#handling) return FilterStatus.Continue;
    this.#answer();
    return FilterStatus.StopIteration;
  }

  override encodeHeaders(headers: ResponseHeaders): FilterStatus {
    const factory = this.#factory;
    if (this.#isHealthCheck) {
      factory.cached?.keep(headers.status, headers.has(DEGRADED));
      headers.set(HEALTHCHECKED_CLUSTER, factory.localCluster);
    }
    if (factory.failing) headers.set(IMMEDIATE_FAIL, 'true');
    return FilterStatus.Continue;
  }

  #answer(): void {
    const { status, details, degraded } = this.#factory.judge();
    this.#callbacks.sendLocalReply({
      status,
      body: '',
      details,
      flag: status >= 200 && status < 300 ? undefined : ResponseFlag.FailedLocalHealthCheck,
      grpcStatus: undefined,
      modifyHeaders: degraded ? (to): void => to.set(DEGRADED, '') : undefined,
    });
  }
}

export class HealthCheckFilterFactory implements HttpFilterFactory {
  readonly name: string;
  readonly localCluster: string;
  /** Null: answers are not kept. */
  readonly cached: CachedAnswer | null;
  readonly #context: FilterFactoryContext;
  readonly #config: HealthCheckFilterConfig;
  readonly #headers: readonly HeaderMatcher[];
  readonly #stats: HealthCheckStats;

  constructor(name: string, config: HealthCheckFilterConfig, context: FilterFactoryContext) {
    this.name = name;
    this.localCluster = wireText(context.serviceCluster);
    this.cached =
      config.cacheTimeMs > 0 ? new CachedAnswer(context.time, config.cacheTimeMs) : null;
    this.#context = context;
    this.#config = config;
    this.#headers = compileHeaderMatchers(config.headers, 'headers');
    const counter = (stat: string): StatId =>
      context.stats.counter(`http.${context.statPrefix}.health_check.${stat}`);
    this.#stats = {
      store: context.stats,
      requestTotal: counter('request_total'),
      ok: counter('ok'),
      failed: counter('failed'),
      cachedResponse: counter('cached_response'),
      degraded: counter('degraded'),
      failedClusterEmpty: counter('failed_cluster_empty'),
      failedClusterNotFound: counter('failed_cluster_not_found'),
      failedClusterUnhealthy: counter('failed_cluster_unhealthy'),
    };
  }

  createFilter(callbacks: FilterCallbacks): HttpFilter {
    return new HealthCheckFilter(this, callbacks);
  }

  isHealthCheck(headers: RequestHeaders): boolean {
    return allHeadersMatch(this.#headers, headers);
  }

  /** The operator fails health checks. */
  get failing(): boolean {
    return this.#context.server?.healthCheckFailed === true;
  }

  get answersItself(): boolean {
    return !this.#config.passThrough || this.failing || this.cached?.fresh === true;
  }

  judge(): Verdict {
    const { store, requestTotal, ok, failed } = this.#stats;
    store.inc(requestTotal);
    const result = this.#verdict();
    store.inc(result.status >= 200 && result.status < 300 ? ok : failed);
    return result;
  }

  #verdict(): Verdict {
    if (this.failing) return verdict(503, 'health_check_failed');
    const { store, cachedResponse, degraded } = this.#stats;
    const cached = this.cached;
    if (cached !== null) {
      store.inc(cachedResponse);
      if (cached.degraded) store.inc(degraded);
      const { status } = cached;
      return { status, details: 'health_check_cached', degraded: cached.degraded };
    }
    if (this.#config.minHealthyPercentages.size === 0) return verdict(200, 'health_check_ok');
    return this.#clusterVerdict(this.#context.clusters);
  }

  #clusterVerdict(clusters: ThreadLocalClusterManager): Verdict {
    const stats = this.#stats;
    for (const [name, minPercent] of this.#config.minHealthyPercentages) {
      const cluster = clusters.get(name);
      if (cluster === undefined) {
        stats.store.inc(stats.failedClusterNotFound);
        return verdict(503, 'health_check_failed_no_cluster_found');
      }
      const { total, usable } = cluster.membership();
      if (total === 0 && minPercent > 0) {
        stats.store.inc(stats.failedClusterEmpty);
        return verdict(503, 'health_check_failed_cluster_empty');
      }
      if (100 * usable < total * minPercent) {
        stats.store.inc(stats.failedClusterUnhealthy);
        return verdict(503, 'health_check_failed_cluster_unhealthy');
      }
    }
    return verdict(200, 'health_check_ok_cluster_healthy');
  }
}
