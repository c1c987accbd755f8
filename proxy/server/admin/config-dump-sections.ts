// [m] The parts of /config_dump (envoy.admin.v3 *ConfigDump) from what the managers hold (envoy-behaviour §12.4).
import { packAny, typeUrlOf } from '../../../xds-protos/any.ts';
import type { MessageName } from '../../../xds-protos/any.ts';
import type * as admin from '../../../xds-protos/gen/envoy.admin.v3.ts';
import type { Any } from '../../../xds-protos/well-known-types.ts';
import type {
  ConfigDumpEntry,
  ConfigDumpSection,
  ConfigErrorState,
} from '../../config/config-resource.ts';
import type { AdminContext } from '../admin-context.ts';
import { bootstrapMessage } from './bootstrap-message.ts';
import { endpointsDump } from './endpoints-dump.ts';
import { inlineRoutes, inlineScopes, timestampOf } from './inline-routes.ts';

export type NameFilter = (name: string) => boolean;

const resource = (type: MessageName, raw: Uint8Array): Any => ({
  type_url: typeUrlOf(type),
  value: raw,
});

function failure(type: MessageName, error: ConfigErrorState): admin.UpdateFailureState {
  return {
    ...(error.raw.length > 0 ? { failed_configuration: resource(type, error.raw) } : {}),
    last_update_attempt: timestampOf(error.lastUpdateAttemptMs),
    details: error.details,
    version_info: error.version,
  };
}

const errorState = (
  type: MessageName,
  entry: ConfigDumpEntry,
): { error_state?: admin.UpdateFailureState } =>
  entry.errorState === undefined ? {} : { error_state: failure(type, entry.errorState) };

const statesOf = (
  section: ConfigDumpSection,
  filter: NameFilter,
  state: ConfigDumpEntry['state'],
): readonly ConfigDumpEntry[] =>
  section.entries.filter((entry) => entry.state === state && filter(entry.name));

function bootstrapDump(context: AdminContext): Any {
  const bootstrap = bootstrapMessage(context);
  const dump = { bootstrap, last_updated: timestampOf(context.bootstrapLoadedMs) };
  return packAny('envoy.admin.v3.BootstrapConfigDump', dump);
}

const CLUSTER = 'envoy.config.cluster.v3.Cluster';

function clustersDump(section: ConfigDumpSection, filter: NameFilter): Any {
  const dynamic = (entry: ConfigDumpEntry): admin.ClustersConfigDump_DynamicCluster => ({
    version_info: entry.version,
    cluster: resource(CLUSTER, entry.raw),
    last_updated: timestampOf(entry.lastUpdatedMs),
    ...errorState(CLUSTER, entry),
  });
  return packAny('envoy.admin.v3.ClustersConfigDump', {
    version_info: section.versionInfo,
    static_clusters: statesOf(section, filter, 'static').map((entry) => ({
      cluster: resource(CLUSTER, entry.raw),
      last_updated: timestampOf(entry.lastUpdatedMs),
    })),
    dynamic_active_clusters: statesOf(section, filter, 'active').map(dynamic),
    dynamic_warming_clusters: statesOf(section, filter, 'warming').map(dynamic),
  });
}

const LISTENER = 'envoy.config.listener.v3.Listener';

/** A listener has one entry: its active, warming and draining states, and the last refusal. */
function dynamicListeners(
  section: ConfigDumpSection,
  filter: NameFilter,
): admin.ListenersConfigDump_DynamicListener[] {
  const byName = new Map<string, admin.ListenersConfigDump_DynamicListener>();
  for (const entry of section.entries) {
    if (entry.state === 'static' || !filter(entry.name)) continue;
    const state = {
      version_info: entry.version,
      listener: resource(LISTENER, entry.raw),
      last_updated: timestampOf(entry.lastUpdatedMs),
    };
    byName.set(entry.name, {
      ...byName.get(entry.name),
      name: entry.name,
      ...{ [`${entry.state}_state`]: state },
      ...errorState(LISTENER, entry),
    });
  }
  for (const { name, errorState: error } of section.failures) {
    if (filter(name))
      byName.set(name, { ...byName.get(name), name, error_state: failure(LISTENER, error) });
  }
  return [...byName.values()];
}

function listenersDump(section: ConfigDumpSection, filter: NameFilter): Any {
  return packAny('envoy.admin.v3.ListenersConfigDump', {
    version_info: section.versionInfo,
    static_listeners: statesOf(section, filter, 'static').map((entry) => ({
      listener: resource(LISTENER, entry.raw),
      last_updated: timestampOf(entry.lastUpdatedMs),
    })),
    dynamic_listeners: dynamicListeners(section, filter),
  });
}

