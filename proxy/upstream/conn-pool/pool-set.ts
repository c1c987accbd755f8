// [w] The pools of one cluster and priority, by host, protocol and what streams ask of their transport. A pool is made
// when the first stream needs it and goes when its host does.
import { lazyPart } from '../../base/lazy-part.ts';
import type { ClusterConfig } from '../../config/cluster-config.ts';
import { dialOptions } from '../../network/dial-options.ts';
import type { ClusterStats } from '../cluster-stats.ts';
import type { Host } from '../host.ts';
import type { ResourceManager } from '../resource-manager.ts';
import type { TransportOverrides } from '../upstream-transports.ts';
import type { HttpConnPool, ManagedPool, PoolLoad, TcpConnPool } from './conn-pool.ts';
import type { AutoConnPool } from './auto-conn-pool.ts';
import { Http1ConnPool } from './http1-conn-pool.ts';
import type { Http2ConnPool } from './http2-conn-pool.ts';
import type { PoolContext, PoolEnvironment } from './pool-context.ts';
import type { SingleUseTcpConnPool } from './tcp-conn-pool.ts';

/** The cluster; its configuration may change, see drainAll(). */
export interface PoolSetOwner {
  readonly config: ClusterConfig;
  readonly stats: ClusterStats;
  /** Connections of this configuration are about to be opened, for the first time. */
  onFirstPool(): void;
}

/** `auto`: whatever the TLS of a connection agrees on. */
export type PoolVersion = 'http1' | 'http2' | 'auto';

const http2 = lazyPart<typeof import('./http2-conn-pool.ts')>('upstream/conn-pool/http2-conn-pool');
const tcp = lazyPart<typeof import('./tcp-conn-pool.ts')>('upstream/conn-pool/tcp-conn-pool');
const auto = lazyPart<typeof import('./auto-conn-pool.ts')>('upstream/conn-pool/auto-conn-pool');

const POOLS = {
  http1: () => Http1ConnPool,
  http2: () => http2().Http2ConnPool,
  auto: () => auto().AutoConnPool,
} as const;

interface PoolKey {
  readonly version: PoolVersion;
  readonly overrides: TransportOverrides | null;
  readonly connectionId: number | undefined;
}

/** All pools of one host. */
class HostPools {
  http1: Http1ConnPool | null = null;
  http2: Http2ConnPool | null = null;
  auto: AutoConnPool | null = null;
  /** Of streams with overrides or with a client of their own, by all of that; each goes when it is idle. */
  special: Map<string, ManagedPool> | null = null;
  tcp: SingleUseTcpConnPool | null = null;

  get inUse(): boolean {
    for (const pool of this.http()) if (pool.inUse) return true;
    return this.tcp !== null && this.tcp.inUse;
  }

  /** A list of its own: pools may go while they are told something. */
  http(): readonly ManagedPool[] {
    const pools: ManagedPool[] = this.special === null ? [] : [...this.special.values()];
    if (this.http1 !== null) pools.push(this.http1);
    if (this.http2 !== null) pools.push(this.http2);
    if (this.auto !== null) pools.push(this.auto);
    return pools;
  }

  drain(): void {
    for (const pool of this.http()) pool.drain();
  }

  forget(pool: ManagedPool): void {
    if (this.http1 === pool) this.http1 = null;
    if (this.http2 === pool) this.http2 = null;
    if (this.auto === pool) this.auto = null;
    if (this.special === null) return;
    for (const [key, present] of this.special) if (present === pool) this.special.delete(key);
  }
}

export class PoolSet {
  readonly resources: ResourceManager;
  readonly #environment: PoolEnvironment;
  readonly #owner: PoolSetOwner;
  readonly #hosts = new Map<Host, HostPools>();
  /** Null until a pool is made, and after the configuration changed. */
  #context: PoolContext | null = null;

  constructor(environment: PoolEnvironment, owner: PoolSetOwner, resources: ResourceManager) {
    this.#environment = environment;
    this.#owner = owner;
    this.resources = resources;
  }

  /** Null: there may be no further pool. */
  http(
    host: Host,
    version: PoolVersion,
    overrides: TransportOverrides | null,
    /** Only streams of that client connection; undefined: of all. */
    connectionId?: number,
  ): HttpConnPool | null {
    const pools = this.#poolsOf(host);
    const pool =
      overrides === null && connectionId === undefined
        ? this.#usualPool(pools, host, version)
        : this.#specialPool(pools, host, { version, overrides, connectionId });
    if (this.resources.pools.max === Infinity || pool.inUse) return pool;
    return this.#mayEnter(pools) ? pool : null;
  }

