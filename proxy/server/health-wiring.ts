// [m] What health keepers need of the server: files for events, runtime keys, and probes once there is something to check.
import { LogFiles } from '../access-log/log-files.ts';
import { lazyPart } from '../base/lazy-part.ts';
import type { LoggerRegistry } from '../base/logger.ts';
import type { RandomSource } from '../base/random.ts';
import type { TimeSource } from '../base/clock.ts';
import type { Runtime } from '../base/runtime.ts';
import { compileStatsMatcher } from '../stats/stats-matcher.ts';
import type { StatsStore } from '../stats/store.ts';
import type { SecretStore } from '../tls/secret-store.ts';
import type { HostHealthSink } from '../upstream/health-environment.ts';
import type { WriteLine } from '../upstream/health-event-log.ts';
import { HealthKeepers } from '../upstream/health-keepers.ts';
import { HealthPacer } from '../upstream/health-pacer.ts';
import type { LoadedBootstrap } from './bootstrap.ts';
import { healthCheckProblem } from './health-headers.ts';
import type { HealthProbes, HealthProbesParts } from './health-probes.ts';
import type { ServerOptions } from './options.ts';
import type { FromWorker } from './worker-protocol.ts';

const probes = lazyPart<typeof import('./health-probes.ts')>('server/health-probes');

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
  readonly #files: LogFiles;
  readonly #pacer: HealthPacer;
  readonly #probesParts: HealthProbesParts;
  #probes: HealthProbes | undefined;

  constructor(deps: HealthDeps, stats: StatsStore, publisher: HealthPublisher, runtime: Runtime) {
    const { time, random, options } = deps;
    const { config } = deps.bootstrap;
    this.#deps = deps;
    this.#pacer = new HealthPacer(time);
    this.#probesParts = {
      time,
      random,
      runtime,
      stats,
      secrets: publisher.secretStore,
      log: deps.loggers.get('upstream'),
      bind: config.upstreamBind,
    };
    this.#files = new LogFiles(time, options.fileFlushIntervalMs, {
      store: stats,
      flushBytes: options.fileFlushMinSizeKb * 1024,
    });
    const { outlierEventLogPath } = config;
    this.keepers = new HealthKeepers({
      time,
      random,
      runtime,
      pacer: this.#pacer,
      stats,
      statWanted: compileStatsMatcher(config.stats.matcher),
      sink: publisher,
      outlierCounts: new Int32Array(publisher.outlierCounts),
      outlierLog: outlierEventLogPath === '' ? null : this.#openLog(outlierEventLogPath),
      openLog: (path) => this.#openLog(path),
      problemOf: healthCheckProblem,
      probesFor: (...check) => {
        this.#probes ??= new (probes().HealthProbes)(this.#probesParts);
        return this.#probes.makerFor(...check);
      },
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
    this.#probes?.close();
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
}
