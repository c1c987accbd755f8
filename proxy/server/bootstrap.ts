// [m] Bootstrap file to BootstrapConfig and the static resources, with the bytes that /config_dump shows.
import { encode } from '../../xds-protos/codec.ts';
import type { Bootstrap } from '../../xds-protos/gen/envoy.config.bootstrap.v3.ts';
import type { MessageTypes } from '../../xds-protos/gen/message-types.ts';
import { Runtime } from '../base/runtime.ts';
import type { BootstrapConfig } from '../config/bootstrap-config.ts';
import type { ClusterConfig } from '../config/cluster-config.ts';
import { ConfigError } from '../config/config-error.ts';
import type { ConfigResource } from '../config/config-resource.ts';
import type { ListenerConfig } from '../config/listener-config.ts';
import type { SecretConfig } from '../config/secret-config.ts';
import { listenerProblem } from '../listener-manager/trial-compile.ts';
import type { FieldObserver } from '../xds/config-problems.ts';
import { BOOTSTRAP_TYPE, BootstrapError, readBootstrap } from './bootstrap-source.ts';
import { healthCheckProblem } from './health-headers.ts';
import type { ServerOptions } from './options.ts';
import { bootstrapSourceProblems } from './source-check.ts';
import { StaticNoticeList } from './static-notices.ts';
import type { StaticNotices } from './static-notices.ts';
import type { WorkerInit } from './worker-protocol.ts';

export interface LoadedBootstrap {
  readonly config: BootstrapConfig;
  readonly notices: StaticNotices;
  /** Bytes of the message, file and flags merged. */
  readonly raw: Uint8Array;
  readonly clusters: readonly ConfigResource<ClusterConfig>[];
  readonly listeners: readonly ConfigResource<ListenerConfig>[];
  readonly secrets: readonly ConfigResource<SecretConfig>[];
}

/** What of it workers are told at their start. */
export const workerFacts = ({
  node,
  runtime,
  localClusterName,
  maxDownstreamConnections,
}: BootstrapConfig): Pick<
  WorkerInit,
  'node' | 'runtime' | 'localClusterName' | 'maxDownstreamConnections'
> => ({ node, runtime, localClusterName, maxDownstreamConnections });

export type BootstrapDecoder = (message: Bootstrap, watch?: FieldObserver) => BootstrapConfig;

/** Rejects with a BootstrapError, whose message names the file and every field at fault. */
export async function loadBootstrap(
  options: ServerOptions,
  decodeBootstrap: BootstrapDecoder,
): Promise<LoadedBootstrap> {
  const notices = new StaticNoticeList(options);
  const message = await readBootstrap(options, notices.watch);
  let config: BootstrapConfig;
  try {
    config = decodeBootstrap(message, notices.watch);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    throw new BootstrapError(
      `${bootstrapPlace(options)}: ${error.message.replaceAll('\n', '\n  ')}`,
      { cause: error },
    );
  }
  checkCompiles(config, options);
  const statics = message.static_resources;
  return {
    config,
    notices,
    raw: encode(BOOTSTRAP_TYPE, message),
    clusters: withBytes(
      'envoy.config.cluster.v3.Cluster',
      config.clusters,
      statics?.clusters ?? [],
    ),
    listeners: withBytes(
      'envoy.config.listener.v3.Listener',
      config.listeners,
      statics?.listeners ?? [],
    ),
    secrets: withBytes(
      'envoy.extensions.transport_sockets.tls.v3.Secret',
      config.secrets,
      statics?.secrets ?? [],
    ),
  };
}

/** What workers will compile has to compile: here it ends the start, on xDS it is a NACK. */
function checkCompiles(config: BootstrapConfig, options: ServerOptions): void {
  const runtime = new Runtime(config.runtime);
  const ofListeners = config.listeners.flatMap((listener) => {
    const problem = listenerProblem(listener, runtime);
    return problem === undefined ? [] : [`listener '${listener.name}': ${problem}`];
  });
  const ofClusters = config.clusters.flatMap((cluster) => {
    const problem = healthCheckProblem(cluster);
    return problem === undefined ? [] : [`cluster '${cluster.name}': ${problem}`];
  });
  const problems = [...bootstrapSourceProblems(config), ...ofClusters, ...ofListeners];
  if (problems.length > 0)
    throw new BootstrapError(`${bootstrapPlace(options)}: ${problems.join('\n  ')}`);
}

/** How messages name what was read. */
export function bootstrapPlace(options: ServerOptions): string {
  return options.configPath === '' ? '--config-yaml' : `bootstrap '${options.configPath}'`;
}

/** The decoder keeps the order of the messages; a listener may get its name from its address, so names do not tell. */
function withBytes<K extends keyof MessageTypes, T extends { readonly name: string }>(
  type: K,
  configs: readonly T[],
  messages: readonly MessageTypes[K][],
): readonly ConfigResource<T>[] {
  return configs.map((config, index) => {
    const message = messages[index];
    const raw = message === undefined ? new Uint8Array() : encode(type, message);
    return { name: config.name, version: '', config, raw };
  });
}
