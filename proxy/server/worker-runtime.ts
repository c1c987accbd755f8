// [w] WorkerRuntime: all objects of one worker, put together; applies what main sends. The data plane's composition:
// read it top-down to see what a request can meet.
import { BreakerCounts, INTS_PER_SLOT } from '../upstream/resource-manager.ts';
import type { FilterEnvironment } from '../access-log/access-log-filter.ts';
import { HeapSettler } from '../base/heap-settler.ts';
import { realRandom } from '../base/random.ts';
import { Runtime } from '../base/runtime.ts';
import type { Logger } from '../base/logger.ts';
import type { TimeSource } from '../base/clock.ts';
import { lazyPart } from '../base/lazy-part.ts';
import { assert } from '../base/assert.ts';
import { routeKey } from '../config/route-config.ts';
import { resourceCount } from '../config/snapshot.ts';
import type { ConfigUpdate } from '../config/snapshot.ts';
import { SharedCounts } from '../filters/shared-counts.ts';
import { TokenBucketMemory } from '../filters/token-bucket-memory.ts';
import { ConnectionHandler } from '../listener-manager/connection-handler.ts';
import { globalCeiling } from '../listener-manager/connection-ceiling.ts';
import { ServerFirstMemory } from '../listener-manager/server-first.ts';
import type { BindReport } from '../listener-manager/tcp-listener.ts';
import type { AddressConfig } from '../config/listener-config.ts';
import { ServerDrainState } from '../listener-manager/drain-state.ts';
import { EarlySockets } from '../listener-manager/early-sockets.ts';
import { IoThread } from '../network/io-thread.ts';
import type { FormatEnvironment } from '../access-log/format-environment.ts';
import type { RouteEnvironment } from '../router/route-environment.ts';
import { filterEnvironment } from '../router/log-filter-environment.ts';
import { CompiledRouteTable } from '../router/route-table.ts';
import { RouteTableSlot } from '../router/route-table-slot.ts';
import { StatsStore } from '../stats/store.ts';
import { SecretStore } from '../tls/secret-store.ts';
import { localityOf } from '../upstream/host.ts';
import { SharedHostCounts } from '../upstream/shared-host-counts.ts';
import { WorkerClusterManager } from '../upstream/worker-cluster-manager.ts';
import { WorkerHealth } from '../upstream/worker-health.ts';
import type { HealthReport } from '../upstream/worker-health.ts';
import { AskedOfMain } from './asked-of-main.ts';
import { WorkerChainBuilder } from './chain-builder.ts';
import type { ChainBuilderParts } from './chain-builder.ts';
import { StatsAnswers } from './stats-answers.ts';
import { WorkerAccessLogs } from './worker-access-logs.ts';
import { WorkerLog } from './worker-log.ts';
import type { ThreadTls } from './thread-tls.ts';
import type {
  ApplyProblem,
  CircuitBreakerSlot,
  FromWorker,
  HostReport,
  ToWorker,
  WorkerInit,
} from './worker-protocol.ts';

const threadTls = lazyPart<typeof import('./thread-tls.ts')>('server/thread-tls');

const CONNECTION_REPORT_MS = 1000;
/** Runtime: false, and silent clients wait as in Envoy. */
const SERVER_FIRST_KEY = 'outrigger.server_first';

export class WorkerRuntime implements BindReport {
  readonly #init: WorkerInit;
  readonly #post: (message: FromWorker) => void;
  readonly #time: TimeSource;
  readonly #log: WorkerLog;
  readonly #io: IoThread;
  readonly #store = new StatsStore();
  readonly #stats: StatsAnswers;
  readonly #secrets = new SecretStore();
  #madeTls: ThreadTls | null = null;
  readonly #accessLogs: WorkerAccessLogs;
  readonly #logFilters: FilterEnvironment;
  readonly #asked: AskedOfMain;
  readonly #clusters: WorkerClusterManager;
  readonly #routeEnvironment: RouteEnvironment;
  readonly #tokenBuckets: TokenBucketMemory;
  readonly #sharedCounts: SharedCounts;
  readonly #routeSlots = new Map<string, RouteTableSlot>();
  readonly #drain = new ServerDrainState();
  readonly #handler: ConnectionHandler;
  readonly #logger: Logger;
  readonly #settler: HeapSettler;
  #reportedConnections = 0;

