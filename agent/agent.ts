// [m] Agent: builds the parts, starts and stops them in order. Istio: pkg/istio-agent/agent.go.
import type { TimeSource } from '../proxy/base/clock.ts';
import { HeapSettler } from '../proxy/base/heap-settler.ts';
import { Lifetime } from '../proxy/base/lifetime.ts';
import type { Logger, LoggerRegistry } from '../proxy/base/logger.ts';
import type { RandomSource } from '../proxy/base/random.ts';
import { GrpcThread } from '../proxy/grpc/grpc-thread.ts';
import { AgentMetrics } from './agent-metrics.ts';
import type { DnsOptions } from './dns/dns-options.ts';
import { NameTable } from './dns/name-table.ts';
import { LastGoodFile } from './last-good/last-good-file.ts';
import type { AgentOptions } from './options.ts';
import { ProxyAdmin } from './proxy-admin.ts';
import { SecretService } from './security/secret-service.ts';
import { AppProbe } from './status/app-probe.ts';
import { DEFAULT_MERGE_LIMITS, MetricsMerger } from './status/metrics-merger.ts';
import { Readiness } from './status/readiness.ts';
import { StatusServer } from './status/status-server.ts';
import { writeBootstrap } from './supervisor/bootstrap-writer.ts';
import { exitStatus } from './supervisor/exit-reason.ts';
import { FlightRecord } from './supervisor/flight-record.ts';
import { PodSockets, sidecarPorts } from './supervisor/pod-sockets.ts';
import { proxyCommand } from './supervisor/proxy-command.ts';
import { defaultRestartPolicy, ProxyProcess } from './supervisor/proxy-process.ts';
import { Termination } from './supervisor/termination.ts';
import { NameTableHandler } from './xds-proxy/response-handlers.ts';
import { XdsProxy } from './xds-proxy/xds-proxy.ts';

const isAnyAddress = (address: string): boolean => address === '0.0.0.0' || address === '::';

const SETTLE_AFTER_MS = 3_000;

export interface AgentParts {
  readonly options: AgentOptions;
  readonly loggers: LoggerRegistry;
  readonly time: TimeSource;
  readonly random: RandomSource;
  /** Where the proxy's own log lines go. */
  readonly relayLog: (chunk: Buffer) => void;
}

export class Agent {
  readonly #parts: AgentParts;
  readonly #log: Logger;
  readonly #metrics = new AgentMetrics();
  readonly #nameTable: NameTableHandler;
  #names: NameTable | undefined;
  readonly #lifetime = new Lifetime();
  readonly #grpc: GrpcThread;
  readonly #readiness: Readiness;
  readonly #proxy: ProxyProcess;
  readonly #record: FlightRecord;
  #configVersions: () => ReadonlyMap<string, string> = () => new Map();
  readonly #termination: Termination;
  readonly #secrets: SecretService;
  readonly #startedMs: number;

