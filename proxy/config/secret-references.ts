// [b] The secrets that clusters and listeners name, each once.
import type { ClusterConfig } from './cluster-config.ts';
import type { ListenerConfig } from './listener-config.ts';
import { secretKey } from './secret-config.ts';
import type { SecretRef } from './secret-config.ts';
import { secretsOf } from './transport-socket-config.ts';
import type { TransportSocketConfig } from './transport-socket-config.ts';

const NONE: readonly SecretRef[] = [];

function collect(sockets: readonly TransportSocketConfig[]): readonly SecretRef[] {
  let refs: Map<string, SecretRef> | undefined;
  for (const socket of sockets) {
    if (socket.kind !== 'tls') continue;
    for (const ref of secretsOf(socket.settings)) (refs ??= new Map()).set(secretKey(ref), ref);
  }
  return refs === undefined ? NONE : [...refs.values()];
}

export const clusterSecrets = (config: ClusterConfig): readonly SecretRef[] =>
  collect([
    config.transportSocket,
    ...config.transportSocketMatches.map(({ transportSocket }) => transportSocket),
  ]);

export const listenerSecrets = (config: ListenerConfig): readonly SecretRef[] =>
  collect(
    [...config.filterChains, config.defaultFilterChain].flatMap((chain) =>
      chain === undefined ? [] : [chain.transportSocket],
    ),
  );
