// [m] Server: builds everything on main, in order, and takes it down again (envoy-behaviour §13.5, §14).
//
// Start: stats → managers → workers → static clusters → ADS → static listeners → admin. LIVE when the first clusters,
// endpoints, listeners and routes came and every worker runs on them.
import { Lifetime } from '../base/lifetime.ts';
import type { Logger, LogLevel } from '../base/logger.ts';
import { ListenerManager } from '../listener-manager/listener-manager.ts';
import { compileHidden, compileStatsMatcher } from '../stats/stats-matcher.ts';
import { runtimeReader } from '../upstream/runtime-limits.ts';
import { StatsStore } from '../stats/store.ts';
import { ClusterManager } from '../upstream/cluster-manager.ts';
import { addressText } from '../upstream/host.ts';
import type { DiscoveryChannels } from '../xds/discovery-channels.ts';
import type { FieldNotices } from '../xds/field-notices.ts';
import type { SecretManager } from '../xds/secret-manager.ts';
import type { ServerState } from './admin-context.ts';
import { MAX_SLOTS } from './circuit-breaker-slots.ts';
import { ConfigPublisher } from './config-publisher.ts';
import type { PublishedConfig } from './config-publisher.ts';
import { resourceCount } from '../config/snapshot.ts';
import { NameResolution } from './name-resolution.ts';
import { HeapSettler } from '../base/heap-settler.ts';
import { CompilerHold } from './compiler-hold.ts';
import { Discovery, discoveryChannels } from './discovery.ts';
import { DrainManager } from './drain-manager.ts';
import { EphemeralPorts } from './ephemeral-ports.ts';
import { ServerHealth } from './health-wiring.ts';
import { InertNotes } from './inert-notes.ts';
import { wireTargets } from './discovered-targets.ts';
import type { DiscoveredTargets } from './discovered-targets.ts';
import { ControlChannels } from './grpc/control-channels.ts';
import type { ControlTls } from './grpc/control-tls.ts';
import { LogLevels } from './log-levels.ts';
import { LogForwarder } from './log-forwarder.ts';
import { createAdminContext } from './server-admin-context.ts';
import { wireControlTls, wireSecrets } from './secrets-wiring.ts';
import { wireRuntime } from './runtime-layers.ts';
import type { RuntimeLayers } from './runtime-layers.ts';
import type { ServerDeps } from './server-deps.ts';
import { ServerStats } from './server-stats.ts';
import { sourceProblem } from './source-check.ts';
import { fieldNotices } from './static-notices.ts';
import { Startup } from './startup.ts';
import { yieldToWorkers } from './yield-to-workers.ts';
import { StatsCollector } from './stats-collector.ts';
import { workerInit } from './worker-init.ts';
import { WorkerMessages } from './worker-messages.ts';
import { WorkerPool } from './worker-pool.ts';
import type { FromWorker } from './worker-protocol.ts';

export class Server {
  readonly #deps: ServerDeps;
  readonly #log: Logger;
  readonly #startedMs: number;
  readonly #stats = new StatsStore();
  readonly #serverStats: ServerStats;
  readonly #channels: ControlChannels;
  readonly #controlTls: ControlTls;
  readonly #collector = new StatsCollector();
  readonly #publisher: ConfigPublisher;
  readonly #health: ServerHealth;
  readonly #fields: FieldNotices;
  readonly #runtime: RuntimeLayers;
  readonly #secrets: SecretManager;
  readonly #names: NameResolution;
  readonly #targets: DiscoveredTargets;
  readonly #clusters: ClusterManager;
  readonly #listeners: ListenerManager;
  readonly #drain: DrainManager;
  readonly #pool: WorkerPool;
  readonly #logs: LogForwarder;
  readonly #settler: HeapSettler;
  readonly #hold: CompilerHold;
  readonly #startup: Startup;
  readonly #discovery: Discovery;
  readonly #notes: InertNotes;
  readonly #messages: WorkerMessages;
  readonly #logLevels: LogLevels;
  readonly #lifetime = new Lifetime();
  /** Version that all workers must run on before the server is live, and the one they do run on. */
  #liveVersion = Infinity;
  /** Static resources are all known; before, clusters that are ready would pass for everything. */
  #handedOver = false;
  #appliedVersion = -1;
  #onQuit: (exitCode: number) => void = () => {};
  readonly #quit: Promise<number>;

