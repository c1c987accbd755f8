// [m] Compiles the settings of HTTP filters and throws the result away: what workers could not compile is part of the
// NACK. For what a decoder cannot judge (formats with %COMMANDS%).
import type {
  HttpFilterPerRouteSettings,
  HttpFilterSettings,
} from '../config/http-filter-config.ts';
import type { AuthorizationServiceConfig } from '../config/ext-authz-config.ts';
import type { RouteConfig } from '../config/route-config.ts';
import { lazyPart } from '../base/lazy-part.ts';
import { EMPTY_ENVIRONMENT } from '../access-log/format-environment.ts';
import { perFilterConfigs } from '../config/per-filter-configs.ts';
import { compileRateLimits } from '../router/rate-limits.ts';
import { NO_ENVIRONMENT } from '../router/route-environment.ts';

const grpcMetadata = lazyPart<typeof import('../router/grpc-initial-metadata.ts')>(
  'router/grpc-initial-metadata',
);
const headerMutation = lazyPart<typeof import('./http/header-mutation.ts')>(
  'filters/http/header-mutation',
);
const httpAuthorization = lazyPart<typeof import('./http/http-authorization-client.ts')>(
  'filters/http/http-authorization-client',
);
const localRateLimit = lazyPart<typeof import('./http/local-rate-limit.ts')>(
  'filters/http/local-rate-limit',
);
const rateLimitService = lazyPart<typeof import('./http/rate-limit-service-settings.ts')>(
  'filters/http/rate-limit-service-settings',
);
const setFilterState = lazyPart<typeof import('./http/set-filter-state.ts')>(
  'filters/http/set-filter-state',
);

/** Throws ConfigError. */
export function trialCompile(settings: HttpFilterSettings | HttpFilterPerRouteSettings): void {
  switch (settings.kind) {
    case 'header_mutation':
    case 'header_mutation_per_route':
      void new (headerMutation().Mutations)(settings.mutations);
      return;
    case 'set_filter_state':
      void new (setFilterState().FilterStateUpdate)(settings, EMPTY_ENVIRONMENT);
      return;
    case 'local_rate_limit':
      void new (localRateLimit().LocalRateLimitFormats)(settings);
      return;
    case 'ext_authz':
      tryAuthorizationService(settings.service);
      return;
    case 'ext_authz_per_route':
      if (settings.service !== undefined) tryAuthorizationService(settings.service);
      return;
    case 'rate_limit_service':
      void new (rateLimitService().RateLimitServiceFormats)(settings);
      void grpcMetadata().initialMetadata(settings.service, NO_ENVIRONMENT);
      return;
    case 'rate_limit_service_per_route':
      void compileRateLimits(settings.rateLimits, 'rate_limits');
      return;
    default:
  }
}

function tryAuthorizationService(service: AuthorizationServiceConfig): void {
  if ('grpc' in service) void grpcMetadata().initialMetadata(service.grpc, NO_ENVIRONMENT);
  else void httpAuthorization().headersToAdd(service, NO_ENVIRONMENT);
}

/** What all levels of a route table say to filters. Throws ConfigError. */
export function trialCompilePerRoute(table: RouteConfig): void {
  for (const { settings } of perFilterConfigs(table))
    if (settings !== undefined) trialCompile(settings);
}
