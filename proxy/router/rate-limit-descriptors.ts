// [w] The rate limit descriptors of one request: those of its route, and as asked those of its virtual host.
import type { FilterCallbacks } from '../http/http-filter.ts';
import type { Route } from '../http/route-provider.ts';
import type { RateLimitSubject } from './rate-limit-actions.ts';
import type {
  RateLimitDescriptor,
  RateLimitPolicy,
  RateLimitSelection,
} from './rate-limit-policy.ts';
import { NO_METADATA } from '../stream-info/upstream-facts.ts';
import { RouteEntry } from './route-entry.ts';

/** As `vh_rate_limits`: where the route has none of its own, always, never. */
export type VirtualHostRateLimits = 'OVERRIDE' | 'INCLUDE' | 'IGNORE';

export interface RateLimitScope extends RateLimitSelection {
  readonly virtualHost: VirtualHostRateLimits;
  readonly serviceCluster: string;
}

const NONE: readonly RateLimitDescriptor[] = [];

/**
 * `rate_limits` of the route of a request; none where it does not forward. What they would count for is not asked, as in
 * Envoy.
 */
export function routeDescriptors(
  { route, requestHeaders, streamInfo }: FilterCallbacks,
  scope: RateLimitScope,
): readonly RateLimitDescriptor[] {
  if (!(route instanceof RouteEntry) || route.action === null) return NONE;
  const own = route.action.rateLimits;
  const shared = route.scope.rateLimits;
  if (own === null && shared === null) return NONE;
  const subject = subjectOf(route, requestHeaders, streamInfo, scope.serviceCluster);
  const descriptors: RateLimitDescriptor[] = [];
  own?.addDescriptors(scope, subject, descriptors);
  const include =
    scope.virtualHost === 'INCLUDE' ||
    route.action.includeVirtualHostRateLimits ||
    (scope.virtualHost === 'OVERRIDE' && own === null);
  if (include) shared?.addDescriptors(scope, subject, descriptors);
  return descriptors.map(withoutHits);
}

const withoutHits = (descriptor: RateLimitDescriptor): RateLimitDescriptor =>
  descriptor.hitsAddend === undefined ? descriptor : { ...descriptor, hitsAddend: undefined };

/** `rate_limits` that a filter has itself, in place of those of routes. */
export function filterDescriptors(
  policy: RateLimitPolicy,
  { route, requestHeaders, streamInfo }: FilterCallbacks,
  scope: RateLimitScope,
): readonly RateLimitDescriptor[] {
  const descriptors: RateLimitDescriptor[] = [];
  const subject = subjectOf(route, requestHeaders, streamInfo, scope.serviceCluster);
  policy.addDescriptors(scope, subject, descriptors);
  return descriptors;
}

const subjectOf = (
  route: Route | null,
  headers: RateLimitSubject['headers'],
  info: RateLimitSubject['info'],
  serviceCluster: string,
): RateLimitSubject => ({
  headers,
  info,
  route,
  routeMetadata: route?.metadata ?? NO_METADATA,
  serviceCluster,
});
