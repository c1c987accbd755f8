// [w] Dynamic forward proxy: the host is the one the request names, its address what the DNS cache says (envoy-behaviour §7.1).
import type { DnsCacheConfig } from '../config/dns-cache-config.ts';
import type { ForwardHosts } from './forward-hosts.ts';
import { Host } from './host.ts';
import type { LoadBalancer, LoadBalancerContext } from './load-balancer.ts';

/** Filter state of a connection that has no request: `name:port` to reach. */
export const FORWARD_TO_STATE = 'envoy.upstream.dynamic_host';

export interface ForwardProxyOwner {
  onHostAdded(host: Host): void;
  /** Its pools are to drain. */
  onHostReplaced(host: Host): void;
}

export class ForwardProxyBalancer implements LoadBalancer {
  readonly #cache: DnsCacheConfig;
  readonly #known: ForwardHosts;
  readonly #owner: ForwardProxyOwner;
  readonly #defaultPort: number;
  readonly #hosts = new Map<string, Host>();
  /** With so many hosts, those that were forgotten meanwhile are looked for. */
  #sweepAt = LEAST_SWEEP;

  /** `defaultPort`: of names that say none. */
  constructor(
    cache: DnsCacheConfig,
    known: ForwardHosts,
    owner: ForwardProxyOwner,
    defaultPort: number,
  ) {
    this.#cache = cache;
    this.#known = known;
    this.#owner = owner;
    this.#defaultPort = defaultPort;
  }

  hosts(): Iterable<Host> {
    return this.#hosts.values();
  }

  chooseHost(context: LoadBalancerContext | null): Host | null {
    const named = context?.forwardTo ?? context?.requestHeaders?.authority;
    if (named === undefined) return null;
    const key = withPort(named, this.#defaultPort);
    if (key === null) return null;
    const entry = this.#known.known(this.#cache, key);
    const present = this.#hosts.get(key);
    if (entry === undefined || entry.addresses.length === 0) {
      // Forgotten, or gone: so is what was made of it.
      if (present !== undefined) this.#drop(key, present);
      return null;
    }
    const address = entry.addresses[0]!;
    if (present?.address.kind === 'ip' && present.address.address === address) return present;
    if (present !== undefined) this.#drop(key, present);
    const host = new Host(
      {
        address: { kind: 'ip', address, port: entry.port },
        hostname: key,
        weight: 1,
        health: 'HEALTHY',
        transportSocketMatch: NO_LABELS,
        metadata: NO_LABELS,
        ...(entry.addresses.length > 1 && {
          additionalAddresses: entry.addresses
            .slice(1)
            .map((other) => ({ kind: 'ip' as const, address: other, port: entry.port })),
        }),
      },
      0,
    );
    this.#add(key, host);
    return host;
  }

  #add(key: string, host: Host): void {
    if (this.#hosts.size >= this.#sweepAt) this.#sweep();
    this.#hosts.set(key, host);
    this.#owner.onHostAdded(host);
  }

  #sweep(): void {
    for (const [key, host] of this.#hosts)
      if (!this.#known.isKnown(this.#cache.name, key)) this.#drop(key, host);
    this.#sweepAt = Math.max(LEAST_SWEEP, 2 * this.#hosts.size);
  }

  #drop(key: string, host: Host): void {
    host.removed = true;
    this.#hosts.delete(key);
    this.#owner.onHostReplaced(host);
  }
}

const LEAST_SWEEP = 64;
const NO_LABELS: ReadonlyMap<string, string> = new Map();
/** Longest name of DNS, and a port. */
const MAX_LENGTH = 262;

/** `name:port`; null: no name that could be asked for. */
export function withPort(authority: string, defaultPort: number): string | null {
  if (authority === '' || authority.length > MAX_LENGTH) return null;
  const colon = authority.lastIndexOf(':');
  if (colon < 0 || authority.endsWith(']')) return `${authority}:${defaultPort}`;
  let port = 0;
  for (let i = colon + 1; i < authority.length; i++) {
    const digit = authority.charCodeAt(i) - 0x30;
    if (digit < 0 || digit > 9) return null;
    port = port * 10 + digit;
  }
  const valid = colon > 0 && colon + 1 < authority.length && port <= 65_535;
  return valid ? `${authority.slice(0, colon)}:${port}` : null;
}
