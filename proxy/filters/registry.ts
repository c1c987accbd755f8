// [w] HTTP filters by the kind of their settings.
import type { HttpFilterConfig, HttpFilterSettings } from '../config/http-filter-config.ts';
import type { HttpFilterFactory } from '../http/http-filter.ts';
import { lazyPart } from '../base/lazy-part.ts';
import type { FilterFactoryContext } from './factory-context.ts';
import { AlpnOverrideFactory } from './http/alpn-override.ts';
import { BufferFilterFactory } from './http/buffer.ts';
import { CorsFilterFactory } from './http/cors.ts';
import { CsrfFilterFactory } from './http/csrf.ts';
import { DefaultOffFactory } from './http/default-off.ts';
import { DynamicForwardProxyFilterFactory } from './http/dynamic-forward-proxy.ts';
import { ExtAuthzFilterFactory } from './http/ext-authz.ts';
import { FaultFilterFactory } from './http/fault.ts';
import { GrpcStatsFilterFactory } from './http/grpc-stats.ts';
import { HeaderToMetadataFilterFactory } from './http/header-to-metadata.ts';
import { GrpcHttp1BridgeFilterFactory } from './http/grpc-http1-bridge.ts';
import { GrpcWebFilterFactory } from './http/grpc-web.ts';
import { HeaderMutationFilterFactory } from './http/header-mutation.ts';
import { HealthCheckFilterFactory } from './http/health-check.ts';
import { InertFilterFactory } from './http/inert.ts';
import { LocalRateLimitFilterFactory } from './http/local-rate-limit.ts';
import { MissingSettingsFactory } from './http/missing-settings.ts';
import { OnDemandFilterFactory } from './http/on-demand.ts';
import { RateLimitServiceFilterFactory } from './http/rate-limit-service.ts';
import { RefusingFilterFactory } from './http/refuse.ts';
import { RouterFilterFactory } from './http/router.ts';
import { SetFilterStateFilterFactory } from './http/set-filter-state.ts';
import { SetMetadataFilterFactory } from './http/set-metadata.ts';
import { StatefulSessionFilterFactory } from './http/stateful-session.ts';

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
  fault: (name, settings, context) => new FaultFilterFactory(name, settings, context),
  cors: (name, _settings, context) => new CorsFilterFactory(name, context),
  header_mutation: (name, settings, context) =>
    new HeaderMutationFilterFactory(name, settings, context),
  local_rate_limit: (name, settings, context) =>
    new LocalRateLimitFilterFactory(name, settings, context),
  ext_authz: (name, settings, context) => new ExtAuthzFilterFactory(name, settings, context),
  rate_limit_service: (name, settings, context) =>
    new RateLimitServiceFilterFactory(name, settings, context),
  grpc_stats: (name, settings, context) => new GrpcStatsFilterFactory(name, settings, context),
  grpc_web: (name, _settings, context) => new GrpcWebFilterFactory(name, context),
  grpc_http1_bridge: (name, settings) => new GrpcHttp1BridgeFilterFactory(name, settings),
  csrf: (name, settings, context) => new CsrfFilterFactory(name, settings, context),
  buffer: (name, settings) => new BufferFilterFactory(name, settings),
  header_to_metadata: (name, settings, context) =>
    new HeaderToMetadataFilterFactory(name, settings, context),
  set_filter_state: (name, settings, context) =>
    new SetFilterStateFilterFactory(name, settings, context),
  set_metadata: (name, settings, context) => new SetMetadataFilterFactory(name, settings, context),
  stateful_session: (name, settings, context) =>
    new StatefulSessionFilterFactory(name, settings, context),
  health_check: (name, settings, context) => new HealthCheckFilterFactory(name, settings, context),
  dynamic_forward_proxy: (name, settings, context) =>
    new DynamicForwardProxyFilterFactory(name, settings, context),
  on_demand: (name, settings, context) => new OnDemandFilterFactory(name, settings, context),
  compressor: (name, settings, context) =>
    new (compressor().CompressorFilterFactory)(name, settings, context),
  decompressor: (name, settings, context) =>
    new (decompressor().DecompressorFilterFactory)(name, settings, context),
  alpn_override: (name, settings, context) => new AlpnOverrideFactory(name, settings, context),
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
