// [w] FaultSettings: one HTTPFault message compiled: whom it is for, and what it asks of one request, with headers and
// runtime values taken in (envoy-behaviour §6).
import type { RandomSource } from '../../base/random.ts';
import type { Runtime } from '../../base/runtime.ts';
import type { FaultConfig } from '../../config/fault-config.ts';
import type { FractionConfig } from '../../config/matcher-config.ts';
import type { RequestHeaders } from '../../http/header-map.ts';
import { H, headerName } from '../../http/headers.ts';
import type { HeaderName } from '../../http/headers.ts';
import type { FilterCallbacks } from '../../http/http-filter.ts';
import { allHeadersMatch, compileHeaderMatchers } from '../../router/header-matcher.ts';
import type { HeaderMatcher } from '../../router/header-matcher.ts';

const DELAY_REQUEST = headerName('x-envoy-fault-delay-request');
const DELAY_REQUEST_PERCENTAGE = headerName('x-envoy-fault-delay-request-percentage');
const ABORT_REQUEST = headerName('x-envoy-fault-abort-request');
const ABORT_GRPC_REQUEST = headerName('x-envoy-fault-abort-grpc-request');
const ABORT_REQUEST_PERCENTAGE = headerName('x-envoy-fault-abort-request-percentage');
const THROUGHPUT_RESPONSE = headerName('x-envoy-fault-throughput-response');
const THROUGHPUT_RESPONSE_PERCENTAGE = headerName('x-envoy-fault-throughput-response-percentage');

/** What an abort answers with. */
export interface Abort {
  readonly httpStatus: number;
  readonly grpcStatus: number | undefined;
}

/** What chance and runtime have to say. */
export interface FaultOdds {
  readonly random: RandomSource;
  readonly runtime: Runtime;
}

export class FaultSettings {
  readonly config: FaultConfig;
  readonly #headers: readonly HeaderMatcher[];

  /** Throws ConfigError for a bad regex in `headers`. */
  constructor(config: FaultConfig) {
    this.config = config;
    this.#headers = compileHeaderMatchers(config.headers, 'headers');
  }

