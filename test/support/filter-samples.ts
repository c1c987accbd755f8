// Settings of HTTP filters with every field at its default; a test changes the field it is about.
import type { ExtAuthzConfig } from '../../proxy/config/ext-authz-config.ts';
import type { FaultConfig } from '../../proxy/config/fault-config.ts';
import type {
  LocalRateLimitConfig,
  TokenBucketConfig,
} from '../../proxy/config/local-rate-limit-config.ts';

export function faultConfig(changes: Partial<FaultConfig> = {}): FaultConfig {
  return {
    kind: 'fault',
    delay: undefined,
    abort: undefined,
    responseRateLimit: undefined,
    upstreamCluster: '',
    headers: [],
    downstreamNodes: [],
    maxActiveFaults: undefined,
    disableDownstreamClusterStats: false,
    filterMetadata: new Map(),
    runtime: {
      delayPercent: 'fault.http.delay.fixed_delay_percent',
      delayDuration: 'fault.http.delay.fixed_duration_ms',
      abortPercent: 'fault.http.abort.abort_percent',
      abortHttpStatus: 'fault.http.abort.http_status',
      abortGrpcStatus: 'fault.http.abort.grpc_status',
      responseRateLimitPercent: 'fault.http.rate_limit.response_percent',
      maxActiveFaults: 'fault.http.max_active_faults',
    },
    ...changes,
  };
}

export const tokenBucket = (
  maxTokens: number,
  tokensPerFill = 1,
  fillIntervalMs = 60_000,
  wildcardValues = 0,
): TokenBucketConfig => ({ maxTokens, tokensPerFill, fillIntervalMs, wildcardValues });

/** Switched on and enforced. */
export function localRateLimitConfig(
  changes: Partial<LocalRateLimitConfig> = {},
): LocalRateLimitConfig {
  return {
    kind: 'local_rate_limit',
    statPrefix: 'limit',
    status: 429,
    tokenBucket: tokenBucket(1),
    enabled: { numerator: 100, denominator: 100 },
    enforced: { numerator: 100, denominator: 100 },
    requestHeadersWhenNotEnforced: [],
    responseHeaders: [],
    descriptors: [],
    rateLimits: [],
    stage: 0,
    virtualHostRateLimits: 'OVERRIDE',
    perConnection: false,
    rateLimitHeaders: false,
    retryAfterHeader: false,
    alwaysConsumeDefault: true,
    resourceExhausted: false,
    ...changes,
  };
}

/** Asks the cluster `mirror` of RouterHarness. */
export function extAuthzConfig(changes: Partial<ExtAuthzConfig> = {}): ExtAuthzConfig {
  return {
    kind: 'ext_authz',
    statPrefix: '',
    service: {
      cluster: 'mirror',
      timeoutMs: 200,
      retryPolicy: undefined,
      pathPrefix: '',
      pathOverride: '',
      allowedHeaders: [],
      disallowedHeaders: [],
      headersToAdd: [],
      upstreamHeaders: [],
      upstreamHeadersToAppend: [],
      clientHeaders: [],
      clientHeadersOnSuccess: [],
      metadataHeaders: [],
    },
    failureModeAllow: false,
    failureModeAllowHeaderAdd: false,
    statusOnError: 403,
    clearRouteCache: false,
    clearRouteCacheHeaders: [],
    mutationRules: undefined,
    body: undefined,
    enabled: undefined,
    enabledMetadata: undefined,
    denyAtDisable: { value: false, runtimeKey: '' },
    ingestMetadata: true,
    chargeClusterStats: true,
    maxDeniedBodyBytes: 0,
    ...changes,
  };
}
