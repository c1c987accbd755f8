// [m] HealthKeeper: the health of all hosts of one version of a cluster: runs its active checks and its outlier
// detector, keeps what they found per host, and tells the workers (envoy-behaviour §7.1, §7.8, §7.9).
//
//   update(endpoints) ──▶ hosts ──▶ sessions (checks)   ┐
//   workers' messages ──▶ detector (outliers)           ├─▶ flags of a host ──▶ workers, membership, events
//                                                       ┘
import type { ClusterConfig } from '../config/cluster-config.ts';
import type { EndpointConfig, LocalityEndpointsConfig } from '../config/endpoint-config.ts';
import type { HostHealthConfig } from '../config/host-health-config.ts';
import { isChecked, checkKey } from './health-address.ts';
import type { HealthEnvironment } from './health-environment.ts';
import { checkEventLine, ejectLine, unejectLine } from './health-event-log.ts';
import { WatchedHost } from './health-host.ts';
import type { WatchedHostOwner } from './health-host.ts';
import { checkIntervalMs, initialDelayMs } from './health-intervals.ts';
import { HealthSession } from './health-session.ts';
import type { CheckContext, CheckEvent } from './health-session.ts';
import { HealthStats } from './health-stats.ts';
import { HealthTally } from './health-tally.ts';
import type { HostCensus } from './health-tally.ts';
import { HealthFlag, withEdsHealth } from './host-health.ts';
import type { MonitorEvent } from './host-monitor.ts';
import { addressText } from './host.ts';
import { NO_RATES } from './outlier-rates.ts';
import { OutlierDetector } from './outlier-detector.ts';
import type { OutlierEvents, OutlierHost, OutlierType } from './outlier-detector.ts';
import { OutlierStats } from './outlier-stats.ts';
import { sameSocketLabels } from './transport-socket-choice.ts';
import { localitiesWith } from './health-localities.ts';

export interface HealthKeeperEvents {
  /** Every host was checked once, from now on: the cluster may be used. */
  onReady(): void;
  /** A host that was kept for its good health has lost it: `localities` are others. */
  onHostsChanged(): void;
  /** Some flags changed. */
  onHealthChanged(): void;
}

export class HealthKeeper implements WatchedHostOwner, OutlierEvents {
  readonly config: ClusterConfig;
  readonly #environment: HealthEnvironment;
  readonly #events: HealthKeeperEvents;
  readonly #hosts = new Map<string, WatchedHost>();
  readonly #tally = new HealthTally();
  /** Hosts whose first check is not over; the cluster waits for them once. */
  readonly #unchecked = new Set<WatchedHost>();
  readonly #stats: HealthStats | null;
  readonly #context: CheckContext | null;
  readonly #makeProbe: ReturnType<HealthEnvironment['probesFor']> | null;
  readonly #checkLogs: readonly ((line: string) => void)[];
  #detector: OutlierDetector | null = null;
  #localities: readonly LocalityEndpointsConfig[] = [];
  #known = false;
  #active = false;
  #traffic = false;
  #retired = false;