  constructor(deps: ServerDeps) {
    this.#deps = deps;
    const { options, bootstrap, time } = deps;
    this.#log = deps.loggers.get('main');
    this.#logLevels = new LogLevels(deps.loggers);
    this.#notes = new InertNotes(this.#stats, (note) => this.#log.warn(note));
    this.#startedMs = time.monotonicMs();
    this.#quit = new Promise((resolve) => (this.#onQuit = resolve));
    this.#serverStats = new ServerStats(this.#stats);
    this.#fields = fieldNotices(options, bootstrap.notices, this.#stats, deps.loggers);
    this.#controlTls = wireControlTls(deps, this.#stats, () => this.#publisher);
    this.#channels = new ControlChannels(time, this.#stats, this.#controlTls);
    const publish = this.#publish.bind(this);
    this.#publisher = new ConfigPublisher(time, publish, options.concurrency);
    this.#runtime = wireRuntime(deps, this.#stats, this.#publisher, () => this.#advance());
    this.#settler = new HeapSettler(time, () => this.#publisher.version);
    this.#hold = new CompilerHold(time);
    const channels = discoveryChannels(deps, (cluster) =>
      this.#channels.openTo(this.#clusters.clusters(), cluster, ''),
    );
    this.#secrets = this.#createSecretManager(channels);
    this.#names = new NameResolution(deps, this.#stats, () => this.#pool);
    this.#targets = wireTargets(deps, this.#stats, this.#runtime.values, {
      onWanted: (wanted) => this.#discovery.setExtensions(wanted),
      open: (...parts) => this.#discovery.openScopes(...parts),
      onSettled: () => this.#listeners.onTargets(),
    });
    this.#health = new ServerHealth(deps, this.#stats, this.#publisher, this.#runtime.values);
    this.#clusters = this.#createClusterManager();
    this.#listeners = this.#createListenerManager();
    this.#discovery = this.#createDiscovery(channels);
    this.#drain = this.#createDrain();
    this.#pool = this.#createPool();
    this.#logs = this.#createLogForwarder();
    this.#messages = this.#createMessages();
    this.#startup = this.#createStartup();
    for (const part of [
      this.#publisher,
      this.#settler,
      this.#hold,
      this.#secrets,
      this.#targets,
      this.#names,
      this.#runtime,
      this.#clusters,
      this.#listeners,
      this.#discovery,
      this.#drain,
    ])
      this.#lifetime.own(part);
    this.#notes.addBootstrap(bootstrap.config);
  }

  /** Resolves when the admin endpoint accepts; the server may not be live yet. Rejects when a port cannot be had. */
  async start(): Promise<void> {
    const { bootstrap, options } = this.#deps;
    const { node } = bootstrap.config;
    this.#log.info('starting', {
      node: node.id,
      cluster: node.cluster,
      concurrency: options.concurrency,
    });
    const listeners = this.#lifetime.own(new EphemeralPorts()).pin(bootstrap.listeners);
    // Threads come up on other cores while this one loads gRPC.
    this.#pool.start();
    if (bootstrap.config.ads !== undefined)
      this.#discovery.attach(await this.#deps.openAdsTransport(this.#channels));
    this.#secrets.addStatic(bootstrap.secrets);
    this.#clusters.addStatic(bootstrap.clusters);
    this.#discovery.start();
    this.#listeners.addStatic(listeners);
    this.#handedOver = true;
    this.#advance();
    this.#startAdmin();
  }

  get state(): ServerState {
    return this.#startup.state(this.#drain.healthCheckFailed);
  }

  /** Resolves with the exit code when the process is to end: quit(), /quitquitquit, a static listener without a port. */
  get quitRequested(): Promise<number> {
    return this.#quit;
  }

  quit(): void {
    this.#onQuit(0);
  }

  reopenLogs(): void {
    this.#deps.processLog.reopen();
    this.#health.reopenLogs();
    this.#pool.broadcast({ kind: 'reopen_logs' });
  }

  /** Main and workers. False: no component of that name. */
  setLogLevel(component: string | undefined, level: LogLevel): boolean {
    const message = this.#logLevels.set(component, level);
    if (message !== undefined) this.#pool.broadcast(message);
    return message !== undefined;
  }

  /** Listeners and connections are cut, logs flushed; no drain, as Envoy does on SIGTERM. */
  async stop(): Promise<void> {
    this.#log.info('stopping');
    this.#lifetime.close();
    await this.#pool.stop();
    // Workers that end hand over what they still have.
    this.#logs.close();
  }

  #createDrain(): DrainManager {
    const { options, time } = this.#deps;
    return new DrainManager({
      strategy: options.drainStrategy,
      drainTimeMs: options.drainTimeS * 1000,
      time,
      tellWorkers: (message) => this.#pool.broadcast(message),
      onListenersStopped: (which) => this.#listeners.stopListeners(which),
    });
  }

  #createSecretManager(channels: DiscoveryChannels): SecretManager {
    return wireSecrets(this.#deps, {
      sink: this.#controlTls,
      channels,
      onAdsNames: (names) => this.#discovery.setSecretNames(names),
      onSettled: () => {
        this.#clusters.onSecrets();
        this.#listeners.onSecrets();
      },
      stats: this.#stats,
      fields: this.#fields,
    });
  }

  #createClusterManager(): ClusterManager {
    const { bootstrap, time, loggers } = this.#deps;
    return new ClusterManager({
      sink: this.#publisher,
      events: {
        onPublished: (config) => {
          this.#notes.addCluster(config);
          this.#names.onCluster(config);
        },
        onEndpointsWanted: (wanted) => this.#discovery.setEndpoints(wanted),
        onChange: () => {
          this.#listeners.onClustersChanged();
          this.#advance();
        },
      },
      resolver: this.#names.resolver,
      secrets: this.#secrets,
      time,
      random: this.#deps.random,
      stats: this.#stats,
      statWanted: compileStatsMatcher(bootstrap.config.stats.matcher),
      statsHidden: (ends) => compileHidden(bootstrap.config.stats.matcher, ends),
      log: loggers.get('upstream'),
      sourceProblem: (source) => sourceProblem(source, bootstrap.config.clusters),
      maxClusters: MAX_SLOTS,
      health: this.#health.keepers,
      breakers: runtimeReader(this.#publisher.breakers, this.#runtime.values),
    });
  }

  #createListenerManager(): ListenerManager {
    const { bootstrap, options, time, loggers } = this.#deps;
    return new ListenerManager({
      sink: this.#publisher,
      events: {
        onPublished: (config) => this.#notes.addListener(config),
        onRoutesWanted: (wanted) => this.#discovery.setRoutes(wanted),
        onChange: () => this.#advance(),
      },
      time,
      stats: this.#stats,
      runtime: this.#runtime.values,
      secrets: this.#secrets,
      targets: this.#targets.all,
      log: loggers.get('config'),
      isClusterWarming: (name) => this.#clusters.isWarmingFirst(name),
      sourceProblem: (source) => sourceProblem(source, bootstrap.config.clusters),
      drainTimeMs: options.drainTimeS * 1000,
    });
  }

  #createPool(): WorkerPool {
    const { options, time, random } = this.#deps;
    return new WorkerPool({
      entry: this.#deps.workerEntry,
      concurrency: options.concurrency,
      init: workerInit(this.#deps, this.#publisher),
      sum: () => this.#publisher.sum(),
      catchUp: () => [...this.#logLevels.messages, ...this.#drain.catchUp()],
      time,
      random,
      stats: this.#stats,
      log: this.#log,
      events: {
        onStarted: () => yieldToWorkers(this.#log),
        onAllApplied: (version) => this.#onAllApplied(version),
        onStatNames: (workerId, names) => void this.#collector.define(workerId, names),
        onStats: (workerId, report) => this.#collector.add(workerId, report),
        onMessage: (index, message) => this.#messages.on(index, message),
        onGone: (workerId, workerIndex) => {
          this.#collector.retire(workerId);
          this.#publisher.onWorkerGone(workerIndex);
        },
      },
    });
  }

  #createLogForwarder(): LogForwarder {
    return new LogForwarder({
      open: () =>
        this.#deps.openAccessLogs({
          stats: this.#stats,
          log: this.#log,
          connect: (cluster, authority) =>
            this.#channels.openTo(this.#clusters.clusters(), cluster, authority),
        }),
      tell: (index, message) => this.#pool.tell(index, message),
    });
  }

  #createStartup(): Startup {
    const { config } = this.#deps.bootstrap;
    return new Startup(
      {
        hasCds: config.cds !== undefined,
        hasLds: config.lds !== undefined,
        missingLayers: () => this.#runtime.missing,
        warmingClusters: () => this.#clusters.warmingCount,
        warmingListeners: () => this.#listeners.warmingCount,
      },
      {
        onClustersReady: () => {
          this.#log.info('clusters initialized');
          this.#listeners.openGate();
          this.#discovery.startListeners();
        },
        onConfigured: () => {
          this.#publisher.flush();
          this.#liveVersion = this.#publisher.version;
          this.#checkLive();
        },
        onLive: () => {
          const tookMs = Math.round(this.#deps.time.monotonicMs() - this.#startedMs);
          this.#serverStats.setState(this.state);
          this.#serverStats.onInitialized(tookMs);
          this.#drain.onConfigured();
          this.#settler.onStarted();
          this.#hold.end();
          this.#log.info('all dependencies initialized, the server is live', { tookMs });
        },
      },
    );
  }

  #createMessages(): WorkerMessages {
    return new WorkerMessages({
      onBound: (message) => this.#onBound(message),
      processLog: this.#deps.processLog,
      log: this.#log,
      logs: this.#logs,
      health: this.#health,
      names: this.#names,
      discovery: this.#discovery,
    });
  }

  #createDiscovery(channels: DiscoveryChannels): Discovery {
    return new Discovery({
      deps: this.#deps,
      channels,
      clusters: this.#clusters,
      listeners: this.#listeners,
      secrets: this.#secrets,
      extensions: this.#targets.extensions,
      runtime: this.#runtime,
      onAnswered: (kind) => this.#startup.onAnswered(kind),
      onMissingCluster: (cluster) => this.#pool.broadcast({ kind: 'cluster_missing', cluster }),
      stats: this.#stats,
      fields: this.#fields,
    });
  }

  #startAdmin(): void {
    const { createAdmin, bootstrap, options } = this.#deps;
    const { address } = bootstrap.config.admin;
    if (createAdmin === undefined || address === undefined) return;
    const context = createAdminContext({
      options,
      bootstrap,
      bootstrapLoadedMs: this.#deps.time.wallMs(),
      loggers: this.#deps.loggers,
      notes: this.#notes,
      stats: this.#stats,
      collector: this.#collector,
      pool: this.#pool,
      clusters: this.#clusters,
      listeners: this.#listeners,
      secrets: this.#secrets,
      targets: this.#targets,
      runtime: this.#runtime,
      drain: this.#drain,
      discovery: this.#discovery,
      server: this,
      uptimeMs: () => this.#deps.time.monotonicMs() - this.#startedMs,
      wallMs: () => this.#deps.time.wallMs(),
      refreshStats: () => this.#refreshStats(),
    });
    const bound = this.#lifetime.own(createAdmin(context)).listen(address);
    this.#log.info(`admin address: ${addressText(bound)}`);
  }

  #refreshStats(): void {
    this.#serverStats.setState(this.state);
    const uptimeMs = this.#deps.time.monotonicMs() - this.#startedMs;
    this.#serverStats.refresh(uptimeMs, this.#messages.connections);
  }

  #publish(config: PublishedConfig): void {
    this.#pool.publish(config);
    const { update } = config;
    this.#settler.onApplied(resourceCount(update));
  }

  #onAllApplied(version: number): void {
    this.#publisher.onAllApplied(version);
    this.#appliedVersion = version;
    this.#checkLive();
  }

  #advance(): void {
    if (this.#handedOver) this.#startup.advance();
  }

  #checkLive(): void {
    if (this.#appliedVersion >= this.#liveVersion) this.#startup.onWorkersReady();
  }

  #onBound({ name, address, error }: Extract<FromWorker, { kind: 'listener_bound' }>): void {
    // As Envoy: a bootstrap whose ports cannot be had is not served in part. Listeners of LDS do not end the process.
    if (!this.#listeners.onBound(name, address, error)) return;
    this.#log.critical(`static listener '${name}' cannot bind; ending`);
    this.#onQuit(1);
  }
}
