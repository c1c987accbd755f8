// [w] TraceDecider: whether a request is traced, written into its id, counted; and x-envoy-decorator-operation
// (envoy-behaviour §1.7, §1.8). Spans are not made yet.
import type { Runtime } from '../base/runtime.ts';
import type { RandomSource } from '../base/random.ts';
import type { RouteTracingConfig, SamplingConfig } from '../config/tracing-config.ts';
import type { StreamInfo } from '../stream-info/stream-info.ts';
import { TraceReason } from '../stream-info/trace-reason.ts';
import type { ConnManagerStats } from './conn-manager-stats.ts';
import { H } from './headers.ts';
import type { RequestHeaders, ResponseHeaders } from './header-map.ts';
import { PACKED_ID_LENGTH, reasonIn, withReason } from './request-id-reason.ts';

/** Requests are chosen by the first eight hex digits of their id, modulo this. */
const GRAIN = 10_000;

export interface TraceOptions {
  readonly sampling: SamplingConfig;
  /** The listener's traffic goes out: operations are told to the upstream, not to the client. */
  readonly egress: boolean;
  /** Ids carry the reason. */
  readonly packReason: boolean;
  /** Else every request is traced. */
  readonly sampleById: boolean;
}

export class TraceDecider {
  readonly #options: TraceOptions;
  readonly #runtime: Runtime;
  readonly #random: RandomSource;
  readonly #stats: ConnManagerStats;

  constructor(
    options: TraceOptions,
    sources: {
      readonly runtime: Runtime;
      readonly random: RandomSource;
      readonly stats: ConnManagerStats;
    },
  ) {
    this.#options = options;
    this.#runtime = sources.runtime;
    this.#random = sources.random;
    this.#stats = sources.stats;
  }

  /** Once the route is known. */
  decide(headers: RequestHeaders, info: StreamInfo, route: RouteTracingConfig | undefined): void {
    info.traceReason = this.#decide(headers, route?.sampling ?? this.#options.sampling);
  }

  charge(info: StreamInfo): void {
    this.#stats.chargeTracing(info.traceReason);
  }

  /** Before filters see the request. Gives the operation that the response tells; '' for none. */
  begin(headers: RequestHeaders, info: StreamInfo, route: RouteTracingConfig | undefined): string {
    this.charge(info);
    const operation = route?.propagate === true ? route.operation : '';
    if (this.#options.egress) {
      if (operation !== '') headers.set(H.xEnvoyDecoratorOperation, operation);
      return '';
    }
    const named = headers.get(H.xEnvoyDecoratorOperation);
    if (named === undefined) return operation;
    headers.remove(H.xEnvoyDecoratorOperation);
    return named === '' ? operation : '';
  }

  /** `operation`: what begin() gave. */
  end(headers: ResponseHeaders, operation: string): void {
    if (this.#options.egress) headers.remove(H.xEnvoyDecoratorOperation);
    else if (operation !== '') headers.set(H.xEnvoyDecoratorOperation, operation);
  }

  #decide(headers: RequestHeaders, sampling: SamplingConfig): TraceReason {
    if (!this.#options.sampleById) return TraceReason.Sampled;
    const id = headers.get(H.xRequestId);
    const number = id === undefined ? -1 : leadingHex(id);
    if (id === undefined || number < 0) return TraceReason.None;
    const value = number % GRAIN;
    const runtime = this.#runtime;
    const packed = this.#options.packReason && id.length === PACKED_ID_LENGTH;
    const before = packed ? reasonIn(id) : TraceReason.None;
    let reason = before;
    if (before === TraceReason.None) reason = this.#choose(headers, sampling, value);
    if (
      reason !== TraceReason.None &&
      !runtime.holds('tracing.global_enabled', sampling.overall, value)
    )
      reason = TraceReason.None;
    if (packed && reason !== before) headers.set(H.xRequestId, withReason(id, reason));
    return reason;
  }

  #choose(headers: RequestHeaders, sampling: SamplingConfig, value: number): TraceReason {
    const runtime = this.#runtime;
    if (
      headers.has(H.xClientTraceId) &&
      runtime.holds('tracing.client_enabled', sampling.client, this.#random.nextUint32())
    )
      return TraceReason.Client;
    if (headers.has(H.xEnvoyForceTrace)) return TraceReason.Forced;
    return runtime.holds('tracing.random_sampling', sampling.random, value)
      ? TraceReason.Sampled
      : TraceReason.None;
  }
}

/** The number of the first eight hex digits; -1 when they are none. */
function leadingHex(id: string): number {
  if (id.length < 8) return -1;
  let value = 0;
  for (let i = 0; i < 8; i++) {
    const code = id.charCodeAt(i);
    const lower = code | 0x20;
    const digit =
      code >= 0x30 && code <= 0x39
        ? code - 0x30
        : lower >= 0x61 && lower <= 0x66
          ? lower - 0x57
          : -1;
    if (digit < 0) return -1;
    value = value * 16 + digit;
  }
  return value;
}
