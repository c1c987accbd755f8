// [w] envoy.filters.http.fault: delays and aborts (envoy-behaviour §6). Exists for a stream only when its settings,
// the route's or the filter's own, have either. Response rate limits and runtime keys are not built.
import { WheelTimer } from '../../base/timer-wheel.ts';
import type { TimerOwner } from '../../base/timer-wheel.ts';
import type {
  FaultAbortConfig,
  FaultConfig,
  FaultDelayConfig,
} from '../../config/http-filter-config.ts';
import type { FractionConfig } from '../../config/matcher-config.ts';
import { H, headerName } from '../../http/headers.ts';
import type { HeaderName } from '../../http/headers.ts';
import type { RequestHeaders } from '../../http/header-map.ts';
import { FilterStatus, PassThroughFilter } from '../../http/http-filter.ts';
import type { FilterCallbacks, HttpFilter, HttpFilterFactory } from '../../http/http-filter.ts';
import { fractionHolds } from '../../router/fraction.ts';
import {
  allHeadersMatch,
  compileHeaderMatchers,
  decimalInteger,
} from '../../router/header-matcher.ts';
import type { HeaderMatcher } from '../../router/header-matcher.ts';
import { MAX_TIMER_MS } from '../../router/timeouts.ts';
import type { StatId, StatsStore } from '../../stats/store.ts';
import { ResponseFlag } from '../../stream-info/response-flags.ts';
import type { FilterFactoryContext } from '../factory-context.ts';

const DELAY_REQUEST = headerName('x-envoy-fault-delay-request');
const DELAY_REQUEST_PERCENTAGE = headerName('x-envoy-fault-delay-request-percentage');
const ABORT_REQUEST = headerName('x-envoy-fault-abort-request');
const ABORT_GRPC_REQUEST = headerName('x-envoy-fault-abort-grpc-request');
const ABORT_REQUEST_PERCENTAGE = headerName('x-envoy-fault-abort-request-percentage');

/** Settings with their matchers compiled. */
class FaultSettings {
  readonly config: FaultConfig;
  readonly #headers: readonly HeaderMatcher[];

  constructor(config: FaultConfig) {
    this.config = config;
    this.#headers = compileHeaderMatchers(config.headers, 'headers');
  }

  /** All gates: cluster, downstream node, headers. */
  applies(headers: RequestHeaders, callbacks: FilterCallbacks): boolean {
    const { upstreamCluster, downstreamNodes } = this.config;
    if (upstreamCluster !== '') {
      const cluster = callbacks.route?.clusterNameFor(headers, callbacks.streamInfo) ?? '';
      if (cluster !== upstreamCluster) return false;
    }
    if (downstreamNodes.length > 0) {
      const node = headers.get(H.xEnvoyDownstreamServiceNode);
      if (node === undefined || !downstreamNodes.includes(node)) return false;
    }
    return allHeadersMatch(this.#headers, headers);
  }
}

interface FaultStats {
  readonly store: StatsStore;
  readonly abortsInjected: StatId;
  readonly delaysInjected: StatId;
  readonly faultsOverflow: StatId;
  readonly activeFaults: StatId;
}

/** What an abort answers with. */
interface Abort {
  readonly httpStatus: number;
  readonly grpcStatus: number | undefined;
}

class FaultFilter extends PassThroughFilter implements TimerOwner {
  readonly #context: FilterFactoryContext;
  readonly #callbacks: FilterCallbacks;
  readonly #settings: FaultSettings;
  readonly #stats: FaultStats;
  #timer: WheelTimer | null = null;
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
    if (this.#startDelay(headers)) return FilterStatus.StopIteration;
    return this.#abort(headers) ? FilterStatus.StopIteration : FilterStatus.Continue;
  }

