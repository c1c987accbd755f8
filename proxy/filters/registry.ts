// [w] HTTP filters by the kind of their settings.
import type { HttpFilterConfig } from '../config/http-filter-config.ts';
import type { HttpFilterFactory } from '../http/http-filter.ts';
import type { FilterFactoryContext } from './factory-context.ts';
import { BufferFilterFactory } from './http/buffer.ts';
import { CorsFilterFactory } from './http/cors.ts';
import { DefaultOffFactory } from './http/default-off.ts';
import { FaultFilterFactory } from './http/fault.ts';
import { GrpcStatsFilterFactory } from './http/grpc-stats.ts';
import { HeaderToMetadataFilterFactory } from './http/header-to-metadata.ts';
import { HeaderMutationFilterFactory } from './http/header-mutation.ts';
import { HealthCheckFilterFactory } from './http/health-check.ts';
import { InertFilterFactory } from './http/inert.ts';
import { LocalRateLimitFilterFactory } from './http/local-rate-limit.ts';
import { RefusingFilterFactory } from './http/refuse.ts';
import { RouterFilterFactory } from './http/router.ts';
import { SetFilterStateFilterFactory } from './http/set-filter-state.ts';
import { SetMetadataFilterFactory } from './http/set-metadata.ts';

/** Throws ConfigError for settings that do not compile (a bad regex). */
export function createHttpFilterFactory(
  config: HttpFilterConfig,
  context: FilterFactoryContext,
): HttpFilterFactory {
  const factory = createFactory(config, context);
  return config.disabled ? new DefaultOffFactory(factory) : factory;
}

function createFactory(config: HttpFilterConfig, context: FilterFactoryContext): HttpFilterFactory {
  const settings = config.settings;
  switch (settings.kind) {
    case 'router':
      return new RouterFilterFactory(config.name, settings, context);
    case 'fault':
      return new FaultFilterFactory(config.name, settings, context);
    case 'cors':
      return new CorsFilterFactory(config.name, context);
    case 'header_mutation':
      return new HeaderMutationFilterFactory(config.name, settings, context);
    case 'local_rate_limit':
      return new LocalRateLimitFilterFactory(config.name, settings, context);
    case 'grpc_stats':
      return new GrpcStatsFilterFactory(config.name, settings, context);
    case 'buffer':
      return new BufferFilterFactory(config.name, settings);
    case 'header_to_metadata':
      return new HeaderToMetadataFilterFactory(config.name, settings, context);
    case 'set_filter_state':
      return new SetFilterStateFilterFactory(config.name, settings, context);
    case 'set_metadata':
      return new SetMetadataFilterFactory(config.name, settings, context);
    case 'health_check':
      return new HealthCheckFilterFactory(config.name, settings, context);
    case 'refuse':
      return new RefusingFilterFactory(config.name, settings, context);
    case 'inert':
      return new InertFilterFactory(config.name, context);
  }
}