  constructor(init: WorkerInit, time: TimeSource, post: (message: FromWorker) => void) {
    this.#init = init;
    this.#post = post;
    this.#time = time;
    this.#log = new WorkerLog(init.logLevel, time, post);
    this.#setLogLevels(init);
    this.#logger = this.#log.registry.get('config');
    this.#io = new IoThread(time);
    this.#stats = new StatsAnswers(this.#store, time, post);
    this.#settler = new HeapSettler(time, () => this.#io.eventCount);
    const environment = { hostname: init.hostname, variables: init.environment };
    const runtime = new Runtime(init.runtime);
    this.#logFilters = filterEnvironment(runtime, realRandom);
    this.#accessLogs = new WorkerAccessLogs({
      time,
      store: this.#store,
      environment,
      filters: this.#logFilters,
      log: this.#logger,
      flush: init,
      postRecords: (key, config, records) => post({ kind: 'grpc_logs', key, config, records }),
    });
    this.#routeEnvironment = this.#routeEnvironmentFor(runtime, environment);
    this.#asked = new AskedOfMain(time, this.#io.timers, post);
    this.#clusters = this.#newClusters(init, runtime);
    this.#sharedCounts = new SharedCounts(init.sharedCounts, init.workerIndex);
    this.#tokenBuckets = new TokenBucketMemory(init.tokenBuckets);
    const builder = new WorkerChainBuilder({
      io: this.#io,
      store: this.#store,
      random: realRandom,
      runtime,
      routeEnvironment: this.#routeEnvironment,
      logFilters: this.#logFilters,
      tokenBuckets: this.#tokenBuckets,
      sharedCounts: this.#sharedCounts,
      log: this.#log.registry.get('filter'),
      clusters: this.#clusters,
      tls: () => this.#tls().contexts,
      serverHealth: this.#drain,
      asked: this.#asked,
      node: nodeFacts(init),
      routeSlot: (name) => this.#routeSlot(name),
      createAccessLogs: (configs) => this.#accessLogs.create(configs),
    });
    this.#handler = this.#newHandler(init, builder, runtime);
    this.#reportConnections();
  }

  #tls(): ThreadTls {
    return (this.#madeTls ??= new (threadTls().ThreadTls)({
      secrets: this.#secrets,
      stats: this.#store,
      ticketSecret: this.#init.ticketSecret,
      time: this.#time,
      log: this.#log.registry.get('connection'),
    }));
  }

  #newClusters(init: WorkerInit, runtime: Runtime): WorkerClusterManager {
    return new WorkerClusterManager({
      io: this.#io,
      store: this.#store,
      random: realRandom,
      forwardHosts: this.#asked.forwardHosts,
      transports: { transportFor: (request) => this.#tls().transports.transportFor(request) },
      counts: new BreakerCounts(init.circuitBreakerCounts, init.workerIndex, init.concurrency),
      runtime,
      localClusterName: init.localClusterName,
      localKey: localityKeyOf(init.node),
      defaultBind: init.upstreamBind,
      hostCounts: new SharedHostCounts(init.hostCounts, init.workerIndex),
      health: new WorkerHealth(init.outlierCounts, this.#time, healthReport(this.#post)),
    });
  }

  #newHandler(init: WorkerInit, builder: WorkerChainBuilder, runtime: Runtime): ConnectionHandler {
    const log = this.#log.registry.get('connection');
    return new ConnectionHandler(
      {
        io: this.#io,
        store: this.#store,
        workerIndex: init.workerIndex,
        workerCount: init.concurrency,
        runtime,
        sharedCounts: this.#sharedCounts,
        ceiling: globalCeiling(init.maxDownstreamConnections, runtime, this.#sharedCounts),
        random: realRandom,
        log,
        builder,
        early: new EarlySockets(this.#io, init.early, log),
        drain: this.#drain,
        serverFirst: runtime.flag(SERVER_FIRST_KEY, true)
          ? new ServerFirstMemory(this.#io.time)
          : null,
        createAccessLogs: (listener) => this.#accessLogs.create(listener.accessLogs),
      },
      { strategy: init.drainStrategy, drainTimeMs: init.drainTimeMs },
      this,
    );
  }

  onBound(name: string, address: AddressConfig, error: string | undefined): void {
    this.#post({ kind: 'listener_bound', name, address, error });
  }

  handle(message: ToWorker): void {
    switch (message.kind) {
      case 'init':
        assert(false, 'a worker is initialised once');
        return;
      case 'config':
        this.#tokenBuckets.note(message.bucketPlaces);
        this.#apply(message.update, message.slots);
        return;
      case 'collect_stats':
        this.#clusters.refreshStats();
        this.#stats.ask(message.requestId, message.all);
        return;
      case 'collect_clusters':
        this.#post({ kind: 'clusters', requestId: message.requestId, hosts: this.#hostReports() });
        return;
      case 'drain_started':
        this.#startDrain(message);
        return;
      case 'stop_listeners':
        this.#handler.stopListeners(message.inboundOnly);
        return;
      case 'health_check_failed':
        this.#drain.healthCheckFailed = message.failed;
        return;
      case 'log_level':
        this.#setLogLevel(message);
        return;
      case 'secrets':
        this.#secrets.apply(message.updates);
        return;
      case 'forward_hosts':
      case 'cluster_missing':
        this.#asked.onAnswer(message);
        return;
      case 'grpc_logs_sent':
        this.#accessLogs.onRecordsSent(message.key);
        return;
      default:
        this.#handleSeldom(message);
    }
  }

  #handleSeldom({
    kind,
  }: Extract<ToWorker, { kind: 'early_over' | 'reopen_logs' | 'shutdown' }>): void {
    if (kind === 'early_over') {
      this.#handler.takeEarly();
      this.#settler.onStarted();
    } else if (kind === 'reopen_logs') this.#accessLogs.reopen();
    else this.#shutDown();
  }

  #setLogLevel({ component, level }: Extract<ToWorker, { kind: 'log_level' }>): void {
    if (component === undefined) this.#log.registry.setAll(level);
    else this.#log.registry.setLevel(component, level);
  }

  #setLogLevels({ componentLogLevels }: WorkerInit): void {
    for (const { component, level } of componentLogLevels)
      this.#log.registry.get(component).level = level;
  }

  #startDrain(message: Extract<ToWorker, { kind: 'drain_started' }>): void {
    const order = {
      strategy: message.strategy,
      drainTimeMs: message.drainTimeMs,
      startMs: this.#time.monotonicMs() - message.elapsedMs,
    };
    this.#drain.inbound = order;
    if (!message.inboundOnly) this.#drain.other = order;
  }

  #shutDown(): void {
    this.#settler.close();
    this.#handler.closeAll();
    this.#accessLogs.close();
    this.#log.flush();
  }

  #apply(update: ConfigUpdate, slots: readonly CircuitBreakerSlot[]): void {
    const problems: ApplyProblem[] = [];
    const attempt = (resource: ApplyProblem['resource'], name: string, work: () => void): void => {
      try {
        work();
      } catch (error) {
        problems.push({ resource, name, message: (error as Error).message });
      }
    };
    if (update.runtime !== undefined) {
      this.#routeEnvironment.runtime.replace(update.runtime);
      for (const cluster of this.#clusters.all()) cluster.onRuntime();
    }
    const slotOf = new Map(slots.map((entry) => [entry.cluster, entry.slot]));
    for (const config of update.clusters) {
      const slot = slotOf.get(config.name);
      attempt('cluster', config.name, () => {
        assert(slot !== undefined, `cluster '${config.name}' came without a circuit-breaker slot`);
        assert(
          (slot + 1) * INTS_PER_SLOT * 4 * this.#init.concurrency <=
            this.#init.circuitBreakerCounts.byteLength,
          'slot out of range',
        );
        this.#clusters.upsert(config, slot);
      });
    }
    for (const endpoints of update.endpoints) {
      attempt('endpoints', endpoints.clusterName, () => this.#clusters.updateEndpoints(endpoints));
    }
    for (const changes of update.endpointChanges) {
      attempt('endpoints', changes.clusterName, () => this.#clusters.changeEndpoints(changes));
    }
    for (const health of update.hostHealth) {
      attempt('host health', health.clusterName, () => this.#clusters.updateHealth(health));
    }
    for (const route of update.routes) {
      attempt('route', route.name, () =>
        this.#routeSlot(routeKey(route)).update(
          new CompiledRouteTable(route, this.#routeEnvironment),
        ),
      );
    }
    // First: what comes may have the address of what goes.
    this.#handler.remove(update.removedListeners, update.listeners);
    for (const listener of update.listeners)
      attempt('listener', listener.name, () => this.#handler.upsert(listener));
    // Chains that drain keep the table they have: their clients are served to the end.
    for (const name of update.removedRoutes) this.#routeSlots.delete(name);
    for (const name of update.removedClusters) this.#clusters.remove(name);
    for (const problem of problems)
      this.#logger.error(`${problem.resource} '${problem.name}': ${problem.message}`);
    for (const { name } of update.clusters)
      this.#asked.clusterDiscovery.onOutcome(name, 'available');
    this.#post({ kind: 'applied', version: update.version, problems });
    this.#settler.onApplied(resourceCount(update));
  }

  #routeSlot(name: string): RouteTableSlot {
    let slot = this.#routeSlots.get(name);
    if (slot === undefined) {
      slot = new RouteTableSlot();
      this.#routeSlots.set(name, slot);
    }
    return slot;
  }

  #hostReports(): readonly HostReport[] {
    const reports: HostReport[] = [];
    for (const cluster of this.#clusters.all()) {
      for (const host of cluster.hosts()) {
        reports.push({
          cluster: cluster.config.name,
          address: host.addressText,
          counts: { ...host.counts },
        });
      }
    }
    return reports;
  }

  #routeEnvironmentFor(runtime: Runtime, format: FormatEnvironment): RouteEnvironment {
    const { guardReplays, replayStale } = this.#init;
    return { runtime, format, stats: this.#store, guardReplays, replayStale };
  }

  #reportConnections(): void {
    const active = this.#handler.connectionCount;
    if (active !== this.#reportedConnections) {
      this.#reportedConnections = active;
      this.#post({ kind: 'connections', active });
    }
    this.#time.setTimer(() => this.#reportConnections(), CONNECTION_REPORT_MS);
  }
}

const localityKeyOf = ({ locality }: WorkerInit['node']): string | null =>
  locality === undefined ? null : localityOf(locality.region, locality.zone, locality.subZone).key;

const healthReport = (post: (message: FromWorker) => void): HealthReport => ({
  onHostEvent: (cluster, address, event) => post({ kind: 'host_event', cluster, address, event }),
  onTraffic: (cluster) => post({ kind: 'cluster_used', cluster }),
});

const nodeFacts = ({ localAddress, node }: WorkerInit): ChainBuilderParts['node'] => ({
  ip: localAddress,
  cluster: node.cluster,
  id: node.id,
  zone: node.locality?.zone ?? '',
});
