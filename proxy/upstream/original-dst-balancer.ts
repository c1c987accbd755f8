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
  onInvalidHeader(): void;
  /** Pools and connections of this host are in use. */
  inUse(host: Host): boolean;
  onHostRemoved(host: Host): void;
}

export class OriginalDstBalancer implements LoadBalancer {
  readonly #config: OriginalDstConfig;
  readonly #owner: OriginalDstOwner;
  readonly #hosts = new Map<string, Host>();
  readonly #usedSinceSweep = new Set<Host>();

  constructor(config: OriginalDstConfig, owner: OriginalDstOwner) {
    this.#config = config;
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
          hostname: '',
          weight: 1,
          health: 'HEALTHY',
          transportSocketMatch: NO_LABELS,
          metadata: NO_LABELS,
        },
        0,
      );
      this.#hosts.set(key, host);
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

  /** What a filter said, then the header, then the connection. */
  #target(context: LoadBalancerContext): IpPort | null {
    const said = context.originalDestination;
    if (said !== undefined) return parseIpPort(said);
    if (this.#config.useHttpHeader && context.requestHeaders !== undefined) {
      const text = context.requestHeaders.getAny(headerName(this.#config.httpHeaderName));
      if (text !== undefined) {
        const parsed = parseIpPort(text);
        if (parsed !== null && parsed.port !== 0) return parsed;
        this.#owner.onInvalidHeader();
        return null;
      }
    }
    const connection = context.downstreamConnection;
    if (connection === undefined || !connection.localAddressRestored) return null;
    return { ip: connection.localIp, port: connection.localPort };
  }
}

const NO_LABELS: ReadonlyMap<string, string> = new Map();
