// [w] VirtualHost: the routes of one set of domains, compiled (envoy-behaviour §3.1, §3.2).
import { lazyPart } from '../base/lazy-part.ts';
import type { RouteConfig, VirtualHostConfig } from '../config/route-config.ts';
import type { RequestHeaders } from '../http/header-map.ts';
import { H } from '../http/headers.ts';
import type { StreamInfo } from '../stream-info/stream-info.ts';
import { NO_METADATA } from '../stream-info/upstream-facts.ts';
import type { ConfigMetadata } from '../stream-info/upstream-facts.ts';
import { HeaderMutator } from './header-mutator.ts';
import { compilePerFilter } from './per-filter-settings.ts';
import type { MatchTree } from './match-tree.ts';
import type { PerFilterSettings } from './per-filter-settings.ts';
import { compileRateLimits } from './rate-limits.ts';
import type { RateLimitPolicy } from './rate-limit-policy.ts';
import { RetryPolicy } from './retry-policy.ts';
import type { RouteEnvironment } from './route-environment.ts';
import { RouteEntry } from './route-entry.ts';
import type { MatchPath } from './route-matcher.ts';
import type { RouteScope } from './route-scope.ts';
import { VirtualClusters } from './virtual-clusters.ts';
import { TlsRedirectRoute } from './tls-redirect-route.ts';

const matchTree = lazyPart<typeof import('./match-tree.ts')>('router/match-tree');

/** Of the whole route configuration, compiled once and shared by its virtual hosts. */
export interface TableScope {
  readonly config: RouteConfig;
  readonly environment: RouteEnvironment;
  readonly perFilter: PerFilterSettings | null;
  readonly requestMutator: HeaderMutator | null;
  readonly responseMutator: HeaderMutator | null;
}

export class VirtualHost implements RouteScope {
  readonly name: string;
  readonly metadata: ConfigMetadata;
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
  readonly virtualClusters: VirtualClusters | null;
  readonly rateLimits: RateLimitPolicy | null;
  readonly bodyBufferLimitBytes: number | undefined;
  readonly routes: readonly RouteEntry[];
  readonly #requireTls: VirtualHostConfig['requireTls'];
  readonly #tree: MatchTree | null;
  readonly #tlsRedirect: TlsRedirectRoute | null;

  /** Throws ConfigError with the place of the field. */
  constructor(config: VirtualHostConfig, index: number, table: TableScope) {
    const place = `virtual_hosts[${index}]`;
    this.name = config.name;
    this.metadata = config.metadata ?? NO_METADATA;
    this.place = place;
    this.environment = table.environment;
    this.mostSpecificMutationsWin = table.config.mostSpecificHeaderMutationsWins;
    this.retryPolicy =
      config.retryPolicy === undefined
        ? null
        : new RetryPolicy(config.retryPolicy, `${place}.retry_policy`, table.environment.runtime);
    this.perFilter = compilePerFilter(config.perFilter, table.perFilter);
    this.requestMutators = this.#levels(
      HeaderMutator.forRequests(config.headers, place, table.environment),
      table.requestMutator,
    );
    this.responseMutators = this.#levels(
      HeaderMutator.forResponses(config.headers, place, table.environment),
      table.responseMutator,
    );
    this.includeRequestAttemptCount = config.includeRequestAttemptCount;
    this.includeAttemptCountInResponse = config.includeAttemptCountInResponse;
    this.includeIsTimeoutRetryHeader = config.includeIsTimeoutRetryHeader ?? false;
    this.hedgeOnPerTryTimeout = config.hedgeOnPerTryTimeout ?? false;
    this.rateLimits = compileRateLimits(config.rateLimits ?? [], `${place}.rate_limits`);
    this.bodyBufferLimitBytes = config.perRequestBufferLimitBytes;
    this.virtualClusters = VirtualClusters.from(
      config.virtualClusters,
      config.name,
      table.environment,
      place,
    );
    this.#tree =
      config.matcher === undefined
        ? null
        : new (matchTree().MatchTree)(config.matcher, `${place}.matcher`);
    this.#requireTls = config.requireTls;
    this.#tlsRedirect = config.requireTls === 'NONE' ? null : new TlsRedirectRoute(this);
    this.routes = config.routes.map((route, i) =>
      RouteEntry.compile({ config: route, index: i }, this),
    );
  }

  /** First route that matches, or null. */
  route(
    path: MatchPath,
    headers: RequestHeaders,
    info: StreamInfo,
  ): RouteEntry | TlsRedirectRoute | null {
    if (this.#tlsRedirect !== null && this.#needsTls(headers)) return this.#tlsRedirect;
    const routes = this.#tree === null ? this.routes : this.candidates(headers);
    for (let i = 0; i < routes.length; i++) {
      const route = routes[i]!;
      if (route.matches(path, headers, info)) return route.chosen(headers, info);
    }
    return null;
  }

  /** The routes that a request with these headers may take. */
  candidates(headers: RequestHeaders): readonly RouteEntry[] {
    if (this.#tree === null) return this.routes;
    const range = this.#tree.find(headers);
    return range === undefined ? [] : this.routes.slice(range.from, range.from + range.count);
  }

  #needsTls(headers: RequestHeaders): boolean {
    if (headers.get(H.xForwardedProto) === 'https') return false;
    return this.#requireTls === 'ALL' || headers.get(H.xEnvoyInternal) !== 'true';
  }

  #levels(own: HeaderMutator | null, table: HeaderMutator | null): readonly HeaderMutator[] {
    const levels = this.mostSpecificMutationsWin ? [table, own] : [own, table];
    return levels.filter((level) => level !== null);
  }
}
