// [w] WorkerCluster: one cluster as one worker uses it. Hosts keep their identity by address through updates (law 6);
// counters, balancer and pools are made when the first request names the cluster, never before.
import type { DnsCacheConfig } from '../config/dns-cache-config.ts';
import type { CircuitBreakerConfig, ClusterConfig, HostStatus } from '../config/cluster-config.ts';
import type { ClusterEndpointsConfig, EndpointChangesConfig } from '../config/endpoint-config.ts';
import type { FractionConfig } from '../config/matcher-config.ts';
import { sameCluster } from '../config/same-content.ts';
import { lazyPart } from '../base/lazy-part.ts';
import { WheelTimer } from '../base/timer-wheel.ts';
import type { TimerOwner } from '../base/timer-wheel.ts';
import type { StatsStore } from '../stats/store.ts';
import type { AggregateBalancer } from './aggregate-balancer.ts';
import type { ForwardHosts } from './forward-hosts.ts';
import type { ForwardProxyBalancer } from './forward-proxy-balancer.ts';
import { ClusterHosts } from './cluster-hosts.ts';
import type { ClusterHostsOwner } from './cluster-hosts.ts';
import { ClusterStats } from './cluster-stats.ts';
import type { HttpConnPool, TcpConnPool } from './conn-pool/conn-pool.ts';
import type { PoolEnvironment } from './conn-pool/pool-context.ts';
import { PoolSet } from './conn-pool/pool-set.ts';
import type { PoolVersion } from './conn-pool/pool-set.ts';
import type { PreconnectAhead } from './preconnect-ahead.ts';
import { runtimeLimits } from './runtime-limits.ts';
import { transportSocketFor } from './transport-socket-choice.ts';
import { Health, HealthFlag } from './host-health.ts';
import type { HostSet } from './host-set.ts';
import type { Host } from './host.ts';
import type { LoadBalancer, LoadBalancerContext, OverrideHost } from './load-balancer.ts';
import type { BalancingFacts } from './load-balancing/balancer-environment.ts';
import { createBalancing } from './load-balancing/create-balancing.ts';
import type { Balancing } from './load-balancing/create-balancing.ts';
import { LbStats } from './load-balancing/lb-stats.ts';
import type { LoadWeights } from './load-balancing/load-weights.ts';
import type { OriginalDstBalancer } from './original-dst-balancer.ts';
import type { OriginalDstOwner } from './original-dst-balancer.ts';
import { ResourceManager } from './resource-manager.ts';
import type { BreakerCounts, Priority } from './resource-manager.ts';
import type { Membership, PoolDownstream, ThreadLocalCluster } from './thread-local-cluster.ts';
import type { TransportOverrides } from './upstream-transports.ts';
import type { WorkerHealth } from './worker-health.ts';

const aggregate = lazyPart<typeof import('./aggregate-balancer.ts')>('upstream/aggregate-balancer');
const forwardProxies = lazyPart<typeof import('./forward-proxy-balancer.ts')>(
  'upstream/forward-proxy-balancer',
);
const originalDsts = lazyPart<typeof import('./original-dst-balancer.ts')>(
  'upstream/original-dst-balancer',
);
const preconnectAhead = lazyPart<typeof import('./preconnect-ahead.ts')>(
  'upstream/preconnect-ahead',
);

const USUAL_STATUSES: readonly HostStatus[] = ['UNKNOWN', 'HEALTHY', 'DEGRADED'];

/** What all clusters of one worker share. */
export interface ClusterEnvironment extends PoolEnvironment {
  readonly balancing: BalancingFacts;
  /** Absent: dynamic forward proxies reach nobody. */
  readonly forwardHosts?: ForwardHosts | undefined;
  /** Another cluster of the worker, for those that are made of several. */
  clusterNamed(name: string): WorkerCluster | undefined;
  readonly store: StatsStore;
  /** Circuit-breaker counts of the whole proxy. */
  readonly counts: BreakerCounts;
  /** Absent: hosts are neither checked nor watched. */
  readonly health?: WorkerHealth | undefined;
}

