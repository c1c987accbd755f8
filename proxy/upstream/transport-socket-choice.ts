// [b] Which transport socket connections to a host use.
import type { ClusterConfig, TransportSocketMatchConfig } from '../config/cluster-config.ts';
import type { TransportSocketConfig } from '../config/transport-socket-config.ts';
import type { Host } from './host.ts';

function matches(match: TransportSocketMatchConfig, labels: ReadonlyMap<string, string>): boolean {
  for (const [key, value] of match.match) if (labels.get(key) !== value) return false;
  return true;
}

/** First `transport_socket_matches` entry whose labels the endpoint has, else the cluster's own. */
export function transportSocketFor(config: ClusterConfig, host: Host): TransportSocketConfig {
  for (const match of config.transportSocketMatches) {
    if (matches(match, host.endpoint.transportSocketMatch)) return match.transportSocket;
  }
  return config.transportSocket;
}