const ROUTES = 'envoy.config.route.v3.RouteConfiguration';

function routesDump(
  section: ConfigDumpSection,
  listeners: ConfigDumpSection,
  filter: NameFilter,
): Any {
  const inline = inlineRoutes(listeners.entries).filter(({ name }) => filter(name));
  return packAny('envoy.admin.v3.RoutesConfigDump', {
    static_route_configs: inline.map((entry) => ({
      route_config: resource(ROUTES, entry.raw),
      last_updated: timestampOf(entry.lastUpdatedMs),
    })),
    dynamic_route_configs: statesOf(section, filter, 'active').map((entry) => ({
      version_info: entry.version,
      route_config: resource(ROUTES, entry.raw),
      last_updated: timestampOf(entry.lastUpdatedMs),
      ...errorState(ROUTES, entry),
    })),
  });
}

const SECRET = 'envoy.extensions.transport_sockets.tls.v3.Secret';

/** A secret that has not come is its name alone. */
function secretOf({ name, raw }: ConfigDumpEntry): Any {
  return raw.length > 0 ? resource(SECRET, raw) : packAny(SECRET, { name });
}

/** Keys are blotted out where the dump becomes text. */
function secretsDump(section: ConfigDumpSection, filter: NameFilter): Any {
  const dynamic = (entry: ConfigDumpEntry): admin.SecretsConfigDump_DynamicSecret => ({
    name: entry.name,
    version_info: entry.version,
    last_updated: timestampOf(entry.lastUpdatedMs),
    secret: secretOf(entry),
    ...(entry.errorState === undefined
      ? {}
      : { error_state: failure(SECRET, { ...entry.errorState, raw: new Uint8Array() }) }),
  });
  return packAny('envoy.admin.v3.SecretsConfigDump', {
    static_secrets: statesOf(section, filter, 'static').map((entry) => ({
      name: entry.name,
      last_updated: timestampOf(entry.lastUpdatedMs),
      secret: secretOf(entry),
    })),
    dynamic_active_secrets: statesOf(section, filter, 'active').map(dynamic),
    dynamic_warming_secrets: statesOf(section, filter, 'warming').map(dynamic),
  });
}

const SCOPE = 'envoy.config.route.v3.ScopedRouteConfiguration';

function scopesDump(context: AdminContext, listeners: ConfigDumpSection, filter: NameFilter): Any {
  return packAny('envoy.admin.v3.ScopedRoutesConfigDump', {
    inline_scoped_route_configs: inlineScopes(listeners.entries).filter(({ name = '' }) =>
      filter(name),
    ),
    dynamic_scoped_route_configs: context
      .dumpScopes()
      .filter(({ name }) => filter(name))
      .map(({ name, version, lastUpdatedMs, raws }) => ({
        name,
        version_info: version,
        scoped_route_configs: raws.map((raw) => resource(SCOPE, raw)),
        last_updated: timestampOf(lastUpdatedMs),
      })),
  });
}

const EXTENSION = 'envoy.config.core.v3.TypedExtensionConfig';

function extensionsDump(
  section: ConfigDumpSection | undefined,
  filter: NameFilter,
): readonly Any[] {
  if (section === undefined) return [];
  const dump = packAny('envoy.admin.v3.EcdsConfigDump', {
    ecds_filters: statesOf(section, filter, 'active').map((entry) => ({
      version_info: entry.version,
      ecds_filter: resource(EXTENSION, entry.raw),
      last_updated: timestampOf(entry.lastUpdatedMs),
      ...errorState(EXTENSION, entry),
    })),
  });
  return [dump];
}

/** In Envoy's order; `filter` is asked for names of resources, the bootstrap is always there. */
export function configDumpSections(
  context: AdminContext,
  filter: NameFilter,
  includeEds: boolean,
): readonly Any[] {
  const listeners = context.dumpListeners();
  return [
    bootstrapDump(context),
    clustersDump(context.dumpClusters(), filter),
    ...extensionsDump(context.dumpExtensions('http'), filter),
    ...extensionsDump(context.dumpExtensions('network'), filter),
    ...(includeEds ? [endpointsDump(context.endpoints(), filter)] : []),
    listenersDump(listeners, filter),
    scopesDump(context, listeners, filter),
    routesDump(context.dumpRoutes(), listeners, filter),
    secretsDump(context.dumpSecrets(), filter),
  ];
}
