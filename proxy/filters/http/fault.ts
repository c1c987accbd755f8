// [w] envoy.filters.http.fault: delays, aborts, slow responses (envoy-behaviour §6). Exists for a stream only when its
// settings, the route's or the filter's own, have one of them.
import { WheelTimer } from '../../base/timer-wheel.ts';
import type { TimerOwner } from '../../base/timer-wheel.ts';
import type { FaultConfig } from '../../config/fault-config.ts';
import { H } from '../../http/headers.ts';
import type { HeaderMap, RequestHeaders } from '../../http/header-map.ts';
import { FilterStatus, PassThroughFilter } from '../../http/http-filter.ts';
import type { FilterCallbacks, HttpFilter, HttpFilterFactory } from '../../http/http-filter.ts';
import { MAX_TIMER_MS } from '../../router/request-timeouts.ts';
import type { StatId, StatsStore } from '../../stats/store.ts';
import { ResponseFlag } from '../../stream-info/response-flags.ts';
import type { FilterFactoryContext } from '../factory-context.ts';
import type { SharedCount } from '../shared-counts.ts';
import { CompiledSettings } from './compiled-settings.ts';
import { FaultSettings } from './fault-settings.ts';
import { ResponseRateLimiter } from './response-rate-limiter.ts';

const METADATA_NAMESPACE = 'envoy.filters.http.fault';
/** Callers name their cluster themselves: there are so many counters for them, with names of such a length. */
const MAX_DOWNSTREAM_CLUSTERS = 1000;
const MAX_NAME_LENGTH = 256;

class FaultStats {
  readonly store: StatsStore;
  readonly abortsInjected: StatId;
  readonly delaysInjected: StatId;
  readonly responseRlInjected: StatId;
  readonly faultsOverflow: StatId;
  readonly activeFaults: StatId;
  /** Of all workers: what `max_active_faults` is held against. */
  readonly activeInAll: SharedCount;
  readonly #prefix: string;
  /** By `<cluster>.<counter>`. */
  readonly #byCluster = new Map<string, StatId>();

  constructor({ stats: store, statPrefix, sharedCounts }: FilterFactoryContext) {
    const prefix = `http.${statPrefix}.fault.`;
    this.store = store;
    this.activeInAll = sharedCounts.of(`${prefix}active_faults`);
    this.#prefix = prefix;
    this.abortsInjected = store.counter(`${prefix}aborts_injected`);
    this.delaysInjected = store.counter(`${prefix}delays_injected`);
    this.responseRlInjected = store.counter(`${prefix}response_rl_injected`);
    this.faultsOverflow = store.counter(`${prefix}faults_overflow`);
    this.activeFaults = store.gauge(`${prefix}active_faults`);
  }

  /** False: `max` are active, in whichever worker. */
  activate(max: number): boolean {
    if (!this.activeInAll.addWithin(max)) return false;
    this.store.inc(this.activeFaults);
    return true;
  }

  deactivate(): void {
    this.store.dec(this.activeFaults);
    this.activeInAll.add(-1);
  }

  chargeAbort(cluster: string): void {
    this.store.inc(this.abortsInjected);
    if (cluster !== '') this.#chargeCluster(`${cluster}.aborts_injected`);
  }

  chargeDelay(cluster: string): void {
    this.store.inc(this.delaysInjected);
    if (cluster !== '') this.#chargeCluster(`${cluster}.delays_injected`);
  }

  #chargeCluster(name: string): void {
    let id = this.#byCluster.get(name);
    if (id === undefined) {
      if (name.length > MAX_NAME_LENGTH || this.#byCluster.size >= MAX_DOWNSTREAM_CLUSTERS) return;
      id = this.store.counter(this.#prefix + name);
      this.#byCluster.set(name, id);
    }
    this.store.inc(id);
  }
}

class FaultFilter extends PassThroughFilter implements TimerOwner {
  readonly #context: FilterFactoryContext;
  readonly #callbacks: FilterCallbacks;
  readonly #settings: FaultSettings;
  readonly #stats: FaultStats;
  #timer: WheelTimer | null = null;
  #limiter: ResponseRateLimiter | null = null;
  /** Counted among the active faults. */
  #active = false;

  constructor(
    context: FilterFactoryContext,
    callbacks: FilterCallbacks,
    settings: FaultSettings,
    stats: FaultStats,
  ) {
    super();
    this.#context = context;
    this.#callbacks = callbacks;
    this.#settings = settings;
    this.#stats = stats;
  }

