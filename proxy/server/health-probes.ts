// [m] What active checks do: requests on main's own connections, with the headers and names that a cluster's configuration says.
// Loaded for the first cluster that is checked.
import type { Logger } from '../base/logger.ts';
import type { RandomSource } from '../base/random.ts';
import type { TimeSource } from '../base/clock.ts';
import type { Runtime } from '../base/runtime.ts';
import type { ClusterConfig } from '../config/cluster-config.ts';
import type { EndpointConfig } from '../config/endpoint-config.ts';
import type { HealthCheckConfig } from '../config/health-check-config.ts';
import type { UpstreamBindConfig } from '../config/socket-config.ts';
import type { RequestHeaders } from '../http/header-map.ts';
import { StringMatcher } from '../router/string-matcher.ts';
import type { StatsStore } from '../stats/store.ts';
import type { SecretStore } from '../tls/secret-store.ts';
import { StreamInfo } from '../stream-info/stream-info.ts';
import type { DownstreamConnectionInfo } from '../stream-info/stream-info.ts';
import type { ProbeMaker } from '../upstream/health-environment.ts';
import { GrpcProbe } from '../upstream/health-grpc-probe.ts';
import { HttpProbe } from '../upstream/health-http-probe.ts';
import type { CheckStat } from '../upstream/health-session.ts';
import { TcpProbe } from '../upstream/health-tcp-probe.ts';
import { HealthDialers } from './health-dialers.ts';
import { compileCheckHeaders } from './health-headers.ts';
import { readHostEnvironment } from './options.ts';

export interface HealthProbesParts {
  readonly time: TimeSource;
  readonly random: RandomSource;
  readonly runtime: Runtime;
  readonly stats: StatsStore;
  readonly secrets: SecretStore;
  readonly log: Logger;
  /** Of clusters that say none. */
  readonly bind: UpstreamBindConfig | undefined;
}

export class HealthProbes {
  readonly #parts: HealthProbesParts;
  readonly #dialers: HealthDialers;

  constructor(parts: HealthProbesParts) {
    this.#parts = parts;
    this.#dialers = new HealthDialers(parts);
  }

  close(): void {
    this.#dialers.close();
  }

  makerFor(
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
      random: this.#parts.random,
      stats: this.#parts.stats,
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
      const { random, runtime } = this.#parts;
      if (!runtime.holds('health_check.verify_cluster', odds, random.nextUint32())) return true;
      count('verify_cluster');
      return matcher.matches(name);
    };
  }

  #decorator(check: HealthCheckConfig): (headers: RequestHeaders) => void {
    const { hostname, environment: variables } = readHostEnvironment();
    const compiled = compileCheckHeaders(check, {
      runtime: this.#parts.runtime,
      format: { hostname, variables },
      stats: null,
    });
    if (compiled.empty) return () => {};
    return (request) => {
      const { time, random } = this.#parts;
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
