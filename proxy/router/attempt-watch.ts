// [w] AttemptWatch: who is told of one attempt's course. Nearly no request has one.
import type { HeaderMap, RequestHeaders, ResponseHeaders } from '../http/header-map.ts';
import type { ResponseFlag } from '../stream-info/response-flags.ts';
import type { StreamInfo } from '../stream-info/stream-info.ts';
import type { UpstreamConnectionFacts } from '../stream-info/upstream-facts.ts';
import type { Host } from '../upstream/host.ts';
import type { ThreadLocalCluster } from '../upstream/thread-local-cluster.ts';
import { AttemptLog } from './attempt-log.ts';
import { AttemptMeasure } from './attempt-measure.ts';
import type { RequestTimeouts } from './request-timeouts.ts';
import type { RouterContext } from './router-context.ts';

export interface AttemptWatch {
  onReady(connection: UpstreamConnectionFacts): void;
  /** First the head (0 bytes), as it goes out, then the body. */
  onSent(byteCount: number, endStream: boolean): void;
  onHeaders(headers: ResponseHeaders): void;
  onReceived(byteCount: number): void;
  onTrailers(trailers: HeaderMap): void;
  onFailure(flag: ResponseFlag, transportFailureReason: string): void;
  onEnd(): void;
}

class Both implements AttemptWatch {
  readonly #a: AttemptWatch;
  readonly #b: AttemptWatch;

  constructor(a: AttemptWatch, b: AttemptWatch) {
    this.#a = a;
    this.#b = b;
  }

  onReady(connection: UpstreamConnectionFacts): void {
    this.#a.onReady(connection);
    this.#b.onReady(connection);
  }
  onSent(byteCount: number, endStream: boolean): void {
    this.#a.onSent(byteCount, endStream);
    this.#b.onSent(byteCount, endStream);
  }
  onHeaders(headers: ResponseHeaders): void {
    this.#a.onHeaders(headers);
    this.#b.onHeaders(headers);
  }
  onReceived(byteCount: number): void {
    this.#a.onReceived(byteCount);
    this.#b.onReceived(byteCount);
  }
  onTrailers(trailers: HeaderMap): void {
    this.#a.onTrailers(trailers);
    this.#b.onTrailers(trailers);
  }
  onFailure(flag: ResponseFlag, transportFailureReason: string): void {
    this.#a.onFailure(flag, transportFailureReason);
    this.#b.onFailure(flag, transportFailureReason);
  }
  onEnd(): void {
    this.#a.onEnd();
    this.#b.onEnd();
  }
}

export interface WatchedAttempt {
  readonly cluster: ThreadLocalCluster;
  readonly host: Host;
  /** As they are sent. */
  readonly headers: RequestHeaders;
  readonly info: StreamInfo;
  readonly timeouts: RequestTimeouts;
}

/** For attempts of clusters that measure, or of routers that log them. */
export function watchOf(attempt: WatchedAttempt, context: RouterContext): AttemptWatch {
  const { cluster, host, headers, info } = attempt;
  const { upstreamLog } = context;
  const log = upstreamLog === null ? null : new AttemptLog(upstreamLog, info, headers, host);
  if (cluster.config.measures === undefined && log !== null) return log;
  const measure = new AttemptMeasure(attempt, context.time);
  return log === null ? measure : new Both(log, measure);
}
