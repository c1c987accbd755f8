// [m] AgentMetrics: the agent's own counters, as stock pilot-agent names them (istio-contract §6.7).
import type { Counter, Gauge, Histogram, Registry } from 'prom-client';

import { addProcessMetrics } from './process-metrics.ts';
import { CounterClass, GaugeClass, HistogramClass, RegistryClass } from './prometheus.ts';
import type { CertificateAge } from './security/expiry-watchdog.ts';

export type ScrapePart = 'envoy' | 'application' | 'agent';

export class AgentMetrics {
  readonly #registry: Registry = new RegistryClass();
  readonly #registers: Registry[] = [this.#registry];
  readonly #startupSeconds: Gauge = new GaugeClass({
    name: 'istio_agent_startup_duration_seconds',
    help: 'The time from the process starting to being marked ready.',
    registers: this.#registers,
  });
  readonly #scrapeFailures: Counter<'type'> = new CounterClass({
    name: 'istio_agent_scrape_failures_total',
    help: 'The total number of failed scrapes.',
    labelNames: ['type'],
    registers: this.#registers,
  });
  readonly scrapes = this.#counter('istio_agent_scrapes_total', 'The total number of scrapes.');
  readonly istiodConnectionFailures = this.#counter(
    'istio_agent_istiod_connection_failures',
    'The total number of connection failures to the control plane.',
  );
  readonly istiodConnectionTerminations = this.#counter(
    'istio_agent_istiod_connection_terminations',
    'The total number of streams that the control plane ended.',
  );
  readonly envoyConnectionTerminations = this.#counter(
    'istio_agent_envoy_connection_terminations',
    'The total number of streams that the proxy ended.',
  );
  readonly xdsRequests = this.#counter(
    'istio_agent_xds_proxy_requests',
    'Requests sent to the control plane.',
  );
  readonly xdsResponses = this.#counter(
    'istio_agent_xds_proxy_responses',
    'Responses of the control plane.',
  );
  /** `request_type`: `csr`. */
  readonly outgoingRequests: Counter<'request_type'> = new CounterClass({
    name: 'istio_agent_num_outgoing_requests',
    help: 'Requests to the certificate authority.',
    labelNames: ['request_type'],
    registers: this.#registers,
  });
  readonly failedOutgoingRequests: Counter<'request_type'> = new CounterClass({
    name: 'istio_agent_num_failed_outgoing_requests',
    help: 'Requests to the certificate authority that failed.',
    labelNames: ['request_type'],
    registers: this.#registers,
  });
  readonly outgoingLatency: Counter<'request_type'> = new CounterClass({
    name: 'istio_agent_outgoing_latency',
    help: 'The sum of the time of successful requests to the certificate authority, in milliseconds.',
    labelNames: ['request_type'],
    registers: this.#registers,
  });
  readonly dnsRequests = this.#counter(
    'istio_agent_dns_requests_total',
    'Total number of DNS requests.',
  );
  readonly dnsUpstreamRequests = this.#counter(
    'istio_agent_dns_upstream_requests_total',
    'Total number of DNS requests forwarded to upstream.',
  );
  readonly dnsUpstreamFailures = this.#counter(
    'istio_agent_dns_upstream_failures_total',
    'Total number of DNS failures to upstream.',
  );
  readonly dnsUpstreamSeconds: Histogram = new HistogramClass({
    name: 'istio_agent_dns_upstream_request_duration_seconds',
    help: 'Total time in seconds Istio takes to get DNS response from upstream.',
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
    registers: this.#registers,
  });
  readonly fileWatcherFailures = this.#counter(
    'istio_agent_num_file_watcher_failures_total',
    'Folders of secrets that could not be watched.',
  );
  readonly fileSecretFailures = this.#counter(
    'istio_agent_num_file_secret_failures_total',
    'Secrets in files that could not be read.',
  );
  readonly #certExpirySeconds: Gauge<'resource_name'> = new GaugeClass({
    name: 'istio_agent_cert_expiry_seconds',
    help: 'The time remaining, in seconds, before the certificate chain will expire. A negative value indicates the cert is expired.',
    labelNames: ['resource_name'],
    registers: this.#registers,
  });
  readonly #certNearExpiry: Gauge<'resource_name'> = new GaugeClass({
    name: 'outrigger_agent_cert_near_expiry',
    help: '1: the certificate should have been renewed by now.',
    labelNames: ['resource_name'],
    registers: this.#registers,
  });
  /** Asked at each scrape. */
  #certificateAges: () => readonly CertificateAge[] = () => [];
  /** Ours: stock never restarts its proxy. */
  readonly proxyRestarts = this.#counter(
    'outrigger_agent_proxy_restarts_total',
    'Restarts of the proxy.',
  );

  readonly #configStale = this.#gauge(
    'outrigger_agent_config_stale',
    '1: the control plane is away, and the proxy was given the configuration that was kept on disk.',
  );
  readonly #connected = this.#gauge(
    'outrigger_agent_control_plane_connected',
    '1: the control plane has answered on the stream that is open.',
  );
  readonly #lastGoodBytes = this.#gauge(
    'outrigger_agent_last_good_config_bytes',
    'What the kept configuration takes on disk; 0: none is kept.',
  );
  /** Asked at each scrape. */
  #keptBytes: () => number = () => 0;

  constructor() {
    addProcessMetrics(this.#registry);
  }

  configIsStale(is: boolean): void {
    this.#configStale.set(is ? 1 : 0);
  }

  controlPlaneConnected(is: boolean): void {
    this.#connected.set(is ? 1 : 0);
  }

  watchKeptBytes(bytes: () => number): void {
    this.#keptBytes = bytes;
  }

  scrapeFailed(type: ScrapePart): void {
    this.#scrapeFailures.inc({ type });
  }

  becameReady(afterSeconds: number): void {
    this.#startupSeconds.set(afterSeconds);
  }

  watchCertificates(ages: () => readonly CertificateAge[]): void {
    this.#certificateAges = ages;
  }

  /** Prometheus text, format 0.0.4. */
  text(): Promise<string> {
    this.#certExpirySeconds.reset();
    this.#certNearExpiry.reset();
    for (const { name, leftMs, near } of this.#certificateAges()) {
      this.#certExpirySeconds.set({ resource_name: name }, Math.floor(leftMs / 1000));
      this.#certNearExpiry.set({ resource_name: name }, near ? 1 : 0);
    }
    this.#lastGoodBytes.set(this.#keptBytes());
    return this.#registry.metrics();
  }

  #gauge(name: string, help: string): Gauge {
    return new GaugeClass({ name, help, registers: this.#registers });
  }

  #counter(name: string, help: string): Counter {
    return new CounterClass({ name, help, registers: this.#registers });
  }
}
