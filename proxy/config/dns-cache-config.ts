// [b] DNS caches of dynamic forward proxies as plain data (envoy.extensions.common.dynamic_forward_proxy.v3.DnsCacheConfig).
import type { DnsConfig } from './cluster-config.ts';

export interface DnsCacheConfig {
  /** Filters and clusters that say the same name share the cache. */
  readonly name: string;
  /** Default of its rate 60 000, of the least wait 5000. */
  readonly dns: DnsConfig;
  /** A host nobody asked for in that time is forgotten; default 300 000. */
  readonly hostTtlMs: number;
  /** Default 1024; those beyond are refused. */
  readonly maxHosts: number;
  /** Requests that wait for answers at a time; default 1024. */
  readonly maxPending: number;
  /** Default 5000; 0: none. */
  readonly queryTimeoutMs: number;
  /** A name that failed is forgotten, instead of asked again. */
  readonly forgetFailures: boolean;
  /** `name:port` of hosts to ask for before anybody wants them. */
  readonly preresolve: readonly string[];
}

/** What main knows of one host of a cache. */
export interface ForwardHostConfig {
  /** `name:port`, as it was asked for. */
  readonly host: string;
  readonly port: number;
  /** In the order they are to be tried; empty: the last query failed, and none before gave any. */
  readonly addresses: readonly string[];
  /** Why there are no addresses: response code details. */
  readonly failure: string;
  /** The cache is full: this is no host of it. */
  readonly overflow: boolean;
}
