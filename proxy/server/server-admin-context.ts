// [m] The AdminContext that the server gives to admin: views and commands over its parts.
import type { LoggerRegistry, LogLevel } from '../base/logger.ts';
import type { ListenerManager } from '../listener-manager/listener-manager.ts';
import type { StatsStore } from '../stats/store.ts';
import type { ClusterManager } from '../upstream/cluster-manager.ts';
import type { SecretManager } from '../xds/secret-manager.ts';
import type { AdminContext, ServerState } from './admin-context.ts';
import { clusterReports } from './cluster-reports.ts';
import type { LoadedBootstrap } from './bootstrap.ts';
import type { DiscoveredTargets } from './discovered-targets.ts';
import type { Discovery } from './discovery.ts';
import type { DrainManager } from './drain-manager.ts';
import type { InertNotes } from './inert-notes.ts';
import type { RuntimeLayers } from './runtime-layers.ts';
import type { ServerOptions } from './options.ts';
import type { StatsCollector } from './stats-collector.ts';
import { tlsMaterials } from './tls-materials.ts';
import { BUILD_VERSION } from './version.ts';
import type { WorkerPool } from './worker-pool.ts';

/** What the server itself does for admin. */
export interface AdminCommands {
  readonly state: ServerState;
  setLogLevel(component: string | undefined, level: LogLevel): boolean;
  reopenLogs(): void;
  quit(): void;
}

export interface AdminContextParts {
  readonly options: ServerOptions;
  readonly bootstrap: LoadedBootstrap;
  readonly bootstrapLoadedMs: number;
  readonly loggers: LoggerRegistry;
  readonly notes: InertNotes;
  readonly stats: StatsStore;
  readonly collector: StatsCollector;
  readonly pool: WorkerPool;
  readonly clusters: ClusterManager;
  readonly listeners: ListenerManager;
  readonly secrets: SecretManager;
  readonly targets: DiscoveredTargets;
  readonly runtime: RuntimeLayers;
  readonly drain: DrainManager;
  readonly discovery: Discovery;
  readonly server: AdminCommands;
  readonly uptimeMs: () => number;
  readonly wallMs: () => number;
  /** Brings main's gauges up to date. */
  readonly refreshStats: () => void;
}

export function createAdminContext(parts: AdminContextParts): AdminContext {
  const {
    options,
    bootstrap,
    bootstrapLoadedMs,
    pool,
    clusters,
    listeners,
    drain,
    discovery,
    server,
  } = parts;
  return {
    options,
    bootstrap: bootstrap.config,
    bootstrapRaw: bootstrap.raw,
    bootstrapLoadedMs,
    buildVersion: BUILD_VERSION,
    get inertNotes() {
      return parts.notes.list();
    },
    state: () => server.state,
    uptimeMs: parts.uptimeMs,
    collectStats: async () => {
      await refreshAll(parts);
      return parts.collector.merged();
    },
    resetCounters: async () => {
      await refreshAll(parts);
      parts.collector.resetCounters();
    },
    collectClusters: async () => clusterReports(clusters.clusters(), await pool.collectClusters()),
    endpoints: () => clusterReports(clusters.clusters(), []),
    listeners: () => listeners.listeners(),
    dumpClusters: () => clusters.dumpClusters(discovery.version('clusters')),
    dumpListeners: () => listeners.dumpListeners(discovery.version('listeners')),
    runtime: () => parts.runtime,
    modifyRuntime: (changes) => parts.runtime.modify(changes),
    dumpScopes: () => parts.targets.scopes.dump(),
    dumpExtensions: (chain) => parts.targets.extensions.dump(chain),
    dumpSecrets: () => parts.secrets.dump(),
    tlsMaterials: () =>
      tlsMaterials(
        listeners.listeners().map(({ config }) => config),
        clusters.clusters().map(({ config }) => config),
        (key) => parts.secrets.current(key),
      ),
    wallMs: parts.wallMs,
    dumpRoutes: () => listeners.dumpRoutes(discovery.version('routes')),
    logLevels: () => parts.loggers.levels(),
    setLogLevel: (component, level) => server.setLogLevel(component, level),
    reopenLogs: () => server.reopenLogs(),
    drainListeners: (request) => drain.drainListeners(request),
    setHealthCheckFailed: (failed) => drain.setHealthCheckFailed(failed),
    // The end closes admin's connections: not before the answer is written.
    quit: () => void setImmediate(() => server.quit()),
  };
}

async function refreshAll(parts: AdminContextParts): Promise<void> {
  const { collector, stats, pool } = parts;
  await pool.collectStats((workerId) => collector.knows(workerId));
  parts.refreshStats();
  parts.clusters.refreshStats();
  collector.add('main', stats.report(!collector.knows('main')));
}
