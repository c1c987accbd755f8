// [m] Compiles the settings of HTTP filters and throws the result away: what workers could not compile is part of the
// NACK. For what a decoder cannot judge (formats with %COMMANDS%).
import type {
  HttpFilterPerRouteSettings,
  HttpFilterSettings,
} from '../config/http-filter-config.ts';
import type { AuthorizationServiceConfig } from '../config/ext-authz-config.ts';
import type { RouteConfig } from '../config/route-config.ts';
import { EMPTY_ENVIRONMENT } from '../access-log/formatter.ts';
import { perFilterConfigs } from '../config/per-filter-configs.ts';
import { NO_ENVIRONMENT } from '../router/route-environment.ts';
import { initialMetadata } from '../router/grpc-call.ts';
import { headersToAdd } from './http/http-authorization-client.ts';
import { LocalRateLimitFormats } from './http/local-rate-limit.ts';
import { RateLimitServiceFormats } from './http/rate-limit-service-settings.ts';
import { RateLimitPolicy } from '../router/rate-limit-policy.ts';
import { Mutations } from './http/header-mutation.ts';
import { FilterStateUpdate } from './http/set-filter-state.ts';

/** Throws ConfigError. */
export function trialCompile(settings: HttpFilterSettings | HttpFilterPerRouteSettings): void {
  switch (settings.kind) {
    case 'header_mutation':
    case 'header_mutation_per_route':
      void new Mutations(settings.mutations);
      return;
    case 'set_filter_state':
      void new FilterStateUpdate(settings, EMPTY_ENVIRONMENT);
      return;
    case 'local_rate_limit':
      void new LocalRateLimitFormats(settings);
      return;
    case 'ext_authz':
      tryAuthorizationService(settings.service);
      return;
    case 'ext_authz_per_route':
      if (settings.service !== undefined) tryAuthorizationService(settings.service);
      return;
    case 'rate_limit_service':
      void new RateLimitServiceFormats(settings);
      void initialMetadata(settings.service, NO_ENVIRONMENT);
      return;
    case 'rate_limit_service_per_route':
      void RateLimitPolicy.from(settings.rateLimits, 'rate_limits');
      return;
    default:
  }
}

function tryAuthorizationService(service: AuthorizationServiceConfig): void {
  if ('grpc' in service) void initialMetadata(service.grpc, NO_ENVIRONMENT);
  else void headersToAdd(service, NO_ENVIRONMENT);
}

/** What all levels of a route table say to filters. Throws ConfigError. */
export function trialCompilePerRoute(table: RouteConfig): void {
  for (const { settings } of perFilterConfigs(table))
    if (settings !== undefined) trialCompile(settings);
}