  constructor(config: ClusterConfig, environment: HealthEnvironment, events: HealthKeeperEvents) {
    this.config = config;
    this.#environment = environment;
    this.#events = events;
    const { healthCheck } = config;
    if (healthCheck === undefined) {
      this.#stats = null;
      this.#context = null;
      this.#makeProbe = null;
      this.#checkLogs = [];
      return;
    }
    const { stats, statWanted, time, pacer, random, runtime } = environment;
    const counters = new HealthStats(stats, config.statName, statWanted);
    this.#stats = counters;
    this.#checkLogs = healthCheck.log.paths.map((path) => environment.openLog(path));
    this.#context = {
      config: healthCheck,
      time,
      pacer,
      count: (stat) => counters.count(stat),
      intervalMs: (healthy, pending) =>
        checkIntervalMs(healthCheck, { traffic: this.#traffic, healthy, pending }, random, runtime),
      initialDelayMs: () => initialDelayMs(healthCheck, random),
    };
    this.#makeProbe = environment.probesFor(config, healthCheck, (stat) => counters.count(stat));
  }

  /** Its hosts are known, and each was checked. */
  get ready(): boolean {
    return this.#known && this.#unchecked.size === 0;
  }

  get detector(): OutlierDetector | null {
    return this.#detector;
  }

  /** As of the last update, and the hosts that are kept although it had them not. */
  get localities(): readonly LocalityEndpointsConfig[] {
    return this.#localities;
  }

  host(address: string): WatchedHost | undefined {
    return this.#hosts.get(address);
  }

  get census(): HostCensus {
    return this.#tally.census;
  }

  /** Endpoints have come, the first ones or others. New hosts are checked from now on. */
  update(localities: readonly LocalityEndpointsConfig[]): void {
    const gone = new Set(this.#hosts.keys());
    const fresh: WatchedHost[] = [];
    for (const locality of localities) {
      for (const endpoint of locality.endpoints) {
        const key = addressText(endpoint.address);
        const host = this.#hosts.get(key);
        if (host === undefined) fresh.push(this.#add(endpoint, locality));
        // An address given twice: the first occurrence counts.
        else if (gone.delete(key)) this.#replace(host, endpoint, locality);
      }
    }
    const kept: WatchedHost[] = [];
    for (const key of gone) {
      const host = this.#hosts.get(key)!;
      if (this.#isKept(host)) {
        host.setFlags(host.flags | HealthFlag.PendingRemoval);
        kept.push(host);
      } else this.#remove(host);
    }
    this.#localities = localitiesWith(localities, kept);
    this.#known = true;
    for (const host of fresh) host.session?.start();
    if (fresh.length === 0 && !this.#active) this.#checkReady();
  }

  /** Workers use this version from now on, `before` no longer. */
  activate(before: HealthKeeper | undefined): void {
    this.#active = true;
    const { sink } = this.#environment;
    sink.resetHostHealth(this.config.name);
    if (before !== undefined) {
      this.#inherit(before);
      before.#retire();
    }
    this.#setGauges();
    if (this.config.outlierDetection !== undefined) this.#startDetector();
    for (const host of this.#hosts.values()) this.#publish(host);
  }

  close(): void {
    for (const host of this.#hosts.values()) this.#drop(host);
    this.#hosts.clear();
    this.#unchecked.clear();
    this.#detector?.close();
  }

  /** The cluster had a connection for requests. */
  onTraffic(): void {
    this.#traffic = true;
  }

  onHostEvent(address: string, event: MonitorEvent): void {
    const host = this.#hosts.get(address);
    if (host === undefined) return;
    if (event === 'IMMEDIATE_FAIL') host.session?.onPassiveFailure();
    else if (event === 'DEGRADED') this.#detector?.onDegraded(host);
    else this.#detector?.onConsecutive(host, event);
  }

  // === WatchedHostOwner

  onFlags(host: WatchedHost): void {
    this.#count(host);
    if (!this.#active) return;
    this.#publish(host);
    this.#events.onHealthChanged();
    const lost = HealthFlag.PendingRemoval | HealthFlag.FailedActiveCheck;
    if ((host.flags & lost) === lost) this.#removeKept(host);
  }

  onCheckEvent(host: WatchedHost, event: CheckEvent): void {
    if (this.#checkLogs.length === 0) return;
    const source = {
      cluster: this.config.name,
      checker: this.config.healthCheck!.checker.kind,
      endpoint: host.endpoint,
      locality: host.locality,
    };
    const line = checkEventLine(source, event, this.#environment.time.wallMs());
    for (const write of this.#checkLogs) write(line);
  }

  onCheckDone(host: WatchedHost, healthy: boolean): void {
    if (healthy) this.#detector?.onCheckPassed(host);
    if (this.#unchecked.delete(host) && !this.#active) this.#checkReady();
  }

  // === OutlierEvents

  onEject(host: OutlierHost, type: OutlierType, enforced: boolean): void {
    const write = this.#environment.outlierLog;
    if (write === null) return;
    const detector = this.#detector;
    const local = type.endsWith('LOCAL_ORIGIN');
    const rates = (local ? detector?.localOrigin : detector?.external) ?? NO_RATES;
    write(ejectLine(this.#outlierEvent(host), type, enforced, rates));
  }

  onUneject(host: OutlierHost): void {
    this.#environment.outlierLog?.(unejectLine(this.#outlierEvent(host)));
  }

  #outlierEvent(host: OutlierHost): Parameters<typeof unejectLine>[0] {
    const { time } = this.#environment;
    return {
      cluster: this.config.name,
      host,
      wallMs: time.wallMs(),
      monotonicMs: time.monotonicMs(),
    };
  }

  #add(endpoint: EndpointConfig, locality: LocalityEndpointsConfig): WatchedHost {
    const checked = this.#context !== null && isChecked(endpoint);
    const host = new WatchedHost(this, endpoint, locality, checked ? this.#initialFlags() : 0);
    this.#hosts.set(host.addressText, host);
    if (checked) this.#openSession(host);
    this.#count(host);
    this.#detector?.add(host);
    if (this.#active) {
      this.#takeSlot(host);
      this.#publish(host);
    }
    return host;
  }

  /** A host is unhealthy until it was checked. */
  #initialFlags(): number {
    return this.config.ignoreNewHostsUntilFirstCheck === true
      ? HealthFlag.FailedActiveCheck | HealthFlag.PendingFirstCheck
      : HealthFlag.FailedActiveCheck;
  }

  #openSession(host: WatchedHost): void {
    const { endpoint } = host;
    host.session = new HealthSession(this.#context!, host, (owner) =>
      this.#makeProbe!(endpoint, owner),
    );
    this.#unchecked.add(host);
  }

  #closeSession(host: WatchedHost): void {
    host.session?.close();
    host.session = null;
    this.#unchecked.delete(host);
  }

  #replace(host: WatchedHost, endpoint: EndpointConfig, locality: LocalityEndpointsConfig): void {
    const sameCheck =
      this.#context === null ||
      (checkKey(host.endpoint) === checkKey(endpoint) && sameSocketLabels(host.endpoint, endpoint));
    host.endpoint = endpoint;
    host.locality = locality;
    host.setFlags(
      withEdsHealth(host.flags, endpoint.health, endpoint.edsStatus) & ~HealthFlag.PendingRemoval,
    );
    if (sameCheck) return;
    // What was known of it was known of another address.
    this.#closeSession(host);
    const checked = isChecked(endpoint);
    host.setFlags((host.flags & ~CHECK_FLAGS) | (checked ? this.#initialFlags() : 0));
    if (checked) this.#openSession(host);
    this.#count(host);
    host.session?.start();
  }

  #isKept(host: WatchedHost): boolean {
    if (host.session === null || this.config.ignoreHealthOnHostRemoval === true) return false;
    return (
      (host.flags &
        (HealthFlag.FailedActiveCheck | HealthFlag.FailedEds | HealthFlag.DrainingEds)) ===
      0
    );
  }

  #removeKept(host: WatchedHost): void {
    this.#localities = localitiesWith(this.#localities, [], host.addressText);
    this.#remove(host);
    this.#events.onHostsChanged();
  }

  #remove(host: WatchedHost): void {
    this.#drop(host);
    this.#hosts.delete(host.addressText);
    if (this.#active) this.#environment.sink.forgetHostHealth(this.config.name, host.addressText);
  }

  #drop(host: WatchedHost): void {
    this.#closeSession(host);
    this.#detector?.remove(host);
    this.#tally.remove(host);
    this.#setGauges();
    if (host.outlierSlot >= 0) this.#environment.sink.releaseOutlierSlot(host.outlierSlot);
    host.outlierSlot = -1;
  }

  /** Hosts of the same address that were ejected stay ejected, whatever else changed. */
  #inherit(before: HealthKeeper): void {
    this.#traffic ||= before.#traffic;
    if (this.config.outlierDetection === undefined) return;
    for (const host of this.#hosts.values()) {
      const known = before.#hosts.get(host.addressText);
      if (known === undefined || known.outlierSlot < 0) continue;
      host.inherit(known);
      host.setFlags(host.flags | (known.flags & OUTLIER_FLAGS));
    }
  }

  #startDetector(): void {
    const { config } = this;
    const { time, random, runtime, outlierCounts, stats, statWanted } = this.#environment;
    this.#detector = new OutlierDetector({
      config: config.outlierDetection!,
      time,
      random,
      runtime,
      counts: outlierCounts,
      stats: new OutlierStats(stats, config.statName, statWanted),
      events: this,
    });
    for (const host of this.#hosts.values()) {
      this.#takeSlot(host);
      this.#detector.add(host);
    }
    this.#detector.start();
  }

  #takeSlot(host: WatchedHost): void {
    if (this.config.outlierDetection === undefined || host.outlierSlot >= 0) return;
    host.outlierSlot = this.#environment.sink.takeOutlierSlot();
  }

  #publish(host: WatchedHost): void {
    const state: HostHealthConfig = {
      address: host.addressText,
      flags: host.flags,
      outlierSlot: host.outlierSlot,
    };
    this.#environment.sink.publishHostHealth(this.config.name, state);
  }

  #checkReady(): void {
    if (this.ready) this.#events.onReady();
  }

  #count(host: WatchedHost): void {
    this.#tally.put(host);
    this.#setGauges();
  }

  /** Another version counts from now on, under the same names. */
  #retire(): void {
    this.#retired = true;
    this.#detector?.close();
    this.#detector = null;
  }

  #setGauges(): void {
    if (!this.#retired) this.#stats?.setGauges(this.#tally.passing, this.#tally.passingDegraded);
  }
}

const CHECK_FLAGS =
  HealthFlag.FailedActiveCheck |
  HealthFlag.DegradedActiveCheck |
  HealthFlag.PendingFirstCheck |
  HealthFlag.ExcludedByResponse |
  HealthFlag.ActiveCheckTimeout;

const OUTLIER_FLAGS = HealthFlag.FailedOutlierCheck | HealthFlag.DegradedOutlierCheck;
