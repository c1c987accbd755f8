// [w] ORIGINAL_DST: the host is where the client wanted to go (envoy-behaviour §7.1). Hosts are made on the fly and
// forgotten after a whole clean-up interval without use.
import type { OriginalDstConfig } from '../config/cluster-config.ts';
import { headerName } from '../http/headers.ts';
import { parseIpPort } from '../network/address.ts';
import type { IpPort } from '../network/address.ts';
import { Host, addressText } from './host.ts';
import type { LoadBalancer, LoadBalancerContext } from './load-balancer.ts';

/** Hosts one cluster may hold at a time: a scan through the passthrough must not eat the memory. */
const MAX_HOSTS = 16384;

export interface OriginalDstOwner {
  /** Metadata or a header named something that is no address. */
  onInvalidHost(): void;
  onHostAdded(host: Host): void;
  /** Pools and connections of this host are in use. */
  inUse(host: Host): boolean;
  onHostRemoved(host: Host): void;
}

export class OriginalDstBalancer implements LoadBalancer {
  readonly #config: OriginalDstConfig;
  readonly #clusterName: string;
  readonly #owner: OriginalDstOwner;
  readonly #hosts = new Map<string, Host>();
  readonly #usedSinceSweep = new Set<Host>();

  constructor(config: OriginalDstConfig, clusterName: string, owner: OriginalDstOwner) {
    this.#config = config;
    this.#clusterName = clusterName;
    this.#owner = owner;
  }

  hosts(): Iterable<Host> {
    return this.#hosts.values();
  }

  chooseHost(context: LoadBalancerContext | null): Host | null {
    if (context === null) return null;
    const target = this.#target(context);
    if (target === null) return null;
    const port = this.#config.upstreamPortOverride ?? target.port;
    const address = { kind: 'ip' as const, address: target.ip, port };
    const key = addressText(address);
    let host = this.#hosts.get(key);
    if (host === undefined) {
      if (this.#hosts.size >= MAX_HOSTS) return null;
      host = new Host(
        {
          address,
          // What `auto_host_rewrite` makes the request's host, as Envoy's hosts are named.
          hostname: this.#clusterName + key,
          weight: 1,
          health: 'HEALTHY',
          transportSocketMatch: NO_LABELS,
          metadata: NO_LABELS,
        },
        0,
      );
      this.#hosts.set(key, host);
      this.#owner.onHostAdded(host);
    }
    this.#usedSinceSweep.add(host);
    return host;
  }

  /** Once per clean-up interval. */
  sweep(): void {
    for (const [key, host] of this.#hosts) {
      if (this.#usedSinceSweep.has(host) || this.#owner.inUse(host)) continue;
      host.removed = true;
      this.#hosts.delete(key);
      this.#owner.onHostRemoved(host);
    }
    this.#usedSinceSweep.clear();
  }

  /** What a filter said, metadata, the header, the connection: the first that is an address. */
  #target(context: LoadBalancerContext): IpPort | null {
    const said = context.originalDestination;
    const target =
      (said === undefined ? null : parseIpPort(said)) ??
      this.#fromMetadata(context) ??
      this.#fromHeader(context);
    if (target !== null) return target;
    const connection = context.downstreamConnection;
    if (connection === undefined || !connection.localAddressRestored) return null;
    return { ip: connection.localIp, port: connection.localPort };
  }

  #fromMetadata(context: LoadBalancerContext): IpPort | null {
    const path = this.#config.metadataPath;
    if (path === undefined) return null;
    const value = context.dynamicMetadata?.value(path[0]!, path.slice(1));
    return typeof value === 'string' ? this.#parse(value) : null;
  }

  #fromHeader(context: LoadBalancerContext): IpPort | null {
    if (!this.#config.useHttpHeader || context.requestHeaders === undefined) return null;
    const text = context.requestHeaders.getAny(headerName(this.#config.httpHeaderName));
    return text === undefined ? null : this.#parse(text);
  }

  #parse(text: string): IpPort | null {
    const parsed = parseIpPort(text);
    if (parsed === null) this.#owner.onInvalidHost();
    return parsed;
  }
}

const NO_LABELS: ReadonlyMap<string, string> = new Map();
