// [w] What the pools of one cluster and priority share.
import type { RandomSource } from '../../base/random.ts';
import type { ClusterConfig } from '../../config/cluster-config.ts';
import type { UpstreamBindConfig } from '../../config/socket-config.ts';
import type { AddressConfig } from '../../config/listener-config.ts';
import type { DialOptions } from '../../network/dial-options.ts';
import type { IoThread } from '../../network/io-thread.ts';
import { dialledFrom } from '../../network/dial-options.ts';
import { ProxyHeaderTransport } from '../../network/proxy-header-transport.ts';
import { ownHeader } from '../proxied-connection.ts';
import type { UpstreamTransport } from '../../network/upstream-transport.ts';
import type { ClusterStats } from '../cluster-stats.ts';
import type { Host } from '../host.ts';
import type { ResourceManager } from '../resource-manager.ts';
import { transportSocketFor } from '../transport-socket-choice.ts';
import type { SharedHostCounts } from '../shared-host-counts.ts';
import type { TransportOverrides, UpstreamTransports } from '../upstream-transports.ts';
import type { ManagedPool } from './conn-pool.ts';

/** What the pools of one worker share. */
export interface PoolEnvironment {
  readonly io: IoThread;
  readonly random: RandomSource;
  /** Absent: only plain sockets can be had. */
  readonly transports?: UpstreamTransports | null;
  /** Of clusters that say none; absent: the kernel's choice. */
  readonly defaultBind?: UpstreamBindConfig | undefined;
  /** Absent: limits per host hold for each worker by itself. */
  readonly hostCounts?: SharedHostCounts;
}

export interface PoolContext extends PoolEnvironment {
  readonly config: ClusterConfig;
  readonly stats: ClusterStats;
  readonly resources: ResourceManager;
  readonly dialOptions: DialOptions;
  readonly transports: UpstreamTransports | null;
  /** A pool that drains, or that goes when it is idle, has neither connections nor waiters; may come more than once. */
  onPoolIdle(pool: ManagedPool): void;
}

/** How one pool dials, or why it cannot: then `unsupported` is not ''. */
export interface PoolDialling {
  readonly options: DialOptions;
  readonly unsupported: string;
}

/** The host's address, and others of it. */
export const addressesOf = (
  host: Host,
): { readonly address: AddressConfig; readonly others: readonly AddressConfig[] } => ({
  address: host.address,
  others: host.endpoint.additionalAddresses ?? NO_OTHERS,
});

const NO_OTHERS: readonly AddressConfig[] = [];

export function diallingOf(
  context: Pick<PoolContext, 'config' | 'transports' | 'dialOptions'>,
  host: Host,
  overrides: TransportOverrides | null,
): PoolDialling {
  const { config, transports } = context;
  const socket = transportSocketFor(config, host);
  const source = overrides?.source;
  const dialOptions =
    source === undefined ? context.dialOptions : dialledFrom(context.dialOptions, source);
  const { proxyProtocol } = socket;
  if (socket.kind === 'raw_buffer' && proxyProtocol === undefined)
    return { options: dialOptions, unsupported: '' };
  let transport: UpstreamTransport | null = null;
  if (socket.kind === 'tls') {
    if (transports === null) {
      const unsupported = 'TLS to upstreams is not supported by this version';
      return { options: dialOptions, unsupported };
    }
    transport = transports.transportFor({ cluster: config, socket, host, overrides });
  }
  if (proxyProtocol !== undefined) {
    const header = overrides?.proxyHeader ?? ownHeader(proxyProtocol);
    transport = new ProxyHeaderTransport(header, transport);
  }
  return { options: { ...dialOptions, transport }, unsupported: '' };
}
