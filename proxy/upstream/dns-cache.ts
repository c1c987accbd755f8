// [m] DNS caches of dynamic forward proxies: names are asked for when a worker first meets them, kept up to date while they are
// used, and told to all workers (envoy-behaviour §7.1).
import { ipFamily } from '../base/ip-text.ts';
import { JitteredBackoff } from '../base/backoff.ts';
import type { TimerHandle, TimeSource } from '../base/clock.ts';
import type { RandomSource } from '../base/random.ts';
import type { DnsCacheConfig, ForwardHostConfig } from '../config/dns-cache-config.ts';
import type { DnsAnswer, DnsQuery, DnsResolver } from '../network/dns-lookup.ts';
import type { StatId, StatsStore } from '../stats/store.ts';

const MOST_WAIT_MS = 86_400_000;
/** Addresses of one name that are passed on. */
const MAX_ADDRESSES = 64;
const FAILURE = 'dns_resolution_failure';

export interface DnsCacheSink {
  /** To all workers. `removed`: hosts that are forgotten. */
  publishForwardHosts(
    cache: string,
    hosts: readonly ForwardHostConfig[],
    removed: readonly string[],
  ): void;
}

export interface DnsCacheDeps {
  readonly resolver: DnsResolver;
  readonly time: TimeSource;
  readonly random: RandomSource;
  readonly stats: StatsStore;
  readonly sink: DnsCacheSink;
}

interface CachedHost {
  readonly host: string;
  readonly name: string;
  readonly port: number;
  addresses: readonly string[];
  failure: string;
  /** The first query has ended. */
  known: boolean;
  usedMs: number;
  query: DnsQuery | undefined;
  timer: TimerHandle | undefined;
  readonly backoff: JitteredBackoff | undefined;
}

export class DnsCaches {
  readonly #deps: DnsCacheDeps;
  readonly #caches = new Map<string, DnsCache>();

  constructor(deps: DnsCacheDeps) {
    this.#deps = deps;
  }

  /** What is known of the host; undefined: it is asked for, and all workers will hear. */
  lookup(config: DnsCacheConfig, host: string): ForwardHostConfig | undefined {
    return this.#cache(config).lookup(host);
  }

  /** The host still has requests. */
  onUsed(cache: string, host: string): void {
    this.#caches.get(cache)?.onUsed(host);
  }

  preresolve(config: DnsCacheConfig): void {
    const cache = this.#cache(config);
    for (const host of config.preresolve) cache.lookup(host);
  }

  close(): void {
    for (const cache of this.#caches.values()) cache.close();
  }

  #cache(config: DnsCacheConfig): DnsCache {
    let cache = this.#caches.get(config.name);
    if (cache === undefined) {
      cache = new DnsCache(config, this.#deps);
      this.#caches.set(config.name, cache);
    }
    return cache;
  }
}

class DnsCache {
  readonly #config: DnsCacheConfig;
  readonly #deps: DnsCacheDeps;
  readonly #hosts = new Map<string, CachedHost>();
  readonly #stat: (name: string) => void;
  readonly #numHosts: StatId;

