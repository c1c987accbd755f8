// [m] Hosts of a STRICT_DNS or LOGICAL_DNS cluster: every name on its own timer, old hosts kept on failure
// (envoy-behaviour §7.1).
import { ipFamily } from '../base/ip-text.ts';
import { JitteredBackoff } from '../base/backoff.ts';
import type { TimerHandle, TimeSource } from '../base/clock.ts';
import type { RandomSource } from '../base/random.ts';
import type { ClusterConfig } from '../config/cluster-config.ts';
import type { EndpointConfig, LocalityEndpointsConfig } from '../config/endpoint-config.ts';
import type { DnsAnswer, DnsQuery, DnsResolver } from '../network/dns-lookup.ts';

/** A timer of the platform cannot wait longer than 24.8 days, and nobody wants it to. */
const MOST_REFRESH_MS = 86_400_000;
/** Bounds one name's answer. */
const MAX_ADDRESSES_PER_NAME = 1024;

export interface DnsClusterEvents {
  /** The first name was tried (whatever came of it), or a later answer changed the hosts. */
  onHosts(localities: readonly LocalityEndpointsConfig[]): void;
  /** A query leaves. */
  onAsk(): void;
  /** Every answer, for stats and the log. `failed`: its addresses are not used. */
  onAnswer(name: string, answer: DnsAnswer, failed: boolean): void;
  /** A good answer that says what was known. */
  onUnchanged(): void;
}

export interface DnsClusterDeps {
  readonly resolver: DnsResolver;
  readonly time: TimeSource;
  readonly random: RandomSource;
  readonly events: DnsClusterEvents;
}

type ResolvedAnswer = Extract<DnsAnswer, { kind: 'resolved' }>;

/** One endpoint whose address is a name. */
interface Target {
  readonly endpoint: EndpointConfig;
  readonly name: string;
  readonly port: number;
  addresses: readonly string[];
  query: DnsQuery | undefined;
  timer: TimerHandle | undefined;
  readonly backoff: JitteredBackoff | undefined;
}

export class StrictDnsCluster {
  readonly #config: ClusterConfig;
  readonly #deps: DnsClusterDeps;
  readonly #targets = new Map<EndpointConfig, Target>();
  #reported = false;
  #closed = false;

  constructor(config: ClusterConfig, deps: DnsClusterDeps) {
    this.#config = config;
    this.#deps = deps;
    for (const locality of config.localities) {
      for (const endpoint of locality.endpoints) this.#addTarget(endpoint);
    }
  }

  /** May report hosts from within, when there is nothing to wait for. */
  start(): void {
    if (this.#targets.size === 0 || this.#config.waitForWarmOnInit === false) this.#report();
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
    if (address.kind !== 'ip' || ipFamily(address.address) !== 0) return;
    const failures = this.#config.dns.failureRefresh;
    this.#targets.set(endpoint, {
      endpoint,
      name: address.address,
      port: address.port,
      addresses: [],
      query: undefined,
      timer: undefined,
      backoff: failures && new JitteredBackoff(failures.baseMs, failures.maxMs, this.#deps.random),
    });
  }

  #ask(target: Target): void {
    const { lookupFamily: family, resolver } = this.#config.dns;
    target.timer = undefined;
    this.#deps.events.onAsk();
    target.query = this.#deps.resolver.resolve(target.name, { family, resolver }, (answer) => {
      target.query = undefined;
      if (!this.#closed) this.#onAnswer(target, answer);
    });
  }

  #onAnswer(target: Target, answer: DnsAnswer): void {
    const { events, time } = this.#deps;
    const good = this.#goodAnswer(answer);
    events.onAnswer(target.name, answer, good === undefined);
    const changed = good !== undefined && this.#take(target, good.addresses);
    const waitMs = good === undefined ? this.#afterFailureMs(target) : this.#afterMs(target, good);
    target.timer = time.setTimer(() => this.#ask(target), Math.min(MOST_REFRESH_MS, waitMs));
    if (good !== undefined && !changed) events.onUnchanged();
    if (changed || !this.#reported) this.#report();
  }

  /** One logical host cannot become none: there, an empty answer is a failure. */
  #goodAnswer(answer: DnsAnswer): ResolvedAnswer | undefined {
    if (answer.kind === 'failed') return undefined;
    const none = this.#config.type === 'LOGICAL_DNS' && answer.addresses.length === 0;
    return none ? undefined : answer;
  }

  /** True when the addresses of the name are others now. */
  #take(target: Target, answered: readonly string[]): boolean {
    const before = target.addresses;
    const after = answered.slice(0, MAX_ADDRESSES_PER_NAME);
    target.addresses = after;
    if (after.length !== before.length) return true;
    // Of a logical host the first one counts, and the order in which to try the others.
    if (this.#config.type === 'LOGICAL_DNS')
      return after.some((address, i) => address !== before[i]);
    const known = new Set(before);
    return after.some((address) => !known.has(address));
  }

  #afterMs(target: Target, { addresses, ttlMs }: ResolvedAnswer): number {
    target.backoff?.reset();
    const { refreshRateMs, respectTtl, minRefreshRateMs = 0, jitterMs = 0 } = this.#config.dns;
    const byTtl = respectTtl && addresses.length > 0 && ttlMs !== undefined && ttlMs > 0;
    const waitMs = byTtl ? Math.max(ttlMs, minRefreshRateMs) : refreshRateMs;
    return waitMs + Math.floor(this.#deps.random.next() * jitterMs);
  }

  #afterFailureMs({ backoff }: Target): number {
    return backoff === undefined ? this.#config.dns.refreshRateMs : Math.max(1, backoff.nextMs());
  }

  #report(): void {
    this.#reported = true;
    this.#deps.events.onHosts(
      this.#config.localities.map((locality) => ({
        ...locality,
        endpoints: locality.endpoints.flatMap((endpoint) => this.#hostsOf(endpoint)),
      })),
    );
  }

  #hostsOf(endpoint: EndpointConfig): readonly EndpointConfig[] {
    const target = this.#targets.get(endpoint);
    if (target === undefined) return [endpoint];
    const { addresses } = target;
    if (this.#config.type !== 'LOGICAL_DNS')
      return addresses.map((address) => hostOf(target, address));
    const [first, ...others] = addresses;
    if (first === undefined) return [];
    const host = hostOf(target, first);
    if (others.length === 0) return [host];
    return [{ ...host, additionalAddresses: others.map((address) => ipOf(target, address)) }];
  }
}

const ipOf = ({ port }: Target, address: string): EndpointConfig['address'] => ({
  kind: 'ip',
  address,
  port,
});

function hostOf(target: Target, address: string): EndpointConfig {
  return {
    ...target.endpoint,
    address: ipOf(target, address),
    hostname: target.endpoint.hostname === '' ? target.name : target.endpoint.hostname,
  };
}
