// [w] WorkerCluster: one cluster as one worker uses it. Hosts keep their identity by address through updates (law 6);
// counters, balancer and pools are made when the first request names the cluster, never before.
import type { ClusterConfig } from '../config/cluster-config.ts';
import type { ClusterEndpointsConfig, LocalityEndpointsConfig } from '../config/endpoint-config.ts';
import type { FractionConfig } from '../config/matcher-config.ts';
import { WheelTimer } from '../base/timer-wheel.ts';
import type { TimerOwner } from '../base/timer-wheel.ts';
import type { RandomSource } from '../base/random.ts';
import type { IoThread } from '../network/io-thread.ts';
import type { StatsStore } from '../stats/store.ts';
import { ClusterStats } from './cluster-stats.ts';
import type { HttpConnPool, TcpConnPool } from './conn-pool/conn-pool.ts';
import { Http1ConnPool } from './conn-pool/http1-conn-pool.ts';
import { Http2ConnPool } from './conn-pool/http2-conn-pool.ts';
import type { PoolContext } from './conn-pool/pool-context.ts';
import { SingleUseTcpConnPool } from './conn-pool/tcp-conn-pool.ts';
import { Health } from './host-health.ts';
import { Host, addressText } from './host.ts';
import type { LoadBalancer, LoadBalancerContext } from './load-balancer.ts';
import { PriorityBalancer } from './load-balancing/priority-balancer.ts';
import { OriginalDstBalancer } from './original-dst-balancer.ts';
import type { OriginalDstOwner } from './original-dst-balancer.ts';
import { ResourceManager } from './resource-manager.ts';
import type { BreakerCounts, Priority } from './resource-manager.ts';
import type { Membership, ThreadLocalCluster } from './thread-local-cluster.ts';
import { transportSocketFor } from './transport-socket-choice.ts';

/** What all clusters of one worker share. */
export interface ClusterEnvironment {
  readonly io: IoThread;
  readonly store: StatsStore;
  readonly random: RandomSource;
  /** Circuit-breaker counts of the whole proxy. */
  readonly counts: BreakerCounts;
}

/** Everything that belongs to one priority. */
interface PriorityPools {
  readonly resources: ResourceManager;
  /** By version; a cluster that follows its clients may have both. */
  readonly http1: Map<Host, Http1ConnPool>;
  readonly http2: Map<Host, Http2ConnPool>;
  readonly tcp: Map<Host, SingleUseTcpConnPool>;
}

export class WorkerCluster implements ThreadLocalCluster, OriginalDstOwner, TimerOwner {
  readonly #environment: ClusterEnvironment;
  readonly #slot: number;
  #config: ClusterConfig;
  #stats: ClusterStats | null = null;
  #hosts: readonly Host[] = [];
  /** Made when first asked for. */
  #byAddress: Map<string, Host> | null = null;
  #localities: readonly LocalityEndpointsConfig[];
  #overprovisioningPercent: number;
  #dropOverloads: readonly FractionConfig[];
  #balancer: LoadBalancer | null = null;
  #originalDst: OriginalDstBalancer | null = null;
  #sweepTimer: WheelTimer | null = null;
  #default: PriorityPools;
  #high: PriorityPools;

  constructor(config: ClusterConfig, slot: number, environment: ClusterEnvironment) {
    this.#environment = environment;
    this.#slot = slot;
    this.#config = config;
    this.#localities = config.localities;
    this.#overprovisioningPercent = config.overprovisioningPercent;
    this.#dropOverloads = config.dropOverloads;
    this.#default = this.#priorityPools('DEFAULT');
    this.#high = this.#priorityPools('HIGH');
    this.#setHosts(config.localities);
  }

  get config(): ClusterConfig {
    return this.#config;
  }

  get stats(): ClusterStats {
    this.#stats ??= new ClusterStats(this.#environment.store, this.#config.statName);
    return this.#stats;
  }

  /** Hosts of the last update, and those an ORIGINAL_DST cluster made. */
  hosts(): Iterable<Host> {
    return this.#originalDst === null ? this.#hosts : this.#originalDst.hosts();
  }

