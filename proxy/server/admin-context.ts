// [m] What the admin endpoints see of the server; server.ts fulfils it, server/admin/* consumes it.
import type { LogLevel } from '../base/logger.ts';
import type { BootstrapConfig } from '../config/bootstrap-config.ts';
import type { ClusterConfig } from '../config/cluster-config.ts';
import type { ConfigDumpSection } from '../config/config-resource.ts';
import type { EndpointConfig } from '../config/endpoint-config.ts';
import type { AddressConfig, ListenerConfig } from '../config/listener-config.ts';
import type { PemSource, SpiffeTrustDomainConfig } from '../config/secret-config.ts';
import type { HostCounts } from '../upstream/host.ts';
import type { RateNumbers } from '../upstream/outlier-rates.ts';
import type { DiscoveredScopes } from '../xds/scope-manager.ts';
import type { ServerOptions } from './options.ts';
import type { MergedStat } from './stats-collector.ts';
import type { ComponentLogLevel } from './worker-protocol.ts';

/** As /ready prints it (envoy-behaviour §12). Draining listeners alone does not leave LIVE. */
export type ServerState = 'PRE_INITIALIZING' | 'INITIALIZING' | 'LIVE' | 'DRAINING';

export interface ClusterHostReport {
  readonly endpoint: EndpointConfig;
  readonly region: string;
  readonly zone: string;
  readonly subZone: string;
  readonly priority: number;
  /** undefined: none was given. */
  readonly localityWeight: number | undefined;
  /** Summed over the workers alive. */
  readonly counts: HostCounts;
  /** `HealthFlag` bits. */
  readonly flags: number;
  /** 0 to 100, of the last interval of outlier detection; -1: not known. */
  readonly successRate: number;
  readonly localOriginSuccessRate: number;
}

export interface OutlierReport {
  readonly external: RateNumbers;
  readonly localOrigin: RateNumbers;
}

export interface ClusterReport {
  readonly config: ClusterConfig;
  readonly hosts: readonly ClusterHostReport[];
  readonly overprovisioningPercent: number;
  /** What success rates are held against; undefined: outliers are not detected. */
  readonly outlier: OutlierReport | undefined;
}

export interface ListenerReport {
  readonly config: ListenerConfig;
  /** As bound, with the real port where 0 was asked; empty when not bound (`bind_to_port: false`, failure). */
  readonly boundAddresses: readonly AddressConfig[];
}

/** Of one TLS context: what peers are verified by, and what is shown to them. */
export interface TlsMaterial {
  readonly trustedCas: readonly PemSource[];
  /** Of a SPIFFE validator, instead of `trustedCas`: all certificates of its bundles count, under the name of the last trust domain. */
  readonly spiffeBundles?: readonly SpiffeTrustDomainConfig[] | undefined;
  readonly chains: readonly PemSource[];
}

export interface DrainRequest {
  readonly inboundOnly: boolean;
  /** Ask clients to leave for the drain time, then stop accepting; else stop accepting now. */
  readonly graceful: boolean;
  /** Never stop accepting. */
  readonly skipExit: boolean;
}

export interface RuntimeReport {
  /** The last one wins. */
  readonly layers: readonly {
    readonly name: string;
    readonly values: ReadonlyMap<string, string>;
  }[];
  readonly merged: ReadonlyMap<string, string>;
}

export interface AdminContext {
  readonly options: ServerOptions;
  readonly bootstrap: BootstrapConfig;
  /** Bytes of the envoy.config.bootstrap.v3.Bootstrap message. */
  readonly bootstrapRaw: Uint8Array;
  /** Wall clock. */
  readonly bootstrapLoadedMs: number;
  /** `revision/version/tree state/build type/TLS library`. */
  readonly buildVersion: string;
  /** For example the names of filters that are accepted and do nothing. */
  readonly inertNotes: readonly string[];

  state(): ServerState;
  uptimeMs(): number;
  /** Main and all workers, merged; a worker that does not answer in time counts as it last did. Unsorted. */
  collectStats(): Promise<readonly MergedStat[]>;
  /** `/reset_counters`: all counters are 0 from now on. */
  resetCounters(): Promise<void>;
  collectClusters(): Promise<readonly ClusterReport[]>;
  /** The same without what workers count. */
  endpoints(): readonly ClusterReport[];
  listeners(): readonly ListenerReport[];
  dumpClusters(): ConfigDumpSection;
  dumpListeners(): ConfigDumpSection;
  dumpRoutes(): ConfigDumpSection;
  runtime(): RuntimeReport;
  /** '' takes a value back. False: no layer of the runtime can be written. */
  modifyRuntime(changes: Iterable<readonly [key: string, value: string]>): boolean;
  dumpScopes(): readonly DiscoveredScopes[];
  /** Filters that are discovered; undefined: there are none. */
  dumpExtensions(chain: 'http' | 'network'): ConfigDumpSection | undefined;
  /** Of all TLS contexts, those of listeners first. */
  tlsMaterials(): readonly TlsMaterial[];
  wallMs(): number;
  /** The bytes hold private keys: nothing of them leaves without redactSecrets(). */
  dumpSecrets(): ConfigDumpSection;

  logLevels(): readonly ComponentLogLevel[];
  /** Main and workers. `component` undefined: all. False: no component of that name. */
  setLogLevel(component: string | undefined, level: LogLevel): boolean;
  reopenLogs(): void;

  drainListeners(request: DrainRequest): void;
  /** `/healthcheck/fail` and `/healthcheck/ok`. */
  setHealthCheckFailed(failed: boolean): void;
  /** `/quitquitquit`: the process ends soon after this call returns; the answer still gets out. */
  quit(): void;
}
