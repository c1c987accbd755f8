// [b] The `rate_limits` of one route, virtual host or filter: what compiles them is loaded with the first.
import { lazyPart } from '../base/lazy-part.ts';
import type { RateLimitConfig } from '../config/rate-limit-config.ts';
import type { RateLimitPolicy } from './rate-limit-policy.ts';

const part = lazyPart<typeof import('./rate-limit-policy.ts')>('router/rate-limit-policy');

/** Null when there is nothing to compile. Throws ConfigError with `place` for a bad regex. */
export const compileRateLimits = (
  configs: readonly RateLimitConfig[],
  place: string,
): RateLimitPolicy | null =>
  configs.length === 0 ? null : new (part().RateLimitPolicy)(configs, place);
