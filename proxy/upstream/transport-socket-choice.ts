// [b] Which transport socket connections to a host use (envoy-behaviour §7.2).
import type { ClusterConfig, TransportSocketMatchConfig } from '../config/cluster-config.ts';
import type { EndpointConfig } from '../config/endpoint-config.ts';
import type { TransportSocketConfig } from '../config/transport-socket-config.ts';
import type { Host } from './host.ts';

type Labels = ReadonlyMap<string, string>;

function matches(match: TransportSocketMatchConfig, labels: Labels): boolean {
  for (const [key, value] of match.match) if (labels.get(key) !== value) return false;
  return true;
}

/** First `transport_socket_matches` entry whose labels the endpoint has, else its locality, else the cluster's own. */
export function transportSocketFor(config: ClusterConfig, host: Host): TransportSocketConfig {
  const { transportSocketMatches } = config;
  if (transportSocketMatches.length === 0) return config.transportSocket;
  const { transportSocketMatch, localitySocketMatch } = host.endpoint;
  for (const labels of [transportSocketMatch, localitySocketMatch]) {
    if (labels === undefined) continue;
    for (const match of transportSocketMatches)
      if (matches(match, labels)) return match.transportSocket;
  }
  return config.transportSocket;
}

/** Whether both endpoints choose alike. */
export const sameSocketLabels = (a: EndpointConfig, b: EndpointConfig): boolean =>
  sameLabels(a.transportSocketMatch, b.transportSocketMatch) &&
  sameLabels(a.localitySocketMatch, b.localitySocketMatch);

function sameLabels(a: Labels | undefined, b: Labels | undefined): boolean {
  if (a === b) return true;
  if (a === undefined || b === undefined || a.size !== b.size) return false;
  for (const [key, value] of a) if (b.get(key) !== value) return false;
  return true;
}
