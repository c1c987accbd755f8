// [m] Decodes the filter that asks a rate limit service.
import type {
  RateLimit,
  RateLimitPerRoute,
} from '../../xds-protos/gen/envoy.extensions.filters.http.ratelimit.v3.ts';
import type { GrpcServiceConfig } from '../config/grpc-service-config.ts';
import type { FractionConfig } from '../config/matcher-config.ts';
import type {
  RateLimitServiceConfig,
  RateLimitServicePerRouteConfig,
} from '../config/rate-limit-service-config.ts';
import type { FieldReader } from './field-reader.ts';
import { decodeGrpcService } from './grpc-service-decoder.ts';
import { decodeHeaderAdd } from './header-mutation-decoder.ts';
import { decodeHttpStatus } from './http-status-decoder.ts';
import { decodeRuntimeFraction } from './matcher-decoder.ts';
import { decodeRateLimits } from './rate-limits.ts';

const DEFAULT_TIMEOUT_MS = 20;
const DEFAULT_STATUS = 429;
const DEFAULT_STATUS_ON_ERROR = 500;
const FILTER_NAME = 'envoy.filters.http.ratelimit';
const ALWAYS: FractionConfig = { numerator: 100, denominator: 100 };
const NEVER: FractionConfig = { numerator: 0, denominator: 100 };
const MAX_STAGE = 10;
const MAX_HEADERS = 10;
const REQUEST_TYPES: ReadonlyMap<string, RateLimitServiceConfig['requestType']> = new Map([
  ['', 'both'],
  ['both', 'both'],
  ['internal', 'internal'],
  ['external', 'external'],
]);

export function decodeRateLimitService(reader: FieldReader<RateLimit>): RateLimitServiceConfig {
  const status = decodeHttpStatus(reader.child('rate_limited_status'));
  const statusOnError = decodeHttpStatus(reader.child('status_on_error'));
  const prefix = reader.string('stat_prefix');
  const headers = reader.children('response_headers_to_add');
  if (headers.length > MAX_HEADERS)
    reader.problem('response_headers_to_add', `holds more than ${MAX_HEADERS} headers`);
  return {
    kind: 'rate_limit_service',
    domain: reader.requiredString('domain'),
    stage: reader.number('stage', 0, 0, MAX_STAGE),
    requestType: decodeRequestType(reader),
    service: decodeService(reader),
    enabled: decodeRuntimeFraction(reader.child('filter_enabled')),
    enforced: decodeRuntimeFraction(reader.child('filter_enforced')),
    failureModeDeny:
      decodeRuntimeFraction(reader.child('failure_mode_deny_percent')) ??
      (reader.bool('failure_mode_deny') ? ALWAYS : NEVER),
    resourceExhausted: reader.bool('rate_limited_as_resource_exhausted'),
    rateLimitHeaders: reader.enumName('enable_x_ratelimit_headers', 'OFF') !== 'OFF',
    rateLimitedHeader: !reader.bool('disable_x_envoy_ratelimited_header'),
    status: status >= 400 ? status : DEFAULT_STATUS,
    statusOnError: statusOnError >= 400 ? statusOnError : DEFAULT_STATUS_ON_ERROR,
    responseHeaders: headers.map(decodeHeaderAdd),
    statPrefix: prefix === '' ? '' : `${prefix}.`,
    rateLimits: decodeRateLimits(reader),
    metadataNamespace: reader.nonEmpty('metadata_namespace') ?? FILTER_NAME,
  };
}

function decodeRequestType(reader: FieldReader<RateLimit>): RateLimitServiceConfig['requestType'] {
  const text = reader.string('request_type');
  const type = REQUEST_TYPES.get(text);
  if (type === undefined)
    reader.problem('request_type', `must be internal, external or both, is ${text}`);
  return type ?? 'both';
}

/** The time-out is the filter's, whatever the service says. */
function decodeService(reader: FieldReader<RateLimit>): GrpcServiceConfig {
  const timeoutMs = reader.durationMs('timeout', DEFAULT_TIMEOUT_MS);
  const service = decodeGrpcService(reader.required('rate_limit_service'), DEFAULT_TIMEOUT_MS);
  return { ...service, timeoutMs };
}

/** `override_option` says nothing, as in Envoy. */
export const decodeRateLimitServicePerRoute = (
  reader: FieldReader<RateLimitPerRoute>,
): RateLimitServicePerRouteConfig => ({
  kind: 'rate_limit_service_per_route',
  virtualHostRateLimits: reader.enumName('vh_rate_limits', 'OVERRIDE'),
  rateLimits: decodeRateLimits(reader),
  domain: reader.string('domain'),
});