  constructor(config: DnsCacheConfig, deps: DnsCacheDeps) {
    this.#config = config;
    this.#deps = deps;
    const { stats } = deps;
    const prefix = `dns_cache.${config.name}.`;
    this.#stat = (name) => stats.inc(stats.counter(prefix + name));
    for (const name of COUNTERS) stats.counter(prefix + name);
    this.#numHosts = stats.gauge(`${prefix}num_hosts`);
    stats.set(this.#numHosts, 0);
  }

  lookup(host: string): ForwardHostConfig | undefined {
    const present = this.#hosts.get(host);
    if (present !== undefined) {
      present.usedMs = this.#deps.time.monotonicMs();
      return present.known ? told(present) : undefined;
    }
    if (this.#hosts.size >= this.#config.maxHosts) {
      this.#stat('host_overflow');
      return { host, port: 0, addresses: [], failure: '', overflow: true };
    }
    this.#add(host);
    return undefined;
  }

  onUsed(host: string): void {
    const present = this.#hosts.get(host);
    if (present !== undefined) present.usedMs = this.#deps.time.monotonicMs();
  }

  close(): void {
    for (const { query, timer } of this.#hosts.values()) {
      query?.cancel();
      timer?.cancel();
    }
  }

  #add(host: string): void {
    const colon = host.lastIndexOf(':');
    const failures = this.#config.dns.failureRefresh;
    const added: CachedHost = {
      host,
      name: host.slice(0, colon).replace(/^\[(.*)\]$/, '$1'),
      port: Number(host.slice(colon + 1)),
      addresses: [],
      failure: '',
      known: false,
      usedMs: this.#deps.time.monotonicMs(),
      query: undefined,
      timer: undefined,
      backoff: failures && new JitteredBackoff(failures.baseMs, failures.maxMs, this.#deps.random),
    };
    this.#hosts.set(host, added);
    this.#stat('host_added');
    this.#deps.stats.set(this.#numHosts, this.#hosts.size);
    this.#ask(added);
  }

  #ask(host: CachedHost): void {
    const { dns, queryTimeoutMs } = this.#config;
    const { resolver, time } = this.#deps;
    this.#stat('dns_query_attempt');
    host.timer = undefined;
    if (ipFamily(host.name) !== 0) {
      host.timer = time.setTimer(() => this.#onAnswer(host, literal(host.name, dns)), 0);
      return;
    }
    host.query = resolver.resolve(
      host.name,
      { family: dns.lookupFamily, resolver: dns.resolver },
      (answer) => this.#onAnswer(host, answer),
    );
    if (queryTimeoutMs === 0) return;
    host.timer = time.setTimer(() => {
      host.query?.cancel();
      this.#stat('dns_query_timeout');
      this.#onAnswer(host, { kind: 'failed', reason: 'timeout' });
    }, queryTimeoutMs);
  }

  #onAnswer(host: CachedHost, answer: DnsAnswer): void {
    host.query = undefined;
    host.timer?.cancel();
    const resolved = answer.kind === 'resolved';
    this.#stat(resolved ? 'dns_query_success' : 'dns_query_failure');
    const addresses = resolved ? answer.addresses.slice(0, MAX_ADDRESSES) : [];
    const changed = addresses.length > 0 && addresses.join() !== host.addresses.join();
    if (changed) {
      this.#stat('host_address_changed');
      host.addresses = addresses;
    }
    // A host that had addresses keeps them.
    host.failure =
      host.addresses.length > 0
        ? ''
        : `${FAILURE}{${resolved ? 'no_addresses' : answer.reason.replaceAll(/[\s{}]/g, '_')}}`;
    const first = !host.known;
    host.known = true;
    if (first || changed) this.#deps.sink.publishForwardHosts(this.#config.name, [told(host)], []);
    if (addresses.length === 0 && host.addresses.length === 0 && this.#config.forgetFailures) {
      this.#forget(host);
      return;
    }
    const waitMs = addresses.length > 0 ? this.#afterMs(host, answer) : this.#afterFailureMs(host);
    host.timer = this.#deps.time.setTimer(() => this.#refresh(host), waitMs);
  }

  /** Nobody asked for it in a long time: it is forgotten, not asked again. */
  #refresh(host: CachedHost): void {
    const idleMs = this.#deps.time.monotonicMs() - host.usedMs;
    if (idleMs > this.#config.hostTtlMs) this.#forget(host);
    else this.#ask(host);
  }

  #forget(host: CachedHost): void {
    this.#hosts.delete(host.host);
    this.#stat('host_removed');
    this.#deps.stats.set(this.#numHosts, this.#hosts.size);
    this.#deps.sink.publishForwardHosts(this.#config.name, [], [host.host]);
  }

  #afterMs(host: CachedHost, answer: DnsAnswer): number {
    host.backoff?.reset();
    const { refreshRateMs, minRefreshRateMs = 0 } = this.#config.dns;
    const ttlMs = answer.kind === 'resolved' ? (answer.ttlMs ?? 0) : 0;
    const wantedMs = ttlMs > 0 ? Math.max(ttlMs, minRefreshRateMs) : refreshRateMs;
    return Math.min(wantedMs, MOST_WAIT_MS);
  }

  #afterFailureMs({ backoff }: CachedHost): number {
    const wantedMs = backoff === undefined ? this.#config.dns.refreshRateMs : backoff.nextMs();
    return Math.min(Math.max(1, wantedMs), MOST_WAIT_MS);
  }
}

const COUNTERS = [
  'cache_load',
  'dns_query_attempt',
  'dns_query_failure',
  'dns_query_success',
  'dns_query_timeout',
  'dns_rq_pending_overflow',
  'host_added',
  'host_address_changed',
  'host_overflow',
  'host_removed',
] as const;

const told = ({ host, port, addresses, failure }: CachedHost): ForwardHostConfig => ({
  host,
  port,
  addresses,
  failure,
  overflow: false,
});

/** An address is its own answer, unless it is of a family nobody asked for. */
function literal(address: string, { lookupFamily }: DnsCacheConfig['dns']): DnsAnswer {
  const wrong =
    (lookupFamily === 'V4_ONLY' && ipFamily(address) === 6) ||
    (lookupFamily === 'V6_ONLY' && ipFamily(address) === 4);
  return wrong
    ? { kind: 'failed', reason: 'address_family' }
    : { kind: 'resolved', addresses: [address], ttlMs: undefined };
}
