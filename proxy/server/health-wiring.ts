// [m] What health keepers need of the server: probes on main's loop, files for events, runtime keys.
import { LogFiles } from '../access-log/log-files.ts';
import type { LoggerRegistry } from '../base/logger.ts';
import type { RandomSource } from '../base/random.ts';
import type { TimeSource } from '../base/clock.ts';
import type { Runtime } from '../base/runtime.ts';
import type { ClusterConfig } from '../config/cluster-config.ts';
import type { EndpointConfig } from '../config/endpoint-config.ts';
import type { HealthCheckConfig } from '../config/health-check-config.ts';
import type { RequestHeaders } from '../http/header-map.ts';
import { StringMatcher } from '../router/string-matcher.ts';
import { compileStatsMatcher } from '../stats/stats-matcher.ts';
import type { StatsStore } from '../stats/store.ts';
import type { SecretStore } from '../tls/secret-store.ts';
import { StreamInfo } from '../stream-info/stream-info.ts';
import type { DownstreamConnectionInfo } from '../stream-info/stream-info.ts';
import type { HostHealthSink, ProbeMaker } from '../upstream/health-environment.ts';
import type { WriteLine } from '../upstream/health-event-log.ts';
import { GrpcProbe } from '../upstream/health-grpc-probe.ts';
import { HttpProbe } from '../upstream/health-http-probe.ts';
import { HealthKeepers } from '../upstream/health-keepers.ts';
import { HealthPacer } from '../upstream/health-pacer.ts';
import type { CheckStat } from '../upstream/health-session.ts';
import { TcpProbe } from '../upstream/health-tcp-probe.ts';
import type { LoadedBootstrap } from './bootstrap.ts';
import { HealthDialers } from './health-dialers.ts';
import { compileCheckHeaders, healthCheckProblem } from './health-headers.ts';
import { readHostEnvironment } from './options.ts';
import type { ServerOptions } from './options.ts';
import type { FromWorker } from './worker-protocol.ts';

/** Of the server. */
export interface HealthDeps {
  readonly bootstrap: LoadedBootstrap;
  readonly options: ServerOptions;
  readonly time: TimeSource;
  readonly random: RandomSource;
  readonly loggers: LoggerRegistry;
}

export interface HealthPublisher extends HostHealthSink {
  readonly outlierCounts: SharedArrayBuffer;
  readonly secretStore: SecretStore;
}

export class ServerHealth {
  readonly keepers: HealthKeepers;
  readonly #deps: HealthDeps;
  readonly #stats: StatsStore;
  readonly #runtime: Runtime;
  readonly #files: LogFiles;
  readonly #pacer: HealthPacer;
  readonly #dialers: HealthDialers;

