// [m] ClusterManager: static and CDS clusters, warmed by their endpoints (EDS, DNS) before workers see them
// (envoy-behaviour §13.4, §13.5). A changed cluster replaces its predecessor only when it is ready.
import { assert } from '../base/assert.ts';
import { lazyPart } from '../base/lazy-part.ts';
import type { ClusterConfig } from '../config/cluster-config.ts';
import { dumpEntriesOf } from '../config/config-dump-entries.ts';
import type {
  ConfigDumpSection,
  ConfigErrorState,
  ConfigResource,
  ConfigResourceProblem,
  RejectedConfigResource,
} from '../config/config-resource.ts';
import { ADS_FOR_EVER } from '../config/config-source.ts';
import type { ClusterEndpointsConfig } from '../config/endpoint-config.ts';
import { sameCluster } from '../config/same-content.ts';
import { clusterSecrets } from '../config/secret-references.ts';
import { CircuitBreakerStats } from './circuit-breaker-stats.ts';
import type { SecretUser } from '../tls/secret-waits.ts';
import type { ClusterManagerDeps } from './cluster-manager-deps.ts';
import { ClusterManagerStats } from './cluster-manager-stats.ts';
import { activeOf, closeVersion, endpointsOf, newCluster } from './cluster-version.ts';
import type { ActiveCluster, ClusterVersion, KnownCluster } from './cluster-version.ts';
import { EndpointAssignments } from './endpoint-assignments.ts';
import type { HealthKeeper } from './health-keeper.ts';
import { diffEndpoints, withoutDuplicates } from './endpoint-diff.ts';

const dnsCluster = lazyPart<typeof import('./strict-dns-cluster.ts')>(
  'upstream/strict-dns-cluster',
);

export class ClusterManager {
  readonly #deps: ClusterManagerDeps;
  readonly #stats: ClusterManagerStats;
  readonly #breakerStats: CircuitBreakerStats;
  readonly #clusters = new Map<string, KnownCluster>();
  readonly #assignments: EndpointAssignments;
  readonly #failures = new Map<string, ConfigErrorState>();
  #warmingCount = 0;
  #activeCount = 0;

