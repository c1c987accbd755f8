// [w] ForwardHosts: what a worker knows of the DNS caches of dynamic forward proxies. What it does not know it asks main, once; who
// wants it waits.
import type { TimeSource } from '../base/clock.ts';
import type { DnsCacheConfig, ForwardHostConfig } from '../config/dns-cache-config.ts';

export interface ForwardHostWaiter {
  /** Once, never from within resolve(). */
  onForwardHost(host: ForwardHostConfig): void;
}

export interface ForwardHostsOwner {
  /** Main is to find the host, and to tell of it. */
  askForHost(cache: DnsCacheConfig, host: string): void;
  /** The host has requests: it is not to be forgotten. */
  reportUse(cache: string, host: string): void;
}

interface Cache {
  readonly hosts: Map<string, KnownHost>;
  readonly waiting: Map<string, Set<ForwardHostWaiter>>;
  /** In all sets. */
  waitingCount: number;
}

interface KnownHost {
  config: ForwardHostConfig;
  reportedMs: number;
}

/** Main hears of use so often within the time after which it would forget. */
const REPORTS_PER_TTL = 4;

export class ForwardHosts {
  readonly #time: TimeSource;
  readonly #owner: ForwardHostsOwner;
  readonly #caches = new Map<string, Cache>();
  /** Those who are being told: one of them may end another. */
  #telling: Set<ForwardHostWaiter> | null = null;

  constructor(time: TimeSource, owner: ForwardHostsOwner) {
    this.#time = time;
    this.#owner = owner;
  }

  /** Known; null: the waiter will hear; undefined: too many wait. */
  resolve(
    config: DnsCacheConfig,
    host: string,
    waiter: ForwardHostWaiter,
  ): ForwardHostConfig | null | undefined {
    const known = this.known(config, host);
    if (known !== undefined) return known;
    const cache = this.#cache(config.name);
    if (cache.waitingCount >= config.maxPending) return undefined;
    let waiters = cache.waiting.get(host);
    if (waiters === undefined) {
      waiters = new Set();
      cache.waiting.set(host, waiters);
      this.#owner.askForHost(config, host);
    }
    waiters.add(waiter);
    cache.waitingCount++;
    return null;
  }

  /** Undefined: main was not asked yet, or has not answered. */
  known(config: DnsCacheConfig, host: string): ForwardHostConfig | undefined {
    const known = this.#caches.get(config.name)?.hosts.get(host);
    if (known === undefined) return undefined;
    const nowMs = this.#time.monotonicMs();
    if (nowMs - known.reportedMs > config.hostTtlMs / REPORTS_PER_TTL) {
      known.reportedMs = nowMs;
      this.#owner.reportUse(config.name, host);
    }
    return known.config;
  }

  /** The waiter's stream is over. */
  cancel(cacheName: string, host: string, waiter: ForwardHostWaiter): void {
    const cache = this.#cache(cacheName);
    if (cache.waiting.get(host)?.delete(waiter) === true) cache.waitingCount--;
    else this.#telling?.delete(waiter);
  }

  /** Without a use of it. */
  isKnown(cacheName: string, host: string): boolean {
    return this.#caches.get(cacheName)?.hosts.has(host) === true;
  }

  /** Main tells. */
  update(cacheName: string, hosts: readonly ForwardHostConfig[], removed: readonly string[]): void {
    const cache = this.#cache(cacheName);
    const reportedMs = this.#time.monotonicMs();
    for (const host of removed) cache.hosts.delete(host);
    for (const config of hosts) {
      if (!config.overflow) cache.hosts.set(config.host, { config, reportedMs });
      const waiters = cache.waiting.get(config.host);
      if (waiters === undefined) continue;
      cache.waiting.delete(config.host);
      cache.waitingCount -= waiters.size;
      this.#telling = waiters;
      for (const waiter of waiters) waiter.onForwardHost(config);
      this.#telling = null;
    }
  }

  #cache(name: string): Cache {
    let cache = this.#caches.get(name);
    if (cache === undefined) {
      cache = { hosts: new Map(), waiting: new Map(), waitingCount: 0 };
      this.#caches.set(name, cache);
    }
    return cache;
  }
}
