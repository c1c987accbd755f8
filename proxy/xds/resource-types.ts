// [m] The resource types of the stream: bytes to message to configuration.
import { decode } from '../../xds-protos/codec.ts';
import { typeUrlOf } from '../../xds-protos/any.ts';
import { lazyPart } from '../base/lazy-part.ts';
import type { ClusterConfig } from '../config/cluster-config.ts';
import type { ClusterEndpointsConfig } from '../config/endpoint-config.ts';
import type { ExtensionConfig } from '../config/extension-config.ts';
import type { ListenerConfig } from '../config/listener-config.ts';
import type { RouteConfig } from '../config/route-config.ts';
import type { RuntimeValuesConfig } from '../config/runtime-layer-config.ts';
import type { ScopeConfig } from '../config/scoped-routes-config.ts';
import type { SecretConfig } from '../config/secret-config.ts';
import { decodeCluster } from './cluster-decoder.ts';
import { ConfigProblems } from './config-problems.ts';
import { decodeEndpoints } from './endpoint-decoder.ts';
import { FieldReader } from './field-reader.ts';
import { decodeListener } from './listener-decoder.ts';
import { decodeRouteTable } from './route-decoder.ts';
import { decodeRuntimeValues } from './runtime-decoder.ts';
import type { ResourceType } from './subscription-state.ts';

const extensions = lazyPart<typeof import('./extension-decoder.ts')>('xds/extension-decoder');
const secrets = lazyPart<typeof import('./secret-decoder.ts')>('xds/secret-decoder');
const scopes = lazyPart<typeof import('./scoped-routes-decoder.ts')>('xds/scoped-routes-decoder');

const CLUSTER = 'envoy.config.cluster.v3.Cluster';
const ASSIGNMENT = 'envoy.config.endpoint.v3.ClusterLoadAssignment';
const LISTENER = 'envoy.config.listener.v3.Listener';
const SECRET = 'envoy.extensions.transport_sockets.tls.v3.Secret';
const RUNTIME = 'envoy.service.runtime.v3.Runtime';
const SCOPE = 'envoy.config.route.v3.ScopedRouteConfiguration';
const EXTENSION = 'envoy.config.core.v3.TypedExtensionConfig';
const ROUTES = 'envoy.config.route.v3.RouteConfiguration';

export const clusterType: ResourceType<ClusterConfig> = {
  kind: 'clusters',
  typeUrl: typeUrlOf(CLUSTER),
  wildcard: true,
  noun: 'cluster',
  parse(bytes, watch) {
    const message = decode(CLUSTER, bytes, watch?.at(''));
    return {
      name: message.name ?? '',
      toConfig: (version) => decodeCluster(message, { version, addedViaApi: true }, watch),
    };
  },
};

/** Clusters that are asked for by name: not all that there are, and what the server takes back is gone. */
export const onDemandClusterType: ResourceType<ClusterConfig> = {
  ...clusterType,
  wildcard: false,
  removable: true,
};

export const endpointsType: ResourceType<ClusterEndpointsConfig> = {
  kind: 'endpoints',
  typeUrl: typeUrlOf(ASSIGNMENT),
  wildcard: false,
  noun: 'cluster load assignment',
  parse(bytes, watch) {
    const message = decode(ASSIGNMENT, bytes, watch?.at(''));
    return {
      name: message.cluster_name ?? '',
      toConfig: (version) => decodeEndpoints(message, version, watch),
    };
  },
};

export const listenerType: ResourceType<ListenerConfig> = {
  kind: 'listeners',
  typeUrl: typeUrlOf(LISTENER),
  wildcard: true,
  noun: 'listener',
  parse(bytes, watch) {
    const message = decode(LISTENER, bytes, watch?.at(''));
    return {
      name: message.name ?? '',
      toConfig: (version) => decodeListener(message, version, watch),
    };
  },
};

export const routeType: ResourceType<RouteConfig> = {
  kind: 'routes',
  typeUrl: typeUrlOf(ROUTES),
  wildcard: false,
  noun: 'route configuration',
  parse(bytes, watch) {
    const message = decode(ROUTES, bytes, watch?.at(''));
    return {
      name: message.name ?? '',
      toConfig: (version) => {
        const problems = new ConfigProblems(watch);
        const config = decodeRouteTable(new FieldReader(message, '', problems), {
          version,
          dynamic: true,
        });
        problems.throwIfAny();
        return config;
      },
    };
  },
};

export const secretType: ResourceType<SecretConfig> = {
  kind: 'secrets',
  typeUrl: typeUrlOf(SECRET),
  wildcard: false,
  noun: 'secret',
  parse(bytes, watch) {
    const message = decode(SECRET, bytes, watch?.at(''));
    return {
      name: message.name ?? '',
      toConfig: (version) => secrets().decodeSecret(message, version, watch),
    };
  },
};

export const extensionType: ResourceType<ExtensionConfig> = {
  kind: 'extensions',
  typeUrl: typeUrlOf(EXTENSION),
  wildcard: false,
  removable: true,
  noun: 'extension configuration',
  parse(bytes, watch) {
    const message = decode(EXTENSION, bytes, watch?.at(''));
    return {
      name: message.name ?? '',
      toConfig: (version) => extensions().decodeExtension(message, version, watch),
    };
  },
};

export const runtimeType: ResourceType<RuntimeValuesConfig> = {
  kind: 'runtime',
  typeUrl: typeUrlOf(RUNTIME),
  wildcard: false,
  removable: true,
  noun: 'runtime layer',
  parse(bytes, watch) {
    const message = decode(RUNTIME, bytes, watch?.at(''));
    return {
      name: message.name ?? '',
      toConfig: (version) => decodeRuntimeValues(message, version, watch),
    };
  },
};

export const scopeType: ResourceType<ScopeConfig> = {
  kind: 'scopes',
  typeUrl: typeUrlOf(SCOPE),
  wildcard: true,
  onRequest: true,
  noun: 'scoped route',
  parse(bytes, watch) {
    const message = decode(SCOPE, bytes, watch?.at(''));
    return { name: message.name ?? '', toConfig: () => scopes().decodeScope(message, watch) };
  },
};