  /** A place for one more pool, or that of one of the host's that does nothing. */
  #mayEnter(pools: HostPools): boolean {
    const { resources } = this;
    if (resources.pools.canCreate()) return true;
    for (const other of pools.http()) {
      if (!other.inUse || other.active) continue;
      other.drain();
      if (resources.pools.canCreate()) return true;
    }
    const { stats } = this.#owner;
    stats.store.inc(stats.upstreamCxPoolOverflow);
    return false;
  }

  #usualPool(pools: HostPools, host: Host, version: PoolVersion): ManagedPool {
    if (version === 'http2')
      return (pools.http2 ??= new (http2().Http2ConnPool)(this.#contextNow(), host));
    if (version === 'auto')
      return (pools.auto ??= new (auto().AutoConnPool)(this.#contextNow(), host));
    return (pools.http1 ??= new Http1ConnPool(this.#contextNow(), host));
  }

  tcp(host: Host): TcpConnPool {
    const pools = this.#poolsOf(host);
    return (pools.tcp ??= new (tcp().SingleUseTcpConnPool)(this.#contextNow(), host));
  }

  inUse(host: Host): boolean {
    return this.#hosts.get(host)?.inUse === true;
  }

  /** Of all its HTTP pools. */
  load(): PoolLoad {
    const sum = { pending: 0, active: 0, free: 0 };
    for (const pools of this.#hosts.values()) {
      for (const { load } of pools.http()) {
        sum.pending += load.pending;
        sum.active += load.active;
        sum.free += load.free;
      }
    }
    return sum;
  }

  preconnect(host: Host, version: PoolVersion, ratio: number): boolean {
    return this.#usualPool(this.#poolsOf(host), host, version).preconnect(ratio);
  }

  /** The host does not pass its checks any more: its connections are not used again (envoy-behaviour §7.2). */
  onHostFailed(host: Host): void {
    const pools = this.#hosts.get(host);
    if (pools === undefined) return;
    for (const pool of pools.http()) pool.drainConnections();
    if (this.#owner.config.closeConnectionsOnHostFailure === true) pools.tcp?.closeConnections();
  }

  /** The host is gone: what is on its way ends by itself. */
  drainHost(host: Host): void {
    const pools = this.#hosts.get(host);
    if (pools === undefined) return;
    this.#hosts.delete(host);
    pools.drain();
  }

  /** The host is gone, and so are its streams. */
  removeHost(host: Host): void {
    this.#hosts.delete(host);
  }

  /** The cluster is gone, or what connections are made of has changed. */
  drainAll(): void {
    this.#context = null;
    const all = [...this.#hosts.values()];
    this.#hosts.clear();
    for (const pools of all) pools.drain();
  }

  #poolsOf(host: Host): HostPools {
    let pools = this.#hosts.get(host);
    if (pools === undefined) {
      pools = new HostPools();
      this.#hosts.set(host, pools);
      const { hostCounts } = this.#environment;
      if (hostCounts !== undefined && this.resources.config.maxConnectionsPerHost !== undefined)
        host.shareConnections(hostCounts, this.#owner.config.name);
    }
    return pools;
  }

  #specialPool(
    pools: HostPools,
    host: Host,
    { version, overrides, connectionId = -1 }: PoolKey,
  ): ManagedPool {
    const special = (pools.special ??= new Map<string, ManagedPool>());
    const key = `${version} ${connectionId} ${overrides?.key ?? ''}`;
    let pool = special.get(key);
    if (pool === undefined) {
      const kind = { overrides, special: true };
      const context = this.#contextNow();
      const Pool = POOLS[version]();
      pool = new Pool(context, host, kind);
      special.set(key, pool);
    }
    return pool;
  }

  #contextNow(): PoolContext {
    return (this.#context ??= this.#newContext());
  }

  #newContext(): PoolContext {
    const { config, stats } = this.#owner;
    this.resources.markUsed();
    this.#owner.onFirstPool();
    return {
      io: this.#environment.io,
      random: this.#environment.random,
      transports: this.#environment.transports ?? null,
      config,
      stats,
      resources: this.resources,
      dialOptions: dialOptions({
        bind: config.bind ?? this.#environment.defaultBind,
        keepalive: config.tcpKeepalive,
        happyEyeballs: config.happyEyeballs,
      }),
      // The host may have a younger pool by now.
      onPoolIdle: (pool) => this.#hosts.get(pool.host)?.forget(pool),
    };
  }
}
