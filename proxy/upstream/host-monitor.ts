// [w] HostMonitor: what requests find out about a host, as outlier detection counts it, and as its active checks want to
// know it. Only hosts of clusters that have either have one (envoy-behaviour §7.8, §7.9).
import type { OutlierDetectionConfig } from '../config/outlier-detection-config.ts';
import type { ResponseHeaders } from '../http/header-map.ts';
import { H, headerName } from '../http/headers.ts';
import { HealthFlag } from './host-health.ts';
import { OutlierCount, outlierPlace } from './outlier-memory.ts';

const X_IMMEDIATE_FAIL = headerName('x-envoy-immediate-health-check-fail');
const X_DEGRADED = headerName('x-envoy-degraded');

/** What main is told; it decides. */
export type MonitorEvent =
  | 'CONSECUTIVE_5XX'
  | 'CONSECUTIVE_GATEWAY_FAILURE'
  | 'CONSECUTIVE_LOCAL_ORIGIN_FAILURE'
  | 'IMMEDIATE_FAIL'
  | 'DEGRADED';

/** What monitors of one cluster share. */
export interface MonitorContext {
  /** Undefined: nobody is ejected. */
  readonly outlierDetection: OutlierDetectionConfig | undefined;
  /** Hosts are checked, too: some answers are their business. */
  readonly checked: boolean;
  /** Over outlier-memory.ts. */
  readonly counts: Int32Array;
  tell(address: string, event: MonitorEvent): void;
}

export interface MonitoredHost {
  readonly addressText: string;
  readonly healthFlags: number;
  /** Gone: its slot may be another host's soon. */
  readonly removed: boolean;
}

export class HostMonitor {
  readonly #slot: number;
  readonly #host: MonitoredHost;
  readonly #context: MonitorContext;
  /** -1: nothing is counted. */
  readonly #place: number;

  constructor(context: MonitorContext, host: MonitoredHost, slot: number) {
    this.#context = context;
    this.#host = host;
    this.#slot = slot;
    this.#place = slot < 0 || context.outlierDetection === undefined ? -1 : outlierPlace(slot);
  }

  /** Whether it does what a new one would. */
  fits(context: MonitorContext, slot: number): boolean {
    return context === this.#context && slot === this.#slot;
  }

  /** Each answer's head, whether the client sees it or not. `grpc`: of the request. */
  onResponse(headers: ResponseHeaders, grpc: boolean): void {
    const { checked, outlierDetection } = this.#context;
    const { healthFlags, removed } = this.#host;
    if (removed) return;
    if (checked && headers.has(X_IMMEDIATE_FAIL) && (healthFlags & FAILED_CHECK) !== FAILED_CHECK)
      this.#tell('IMMEDIATE_FAIL');
    if (this.#place < 0) return;
    if (
      outlierDetection!.detectDegradedHosts &&
      headers.has(X_DEGRADED) &&
      (healthFlags & HealthFlag.DegradedOutlierCheck) === 0
    )
      this.#tell('DEGRADED');
    this.#onCode(grpc ? codeOf(headers) : headers.status);
  }

  /** The way to the host, or back, was cut: no connection, a reset. */
  onLocalFailure(): void {
    this.#onLocalOrigin(503);
  }

  /** It took too long. `status`: of the answer given in its stead. */
  onTimeout(status: number): void {
    this.#onLocalOrigin(status);
  }

  /** A connection for a request is there; what becomes of the request is told apart. */
  onConnected(): void {
    if (this.#counts && this.#context.outlierDetection!.splitLocalOrigin) this.#onLocalSuccess();
  }

  /** A connection is there, and that is all we will ever know of its success (TCP). */
  onConnectedForGood(): void {
    if (!this.#counts) return;
    if (this.#context.outlierDetection!.splitLocalOrigin) this.#onLocalSuccess();
    else this.#onCode(200);
  }

  get #counts(): boolean {
    return this.#place >= 0 && !this.#host.removed;
  }

  #onLocalOrigin(status: number): void {
    if (!this.#counts) return;
    const { splitLocalOrigin, consecutive } = this.#context.outlierDetection!;
    if (!splitLocalOrigin) {
      this.#onCode(status);
      return;
    }
    this.#add(OutlierCount.LocalOriginRequests);
    if (this.#add(OutlierCount.ConsecutiveLocalOriginFailure) === consecutive.localOriginFailure)
      this.#tell('CONSECUTIVE_LOCAL_ORIGIN_FAILURE');
  }

  #onLocalSuccess(): void {
    this.#add(OutlierCount.LocalOriginRequests);
    this.#add(OutlierCount.LocalOriginSuccesses);
    this.#clear(OutlierCount.ConsecutiveLocalOriginFailure);
  }

  #onCode(status: number): void {
    const { consecutive } = this.#context.outlierDetection!;
    this.#add(OutlierCount.Requests);
    if (status < 500) {
      this.#add(OutlierCount.Successes);
      this.#clear(OutlierCount.Consecutive5xx);
      this.#clear(OutlierCount.ConsecutiveGatewayFailure);
      return;
    }
    if (status >= 502 && status <= 504) {
      const failures = this.#add(OutlierCount.ConsecutiveGatewayFailure);
      if (failures === consecutive.gatewayFailure) this.#tell('CONSECUTIVE_GATEWAY_FAILURE');
    } else this.#clear(OutlierCount.ConsecutiveGatewayFailure);
    if (this.#add(OutlierCount.Consecutive5xx) === consecutive.http5xx)
      this.#tell('CONSECUTIVE_5XX');
  }

  /** The count with this one. */
  #add(count: OutlierCount): number {
    return Atomics.add(this.#context.counts, this.#place + count, 1) + 1;
  }

  /** Written only where there is something to clear: good answers of several workers do not fight for the line. */
  #clear(count: OutlierCount): void {
    const { counts } = this.#context;
    const place = this.#place + count;
    if (Atomics.load(counts, place) !== 0) Atomics.store(counts, place, 0);
  }

  #tell(event: MonitorEvent): void {
    this.#context.tell(this.#host.addressText, event);
  }
}

const FAILED_CHECK = HealthFlag.FailedActiveCheck | HealthFlag.ExcludedByResponse;

/** HTTP's code for what `grpc-status` says in the head of an answer; trailers are not looked at (§5.3). */
function codeOf(headers: ResponseHeaders): number {
  const status = headers.get(H.grpcStatus);
  return status === undefined ? headers.status : (GRPC_CODES.get(status) ?? 500);
}

const GRPC_CODES: ReadonlyMap<string, number> = new Map([
  ['0', 200],
  ['1', 499],
  ['2', 500],
  ['3', 400],
  ['4', 504],
  ['5', 404],
  ['6', 409],
  ['7', 403],
  ['8', 429],
  ['9', 400],
  ['10', 409],
  ['11', 400],
  ['12', 501],
  ['13', 500],
  ['14', 503],
  ['15', 500],
  ['16', 401],
]);