export class WorkerCluster
  implements ThreadLocalCluster, ClusterHostsOwner, OriginalDstOwner, TimerOwner
{
  readonly #environment: ClusterEnvironment;
  readonly #slot: number;
  #config: ClusterConfig;
  #stats: ClusterStats | null = null;
  readonly #hosts: ClusterHosts;
  #dropShare: number;
  #originalDst: OriginalDstBalancer | null = null;
  #aggregate: AggregateBalancer<WorkerCluster> | null = null;
  #forwardProxy: ForwardProxyBalancer | null = null;
  #sweepTimer: WheelTimer | null = null;
  /** Null: no host is chosen before its request. */
  #ahead: PreconnectAhead | null = null;
  readonly #default: PoolSet;
  readonly #high: PoolSet;

  constructor(config: ClusterConfig, slot: number, environment: ClusterEnvironment) {
    this.#environment = environment;
    this.#slot = slot;
    this.#config = config;
    this.#dropShare = shareOf(config.dropOverloads);
    this.#default = this.#newPools('DEFAULT');
    this.#high = this.#newPools('HIGH');
    this.#hosts = new ClusterHosts(config, this);
  }

  get config(): ClusterConfig {
    return this.#config;
  }

  get stats(): ClusterStats {
    this.#stats ??= new ClusterStats(this.#environment.store, this.#config.statName);
    return this.#stats;
  }

  /** Brings counters up to date that are not kept so at every step. */
  refreshStats(): void {
    this.#stats?.bytes.refresh();
  }

  /** Hosts of the last update, or those that the balancer makes as they are asked for. */
  hosts(): Iterable<Host> {
    if (this.#forwardProxy !== null) return this.#forwardProxy.hosts();
    return this.#originalDst === null ? this.#hosts.all : this.#originalDst.hosts();
  }

  /** As balancers have them. */
  get hostSet(): HostSet {
    return this.#hosts.set;
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
    const override = context === null ? null : context.overrideHost;
    const host = override
      ? this.#overridingHost(override, context)
      : this.chooseMemberHost(context);
    if (host === null) this.stats.store.inc(this.stats.upstreamCxNoneHealthy);
    return host;
  }

  /** Of any priority and locality, if its health is one of those that may be. */
  #overridingHost(
    { address, strict }: OverrideHost,
    context: LoadBalancerContext | null,
  ): Host | null {
    const host = this.#hosts.byAddress(address);
    const { overrideHostStatuses = USUAL_STATUSES } = this.#config;
    if (host !== undefined && overrideHostStatuses.includes(host.status)) return host;
    return strict ? null : this.chooseMemberHost(context);
  }

  /** For the cluster it is a part of, which counts for itself. */
  chooseMemberHost(context: LoadBalancerContext | null): Host | null {
    return this.#ahead?.take() ?? this.#balancer().chooseHost(context);
  }

  httpPool(
    host: Host,
    priority: Priority,
    downstream: PoolDownstream,
    overrides: TransportOverrides | null = null,
  ): HttpConnPool | null {
    const owner = this.#aggregate?.ownerOf(host);
    if (owner !== undefined) return owner.httpPool(host, priority, downstream, overrides);
    const pools = this.#poolsOf(priority);
    const version = this.#versionTo(host, downstream);
    const { preconnectAheadRatio } = this.#config;
    if (preconnectAheadRatio !== undefined)
      this.#dialAhead(preconnectAheadRatio, pools, downstream);
    if (this.#config.poolPerDownstreamConnection !== true)
      return pools.http(host, version, overrides);
    return pools.http(host, version, overrides, downstream.connection.connectionId);
  }

  #dialAhead(ratio: number, pools: PoolSet, downstream: PoolDownstream): void {
    this.#ahead ??= new (preconnectAhead().PreconnectAhead)();
    this.#ahead.dial(ratio, {
      load: () => pools.load(),
      usableHosts: this.membership().usable,
      nextHost: () => this.#balancer().chooseHost(null),
      preconnect: (host) => pools.preconnect(host, this.#versionTo(host, downstream), ratio),
    });
  }

  #versionTo(host: Host, downstream: PoolDownstream): PoolVersion {
    const { protocol } = this.#config.http;
    if (protocol === 'use_downstream') return downstream.protocol === 'HTTP/2' ? 'http2' : 'http1';
    if (protocol !== 'auto') return protocol;
    // Without TLS nothing is agreed on.
    return transportSocketFor(this.#config, host).kind === 'raw_buffer' ? 'http1' : 'auto';
  }

  tcpPool(host: Host, priority: Priority): TcpConnPool {
    const owner = this.#aggregate?.ownerOf(host);
    if (owner !== undefined) return owner.tcpPool(host, priority);
    return this.#poolsOf(priority).tcp(host);
  }

  get reports(): LoadWeights | null {
    return this.#hosts.reports;
  }

  get dropShare(): number {
    return this.#dropShare;
  }

  /** Other values of the runtime. */
  onRuntime(): void {
    this.#default.resources.update(this.#limits('DEFAULT'));
    this.#high.resources.update(this.#limits('HIGH'));
    this.#hosts.forgetBalancer();
  }

  /** New settings, same cluster: pools drain when what a connection is made of changed, hosts and counts stay. */
  update(config: ClusterConfig): void {
    if (sameCluster(config, this.#config)) return;
    this.#config = config;
    this.#default.resources.update(this.#limits('DEFAULT'));
    this.#high.resources.update(this.#limits('HIGH'));
    this.#drainPools();
    this.#hosts.forgetBalancer();
    this.#originalDst = null;
    this.#aggregate = null;
    this.#forwardProxy = null;
  }

  /** New endpoints; connections to hosts that stay are not touched. */
  updateEndpoints(update: ClusterEndpointsConfig): void {
    this.#dropShare = shareOf(update.dropOverloads ?? []);
    this.#drainingOnChange(() => this.#hosts.assign(update));
  }

  /** The same, of a cluster that was told before: only what is different. */
  changeEndpoints(changes: EndpointChangesConfig): void {
    this.#dropShare = shareOf(changes.dropOverloads ?? []);
    this.#drainingOnChange(() => this.#hosts.change(changes));
  }

  /** `common_lb_config.close_connections_on_host_set_change`. */
  #drainingOnChange(change: () => void): void {
    if (this.#config.drainOnHostSetChange !== true) {
      change();
      return;
    }
    const before = new Set(this.#hosts.all);
    change();
    const after = this.#hosts.all;
    if (after.length !== before.size || after.some((host) => !before.has(host))) this.#drainPools();
  }

  /** By `Host.addressText`, of the last update; for what main says of hosts, never on the request path. */
  host(address: string): Host | undefined {
    return this.#hosts.byAddress(address);
  }

  /** Flags of these hosts of this cluster are not what they were (`Host.setCheckFlags`). */
  onHostHealthChanged(hosts: readonly Host[]): void {
    for (const host of hosts) {
      const failsNow = (host.healthFlags & FAILED_CHECKS) !== 0;
      if (!failsNow || (host.listedFlags & FAILED_CHECKS) !== 0) continue;
      this.#default.onHostFailed(host);
      this.#high.onHostFailed(host);
    }
    this.#hosts.onHealthChanged(hosts);
  }

  onFirstPool(): void {
    this.#environment.health?.onTraffic(this.#config);
  }

  /** The cluster is gone; streams on their way end by themselves. */
  close(): void {
    this.#drainPools();
    if (this.#sweepTimer !== null) this.#environment.io.timers.cancel(this.#sweepTimer);
  }

  // === ClusterHostsOwner

  get nowMs(): number {
    return this.#environment.io.time.monotonicMs();
  }

  createBalancing(): Balancing {
    const { io, random, balancing, store } = this.#environment;
    const { stats } = this;
    return createBalancing(this.#config.lbPolicy, {
      ...balancing,
      random,
      clock: io.time,
      stats: new LbStats(store, stats.prefix),
      isLocalCluster: this.#config.name === balancing.localClusterName,
      hostAt: (address) => this.#hosts.byAddress(address),
      activeRequests: () => store.value(stats.upstreamRqActive),
      panicThresholdPercent: this.#config.panicThresholdPercent,
    });
  }

  onHostLabelsChanged(host: Host): void {
    if (this.#config.transportSocketMatches.length > 0) this.onHostLeft(host);
  }

  onHostLeft(host: Host): void {
    this.#default.drainHost(host);
    this.#high.drainHost(host);
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

  /** The name has another address, or none. */
  onHostReplaced(host: Host): void {
    this.onHostLeft(host);
    this.#countMembers(-1);
  }

  /** Of a cluster whose hosts main does not know. */
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

  #balancer(): LoadBalancer {
    const { aggregateOf, forwardProxy, originalDst, name } = this.#config;
    if (forwardProxy !== undefined && this.#environment.forwardHosts !== undefined)
      return (this.#forwardProxy ??= this.#newForwardProxy(
        forwardProxy,
        this.#environment.forwardHosts,
      ));
    if (aggregateOf !== undefined) return (this.#aggregate ??= this.#newAggregate(aggregateOf));
    if (originalDst === undefined) return this.#hosts.balancer;
    if (this.#originalDst === null) {
      this.#originalDst = new (originalDsts().OriginalDstBalancer)(originalDst, name, this);
      this.#armSweep();
    }
    return this.#originalDst;
  }

  #newForwardProxy(cache: DnsCacheConfig, known: ForwardHosts): ForwardProxyBalancer {
    const defaultPort = this.#config.transportSocket.kind === 'tls' ? 443 : 80;
    return new (forwardProxies().ForwardProxyBalancer)(cache, known, this, defaultPort);
  }

  #newAggregate(clusters: readonly string[]): AggregateBalancer<WorkerCluster> {
    const environment = this.#environment;
    const { overprovisioningPercent, panicThresholdPercent } = this.#config;
    // One aggregate inside another has no hosts of its own, as in Envoy: it is passed over.
    const find = (name: string): WorkerCluster | undefined => {
      const cluster = environment.clusterNamed(name);
      return cluster?.config.type === 'AGGREGATE' ? undefined : cluster;
    };
    return new (aggregate().AggregateBalancer)(
      { clusters, overprovisioningPercent, panicThresholdPercent },
      find,
      environment.random,
    );
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
    const { counts } = this.#environment;
    const resources = new ResourceManager(counts, this.#slot, priority, this.#limits(priority));
    return new PoolSet(this.#environment, this, resources);
  }

  #limits(priority: Priority): CircuitBreakerConfig {
    const { name, circuitBreakers } = this.#config;
    const config = priority === 'HIGH' ? circuitBreakers.high : circuitBreakers.default;
    return runtimeLimits(config, name, priority, this.#environment.balancing.runtime);
  }

  #drainPools(): void {
    this.#default.drainAll();
    this.#high.drainAll();
  }
}

const FAILED_CHECKS = HealthFlag.FailedActiveCheck | HealthFlag.FailedOutlierCheck;

/** The decoder admits one category. */
const shareOf = (drops: readonly FractionConfig[]): number =>
  drops.reduce((share, { numerator, denominator }) => Math.max(share, numerator / denominator), 0);