  constructor(deps: ClusterManagerDeps) {
    this.#deps = deps;
    this.#stats = new ClusterManagerStats(deps);
    this.#breakerStats = new CircuitBreakerStats({
      store: deps.stats,
      breakers: deps.breakers,
      wanted: deps.statWanted,
    });
    this.#assignments = new EndpointAssignments(deps.time, (service) => this.#onStale(service));
  }

  /** Clusters that wait for endpoints. */
  get warmingCount(): number {
    return this.#warmingCount;
  }

  addStatic(resources: readonly ConfigResource<ClusterConfig>[]): void {
    for (const resource of resources) {
      assert(
        !this.#clusters.has(resource.name),
        'the bootstrap decoder refuses duplicate clusters',
      );
      this.#clusters.set(resource.name, newCluster(true));
      this.#stats.onAdded();
      this.#warm(resource);
    }
    this.#settle();
  }

  /** One CDS response: what it adds or changes, and what is gone. */
  onClusters(
    upserts: readonly ConfigResource<ClusterConfig>[],
    removed: readonly string[],
  ): readonly ConfigResourceProblem[] {
    const problems: ConfigResourceProblem[] = [];
    for (const resource of upserts) {
      const message = this.#upsert(resource);
      if (message !== undefined) problems.push({ name: resource.name, message });
    }
    for (const name of removed) this.#remove(name);
    this.#settle();
    return problems;
  }

  /** Resources that the decoder refused, for error_state. */
  onRejectedClusters(rejected: readonly RejectedConfigResource[]): void {
    for (const resource of rejected) this.#setError(resource, resource.message);
  }

  /** One EDS response. Names are EDS service names. Nothing is ever removed by EDS. */
  onEndpoints(
    upserts: readonly ConfigResource<ClusterEndpointsConfig>[],
  ): readonly ConfigResourceProblem[] {
    for (const resource of upserts) {
      for (const clusterName of this.#assignments.set(resource))
        this.#deliver(clusterName, resource.config);
    }
    this.#changed();
    return [];
  }

  /** The server sent again what is held: it counts, and is not stale yet. */
  onUnchangedEndpoints(service: string, version: string): void {
    const held = this.#assignments.heldOf(service);
    if (held === undefined) return;
    this.onEndpoints([{ ...held, version, config: { ...held.config, version } }]);
  }

  /** A refused first assignment ends the wait: the cluster goes on without hosts (Envoy: onConfigUpdateFailed). */
  onRejectedEndpoints(rejected: readonly RejectedConfigResource[]): void {
    for (const { name: service } of rejected) {
      for (const name of this.#assignments.clustersOf(service)) {
        const known = this.#clusters.get(name);
        const newest = known?.warming ?? known?.active;
        if (newest?.resource.config.type !== 'EDS') continue;
        this.#stats.onRejectedEndpoints(newest.resource.config);
        if (known?.warming !== undefined)
          this.#take(name, known.warming, endpointsOf(newest.resource.config, []));
      }
    }
    this.#changed();
  }

  /** What should hold a first assignment cannot be read: the wait is over. */
  onGivenUpEndpoints(service: string): void {
    for (const name of this.#assignments.clustersOf(service)) {
      const warming = this.#clusters.get(name)?.warming;
      if (warming !== undefined && !warming.resolved)
        this.#take(name, warming, endpointsOf(warming.resource.config, []));
    }
    this.#changed();
  }

  /** Brings gauges up to date that are only worth knowing when somebody asks. */
  refreshStats(): void {
    this.#breakerStats.refresh(this.clusters().map(({ config }) => config));
  }

  clusters(): readonly ActiveCluster[] {
    return [...this.#clusters.values()].flatMap(({ active }) =>
      active === undefined ? [] : [activeOf(active)],
    );
  }

  /** Whether a first version of the cluster is still on its way. */
  isWarmingFirst(name: string): boolean {
    const known = this.#clusters.get(name);
    return known !== undefined && known.active === undefined;
  }

  dumpClusters(versionInfo: string): ConfigDumpSection {
    const entries = [...this.#clusters.values()].flatMap(dumpEntriesOf);
    const failures = [...this.#failures].map(([name, errorState]) => ({ name, errorState }));
    return { entries, failures, versionInfo };
  }

  close(): void {
    this.#assignments.close();
    this.#deps.health?.close();
    for (const { active, warming } of this.#clusters.values()) {
      if (active !== undefined) closeVersion(active, this.#deps.secrets);
      if (warming !== undefined) closeVersion(warming, this.#deps.secrets);
    }
  }

  /** The problem, or undefined. */
  #upsert(resource: ConfigResource<ClusterConfig>): string | undefined {
    const known = this.#clusters.get(resource.name);
    // A CDS cluster with the name of a static one is skipped silently, as in Envoy.
    if (known?.isStatic === true) return undefined;
    const newest = known?.warming ?? known?.active;
    if (newest !== undefined && sameCluster(newest.resource.config, resource.config))
      return undefined;
    const problem =
      this.#sourceProblem(resource.config) ??
      this.#deps.secrets.problem(clusterSecrets(resource.config)) ??
      this.#deps.health?.problemOf(resource.config);
    if (problem !== undefined) {
      this.#setError(resource, problem);
      return problem;
    }
    if (known === undefined && this.#clusters.size >= this.#deps.maxClusters) {
      const message = `more than ${this.#deps.maxClusters} clusters; narrow what this proxy is sent (Istio: a Sidecar resource)`;
      this.#setError(resource, message);
      return message;
    }
    if (known === undefined) {
      this.#clusters.set(resource.name, newCluster(false));
      this.#stats.onAdded();
    } else {
      known.errorState = undefined;
      this.#stats.onModified();
    }
    this.#failures.delete(resource.name);
    this.#warm(resource);
    return undefined;
  }

  #sourceProblem({ edsSource }: ClusterConfig): string | undefined {
    return edsSource && this.#deps.sourceProblem?.(edsSource.source);
  }

  #remove(name: string): void {
    this.#failures.delete(name);
    const known = this.#clusters.get(name);
    if (known === undefined || known.isStatic) return;
    this.#clusters.delete(name);
    const { active, warming } = known;
    if (warming !== undefined) this.#dropWarming(known);
    if (active !== undefined) {
      closeVersion(active, this.#deps.secrets);
      this.#deps.health?.handOver(active.health, undefined);
      this.#activeCount--;
      this.#stats.onRemoved(active.resource.config);
      this.#deps.sink.removeCluster(name);
    }
    this.#assignments.forgetCluster(name);
  }

  /** Begins with a new version; it may be ready before this returns. */
  #warm(resource: ConfigResource<ClusterConfig>): void {
    const known = this.#clusters.get(resource.name)!;
    this.#dropWarming(known);
    const version: ClusterVersion = {
      resource,
      lastUpdatedMs: this.#deps.time.wallMs(),
      resolved: false,
      secretUser: this.#secretUser(resource.config),
      endpoints: undefined,
      told: undefined,
      health: undefined,
      dns: undefined,
      fetchTimer: undefined,
    };
    known.warming = version;
    version.health = this.#keeperFor(version);
    this.#warmingCount++;
    if (version.secretUser !== undefined) this.#deps.secrets.retain(version.secretUser);
    const config = resource.config;
    if (config.type !== 'EDS') this.#assignments.forgetCluster(config.name);
    this.#stats.onWarming(config);
    switch (config.type) {
      case 'STATIC':
        this.#take(config.name, version, endpointsOf(config, config.localities));
        break;
      case 'ORIGINAL_DST':
      case 'AGGREGATE':
      case 'DYNAMIC_FORWARD_PROXY':
        this.#take(config.name, version, undefined);
        break;
      case 'STRICT_DNS':
      case 'LOGICAL_DNS':
        this.#startDns(version);
        break;
      case 'EDS':
        this.#awaitEndpoints(version);
        break;
    }
  }

  /** Secrets came, or are not waited for any more: clusters may have waited. */
  onSecrets(): void {
    for (const [name, { warming }] of this.#clusters) {
      if (warming?.resolved === true && this.#hasSecrets(warming))
        this.#take(name, warming, warming.endpoints);
    }
    this.#changed();
  }

  #hasSecrets({ secretUser }: ClusterVersion): boolean {
    return secretUser === undefined || this.#deps.secrets.ready(secretUser.refs);
  }

  #secretUser(config: ClusterConfig): SecretUser | undefined {
    const refs = clusterSecrets(config);
    if (refs.length === 0) return undefined;
    return { refs, onSecret: () => this.#stats.onSecret(config) };
  }

  #startDns(version: ClusterVersion): void {
    const { config } = version.resource;
    const { resolver, time, random, log } = this.#deps;
    version.dns = new (dnsCluster().StrictDnsCluster)(config, {
      resolver,
      time,
      random,
      events: {
        onHosts: (localities) => {
          this.#take(config.name, version, endpointsOf(config, localities));
          this.#changed();
        },
        onAsk: () => this.#stats.bump(config, 'update_attempt'),
        onAnswer: (name, answer, failed) => {
          if (answer.kind === 'failed')
            log.debug('DNS query failed', { cluster: config.name, name, reason: answer.reason });
          this.#stats.bump(config, failed ? 'update_failure' : 'update_success');
        },
        onUnchanged: () => this.#stats.bump(config, 'update_no_rebuild'),
      },
    });
    version.dns.start();
  }

  #awaitEndpoints(version: ClusterVersion): void {
    const { config } = version.resource;
    this.#stats.bump(config, 'update_attempt');
    const { source, initialFetchTimeoutMs: timeoutMs } = config.edsSource ?? ADS_FOR_EVER;
    const held = this.#assignments.watch(config.name, {
      name: config.edsServiceName || config.name,
      source,
      initialFetchTimeoutMs: timeoutMs,
    });
    if (held !== undefined) {
      this.#take(config.name, version, { ...held, clusterName: config.name });
      return;
    }
    if (timeoutMs === 0) return;
    version.fetchTimer = this.#deps.time.setTimer(() => {
      this.#deps.log.warn('no endpoints within the initial fetch time-out; going on without', {
        cluster: config.name,
      });
      this.#stats.bump(config, 'init_fetch_timeout');
      this.#take(config.name, version, endpointsOf(config, []));
      this.#changed();
    }, timeoutMs);
  }

  #deliver(clusterName: string, endpoints: ClusterEndpointsConfig): void {
    const known = this.#clusters.get(clusterName);
    const mapped = { ...endpoints, clusterName };
    for (const version of [known?.active, known?.warming]) {
      if (version === undefined || version.resource.config.type !== 'EDS') continue;
      this.#stats.onEndpoints(version.resource.config, endpoints);
      if (!this.#take(clusterName, version, mapped))
        this.#stats.bump(version.resource.config, 'update_no_rebuild');
    }
  }

  /** Nobody renewed an assignment in the time it named: its hosts are gone. */
  #onStale(service: string): void {
    for (const name of this.#assignments.clustersOf(service)) {
      const known = this.#clusters.get(name);
      for (const version of [known?.active, known?.warming]) {
        if (version === undefined) continue;
        this.#stats.bump(version.resource.config, 'assignment_stale');
        this.#take(name, version, endpointsOf(version.resource.config, []));
      }
    }
    this.#changed();
  }

  /** Endpoints of a version have come; undefined for a cluster that needs none. False: nothing is different. */
  #take(
    name: string,
    version: ClusterVersion,
    endpoints: ClusterEndpointsConfig | undefined,
  ): boolean {
    const known = this.#clusters.get(name);
    if (known === undefined) return true;
    version.fetchTimer?.cancel();
    const localities = withoutDuplicates(endpoints?.localities ?? []);
    version.endpoints = endpoints && { ...endpoints, localities };
    version.resolved = true;
    // Checks need them, too.
    if (known.warming === version && !this.#hasSecrets(version)) return true;
    version.health?.update(localities);
    return this.#publish(name, version);
  }

  /** Workers get what there is of it, once it is ready. False: nothing is different. */
  #publish(name: string, version: ClusterVersion): boolean {
    const known = this.#clusters.get(name);
    if (known === undefined) return true;
    const { config } = version.resource;
    const first = known.warming === version;
    if (first) {
      if (version.health?.ready === false) return true;
      this.#activate(known, version);
      this.#deps.events.onPublished(config);
    }
    const { endpoints, health } = version;
    if (known.active !== version || endpoints === undefined) return true;
    const now = health === undefined ? endpoints : { ...endpoints, localities: health.localities };
    const diff = diffEndpoints(version.told, now);
    if (diff.same) return false;
    version.told = now;
    if (!first) this.#stats.onUpdated();
    this.#stats.onHosts(config, now.localities, diff, health?.census);
    this.#deps.sink.publishEndpoints(now);
    return true;
  }

  #activate(known: KnownCluster, version: ClusterVersion): void {
    const before = known.active;
    known.active = version;
    known.warming = undefined;
    this.#warmingCount--;
    this.#stats.onWarmed(version.resource.config);
    this.#deps.sink.publishCluster(version.resource.config);
    this.#deps.health?.handOver(before?.health, version.health);
    if (before === undefined) this.#activeCount++;
    else closeVersion(before, this.#deps.secrets);
  }

  #keeperFor(version: ClusterVersion): HealthKeeper | undefined {
    const { config } = version.resource;
    return this.#deps.health?.create(config, {
      onReady: () => {
        this.#publish(config.name, version);
        this.#changed();
      },
      onHostsChanged: () => this.#publish(config.name, version),
      onHealthChanged: () => this.#stats.onHealth(config, version.health!.census),
    });
  }

  #dropWarming(known: KnownCluster): void {
    if (known.warming === undefined) return;
    closeVersion(known.warming, this.#deps.secrets);
    known.warming = undefined;
    this.#warmingCount--;
  }

  #setError(
    resource: Pick<ConfigResource<unknown>, 'name' | 'version' | 'raw'>,
    details: string,
  ): void {
    const errorState: ConfigErrorState = {
      details,
      lastUpdateAttemptMs: this.#deps.time.wallMs(),
      version: resource.version,
      raw: resource.raw,
    };
    const known = this.#clusters.get(resource.name);
    if (known === undefined) this.#failures.set(resource.name, errorState);
    else known.errorState = errorState;
  }

  #settle(): void {
    this.#assignments.sweep();
    if (this.#assignments.namesChanged())
      this.#deps.events.onEndpointsWanted(this.#assignments.wanted());
    this.#changed();
  }

  #changed(): void {
    this.#stats.setCounts(this.#activeCount, this.#warmingCount);
    this.#deps.events.onChange();
  }
}
