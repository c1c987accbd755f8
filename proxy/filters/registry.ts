// [w] HTTP filters by the kind of their settings; all but the router and the tiny ones are loaded by the first that is configured.
import type { HttpFilterConfig, HttpFilterSettings } from '../config/http-filter-config.ts';
import type { HttpFilterFactory } from '../http/http-filter.ts';
import { lazyPart } from '../base/lazy-part.ts';
import type { FilterFactoryContext } from './factory-context.ts';
import { DefaultOffFactory } from './http/default-off.ts';
import { InertFilterFactory } from './http/inert.ts';
import { MissingSettingsFactory } from './http/missing-settings.ts';
import { RefusingFilterFactory } from './http/refuse.ts';
import { RouterFilterFactory } from './http/router.ts';

const alpnOverride = lazyPart<typeof import('./http/alpn-override.ts')>(
  'filters/http/alpn-override',
);
const buffer = lazyPart<typeof import('./http/buffer.ts')>('filters/http/buffer');
const cors = lazyPart<typeof import('./http/cors.ts')>('filters/http/cors');
const csrf = lazyPart<typeof import('./http/csrf.ts')>('filters/http/csrf');
const dynamicForwardProxy = lazyPart<typeof import('./http/dynamic-forward-proxy.ts')>(
  'filters/http/dynamic-forward-proxy',
);
const extAuthz = lazyPart<typeof import('./http/ext-authz.ts')>('filters/http/ext-authz');
const fault = lazyPart<typeof import('./http/fault.ts')>('filters/http/fault');
const grpcStats = lazyPart<typeof import('./http/grpc-stats.ts')>('filters/http/grpc-stats');
const headerToMetadata = lazyPart<typeof import('./http/header-to-metadata.ts')>(
  'filters/http/header-to-metadata',
);
const grpcHttp1Bridge = lazyPart<typeof import('./http/grpc-http1-bridge.ts')>(
  'filters/http/grpc-http1-bridge',
);
const grpcWeb = lazyPart<typeof import('./http/grpc-web.ts')>('filters/http/grpc-web');
const headerMutation = lazyPart<typeof import('./http/header-mutation.ts')>(
  'filters/http/header-mutation',
);
const healthCheck = lazyPart<typeof import('./http/health-check.ts')>('filters/http/health-check');
const localRateLimit = lazyPart<typeof import('./http/local-rate-limit.ts')>(
  'filters/http/local-rate-limit',
);
const onDemand = lazyPart<typeof import('./http/on-demand.ts')>('filters/http/on-demand');
const rateLimitService = lazyPart<typeof import('./http/rate-limit-service.ts')>(
  'filters/http/rate-limit-service',
);
const setFilterState = lazyPart<typeof import('./http/set-filter-state.ts')>(
  'filters/http/set-filter-state',
);
const setMetadata = lazyPart<typeof import('./http/set-metadata.ts')>('filters/http/set-metadata');
const statefulSession = lazyPart<typeof import('./http/stateful-session.ts')>(
  'filters/http/stateful-session',
);
const compressor = lazyPart<typeof import('./http/compressor.ts')>('filters/http/compressor');
const decompressor = lazyPart<typeof import('./http/decompressor.ts')>('filters/http/decompressor');

type Creator<Settings> = (
  name: string,
  settings: Settings,
  context: FilterFactoryContext,
) => HttpFilterFactory;

type Creators = {
  readonly [Kind in HttpFilterSettings['kind']]: Creator<
    Extract<HttpFilterSettings, { readonly kind: Kind }>
  >;
};

const CREATORS: Creators = {
  router: (name, settings, context) => new RouterFilterFactory(name, settings, context),
  fault: (name, settings, context) => new (fault().FaultFilterFactory)(name, settings, context),
  cors: (name, _settings, context) => new (cors().CorsFilterFactory)(name, context),
  header_mutation: (name, settings, context) =>
    new (headerMutation().HeaderMutationFilterFactory)(name, settings, context),
  local_rate_limit: (name, settings, context) =>
    new (localRateLimit().LocalRateLimitFilterFactory)(name, settings, context),
  ext_authz: (name, settings, context) =>
    new (extAuthz().ExtAuthzFilterFactory)(name, settings, context),
  rate_limit_service: (name, settings, context) =>
    new (rateLimitService().RateLimitServiceFilterFactory)(name, settings, context),
  grpc_stats: (name, settings, context) =>
    new (grpcStats().GrpcStatsFilterFactory)(name, settings, context),
  grpc_web: (name, _settings, context) => new (grpcWeb().GrpcWebFilterFactory)(name, context),
  grpc_http1_bridge: (name, settings) =>
    new (grpcHttp1Bridge().GrpcHttp1BridgeFilterFactory)(name, settings),
  csrf: (name, settings, context) => new (csrf().CsrfFilterFactory)(name, settings, context),
  buffer: (name, settings) => new (buffer().BufferFilterFactory)(name, settings),
  header_to_metadata: (name, settings, context) =>
    new (headerToMetadata().HeaderToMetadataFilterFactory)(name, settings, context),
  set_filter_state: (name, settings, context) =>
    new (setFilterState().SetFilterStateFilterFactory)(name, settings, context),
  set_metadata: (name, settings, context) =>
    new (setMetadata().SetMetadataFilterFactory)(name, settings, context),
  stateful_session: (name, settings, context) =>
    new (statefulSession().StatefulSessionFilterFactory)(name, settings, context),
  health_check: (name, settings, context) =>
    new (healthCheck().HealthCheckFilterFactory)(name, settings, context),
  dynamic_forward_proxy: (name, settings, context) =>
    new (dynamicForwardProxy().DynamicForwardProxyFilterFactory)(name, settings, context),
  on_demand: (name, settings, context) =>
    new (onDemand().OnDemandFilterFactory)(name, settings, context),
  compressor: (name, settings, context) =>
    new (compressor().CompressorFilterFactory)(name, settings, context),
  decompressor: (name, settings, context) =>
    new (decompressor().DecompressorFilterFactory)(name, settings, context),
  alpn_override: (name, settings, context) =>
    new (alpnOverride().AlpnOverrideFactory)(name, settings, context),
  discovered: (name) => new MissingSettingsFactory(name),
  refuse: (name, settings, context) => new RefusingFilterFactory(name, settings, context),
  inert: (name, _settings, context) => new InertFilterFactory(name, context),
};

/** Throws ConfigError for settings that do not compile (a bad regex). */
export function createHttpFilterFactory(
  config: HttpFilterConfig,
  context: FilterFactoryContext,
): HttpFilterFactory {
  const { name, settings, disabled } = config;
  const create = CREATORS[settings.kind] as Creator<HttpFilterSettings>;
  const factory = create(name, settings, context);
  return disabled ? new DefaultOffFactory(factory) : factory;
}