  membership(): Membership {
    let total = 0;
    let usable = 0;
    for (const host of this.hosts()) {
      total++;
      if (host.health !== Health.Unhealthy) usable++;
    }
    return { total, usable };
  }

  resources(priority: Priority): ResourceManager {
    return priority === 'HIGH' ? this.#high.resources : this.#default.resources;
  }

  chooseHost(context: LoadBalancerContext | null): Host | null {
    this.#balancer ??= this.#createBalancer();
    const host = this.#balancer.chooseHost(context);
    if (host === null) this.stats.store.inc(this.stats.upstreamCxNoneHealthy);
    return host;
  }

  httpPool(host: Host, priority: Priority, http2Downstream: boolean): HttpConnPool {
    const pools = priority === 'HIGH' ? this.#high : this.#default;
    const { protocol } = this.#config.http;
    if (protocol === 'http2' || (protocol === 'use_downstream' && http2Downstream))
      return this.#http2Pool(host, pools);
    let pool = pools.http1.get(host);
    if (pool === undefined) {
      pool = new Http1ConnPool(this.#poolContext(pools), host);
      pools.http1.set(host, pool);
    }
    return pool;
  }

  #http2Pool(host: Host, pools: PriorityPools): HttpConnPool {
    let pool = pools.http2.get(host);
    if (pool === undefined) {
      pool = new Http2ConnPool(this.#poolContext(pools), host);
      pools.http2.set(host, pool);
    }
    return pool;
  }

  tcpPool(host: Host, priority: Priority): TcpConnPool {
    const pools = priority === 'HIGH' ? this.#high : this.#default;
    let pool = pools.tcp.get(host);
    if (pool === undefined) {
      pool = new SingleUseTcpConnPool(this.#poolContext(pools), host);
      pools.tcp.set(host, pool);
    }
    return pool;
  }

  shouldDrop(random: number): boolean {
    for (const drop of this.#dropOverloads) {
      if (random % drop.denominator < drop.numerator) return true;
    }
    return false;
  }

  /** New settings, same cluster: pools drain when what a connection is made of changed, hosts and counts stay. */
  update(config: ClusterConfig): void {
    if (config.hash === this.#config.hash && config.hash !== '') return;
    this.#config = config;
    this.#default.resources.update(config.circuitBreakers.default);
    this.#high.resources.update(config.circuitBreakers.high);
    this.#drainPools();
    this.#balancer = null;
    this.#originalDst = null;
    if (config.type !== 'EDS') {
      this.#localities = config.localities;
      this.#overprovisioningPercent = config.overprovisioningPercent;
    }
    this.#setHosts(this.#localities);
  }

  /** New endpoints; connections to hosts that stay are not touched. */
  updateEndpoints(update: ClusterEndpointsConfig): void {
    this.#localities = update.localities;
    this.#overprovisioningPercent = update.overprovisioningPercent;
    this.#dropOverloads = update.dropOverloads ?? [];
    this.#setHosts(update.localities);
  }

  /** By `Host.addressText`, of the last update; for what main says of hosts, never on the request path. */
  host(address: string): Host | undefined {
    this.#byAddress ??= new Map(this.#hosts.map((host) => [host.addressText, host]));
    return this.#byAddress.get(address);
  }

  /** Flags of these hosts of this cluster are not what they were (`Host.setCheckFlags`). */
  onHostHealthChanged(_hosts: readonly Host[]): void {
    this.#balancer = null;
  }

  /** The cluster is gone; streams on their way end by themselves. */
  close(): void {
    this.#drainPools();
    if (this.#sweepTimer !== null) this.#environment.io.timers.cancel(this.#sweepTimer);
  }

  // === OriginalDstOwner

  onInvalidHeader(): void {
    this.stats.store.inc(this.stats.originalDstHostInvalid);
  }

  inUse(host: Host): boolean {
    for (const pools of [this.#default, this.#high]) {
      for (const byHost of [pools.http1, pools.http2, pools.tcp])
        if (byHost.get(host)?.inUse === true) return true;
    }
    return false;
  }

  onHostRemoved(host: Host): void {
    for (const pools of [this.#default, this.#high]) {
      pools.http1.delete(host);
      pools.http2.delete(host);
      pools.tcp.delete(host);
    }
  }

  onTimer(_kind: number): void {
    this.#originalDst?.sweep();
    this.#armSweep();
  }

  #setHosts(localities: readonly LocalityEndpointsConfig[]): void {
    const known = new Map<string, Host>();
    for (const host of this.#hosts) known.set(host.addressText, host);
    const hosts: Host[] = [];
    const seen = new Set<string>();
    for (const locality of localities) {
      for (const endpoint of locality.endpoints) {
        const key = addressText(endpoint.address);
        // The first occurrence of an address wins (envoy-behaviour §7.1).
        if (seen.has(key)) continue;
        seen.add(key);
        const present = known.get(key);
        if (present !== undefined) {
          present.endpoint = endpoint;
          present.priority = locality.priority;
          present.zone = locality.zone;
          hosts.push(present);
        } else {
          const host = new Host(endpoint, locality.priority);
          host.zone = locality.zone;
          hosts.push(host);
        }
      }
    }
    for (const host of this.#hosts) if (!seen.has(host.addressText)) this.#removeHost(host);
    this.#hosts = hosts;
    this.#byAddress = null;
    this.#balancer = null;
  }

  #removeHost(host: Host): void {
    host.removed = true;
    for (const pools of [this.#default, this.#high]) {
      pools.http1.get(host)?.drain();
      pools.http2.get(host)?.drain();
      pools.tcp.delete(host);
    }
  }

  #createBalancer(): LoadBalancer {
    const config = this.#config;
    if (config.originalDst !== undefined) {
      this.#originalDst ??= new OriginalDstBalancer(config.originalDst, this);
      this.#armSweep();
      return this.#originalDst;
    }
    const settings = {
      policy: config.lbPolicy,
      overprovisioningPercent: this.#overprovisioningPercent,
      panicThresholdPercent: config.panicThresholdPercent,
    };
    return new PriorityBalancer(this.#hosts, settings, this.#environment.random);
  }

  #armSweep(): void {
    const originalDst = this.#config.originalDst;
    if (originalDst === undefined) return;
    this.#sweepTimer ??= new WheelTimer(this, 0);
    this.#environment.io.timers.arm(this.#sweepTimer, originalDst.cleanupIntervalMs);
  }

  #priorityPools(priority: Priority): PriorityPools {
    const breakers = this.#config.circuitBreakers;
    const config = priority === 'HIGH' ? breakers.high : breakers.default;
    return {
      resources: new ResourceManager(this.#environment.counts, this.#slot, priority, config),
      http1: new Map(),
      http2: new Map(),
      tcp: new Map(),
    };
  }

  #poolContext(pools: PriorityPools): PoolContext {
    const config = this.#config;
    return {
      io: this.#environment.io,
      random: this.#environment.random,
      config,
      stats: this.stats,
      resources: pools.resources,
      connectOptions: {
        bindAddress: config.bindAddress,
        keepAliveSeconds: config.tcpKeepalive?.timeSeconds,
      },
      unsupported: (host) => unsupported(config, host),
      onPoolIdle: (pool) => {
        // The host may have a younger pool by now.
        for (const byHost of [pools.http1, pools.http2])
          for (const [host, present] of byHost) if (present === pool) byHost.delete(host);
      },
    };
  }

  #drainPools(): void {
    for (const pools of [this.#default, this.#high]) {
      const http = [...pools.http1.values(), ...pools.http2.values()];
      pools.http1.clear();
      pools.http2.clear();
      pools.tcp.clear();
      for (const pool of http) pool.drain();
    }
  }
}

function unsupported(config: ClusterConfig, host: Host): string {
  if (transportSocketFor(config, host).kind === 'tls')
    return 'TLS to upstreams is not supported by this version';
  return '';
}
