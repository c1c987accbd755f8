// [m] NameResolution: the resolver of this process, and the DNS caches of dynamic forward proxies, joined with the workers that ask
// for hosts.
import type { TimeSource } from '../base/clock.ts';
import type { RandomSource } from '../base/random.ts';
import type { ClusterConfig } from '../config/cluster-config.ts';
import type { DnsResolver } from '../network/dns-lookup.ts';
import { SystemDnsResolver } from '../network/dns-resolver.ts';
import type { StatsStore } from '../stats/store.ts';
import { DnsCaches } from '../upstream/dns-cache.ts';
import type { FromWorker, ToWorker } from './worker-protocol.ts';

interface Workers {
  tell(index: number, message: ToWorker): void;
  broadcast(message: ToWorker): void;
}

export class NameResolution {
  readonly resolver: DnsResolver;
  readonly #caches: DnsCaches;
  readonly #workers: () => Workers;

  constructor(
    deps: { readonly time: TimeSource; readonly random: RandomSource },
    stats: StatsStore,
    workers: () => Workers,
  ) {
    const { time, random } = deps;
    this.resolver = new SystemDnsResolver(time);
    this.#workers = workers;
    this.#caches = new DnsCaches({
      resolver: this.resolver,
      time,
      random,
      stats,
      sink: {
        publishForwardHosts: (cache, hosts, removed) =>
          workers().broadcast({ kind: 'forward_hosts', cache, hosts, removed }),
      },
    });
  }

  onCluster({ forwardProxy }: ClusterConfig): void {
    if (forwardProxy !== undefined) this.#caches.preresolve(forwardProxy);
  }

  onWorkerMessage(index: number, message: FromWorker): void {
    if (message.kind === 'forward_used') {
      this.#caches.onUsed(message.cache, message.host);
      return;
    }
    if (message.kind !== 'forward_lookup') return;
    const known = this.#caches.lookup(message.cache, message.host);
    if (known === undefined) return;
    const cache = message.cache.name;
    this.#workers().tell(index, { kind: 'forward_hosts', cache, hosts: [known], removed: [] });
  }

  close(): void {
    this.#caches.close();
  }
}
