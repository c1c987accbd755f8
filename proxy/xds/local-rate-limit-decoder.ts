// [m] Decodes the local rate limit, of a chain and of routes.
import type { LocalRateLimit } from '../../xds-protos/gen/envoy.extensions.filters.http.local_ratelimit.v3.ts';
import type { LocalRateLimitDescriptor } from '../../xds-protos/gen/envoy.extensions.common.ratelimit.v3.ts';
import type { TokenBucket } from '../../xds-protos/gen/envoy.type.v3.ts';
import type { HeaderAddConfig } from '../config/header-mutation-config.ts';
import type {
  LimitedDescriptorConfig,
  LocalRateLimitConfig,
  TokenBucketConfig,
} from '../config/local-rate-limit-config.ts';
import type { FieldReader } from './field-reader.ts';
import { decodeHeaderAdd } from './header-mutation-decoder.ts';
import { decodeHttpStatus } from './http-status-decoder.ts';
import { decodeRuntimeFraction } from './matcher-decoder.ts';
import { decodeRateLimits } from './rate-limits.ts';

const DEFAULT_STATUS = 429;
const MAX_HEADERS = 10;
const MAX_STAGE = 10;
const MIN_FILL_INTERVAL_MS = 50;
const DEFAULT_DYNAMIC_DESCRIPTORS = 20;
/** All are looked through for each request, and have their memory from the beginning. */
const MAX_DYNAMIC_DESCRIPTORS = 1024;

export function decodeLocalRateLimit(
  reader: FieldReader<LocalRateLimit>,
  perRoute: boolean,
): LocalRateLimitConfig {
  const status = decodeHttpStatus(reader.child('status'));
  const bucket = reader.child('token_bucket');
  if (perRoute && bucket === undefined)
    reader.problem('token_bucket', 'must be set for per filter configs');
  reader.refuse('local_cluster_rate_limit');
  return {
    kind: 'local_rate_limit',
    statPrefix: reader.requiredString('stat_prefix'),
    status: status >= 400 ? status : DEFAULT_STATUS,
    tokenBucket: bucket && decodeTokenBucket(bucket, 0),
    enabled: decodeRuntimeFraction(reader.child('filter_enabled')),
    enforced: decodeRuntimeFraction(reader.child('filter_enforced')),
    requestHeadersWhenNotEnforced: headers(reader, 'request_headers_to_add_when_not_enforced'),
    responseHeaders: headers(reader, 'response_headers_to_add'),
    descriptors: decodeDescriptors(reader),
    rateLimits: decodeOwnRateLimits(reader),
    stage: reader.number('stage', 0, 0, MAX_STAGE),
    virtualHostRateLimits: reader.enumName('vh_rate_limits', 'OVERRIDE'),
    perConnection: reader.bool('local_rate_limit_per_downstream_connection'),
    rateLimitHeaders: reader.enumName('enable_x_ratelimit_headers', 'OFF') !== 'OFF',
    retryAfterHeader: reader.bool('enable_retry_after_header'),
    alwaysConsumeDefault: reader.bool('always_consume_default_token_bucket', true),
    resourceExhausted: reader.bool('rate_limited_as_resource_exhausted'),
  };
}

function headers(
  reader: FieldReader<LocalRateLimit>,
  field: 'response_headers_to_add' | 'request_headers_to_add_when_not_enforced',
): readonly HeaderAddConfig[] {
  const adds = reader.children(field);
  if (adds.length > MAX_HEADERS) reader.problem(field, `holds more than ${MAX_HEADERS} headers`);
  return adds.map(decodeHeaderAdd);
}

function decodeOwnRateLimits(
  reader: FieldReader<LocalRateLimit>,
): LocalRateLimitConfig['rateLimits'] {
  for (const limit of reader.children('rate_limits')) {
    if (limit.has('stage') || limit.string('disable_key') !== '')
      limit.problem('', "'stage' field and 'disable_key' field are not supported");
  }
  return decodeRateLimits(reader);
}

export function decodeTokenBucket(
  reader: FieldReader<TokenBucket>,
  wildcardValues: number,
): TokenBucketConfig {
  if (!reader.has('fill_interval')) reader.problem('fill_interval', 'is required');
  const fillIntervalMs = reader.positiveDurationMs('fill_interval', MIN_FILL_INTERVAL_MS);
  if (fillIntervalMs < MIN_FILL_INTERVAL_MS)
    reader.problem('fill_interval', 'local rate limit token bucket fill timer must be >= 50ms');
  return {
    maxTokens: reader.number('max_tokens', 0),
    tokensPerFill: reader.number('tokens_per_fill', 1, 1),
    fillIntervalMs,
    wildcardValues,
  };
}

function decodeDescriptors(
  reader: FieldReader<LocalRateLimit>,
): readonly LimitedDescriptorConfig[] {
  const dynamicCount = reader.number(
    'max_dynamic_descriptors',
    DEFAULT_DYNAMIC_DESCRIPTORS,
    1,
    MAX_DYNAMIC_DESCRIPTORS,
  );
  const seen = new Set<string>();
  return reader.children('descriptors').map((descriptor) => {
    const config = decodeDescriptor(descriptor, dynamicCount);
    const text = config.entries.map(({ key, value }) => `${key}=${value ?? ''}`).join(',');
    if (seen.has(text))
      descriptor.problem('', `duplicate descriptor in the local rate descriptor: ${text}`);
    seen.add(text);
    return config;
  });
}

function decodeDescriptor(
  reader: FieldReader<LocalRateLimitDescriptor>,
  dynamicCount: number,
): LimitedDescriptorConfig {
  const entries = reader.children('entries').map((entry) => ({
    key: entry.requiredString('key'),
    value: entry.nonEmpty('value'),
  }));
  if (entries.length === 0) reader.problem('entries', 'at least one is required');
  const wildcard = entries.some(({ value }) => value === undefined);
  const bucket = reader.required('token_bucket');
  return {
    entries,
    tokenBucket:
      bucket === undefined
        ? {
            maxTokens: 0,
            tokensPerFill: 1,
            fillIntervalMs: MIN_FILL_INTERVAL_MS,
            wildcardValues: 0,
          }
        : decodeTokenBucket(bucket, wildcard ? dynamicCount : 0),
    shadow: reader.bool('shadow_mode'),
  };
}
