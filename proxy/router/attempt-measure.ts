// [w] AttemptMeasure: what `track_cluster_stats` wants to know of each attempt: sizes of messages, and how much of the time-out it took.
import type { TimeSource } from '../base/clock.ts';
import { requestHeadersBytes, responseHeadersBytes } from '../http/header-bytes.ts';
import type { RequestHeaders, ResponseHeaders } from '../http/header-map.ts';
import type { ClusterStats } from '../upstream/cluster-stats.ts';
import type { ThreadLocalCluster } from '../upstream/thread-local-cluster.ts';
import type { AttemptWatch } from './attempt-watch.ts';
import type { RequestTimeouts } from './request-timeouts.ts';

interface Measured {
  readonly cluster: ThreadLocalCluster;
  readonly headers: RequestHeaders;
  readonly timeouts: RequestTimeouts;
}

/** Of a time-out; 0 where there is none. */
const percentOf = (ms: number, timeoutMs: number): number =>
  timeoutMs > 0 ? Math.floor((ms * 100) / timeoutMs) : 0;

/** The whole request is over, `ms` after it was complete. */
export function recordBudget(cluster: ThreadLocalCluster, ms: number, globalMs: number): void {
  if (cluster.config.measures?.timeoutBudgets !== true) return;
  record(cluster.stats, 'timeout_budget_percent_used', percentOf(ms, globalMs));
}

function record({ store, prefix }: ClusterStats, name: string, value: number): void {
  store.record(store.histogram(`${prefix}upstream_rq_${name}`), value);
}

export class AttemptMeasure implements AttemptWatch {
  readonly #attempt: Measured;
  readonly #time: TimeSource;
  readonly #startMs: number;
  #headSent = false;
  #sent = 0;
  #answered = false;
  #received = 0;

  constructor(attempt: Measured, time: TimeSource) {
    this.#attempt = attempt;
    this.#time = time;
    this.#startMs = time.monotonicMs();
  }

  onReady(): void {}

  onSent(byteCount: number): void {
    this.#sent += byteCount;
    if (this.#headSent) return;
    this.#headSent = true;
    const { headers } = this.#attempt;
    this.#size('rq_headers_size', requestHeadersBytes(headers));
    this.#size('rq_headers_count', headers.size + pseudoCount(headers));
  }

  onHeaders(headers: ResponseHeaders): void {
    this.#answered = true;
    this.#size('rs_headers_size', responseHeadersBytes(headers));
    this.#size('rs_headers_count', headers.size + 1);
  }

  onReceived(byteCount: number): void {
    this.#received += byteCount;
  }

  onTrailers(): void {}

  onFailure(): void {}

  onEnd(): void {
    if (this.#headSent) this.#size('rq_body_size', this.#sent);
    if (this.#answered) this.#size('rs_body_size', this.#received);
    const { cluster, timeouts } = this.#attempt;
    if (cluster.config.measures?.timeoutBudgets !== true) return;
    const used = percentOf(this.#time.monotonicMs() - this.#startMs, timeouts.perTryMs);
    record(cluster.stats, 'timeout_budget_per_try_percent_used', used);
  }

  #size(name: string, value: number): void {
    const { cluster } = this.#attempt;
    if (cluster.config.measures?.sizes !== true) return;
    const { store, prefix } = cluster.stats;
    store.record(store.histogram(`${prefix}upstream_${name}`), value);
  }
}

function pseudoCount({ method, path, authority, scheme }: RequestHeaders): number {
  let count = 0;
  for (const value of [method, path, authority, scheme])
    if (value !== undefined && value !== '') count++;
  return count;
}
