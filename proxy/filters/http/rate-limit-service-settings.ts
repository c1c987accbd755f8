// [w] RateLimitServiceSettings: one entry of the rate limit service filter, compiled, with its statistics and its client.
import type { FractionConfig } from '../../config/matcher-config.ts';
import type {
  RateLimitServiceConfig,
  RateLimitServicePerRouteConfig,
} from '../../config/rate-limit-service-config.ts';
import { GrpcClient } from '../../router/grpc-call.ts';
import { HeaderMutator } from '../../router/header-mutator.ts';
import type { RouteEnvironment } from '../../router/route-environment.ts';
import type { VirtualHostRateLimits } from '../../router/rate-limit-descriptors.ts';
import { compileRateLimits } from '../../router/rate-limits.ts';
import type { RateLimitPolicy } from '../../router/rate-limit-policy.ts';
import { wireText } from '../../router/wire-text.ts';
import type { ThreadLocalCluster } from '../../upstream/thread-local-cluster.ts';
import type { FilterFactoryContext } from '../factory-context.ts';
import { httpCallContext } from '../http-call-context.ts';

/** What is counted of a request, in the statistics of the cluster that it is for. */
export type Outcome = 'ok' | 'over_limit' | 'error' | 'failure_mode_allowed';

/** What of the settings has %COMMANDS% and regexes in it. */
export class RateLimitServiceFormats {
  readonly response: HeaderMutator;
  readonly policy: RateLimitPolicy | null;

  /** Throws ConfigError. */
  constructor(config: RateLimitServiceConfig, environment?: RouteEnvironment) {
    this.response = new HeaderMutator(
      config.responseHeaders,
      [],
      'response_headers_to_add',
      environment,
    );
    this.policy = compileRateLimits(config.rateLimits, 'rate_limits');
  }
}

/** What a route says, or the filter itself. */
export interface RateLimitRules {
  readonly virtualHost: VirtualHostRateLimits;
  /** In place of those of route and virtual host; null: those. */
  readonly policy: RateLimitPolicy | null;
  /** A byte string. */
  readonly domain: string;
}

const ENABLED: FractionConfig = {
  numerator: 100,
  denominator: 100,
  runtimeKey: 'ratelimit.http_filter_enabled',
};
const ENFORCED: FractionConfig = { ...ENABLED, runtimeKey: 'ratelimit.http_filter_enforcing' };

export class RateLimitServiceSettings {
  readonly config: RateLimitServiceConfig;
  readonly formats: RateLimitServiceFormats;
  readonly client: GrpcClient;
  readonly rules: RateLimitRules;
  readonly #context: FilterFactoryContext;

  constructor(config: RateLimitServiceConfig, context: FilterFactoryContext) {
    this.config = config;
    this.#context = context;
    this.formats = new RateLimitServiceFormats(config, context.routeEnvironment);
    this.client = new GrpcClient(
      config.service,
      httpCallContext(context),
      context.routeEnvironment,
    );
    this.rules = {
      virtualHost: 'OVERRIDE',
      policy: this.formats.policy,
      domain: wireText(config.domain),
    };
  }

  rulesOf(perRoute: RateLimitServicePerRouteConfig): RateLimitRules {
    return {
      virtualHost: perRoute.virtualHostRateLimits,
      policy: compileRateLimits(perRoute.rateLimits, 'rate_limits') ?? this.rules.policy,
      domain: perRoute.domain === '' ? this.rules.domain : wireText(perRoute.domain),
    };
  }

  get serviceCluster(): string {
    return this.#context.serviceCluster;
  }

  clusterOf(name: string): ThreadLocalCluster | undefined {
    return this.#context.clusters.get(name);
  }

  count(outcome: Outcome, cluster: ThreadLocalCluster): void {
    const { stats } = this.#context;
    stats.inc(
      stats.counter(`${cluster.stats.prefix}ratelimit.${this.config.statPrefix}${outcome}`),
    );
  }

  get enabled(): boolean {
    return this.#holds(this.config.enabled ?? ENABLED);
  }

  get enforced(): boolean {
    return this.#holds(this.config.enforced ?? ENFORCED);
  }

  get deniesOnFailure(): boolean {
    return this.#holds(this.config.failureModeDeny);
  }

  readonly takesDisableKey = (key: string): boolean =>
    this.#holds({ ...ENABLED, runtimeKey: `ratelimit.${key}.http_filter_enabled` });

  #holds(fraction: FractionConfig): boolean {
    const { runtime, random } = this.#context;
    return runtime.holds(fraction.runtimeKey ?? '', fraction, random.nextUint32());
  }
}
