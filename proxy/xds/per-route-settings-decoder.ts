// [m] Decodes what a route, virtual host or weighted cluster says to single filters. Loaded for the first that does.
import type { Any } from '../../xds-protos/well-known-types.ts';
import type {
  HttpFilterPerRouteConfig,
  HttpFilterPerRouteSettings,
} from '../config/http-filter-config.ts';
import type { PerFilterConfigs } from '../config/route-config.ts';
import { decodeBuffer } from './buffer-decoder.ts';
import { decodeCompressorPerRoute } from './compressor-decoder.ts';
import { decodeCorsPolicy } from './cors-decoder.ts';
import { decodeExtAuthzPerRoute } from './ext-authz-decoder.ts';
import { decodeCsrf } from './csrf-decoder.ts';
import { decodeForwardProxyRoute } from './dns-cache-decoder.ts';
import { decodeFault } from './fault-decoder.ts';
import type { FieldReader } from './field-reader.ts';
import { decodeHeaderToMetadata } from './header-to-metadata-decoder.ts';
import { decodeHeaderMutationPerRoute } from './header-mutation-filter-decoder.ts';
import { REFUSED_PER_ROUTE, inert, unenforced } from './known-extensions.ts';
import { decodeLocalRateLimit } from './local-rate-limit-decoder.ts';
import type { PerFilterFields } from './per-route-decoder.ts';
import { decodeRateLimitServicePerRoute } from './rate-limit-service-decoder.ts';
import { decodeOnDemandRoute } from './on-demand-decoder.ts';
import { rbacGuards } from './rbac-verdict.ts';
import { decodeSetFilterState } from './set-filter-state-decoder.ts';
import { decodeSetMetadata } from './set-metadata-decoder.ts';
import { decodeStatefulSession } from './stateful-session-decoder.ts';
import { TypedConfig } from './typed-config.ts';

/** `disabled`: the filter is off here; `settings` undefined with `disabled` false: nothing is changed here. */
interface Verdict {
  readonly disabled: boolean;
  readonly settings: HttpFilterPerRouteSettings | undefined;
}

const OFF: Verdict = { disabled: true, settings: undefined };
const settled = (settings: HttpFilterPerRouteSettings): Verdict => ({ disabled: false, settings });

type PerRouteDecoder = (config: TypedConfig, name: string) => Verdict | undefined;

const DECODERS: ReadonlyMap<string, PerRouteDecoder> = new Map<string, PerRouteDecoder>([
  ['envoy.extensions.filters.http.fault.v3.HTTPFault', fault],
  ['envoy.extensions.filters.http.cors.v3.CorsPolicy', cors],
  ['envoy.extensions.filters.http.header_mutation.v3.HeaderMutationPerRoute', headerMutation],
  ['envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit', localRateLimit],
  ['envoy.extensions.filters.http.ratelimit.v3.RateLimitPerRoute', rateLimit],
  ['envoy.extensions.filters.http.buffer.v3.BufferPerRoute', buffer],
  ['envoy.extensions.filters.http.header_to_metadata.v3.Config', headerToMetadata],
  ['envoy.extensions.filters.http.set_filter_state.v3.Config', setFilterState],
  ['envoy.extensions.filters.http.set_metadata.v3.Config', setMetadata],
  ['envoy.extensions.filters.http.compressor.v3.CompressorPerRoute', compressor],
  ['envoy.extensions.filters.http.csrf.v3.CsrfPolicy', csrf],
  ['envoy.extensions.filters.http.dynamic_forward_proxy.v3.PerRouteConfig', forwardProxy],
  ['envoy.extensions.filters.http.on_demand.v3.PerRouteConfig', onDemand],
  ['envoy.extensions.filters.http.rbac.v3.RBACPerRoute', rbac],
  ['envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute', extAuthz],
  ['envoy.extensions.filters.http.jwt_authn.v3.PerRouteConfig', jwt],
  ['envoy.extensions.filters.http.lua.v3.LuaPerRoute', lua],
  ['envoy.extensions.filters.http.stateful_session.v3.StatefulSessionPerRoute', statefulSession],
]);

export function decodePerFilterSettings(reader: FieldReader<PerFilterFields>): PerFilterConfigs {
  const configs: HttpFilterPerRouteConfig[] = [];
  for (const [name, any] of reader.entries('typed_per_filter_config')) {
    const verdict = decodeOne(new TypedConfig(any.message as Any, any.path, any.problems), name);
    if (verdict !== undefined) configs.push({ name, ...verdict });
  }
  return configs;
}

function decodeOne(config: TypedConfig, name: string): Verdict | undefined {
  if (config.typeName === 'envoy.config.route.v3.FilterConfig') return decodeWrapped(config, name);
  return decodeSettings(config, name, false);
}

/** FilterConfig: disabled and optional around the settings themselves. */
function decodeWrapped(config: TypedConfig, name: string): Verdict | undefined {
  const reader = config.as('envoy.config.route.v3.FilterConfig');
  if (reader === undefined) return undefined;
  if (reader.bool('disabled')) return OFF;
  const inner = reader.message.config;
  if (inner === undefined) {
    config.problem(`Empty route/virtual host per filter configuration for ${name} filter`);
    return undefined;
  }
  // An empty Any switches the filter on and says no more.
  if (inner.type_url === '') return { disabled: false, settings: undefined };
  const typed = new TypedConfig(inner, reader.pathOf('config'), reader.problems);
  return decodeSettings(typed, name, reader.bool('is_optional'));
}

