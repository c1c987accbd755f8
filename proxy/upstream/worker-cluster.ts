// [w] WorkerCluster: one cluster as one worker uses it. Hosts keep their identity by address through updates (law 6);
// counters, balancer and pools are made when the first request names the cluster, never before.
import type { ClusterConfig } from '../config/cluster-config.ts';
import type { ClusterEndpointsConfig, LocalityEndpointsConfig } from '../config/endpoint-config.ts';
import type { FractionConfig } from '../config/matcher-config.ts';
import { WheelTimer } from '../base/timer-wheel.ts';
import type { TimerOwner } from '../base/timer-wheel.ts';
import type { StatsStore } from '../stats/store.ts';
import { ClusterStats } from './cluster-stats.ts';
import type { HttpConnPool, TcpConnPool } from './conn-pool/conn-pool.ts';
import type { PoolEnvironment } from './conn-pool/pool-context.ts';
import { PoolSet } from './conn-pool/pool-set.ts';
import { Health } from './host-health.ts';
import { Host, addressText } from './host.ts';
import type { LoadBalancer, LoadBalancerContext } from './load-balancer.ts';
import { PriorityBalancer } from './load-balancing/priority-balancer.ts';
import { OriginalDstBalancer } from './original-dst-balancer.ts';
import type { OriginalDstOwner } from './original-dst-balancer.ts';
import { ResourceManager } from './resource-manager.ts';
import type { BreakerCounts, Priority } from './resource-manager.ts';
import type { Membership, ThreadLocalCluster } from './thread-local-cluster.ts';
import type { TransportOverrides } from './upstream-transports.ts';

/** What all clusters of one worker share. */
export interface ClusterEnvironment extends PoolEnvironment {
  readonly store: StatsStore;
  /** Circuit-breaker counts of the whole proxy. */
  readonly counts: BreakerCounts;
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
  #dropShare: number;
  #balancer: LoadBalancer | null = null;
  #originalDst: OriginalDstBalancer | null = null;
  #sweepTimer: WheelTimer | null = null;
  readonly #default: PoolSet;
  readonly #high: PoolSet;

  constructor(config: ClusterConfig, slot: number, environment: ClusterEnvironment) {
    this.#environment = environment;
    this.#slot = slot;
    this.#config = config;
    this.#localities = config.localities;
    this.#overprovisioningPercent = config.overprovisioningPercent;
    this.#dropShare = shareOf(config.dropOverloads);
    this.#default = this.#newPools('DEFAULT');
    this.#high = this.#newPools('HIGH');
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
    return this.#poolsOf(priority).resources;
  }

  chooseHost(context: LoadBalancerContext | null): Host | null {
    this.#balancer ??= this.#createBalancer();
    const host = this.#balancer.chooseHost(context);
    if (host === null) this.stats.store.inc(this.stats.upstreamCxNoneHealthy);
    return host;
  }

  httpPool(
    host: Host,
    priority: Priority,
    http2Downstream: boolean,
    overrides: TransportOverrides | null = null,
  ): HttpConnPool {
    const { protocol } = this.#config.http;
    const http2 = protocol === 'http2' || (protocol === 'use_downstream' && http2Downstream);
    return this.#poolsOf(priority).http(host, http2, overrides);
  }

  tcpPool(host: Host, priority: Priority): TcpConnPool {
    return this.#poolsOf(priority).tcp(host);
  }

  get dropShare(): number {
    return this.#dropShare;
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
    this.#dropShare = shareOf(update.dropOverloads ?? []);
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

  onInvalidHost(): void {
    this.stats.store.inc(this.stats.originalDstHostInvalid);
  }

  onHostAdded(_host: Host): void {
    this.#countMembers(1);
  }

  inUse(host: Host): boolean {
    return this.#default.inUse(host) || this.#high.inUse(host);
  }

  onHostRemoved(host: Host): void {
    this.#default.removeHost(host);
    this.#high.removeHost(host);
    this.#countMembers(-1);
  }

  /** Of an ORIGINAL_DST cluster, whose hosts main does not know. */
  #countMembers(change: 1 | -1): void {
    const { store, prefix } = this.stats;
    for (const name of ['membership_total', 'membership_healthy']) {
      const gauge = store.gauge(prefix + name);
      if (change > 0) store.inc(gauge);
      else store.dec(gauge);
    }
    store.inc(store.counter(`${prefix}membership_change`));
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
    this.#default.drainHost(host);
    this.#high.drainHost(host);
  }

  #createBalancer(): LoadBalancer {
    const config = this.#config;
    if (config.originalDst !== undefined) {
      this.#originalDst ??= new OriginalDstBalancer(config.originalDst, config.name, this);
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

  #poolsOf(priority: Priority): PoolSet {
    return priority === 'HIGH' ? this.#high : this.#default;
  }

  #newPools(priority: Priority): PoolSet {
    const breakers = this.#config.circuitBreakers;
    const config = priority === 'HIGH' ? breakers.high : breakers.default;
    const { counts } = this.#environment;
    const resources = new ResourceManager(counts, this.#slot, priority, config);
    return new PoolSet(this.#environment, this, resources);
  }

  #drainPools(): void {
    this.#default.drainAll();
    this.#high.drainAll();
  }
}

/** The decoder admits one category. */
const shareOf = (drops: readonly FractionConfig[]): number =>
  drops.reduce((share, { numerator, denominator }) => Math.max(share, numerator / denominator), 0);