  onTimer(): void {
    this.#timer = null;
    if (!this.#abort(this.#callbacks.requestHeaders)) this.#callbacks.continueDecoding();
  }

  override onDestroy(): void {
    if (this.#timer !== null) this.#context.timers.cancel(this.#timer);
    this.#timer = null;
    if (this.#active) this.#stats.store.dec(this.#stats.activeFaults);
    this.#active = false;
  }

  #startDelay(headers: RequestHeaders): boolean {
    const delay = this.#settings.config.delay;
    if (delay === undefined) return false;
    const delayMs = delayMsFor(delay, headers);
    if (
      !(delayMs > 0) ||
      !this.#drawn(delay.percentage, headers, DELAY_REQUEST_PERCENTAGE, delay.fixedDelayMs)
    ) {
      return false;
    }
    if (!this.#activate()) return false;
    this.#stats.store.inc(this.#stats.delaysInjected);
    this.#callbacks.streamInfo.setFlag(ResponseFlag.DelayInjected);
    this.#timer = new WheelTimer(this, 0);
    this.#context.timers.arm(this.#timer, Math.min(delayMs, MAX_TIMER_MS));
    return true;
  }

  #abort(headers: RequestHeaders): boolean {
    const config = this.#settings.config.abort;
    if (config === undefined) return false;
    const abort = abortFor(config, headers);
    if (abort === undefined) return false;
    const fixed = config.source.kind === 'header' ? undefined : 0;
    if (!this.#drawn(config.percentage, headers, ABORT_REQUEST_PERCENTAGE, fixed)) return false;
    if (!this.#activate()) return false;
    this.#stats.store.inc(this.#stats.abortsInjected);
    this.#callbacks.sendLocalReply({
      status: abort.httpStatus,
      body: 'fault filter abort',
      details: 'fault_filter_abort',
      flag: ResponseFlag.FaultInjected,
      grpcStatus: abort.grpcStatus,
      modifyHeaders: undefined,
    });
    return true;
  }

  /** A draw of its own for each check; a header may lower the percentage where the fault comes by header. */
  #drawn(
    percentage: FractionConfig,
    headers: RequestHeaders,
    header: HeaderName,
    fixed: number | undefined,
  ): boolean {
    const random = this.#context.random.nextUint32();
    if (fixed !== undefined) return fractionHolds(percentage, random);
    const asked = decimalInteger(headers.get(header) ?? '');
    const numerator = asked >= 0 ? Math.min(asked, percentage.numerator) : percentage.numerator;
    return random % percentage.denominator < numerator;
  }

  /** False: as many faults are active as may be. A stream counts once. */
  #activate(): boolean {
    if (this.#active) return true;
    const stats = this.#stats;
    const max = this.#settings.config.maxActiveFaults;
    if (max !== undefined && stats.store.value(stats.activeFaults) >= max) {
      stats.store.inc(stats.faultsOverflow);
      return false;
    }
    this.#active = true;
    stats.store.inc(stats.activeFaults);
    return true;
  }
}

/** NaN or 0: none. */
const delayMsFor = (delay: FaultDelayConfig, headers: RequestHeaders): number =>
  delay.fixedDelayMs ?? decimalInteger(headers.get(DELAY_REQUEST) ?? '');

/** Undefined: the headers ask for none, or for one that does not exist. HTTP goes before gRPC. */
function abortFor(config: FaultAbortConfig, headers: RequestHeaders): Abort | undefined {
  const source = config.source;
  if (source.kind === 'http_status') return { httpStatus: source.status, grpcStatus: undefined };
  if (source.kind === 'grpc_status') return { httpStatus: 200, grpcStatus: source.status };
  const http = decimalInteger(headers.get(ABORT_REQUEST) ?? '');
  if (http >= 200 && http <= 599) return { httpStatus: http, grpcStatus: undefined };
  const grpc = decimalInteger(headers.get(ABORT_GRPC_REQUEST) ?? '');
  return grpc >= 0 ? { httpStatus: 200, grpcStatus: grpc } : undefined;
}

const hasFault = (config: FaultConfig): boolean =>
  config.delay !== undefined || config.abort !== undefined;

export class FaultFilterFactory implements HttpFilterFactory {
  readonly name: string;
  readonly #context: FilterFactoryContext;
  readonly #own: FaultSettings | null;
  readonly #stats: FaultStats;
  /** By the route's settings object; entries go with their route table. */
  readonly #compiled = new WeakMap<FaultConfig, FaultSettings>();

  /** Throws ConfigError for a bad regex in `headers`. */
  constructor(name: string, config: FaultConfig, context: FilterFactoryContext) {
    this.name = name;
    this.#context = context;
    this.#own = hasFault(config) ? new FaultSettings(config) : null;
    const prefix = `http.${context.statPrefix}.fault.`;
    this.#stats = {
      store: context.stats,
      abortsInjected: context.stats.counter(`${prefix}aborts_injected`),
      delaysInjected: context.stats.counter(`${prefix}delays_injected`),
      faultsOverflow: context.stats.counter(`${prefix}faults_overflow`),
      activeFaults: context.stats.gauge(`${prefix}active_faults`),
    };
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
    if (!hasFault(config)) return null;
    let settings = this.#compiled.get(config);
    if (settings === undefined) {
      settings = new FaultSettings(config);
      this.#compiled.set(config, settings);
    }
    return settings;
  }
}
