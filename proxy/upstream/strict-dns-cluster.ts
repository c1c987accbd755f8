// [m] Hosts of a STRICT_DNS or LOGICAL_DNS cluster: every name on its own timer, old hosts kept on failure
// (envoy-behaviour §7.1).
import { isIP } from 'node:net';
import type { TimerHandle, TimeSource } from '../base/clock.ts';
import type { ClusterConfig } from '../config/cluster-config.ts';
import type { EndpointConfig, LocalityEndpointsConfig } from '../config/endpoint-config.ts';
import type { DnsAnswer, DnsQuery, DnsResolver } from '../network/dns-resolver.ts';
import { addressText } from './host.ts';

/** A TTL of a second or a config of milliseconds must not make us hammer a name server. */
const LEAST_REFRESH_MS = 500;
/** A timer of the platform cannot wait longer than 24.8 days, and nobody wants it to. */
const MOST_REFRESH_MS = 86_400_000;
/** Bounds one name's answer. */
const MAX_ADDRESSES_PER_NAME = 1024;

export interface DnsClusterEvents {
  /** All names were tried once (whatever came of it), or a later answer changed the hosts. */
  onHosts(localities: readonly LocalityEndpointsConfig[]): void;
  /** Every answer, for stats and the log. */
  onAnswer(name: string, answer: DnsAnswer): void;
}

/** One endpoint whose address is a name. */
interface Target {
  readonly endpoint: EndpointConfig;
  readonly name: string;
  readonly port: number;
  /** Undefined until the first answer. */
  addresses: readonly string[] | undefined;
  query: DnsQuery | undefined;
  timer: TimerHandle | undefined;
}

export class StrictDnsCluster {
  readonly #config: ClusterConfig;
  readonly #resolver: DnsResolver;
  readonly #time: TimeSource;
  readonly #events: DnsClusterEvents;
  readonly #targets = new Map<EndpointConfig, Target>();
  #waiting: number;
  #closed = false;

  constructor(
    config: ClusterConfig,
    deps: {
      readonly resolver: DnsResolver;
      readonly time: TimeSource;
      readonly events: DnsClusterEvents;
    },
  ) {
    this.#config = config;
    this.#resolver = deps.resolver;
    this.#time = deps.time;
    this.#events = deps.events;
    for (const locality of config.localities) {
      for (const endpoint of locality.endpoints) this.#addTarget(endpoint);
    }
    this.#waiting = this.#targets.size;
  }

  /** May report hosts from within, when every address is a literal. */
  start(): void {
    if (this.#waiting === 0) {
      this.#events.onHosts(this.#localities());
      return;
    }
    for (const target of this.#targets.values()) this.#ask(target);
  }

  close(): void {
    this.#closed = true;
    for (const target of this.#targets.values()) {
      target.query?.cancel();
      target.timer?.cancel();
    }
  }

  #addTarget(endpoint: EndpointConfig): void {
    const address = endpoint.address;
    if (address.kind !== 'ip' || isIP(address.address) !== 0) return;
    this.#targets.set(endpoint, {
      endpoint,
      name: address.address,
      port: address.port,
      addresses: undefined,
      query: undefined,
      timer: undefined,
    });
  }

  #ask(target: Target): void {
    const { lookupFamily, respectTtl } = this.#config.dns;
    target.timer = undefined;
    target.query = this.#resolver.resolve(
      target.name,
      { family: lookupFamily, wantTtl: respectTtl },
      (answer) => {
        target.query = undefined;
        if (!this.#closed) this.#onAnswer(target, answer);
      },
    );
  }

  #onAnswer(target: Target, answer: DnsAnswer): void {
    this.#events.onAnswer(target.name, answer);
    const first = target.addresses === undefined;
    const changed = this.#take(target, answer);
    target.timer = this.#time.setTimer(() => this.#ask(target), this.#refreshMs(answer));
    if (first) this.#waiting--;
    if (this.#waiting === 0 && (first || changed)) this.#events.onHosts(this.#localities());
  }

  /** True when the addresses of the name are others now. */
  #take(target: Target, answer: DnsAnswer): boolean {
    const before = target.addresses ?? [];
    target.addresses = before;
    if (answer.kind === 'failed') return false;
    // One logical host cannot become none: there, an empty answer is a failure.
    if (this.#config.type === 'LOGICAL_DNS' && answer.addresses.length === 0) return false;
    const most = this.#config.type === 'LOGICAL_DNS' ? 1 : MAX_ADDRESSES_PER_NAME;
    const after = answer.addresses.slice(0, most);
    target.addresses = after;
    return after.length !== before.length || after.some((address) => !before.includes(address));
  }

  #refreshMs(answer: DnsAnswer): number {
    const { refreshRateMs, respectTtl } = this.#config.dns;
    const ttlMs = answer.kind === 'resolved' && respectTtl ? answer.ttlMs : undefined;
    const wantedMs = ttlMs === undefined || ttlMs === 0 ? refreshRateMs : ttlMs;
    return Math.min(MOST_REFRESH_MS, Math.max(LEAST_REFRESH_MS, wantedMs));
  }

  #localities(): readonly LocalityEndpointsConfig[] {
    const seen = new Set<string>();
    return this.#config.localities.map((locality) => ({
      ...locality,
      endpoints: locality.endpoints.flatMap((endpoint) => this.#hostsOf(endpoint, seen)),
    }));
  }

  /** The same address listed twice: the first one wins. */
  #hostsOf(endpoint: EndpointConfig, seen: Set<string>): readonly EndpointConfig[] {
    const target = this.#targets.get(endpoint);
    const hosts =
      target === undefined
        ? [endpoint]
        : (target.addresses ?? []).map((address) => hostOf(target, address));
    return hosts.filter((host) => {
      const text = addressText(host.address);
      if (seen.has(text)) return false;
      seen.add(text);
      return true;
    });
  }
}

function hostOf(target: Target, address: string): EndpointConfig {
  return {
    ...target.endpoint,
    address: { kind: 'ip', address, port: target.port },
    hostname: target.endpoint.hostname === '' ? target.name : target.endpoint.hostname,
  };
}