  override decodeHeaders(headers: RequestHeaders): FilterStatus {
    if (!this.#settings.applies(headers, this.#callbacks)) return FilterStatus.Continue;
    this.#limitResponse(headers);
    if (this.#startDelay(headers)) return FilterStatus.StopIteration;
    return this.#abort(headers) ? FilterStatus.StopIteration : FilterStatus.Continue;
  }

  override encodeData(chunk: Buffer, endStream: boolean): FilterStatus {
    if (this.#limiter === null) return FilterStatus.Continue;
    this.#limiter.write(chunk, endStream);
    return FilterStatus.Consumed;
  }

  override encodeTrailers(_trailers: HeaderMap): FilterStatus {
    return this.#limiter !== null && this.#limiter.holdTrailers()
      ? FilterStatus.StopIteration
      : FilterStatus.Continue;
  }

  onTimer(): void {
    this.#timer = null;
    if (!this.#abort(this.#callbacks.requestHeaders)) this.#callbacks.continueDecoding();
  }

  override onDestroy(): void {
    if (this.#timer !== null) this.#context.timers.cancel(this.#timer);
    this.#timer = null;
    if (this.#limiter !== null) this.#limiter.destroy();
    if (this.#active) this.#stats.deactivate();
    this.#active = false;
  }

  #limitResponse(headers: RequestHeaders): void {
    const kbps = this.#settings.responseKbps(headers, this.#context);
    if (kbps === 0 || !this.#activate()) return;
    this.#stats.store.inc(this.#stats.responseRlInjected);
    this.#limiter = new ResponseRateLimiter(this.#callbacks, this.#context, kbps);
  }

  #startDelay(headers: RequestHeaders): boolean {
    const delayMs = this.#settings.delayMs(headers, this.#context);
    if (delayMs === 0 || !this.#activate()) return false;
    this.#stats.chargeDelay(this.#downstreamCluster(headers));
    this.#callbacks.streamInfo.setFlag(ResponseFlag.DelayInjected);
    this.#noteMetadata();
    this.#timer = new WheelTimer(this, 0);
    this.#context.timers.arm(this.#timer, Math.min(delayMs, MAX_TIMER_MS));
    return true;
  }

  #abort(headers: RequestHeaders): boolean {
    const abort = this.#settings.abort(headers, this.#context);
    if (abort === undefined || !this.#activate()) return false;
    this.#stats.chargeAbort(this.#downstreamCluster(headers));
    this.#noteMetadata();
    this.#callbacks.sendLocalReply({
      status: abort.httpStatus,
      body: this.#settings.config.abort!.responseBody,
      details: 'fault_filter_abort',
      flag: ResponseFlag.FaultInjected,
      grpcStatus: abort.grpcStatus,
      modifyHeaders: undefined,
    });
    return true;
  }

  /** False: as many faults are active as may be. A stream counts once. */
  #activate(): boolean {
    if (this.#active) return true;
    const stats = this.#stats;
    const max = this.#settings.maxActiveFaults(this.#context);
    if (!stats.activate(max)) {
      stats.store.inc(stats.faultsOverflow);
      return false;
    }
    this.#active = true;
    return true;
  }

  #downstreamCluster(headers: RequestHeaders): string {
    if (this.#settings.config.disableDownstreamClusterStats) return '';
    return headers.get(H.xEnvoyDownstreamServiceCluster) ?? '';
  }

  #noteMetadata(): void {
    const { filterMetadata } = this.#settings.config;
    if (filterMetadata.size > 0)
      this.#callbacks.streamInfo.metadataForWriting().merge(METADATA_NAMESPACE, filterMetadata);
  }
}

const hasFault = (config: FaultConfig): boolean =>
  config.delay !== undefined ||
  config.abort !== undefined ||
  config.responseRateLimit !== undefined;

export class FaultFilterFactory implements HttpFilterFactory {
  readonly name: string;
  readonly #context: FilterFactoryContext;
  readonly #own: FaultSettings | null;
  readonly #stats: FaultStats;
  /** By the route's settings object; entries go with their route table. */
  readonly #compiled = new CompiledSettings<FaultConfig, FaultSettings>(
    (config) => new FaultSettings(config),
  );

  /** Throws ConfigError for a bad regex in `headers`. */
  constructor(name: string, config: FaultConfig, context: FilterFactoryContext) {
    this.name = name;
    this.#context = context;
    this.#own = hasFault(config) ? new FaultSettings(config) : null;
    this.#stats = new FaultStats(context);
  }

  createFilter(callbacks: FilterCallbacks): HttpFilter | null {
    const settings = this.#settingsFor(callbacks);
    return settings === null
      ? null
      : new FaultFilter(this.#context, callbacks, settings, this.#stats);
  }

  /** The route's replace the filter's whole. */
  #settingsFor(callbacks: FilterCallbacks): FaultSettings | null {
    const route = callbacks.route;
    if (route === null) return this.#own;
    const config = route.filterSettings(this.name, callbacks.requestHeaders, callbacks.streamInfo);
    if (config === undefined || config.kind !== 'fault') return this.#own;
    return hasFault(config) ? this.#compiled.of(config) : null;
  }
}
