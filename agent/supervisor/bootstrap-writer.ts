// [m] The proxy's bootstrap file: dynamic resources over ADS, node, admin, runtime; written into a private folder. Istio: tools/packaging/common/envoy_bootstrap.json.
import { dirname } from 'node:path';

import { fs } from '../../proxy/base/node-builtins.ts';
import { withCustomBootstrap } from '../custom-bootstrap.ts';
import type { AgentOptions } from '../options.ts';
import { emptyObject } from '../proxy-config.ts';
import type { JsonObject } from '../proxy-config.ts';
import { exportClusters, exportParts } from './bootstrap-exports.ts';
import {
  LOCAL_CLUSTER,
  socketAddress,
  staticClusters,
  staticListeners,
} from './bootstrap-static.ts';
import { statsConfig, statsIntervals } from './bootstrap-stats.ts';

const MAX_INT32 = '2147483647';

function runtimeLayer(options: AgentOptions): JsonObject {
  const layer = Object.assign(emptyObject(), {
    'envoy.deprecated_features:envoy.config.listener.v3.Listener.hidden_envoy_deprecated_use_original_dst': true,
    'envoy.reloadable_features.http_reject_path_with_fragment': false,
    'overload.global_downstream_max_connections': MAX_INT32,
    're2.max_program_size.error_level': '32768',
  });
  for (const [name, value] of options.proxyConfig.runtimeValues) layer[name] = value;
  return layer;
}

function adsSource(): JsonObject {
  // 0s: wait for ever, so that a slow control plane never means a listener without its routes.
  return { ads: {}, initial_fetch_timeout: '0s', resource_api_version: 'V3' };
}

function dynamicResources(options: AgentOptions): JsonObject {
  return {
    lds_config: adsSource(),
    cds_config: adsSource(),
    ads_config: {
      api_type: options.controlPlane.deltaXds ? 'DELTA_GRPC' : 'GRPC',
      set_node_on_first_message_only: true,
      transport_api_version: 'V3',
      grpc_services: [{ envoy_grpc: { cluster_name: 'xds-grpc' } }],
    },
  };
}

function admin(options: AgentOptions): JsonObject {
  return {
    access_log: [
      {
        name: 'envoy.access_loggers.file',
        typed_config: {
          '@type': 'type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog',
          path: '/dev/null',
        },
      },
    ],
    profile_path: '/var/lib/istio/data/envoy.prof',
    address: socketAddress(options.addresses.admin, options.addresses.adminPort, false),
  };
}

function internalListenerExtension(): JsonObject {
  return {
    name: 'envoy.bootstrap.internal_listener',
    typed_config: {
      '@type': 'type.googleapis.com/udpa.type.v1.TypedStruct',
      type_url:
        'type.googleapis.com/envoy.extensions.bootstrap.internal_listener.v3.InternalListener',
      value: { buffer_size_kb: 64 },
    },
  };
}

/** As the agent's own lines, so that one reader takes both. */
const logFormat = (asJson: boolean): JsonObject =>
  asJson
    ? {
        json_format: {
          level: '%l',
          time: '%Y-%m-%dT%T.%fZ',
          scope: 'envoy %n',
          caller: '%g:%#',
          thread: '%t',
          msg: '%j',
        },
      }
    : { text_format: '%Y-%m-%dT%T.%fZ\t%l\tenvoy %n %g:%#\t%v\tthread=%t' };

/** Which sockets of secrets are served besides the workload's own. */
export interface SecretSockets {
  /** By a foreign server. */
  readonly credential: boolean;
  /** By us, with files alone. */
  readonly files: boolean;
}

const NO_SOCKETS: SecretSockets = { credential: false, files: false };

/** istiod names clusters by them. */
function withSockets(metadata: JsonObject, { credential, files }: SecretSockets): JsonObject {
  return {
    ...metadata,
    ...(credential ? { credential: 'true' } : {}),
    ...(files ? { 'file-credential': 'true' } : {}),
  };
}

/** The bootstrap in proto JSON with original field names. */
export function buildBootstrap(
  options: AgentOptions,
  sockets: SecretSockets = NO_SOCKETS,
): JsonObject {
  const { node, exports } = options;
  const v6 = options.identity.instanceIps[0]?.includes(':') === true;
  const metadata = withSockets(node.metadata, sockets);
  return {
    application_log_config: { log_format: logFormat(options.log.asJson) },
    node: { id: node.id, cluster: node.cluster, locality: node.locality ?? {}, metadata },
    layered_runtime: {
      layers: [
        { name: 'global config', static_layer: runtimeLayer(options) },
        { name: 'admin', admin_layer: {} },
      ],
    },
    bootstrap_extensions: [internalListenerExtension()],
    stats_config: statsConfig(options),
    ...statsIntervals(options),
    ...exportParts(exports, node.cluster),
    ...(options.selfDiscovery ? { cluster_manager: { local_cluster_name: LOCAL_CLUSTER } } : {}),
    admin: admin(options),
    dynamic_resources: dynamicResources(options),
    static_resources: {
      clusters: [...staticClusters(options, sockets.files), ...exportClusters(exports, v6)],
      listeners: staticListeners(options),
    },
    deferred_stat_options: { enable_deferred_creation_stats: true },
  };
}

/** Makes `path` and its parents; the last folder is for its owner alone, even where it was there before. */
export function makePrivateFolder(path: string): void {
  fs.mkdirSync(dirname(path), { recursive: true });
  fs.mkdirSync(path, { recursive: true, mode: 0o700 });
  fs.chmodSync(path, 0o700);
}

/** Whole or not at all: a proxy that starts meanwhile never reads half a file. */
export function writeBootstrap(options: AgentOptions, sockets: SecretSockets = NO_SOCKETS): void {
  const { workDir, bootstrapFile } = options.paths;
  makePrivateFolder(workDir);
  const partial = `${bootstrapFile}.partial`;
  const ours = buildBootstrap(options, sockets);
  const { customBootstrap: custom } = options;
  const bootstrap = custom === undefined ? ours : withCustomBootstrap(ours, custom);
  fs.writeFileSync(partial, `${JSON.stringify(bootstrap, null, 2)}\n`, { mode: 0o600 });
  fs.renameSync(partial, bootstrapFile);
}
