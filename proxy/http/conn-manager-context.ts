// [w] What all connections of one connection manager share on one worker: made once per listener update.
import type { AccessLogType } from '../config/access-log-config.ts';
import type { ClusterConfig } from '../config/cluster-config.ts';
import type { HttpConnectionManagerConfig } from '../config/http-connection-manager-config.ts';
import type { RandomSource } from '../base/random.ts';
import type { TimeSource } from '../base/clock.ts';
import type { StreamInfo } from '../stream-info/stream-info.ts';
import type { ConnManagerStats } from './conn-manager-stats.ts';
import type { RequestMutator } from './conn-manager-utility.ts';
import type { DateHeader } from './date-header.ts';
import type { HeaderMap, RequestHeaders, ResponseHeaders } from './header-map.ts';
import type { HttpFilterFactory } from './http-filter.ts';
import type { SessionSettings } from './http2/endpoint.ts';
import type { LocalReplyRewriter } from './local-reply.ts';
import type { ProxyStatus } from './proxy-status.ts';
import type { RouteProvider } from './route-provider.ts';
import type { TraceDecider } from './trace-decision.ts';

/** Whether this response should end its connection because the listener or the server drains. */
export interface DrainDecision {
  drainClose(): boolean;
}

/** What an access log may print of a stream, finished or under way; undefined where it never came. */
export interface AccessLogEntry {
  readonly info: StreamInfo;
  readonly requestHeaders: RequestHeaders | undefined;
  readonly responseHeaders: ResponseHeaders | undefined;
  readonly responseTrailers: HeaderMap | undefined;
  readonly type: AccessLogType;
  /** Body of the reply the proxy makes itself, while `local_reply_config` rewrites it; else ''. */
  readonly localReplyBody: string;
}

export interface AccessLog {
  /** Streams it tells of have to have a StreamMeter. */
  readonly needsMeter: boolean;
  log(entry: AccessLogEntry): void;
}

export interface TokenMatcher {
  matches(token: string): boolean;
}

export interface ConnManagerContext {
  readonly config: HttpConnectionManagerConfig;
  readonly stats: ConnManagerStats;
  readonly mutator: RequestMutator;
  readonly routes: RouteProvider;
  readonly filterFactories: readonly HttpFilterFactory[];
  readonly accessLogs: readonly AccessLog[];
  /** One of them asks for what a StreamMeter counts. */
  readonly metersStreams: boolean;
  /** `local_reply_config`; null: replies stay as they are. */
  readonly localReply: LocalReplyRewriter | null;
  /** `ignore_http_11_upgrade`; null: every upgrade is one. */
  readonly ignoredUpgrades: TokenMatcher | null;
  /** `proxy_status_config`; null: no such header. */
  readonly proxyStatus: ProxyStatus | null;
  /** Null: nothing is traced. */
  readonly tracer: TraceDecider | null;
  /** Null: there is none of that name. */
  clusterConfig(name: string): ClusterConfig | null;
  readonly date: DateHeader;
  readonly time: TimeSource;
  readonly random: RandomSource;
  readonly drain: DrainDecision;
  /** Asked for when a connection turns out to speak HTTP/2. */
  readonly http2: () => SessionSettings;
}