  /** All gates: cluster, downstream node, headers. */
  applies(headers: RequestHeaders, callbacks: FilterCallbacks): boolean {
    const { upstreamCluster, downstreamNodes } = this.config;
    if (upstreamCluster !== '') {
      const cluster = callbacks.route?.clusterName ?? '';
      if (cluster !== upstreamCluster) return false;
    }
    if (downstreamNodes.length > 0) {
      const node = headers.get(H.xEnvoyDownstreamServiceNode);
      if (node === undefined || !downstreamNodes.includes(node)) return false;
    }
    return allHeadersMatch(this.#headers, headers);
  }

  /** 0: none. */
  delayMs(headers: RequestHeaders, odds: FaultOdds): number {
    const { delay, runtime: keys } = this.config;
    if (delay === undefined) return 0;
    const key = keyFor(headers, keys.delayPercent, 'delay.fixed_delay_percent');
    const percentage =
      delay.fixedDelayMs === undefined
        ? lowered(delay.percentage, headers, DELAY_REQUEST_PERCENTAGE)
        : delay.percentage;
    if (!odds.runtime.holds(key, percentage, odds.random.nextUint32())) return 0;
    const asked = delay.fixedDelayMs ?? wholeNumber(headers.get(DELAY_REQUEST));
    if (asked === undefined) return 0;
    return this.#runtimeNumber(headers, odds, keys.delayDuration, {
      ownName: 'delay.fixed_duration_ms',
      value: asked,
    });
  }

  /** Undefined: none, or one that the headers ask for and does not exist. HTTP goes before gRPC. */
  abort(headers: RequestHeaders, odds: FaultOdds): Abort | undefined {
    const { abort, runtime: keys } = this.config;
    if (abort === undefined) return undefined;
    const key = keyFor(headers, keys.abortPercent, 'abort.abort_percent');
    const percentage =
      abort.source.kind === 'header'
        ? lowered(abort.percentage, headers, ABORT_REQUEST_PERCENTAGE)
        : abort.percentage;
    if (!odds.runtime.holds(key, percentage, odds.random.nextUint32())) return undefined;
    const http = this.#httpStatus(headers);
    if (http !== undefined) {
      const httpStatus = this.#runtimeNumber(headers, odds, keys.abortHttpStatus, {
        ownName: 'abort.http_status',
        value: http,
      });
      return { httpStatus, grpcStatus: undefined };
    }
    const grpc = this.#grpcStatus(headers);
    if (grpc === undefined) return undefined;
    const grpcStatus = this.#runtimeNumber(headers, odds, keys.abortGrpcStatus, {
      ownName: 'abort.grpc_status',
      value: grpc,
    });
    return { httpStatus: 200, grpcStatus };
  }

  /** KiB a second for the response; 0: no limit. */
  responseKbps(headers: RequestHeaders, odds: FaultOdds): number {
    const limit = this.config.responseRateLimit;
    if (limit === undefined) return 0;
    const percentage =
      limit.limitKbps === undefined
        ? lowered(limit.percentage, headers, THROUGHPUT_RESPONSE_PERCENTAGE)
        : limit.percentage;
    const key = this.config.runtime.responseRateLimitPercent;
    if (!odds.runtime.holds(key, percentage, odds.random.nextUint32())) return 0;
    return limit.limitKbps ?? wholeNumber(headers.get(THROUGHPUT_RESPONSE)) ?? 0;
  }

  maxActiveFaults(odds: FaultOdds): number {
    const { maxActiveFaults, runtime } = this.config;
    return odds.runtime.integer(runtime.maxActiveFaults, maxActiveFaults ?? Infinity);
  }

  #httpStatus(headers: RequestHeaders): number | undefined {
    const source = this.config.abort!.source;
    if (source.kind !== 'header') return source.kind === 'http_status' ? source.status : undefined;
    const asked = wholeNumber(headers.get(ABORT_REQUEST));
    return asked !== undefined && asked >= 200 && asked <= 599 ? asked : undefined;
  }

  #grpcStatus(headers: RequestHeaders): number | undefined {
    const source = this.config.abort!.source;
    if (source.kind === 'grpc_status') return source.status;
    return source.kind === 'header' ? wholeNumber(headers.get(ABORT_GRPC_REQUEST)) : undefined;
  }

  /** The key's own value, then that of the caller's cluster, which wins. */
  #runtimeNumber(
    headers: RequestHeaders,
    odds: FaultOdds,
    key: string,
    fallback: { readonly ownName: string; readonly value: number },
  ): number {
    const value = odds.runtime.integer(key, fallback.value);
    return odds.runtime.integer(keyFor(headers, key, fallback.ownName), value);
  }
}

/** A caller that names its cluster has keys of its own. */
function keyFor(headers: RequestHeaders, key: string, ownName: string): string {
  const cluster = headers.get(H.xEnvoyDownstreamServiceCluster);
  return cluster === undefined || cluster === '' ? key : `fault.http.${cluster}.${ownName}`;
}

/** Where the fault comes by header, a header may lower its percentage. */
function lowered(
  percentage: FractionConfig,
  headers: RequestHeaders,
  header: HeaderName,
): FractionConfig {
  const asked = wholeNumber(headers.get(header));
  if (asked === undefined || asked >= percentage.numerator) return percentage;
  return { numerator: asked, denominator: percentage.denominator };
}

/** Decimal digits, a plus before them allowed; undefined for anything else. */
function wholeNumber(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const start = text.charCodeAt(0) === 0x2b ? 1 : 0;
  if (text.length === start || text.length > 16) return undefined;
  let value = 0;
  for (let i = start; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 0x30;
    if (digit < 0 || digit > 9) return undefined;
    value = value * 10 + digit;
  }
  return value;
}
