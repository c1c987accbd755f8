// [m] NameResolution: the resolver of this process, and the DNS caches of dynamic forward proxies, joined with the workers that ask
// for hosts.
import type { TimeSource } from '../base/clock.ts';
import { lazyPart } from '../base/lazy-part.ts';
import type { RandomSource } from '../base/random.ts';
import type { ClusterConfig } from '../config/cluster-config.ts';
import type { DnsResolver } from '../network/dns-lookup.ts';
import type { StatsStore } from '../stats/store.ts';
import type { DnsCaches } from '../upstream/dns-cache.ts';
import type { FromWorker, ToWorker } from './worker-protocol.ts';

const system = lazyPart<typeof import('../network/dns-resolver.ts')>('network/dns-resolver');
const dnsCache = lazyPart<typeof import('../upstream/dns-cache.ts')>('upstream/dns-cache');

interface Workers {
  tell(index: number, message: ToWorker): void;
  broadcast(message: ToWorker): void;
}

interface Deps {
  readonly time: TimeSource;
  readonly random: RandomSource;
}

export class NameResolution {
  readonly resolver: DnsResolver;
  readonly #deps: Deps;
  readonly #stats: StatsStore;
  readonly #workers: () => Workers;
  /** Both are made when a name is first asked for. */
  #system: DnsResolver | undefined;
  #caches: DnsCaches | undefined;

  constructor(deps: Deps, stats: StatsStore, workers: () => Workers) {
    this.#deps = deps;
    this.#stats = stats;
    this.#workers = workers;
    this.resolver = {
      resolve: (...question) => {
        this.#system ??= new (system().SystemDnsResolver)(deps.time);
        return this.#system.resolve(...question);
      },
    };
  }

  onCluster({ forwardProxy }: ClusterConfig): void {
    if (forwardProxy !== undefined) this.#openCaches().preresolve(forwardProxy);
  }

  onWorkerMessage(index: number, message: FromWorker): void {
    if (message.kind === 'forward_used') {
      this.#openCaches().onUsed(message.cache, message.host);
      return;
    }
    if (message.kind !== 'forward_lookup') return;
    const known = this.#openCaches().lookup(message.cache, message.host);
    if (known === undefined) return;
    const cache = message.cache.name;
    this.#workers().tell(index, { kind: 'forward_hosts', cache, hosts: [known], removed: [] });
  }

  close(): void {
    this.#caches?.close();
  }

  #openCaches(): DnsCaches {
    this.#caches ??= new (dnsCache().DnsCaches)({
      ...this.#deps,
      resolver: this.resolver,
      stats: this.#stats,
      sink: {
        publishForwardHosts: (cache, hosts, removed) =>
          this.#workers().broadcast({ kind: 'forward_hosts', cache, hosts, removed }),
      },
    });
    return this.#caches;
  }
}