  constructor(parts: AgentParts) {
    this.#parts = parts;
    const { options, loggers, time, random } = parts;
    this.#startedMs = time.monotonicMs();
    this.#grpc = new GrpcThread(time);
    this.#log = loggers.get('agent');
    const { dns } = options;
    this.#nameTable = new NameTableHandler((hosts) => {
      if (dns !== undefined) this.#names = new NameTable(hosts, dns.place);
    });
    const admin = new ProxyAdmin(options.addresses.admin, options.addresses.adminPort);
    this.#readiness = new Readiness({
      admin,
      leaving: () => this.#termination.leaving,
      dnsMissing: () => dns !== undefined && !dns.answersEarly && this.#names === undefined,
      onFirstReady: () => this.#onFirstReady(),
    });
    this.#record = new FlightRecord({
      workDir: options.paths.workDir,
      configVersions: () => this.#configVersions(),
      logger: loggers.get('envoy'),
      time,
    });
    this.#proxy = new ProxyProcess({
      command: proxyCommand(options),
      policy: defaultRestartPolicy(options.proxy.restartBudget),
      logger: loggers.get('envoy'),
      time,
      random,
      onRestart: () => this.#onProxyRestart(),
      onOutput: (chunk, epoch) => {
        this.#record.onOutput(epoch, chunk);
        parts.relayLog(chunk);
      },
      onUnaskedExit: (flight) => this.#record.onExit(flight),
    });
    this.#secrets = this.#lifetime.own(
      new SecretService({
        options,
        grpc: this.#grpc,
        metrics: this.#metrics,
        logger: loggers.get('sds'),
        time,
        random,
      }),
    );
    this.#termination = new Termination({
      proxy: this.#proxy,
      admin,
      sockets: new PodSockets(sidecarPorts(options)),
      lifecycle: options.lifecycle,
      inboundOnly: options.identity.role === 'sidecar',
      addresses: options.addresses,
      logger: loggers.get('envoy'),
      time,
    });
  }

  /** Until the proxy is gone for good; the exit code. */
  async run(): Promise<number> {
    try {
      await this.#start();
    } catch (error) {
      this.#log.error(`cannot start: ${(error as Error).message}`);
      this.#lifetime.close();
      return 1;
    }
    const exit = await this.#proxy.ended;
    await this.#record.settled();
    const asked = this.#termination.leaving;
    this.#lifetime.close();
    this.#log.info('agent ends');
    return asked ? 0 : exitStatus(exit);
  }

  /** On a signal: drain, then end. */
  terminate(): void {
    void this.#termination.terminate();
  }

  killProxy(): void {
    this.#proxy.killNow();
  }

  async #start(): Promise<void> {
    const { options, loggers, time, random } = this.#parts;
    const { node, addresses, controlPlane, paths } = options;
    this.#log.info(`agent of ${node.id}`, { controlPlane: controlPlane.address, pid: process.pid });
    for (const warning of options.warnings) this.#log.warn(warning);
    if (options.dns !== undefined) await this.#startDns(options.dns);
    // The folder comes with the bootstrap; the sockets and the port must answer before the proxy asks.
    writeBootstrap(options, await this.#secrets.start());
    const { lastGoodFile: path } = paths;
    const logger = loggers.get('xdsproxy');
    const xdsProxy = this.#lifetime.own(
      new XdsProxy({
        controlPlane,
        lastGoodFile:
          path === undefined ? undefined : new LastGoodFile({ path, nodeId: node.id, logger }),
        nameTable: this.#nameTable,
        wantsNames: options.dns !== undefined,
        onTrustBundle: (pems) => this.#secrets.setTrustBundle(pems),
        grpc: this.#grpc,
        metrics: this.#metrics,
        logger,
        time,
        random,
      }),
    );
    this.#configVersions = () => xdsProxy.versions;
    await xdsProxy.listen(paths.xdsSocket);
    const status = this.#lifetime.own(this.#buildStatusServer(xdsProxy));
    await status.listen({ host: addresses.bind, port: addresses.statusPort });
    // Asked to leave before there was anything to drain.
    if (this.#termination.leaving) return;
    this.#proxy.start();
    this.#settleLater();
  }

  /** Its files are loaded only where names are captured. */
  async #startDns(dns: DnsOptions): Promise<void> {
    const { DnsServer } = await import('./dns/dns-server.ts');
    const { Forwarder } = await import('./dns/forwarder.ts');
    const { loggers, time, random } = this.#parts;
    const metrics = this.#metrics;
    const forwarder = new Forwarder({
      ...dns,
      time,
      random,
      onSent: () => metrics.dnsUpstreamRequests.inc(),
      onDone: (tookMs) => {
        if (tookMs === undefined) metrics.dnsUpstreamFailures.inc();
        else metrics.dnsUpstreamSeconds.observe(tookMs / 1000);
      },
    });
    const server = this.#lifetime.own(
      new DnsServer({
        forwarder,
        table: () => this.#names,
        answersEarly: dns.answersEarly,
        random,
        logger: loggers.get('dns'),
        onRequest: () => metrics.dnsRequests.inc(),
      }),
    );
    await server.listen(dns.addresses, dns.port);
  }

  /** By then the proxy has its configuration, and what passed it on is only kept. */
  #settleLater(): void {
    const { time } = this.#parts;
    const settler = this.#lifetime.own(new HeapSettler(time, () => this.#proxy.epoch));
    time.setTimer(() => settler.onStarted(), SETTLE_AFTER_MS);
  }

  #buildStatusServer(xdsProxy: XdsProxy): StatusServer {
    const { options, loggers } = this.#parts;
    const { addresses } = options;
    const { scrape, probes, appProbers } = options.status;
    const proxy = {
      host: addresses.local,
      port: addresses.prometheusPort,
      path: '/stats/prometheus',
    };
    // An app may listen on either loopback.
    const appHost = isAnyAddress(addresses.bind) ? 'localhost' : addresses.local;
    const merger = new MetricsMerger({
      metrics: this.#metrics,
      proxy: scrape.mergeProxyStats ? proxy : undefined,
      apps: scrape.apps.map((app) => ({ host: appHost, ...app })),
      logger: loggers.get('status'),
      limits: DEFAULT_MERGE_LIMITS,
    });
    const podAddress = options.identity.instanceIps[0] ?? 'localhost';
    return new StatusServer({
      readiness: this.#readiness,
      merger,
      metricsForLocalOnly: scrape.localOnly,
      probe: new AppProbe({
        ...probes,
        host: probes.localhost ? 'localhost' : podAddress,
        podAddress,
        statusPort: addresses.statusPort,
      }),
      probers: appProbers,
      logger: loggers.get('status'),
      onDrain: () => this.#termination.drainOnly(),
      onQuit: () => void this.#termination.quit(),
      warning: () => {
        const all = [xdsProxy.warning, this.#secrets.warning()];
        return all.filter((text) => text !== undefined).join('; ') || undefined;
      },
      nameTableJson: () => this.#nameTable.toJson(),
      profiling: options.status.profiling,
    });
  }

  #onFirstReady(): void {
    const tookMs = this.#parts.time.monotonicMs() - this.#startedMs;
    this.#metrics.becameReady(tookMs / 1000);
    this.#log.info(`ready ${Math.round(tookMs)} ms after the start`);
  }

  #onProxyRestart(): void {
    this.#metrics.proxyRestarts.inc();
    this.#readiness.proxyRestarted();
  }
}