  constructor(deps: HealthDeps, stats: StatsStore, publisher: HealthPublisher, runtime: Runtime) {
    const { time, random, options } = deps;
    const { config } = deps.bootstrap;
    this.#deps = deps;
    this.#stats = stats;
    this.#runtime = runtime;
    this.#pacer = new HealthPacer(time);
    this.#dialers = new HealthDialers({
      time,
      stats,
      secrets: publisher.secretStore,
      log: deps.loggers.get('upstream'),
      bind: config.upstreamBind,
    });
    this.#files = new LogFiles(time, options.fileFlushIntervalMs, {
      store: stats,
      flushBytes: options.fileFlushMinSizeKb * 1024,
    });
    const { outlierEventLogPath } = config;
    this.keepers = new HealthKeepers({
      time,
      random,
      runtime: this.#runtime,
      pacer: this.#pacer,
      stats,
      statWanted: compileStatsMatcher(config.stats.matcher),
      sink: publisher,
      outlierCounts: new Int32Array(publisher.outlierCounts),
      outlierLog: outlierEventLogPath === '' ? null : this.#openLog(outlierEventLogPath),
      openLog: (path) => this.#openLog(path),
      problemOf: healthCheckProblem,
      probesFor: (cluster, check, count) => this.#probesFor(cluster, check, count),
      close: () => this.#close(),
    });
  }

  onWorkerMessage(message: Extract<FromWorker, { kind: 'host_event' | 'cluster_used' }>): void {
    if (message.kind === 'cluster_used') this.keepers.onTraffic(message.cluster);
    else this.keepers.onHostEvent(message.cluster, message.address, message.event);
  }

  reopenLogs(): void {
    this.#files.reopen();
  }

  #close(): void {
    this.#pacer.close();
    this.#files.close();
    this.#dialers.close();
  }

  /** A file that cannot be had is told of, and what it should hold is lost. */
  #openLog(path: string): WriteLine {
    try {
      const file = this.#files.open(path);
      return (line) => file.write(line);
    } catch (error) {
      this.#deps.loggers
        .get('upstream')
        .error(`health events are not written: ${(error as Error).message}`);
      return () => {};
    }
  }

  #probesFor(
    cluster: ClusterConfig,
    check: HealthCheckConfig,
    count: (stat: CheckStat) => void,
  ): ProbeMaker {
    const { checker, reuseConnection: reuse, timeoutMs } = check;
    if (checker.kind === 'tcp')
      return (endpoint, owner) =>
        new TcpProbe(checker, reuse, this.#dialers.dialer(cluster, check, endpoint), owner);
    const client = {
      http2: checker.kind === 'grpc' || checker.http2,
      random: this.#deps.random,
      stats: this.#stats,
      statPrefix: `cluster.${cluster.statName}.`,
    };
    const decorate = this.#decorator(check);
    if (checker.kind === 'grpc') {
      const { serviceName } = checker;
      const authority = checker.authority === '' ? cluster.name : checker.authority;
      const common = { serviceName, timeoutMs, reuse, authority, client, decorate };
      return (endpoint, owner) =>
        new GrpcProbe(
          common,
          hostnameOf(endpoint),
          this.#dialers.dialer(cluster, check, endpoint),
          owner,
        );
    }
    const matchesService = this.#serviceMatcher(checker.serviceNameMatcher, count);
    const authority = checker.host === '' ? cluster.name : checker.host;
    const common = { config: checker, reuse, authority, client, decorate, matchesService };
    return (endpoint, owner) =>
      new HttpProbe(
        common,
        hostnameOf(endpoint),
        this.#dialers.dialer(cluster, check, endpoint),
        owner,
      );
  }

  #serviceMatcher(
    config: Extract<HealthCheckConfig['checker'], { kind: 'http' }>['serviceNameMatcher'],
    count: (stat: CheckStat) => void,
  ): ((name: string) => boolean) | null {
    if (config === undefined) return null;
    const matcher = new StringMatcher(config, 'service_name_matcher');
    const odds = { numerator: 100, denominator: 100 };
    return (name) => {
      const { random } = this.#deps;
      if (!this.#runtime.holds('health_check.verify_cluster', odds, random.nextUint32()))
        return true;
      count('verify_cluster');
      return matcher.matches(name);
    };
  }

  #decorator(check: HealthCheckConfig): (headers: RequestHeaders) => void {
    const { hostname, environment: variables } = readHostEnvironment();
    const compiled = compileCheckHeaders(check, {
      runtime: this.#runtime,
      format: { hostname, variables },
      stats: null,
    });
    if (compiled.empty) return () => {};
    return (request) => {
      const { time, random } = this.#deps;
      const info = new StreamInfo(
        NO_CONNECTION,
        time.wallMs(),
        time.monotonicMs(),
        random.nextUint32(),
      );
      compiled.apply(request, { request, response: null, info });
    };
  }
}

const hostnameOf = (endpoint: EndpointConfig): string => endpoint.healthCheck?.hostname ?? '';

/** Nobody downstream asked for a check. */
const NO_CONNECTION: DownstreamConnectionInfo = {
  connectionId: 0,
  directRemoteAddress: '',
  directRemoteIp: '',
  localAddress: '',
  localIp: '',
  localPort: 0,
  localAddressRestored: false,
  requestedServerName: '',
  tls: false,
};