function decodeSettings(config: TypedConfig, name: string, optional: boolean): Verdict | undefined {
  const decoder = DECODERS.get(config.typeName);
  if (decoder !== undefined) return decoder(config, name);
  if (REFUSED_PER_ROUTE.has(config.typeName)) return settled(unenforced(config, name));
  if (!optional) config.unknown(name);
  return undefined;
}

function fault(config: TypedConfig): Verdict | undefined {
  const reader = config.as('envoy.extensions.filters.http.fault.v3.HTTPFault');
  return reader && settled(decodeFault(reader));
}

function forwardProxy(config: TypedConfig): Verdict | undefined {
  const settings = decodeForwardProxyRoute(config);
  return settings && settled(settings);
}

function cors(config: TypedConfig): Verdict | undefined {
  const reader = config.as('envoy.extensions.filters.http.cors.v3.CorsPolicy');
  return reader && settled(decodeCorsPolicy(reader));
}

function buffer(config: TypedConfig): Verdict | undefined {
  const reader = config.as('envoy.extensions.filters.http.buffer.v3.BufferPerRoute');
  if (reader === undefined) return undefined;
  if (reader.bool('disabled')) return OFF;
  const own = reader.required('buffer');
  return own && settled(decodeBuffer(own));
}

function headerToMetadata(config: TypedConfig): Verdict | undefined {
  const reader = config.as('envoy.extensions.filters.http.header_to_metadata.v3.Config');
  return reader && settled(decodeHeaderToMetadata(reader, true));
}

function headerMutation(config: TypedConfig): Verdict | undefined {
  const reader = config.as(
    'envoy.extensions.filters.http.header_mutation.v3.HeaderMutationPerRoute',
  );
  return reader && settled(decodeHeaderMutationPerRoute(reader));
}

function setFilterState(config: TypedConfig): Verdict | undefined {
  const reader = config.as('envoy.extensions.filters.http.set_filter_state.v3.Config');
  return reader && settled(decodeSetFilterState(reader));
}

function setMetadata(config: TypedConfig): Verdict | undefined {
  const reader = config.as('envoy.extensions.filters.http.set_metadata.v3.Config');
  return reader && settled(decodeSetMetadata(reader));
}

function localRateLimit(config: TypedConfig): Verdict | undefined {
  const reader = config.as('envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit');
  return reader && settled(decodeLocalRateLimit(reader, true));
}

function rateLimit(config: TypedConfig): Verdict | undefined {
  const reader = config.as('envoy.extensions.filters.http.ratelimit.v3.RateLimitPerRoute');
  return reader && settled(decodeRateLimitServicePerRoute(reader));
}

/** Where it is disabled the filter still counts, and still takes part in the choice of an encoding. */
function compressor(config: TypedConfig): Verdict | undefined {
  const reader = config.as('envoy.extensions.filters.http.compressor.v3.CompressorPerRoute');
  return reader && settled(decodeCompressorPerRoute(reader));
}

function csrf(config: TypedConfig): Verdict | undefined {
  const reader = config.as('envoy.extensions.filters.http.csrf.v3.CsrfPolicy');
  return reader && settled(decodeCsrf(reader));
}

function onDemand(config: TypedConfig): Verdict | undefined {
  const settings = decodeOnDemandRoute(config);
  return settings && settled(settings);
}

/** An empty RBACPerRoute switches the filter off. */
function rbac(config: TypedConfig, name: string): Verdict | undefined {
  const reader = config.as('envoy.extensions.filters.http.rbac.v3.RBACPerRoute');
  if (reader === undefined) return undefined;
  const filter = reader.message.rbac;
  if (filter === undefined) return OFF;
  return settled(rbacGuards(filter) ? unenforced(config, name) : inert(config.typeUrl));
}

function extAuthz(config: TypedConfig): Verdict | undefined {
  const reader = config.as('envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute');
  if (reader === undefined) return undefined;
  if (reader.bool('disabled')) return OFF;
  return settled(decodeExtAuthzPerRoute(reader));
}

function jwt(config: TypedConfig, name: string): Verdict | undefined {
  const reader = config.as('envoy.extensions.filters.http.jwt_authn.v3.PerRouteConfig');
  return reader && (reader.bool('disabled') ? OFF : settled(unenforced(config, name)));
}

function lua(config: TypedConfig, name: string): Verdict | undefined {
  const reader = config.as('envoy.extensions.filters.http.lua.v3.LuaPerRoute');
  return reader && (reader.bool('disabled') ? OFF : settled(unenforced(config, name)));
}

function statefulSession(config: TypedConfig): Verdict | undefined {
  const reader = config.as(
    'envoy.extensions.filters.http.stateful_session.v3.StatefulSessionPerRoute',
  );
  if (reader === undefined) return undefined;
  if (reader.bool('disabled')) return OFF;
  const own = reader.child('stateful_session');
  return own && settled(decodeStatefulSession(own));
}
