// [m] Decodes `rate_limits`, which most routes have not.
import type { RateLimit } from '../../xds-protos/gen/envoy.config.route.v3.ts';
import { lazyPart } from '../base/lazy-part.ts';
import type { RateLimitConfig } from '../config/rate-limit-config.ts';
import type { FieldReader } from './field-reader.ts';

const decoder = lazyPart<typeof import('./rate-limit-decoder.ts')>('xds/rate-limit-decoder');

interface RateLimitFields {
  readonly rate_limits?: RateLimit[] | undefined;
}

/** Of a route, a virtual host or a filter. */
export function decodeRateLimits(source: FieldReader<object>): readonly RateLimitConfig[] {
  const readers = (source as FieldReader<RateLimitFields>).children('rate_limits');
  return readers.length === 0 ? [] : readers.map(decoder().decodeRateLimit);
}
