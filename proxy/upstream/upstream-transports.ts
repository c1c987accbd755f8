// [w] Where pools get the transport of their connections from (TLS); made above this layer, since it needs secrets.
import type { ClusterConfig } from '../config/cluster-config.ts';
import type { TransportSocketConfig } from '../config/transport-socket-config.ts';
import type { UpstreamTransport } from '../network/upstream-transport.ts';
import type { UpstreamSource } from '../stream-info/proxy-facts.ts';
import type { Host } from './host.ts';

/** What one stream asks of its connection beyond host and priority. Streams of equal keys share pools. */
export interface TransportOverrides {
  /** Says all of the below; never ''. */
  readonly key: string;
  /** Header of the PROXY protocol, byte string; absent: that of a connection of our own. */
  readonly proxyHeader?: string | undefined;
  /** Absent: as the cluster says. */
  readonly source?: UpstreamSource | undefined;
  /** SNI instead of the transport socket's. */
  readonly serverName?: string | undefined;
  /** One of these names must be in the certificate. */
  readonly subjectAltNames?: readonly string[] | undefined;
  /** ALPN instead of the transport socket's. */
  readonly applicationProtocols?: readonly string[] | undefined;
}

export interface TransportRequest {
  readonly cluster: ClusterConfig;
  /** As the endpoint's labels choose it; never `raw_buffer`. */
  readonly socket: TransportSocketConfig;
  readonly host: Host;
  readonly overrides: TransportOverrides | null;
}

export interface UpstreamTransports {
  /** Asked once for each pool. */
  transportFor(request: TransportRequest): UpstreamTransport;
}
