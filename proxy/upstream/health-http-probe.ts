// [m] HttpProbe: one GET, or what was configured, a check (envoy-behaviour §7.8).
import type { HttpHealthCheckConfig, StatusRangeConfig } from '../config/health-check-config.ts';
import { RequestHeaders } from '../http/header-map.ts';
import type { ResponseHeaders } from '../http/header-map.ts';
import { H, headerName } from '../http/headers.ts';
import { HealthClient } from './health-client.ts';
import type { HealthClientOwner, HealthClientSettings } from './health-client.ts';
import type { HealthDialer } from './health-dialer.ts';
import { PayloadMatcher } from './health-payload.ts';
import { ProbeResult } from './health-probe.ts';
import type { Probe, ProbeOwner } from './health-probe.ts';

const X_DEGRADED = headerName('x-envoy-degraded');
const X_IMMEDIATE_FAIL = headerName('x-envoy-immediate-health-check-fail');
const X_CHECKED_CLUSTER = headerName('x-envoy-upstream-healthchecked-cluster');
const USER_AGENT = 'Envoy/HC';

/** What of a check is the same for all its hosts. */
export interface HttpCheck {
  readonly config: HttpHealthCheckConfig;
  readonly reuse: boolean;
  /** Host of requests where the endpoint has none of its own. */
  readonly authority: string;
  readonly client: HealthClientSettings;
  /** Changes what a request of ours says, as configured. */
  readonly decorate: (headers: RequestHeaders) => void;
  /** Null: the server's name does not matter. */
  readonly matchesService: ((name: string) => boolean) | null;
}

export class HttpProbe implements Probe, HealthClientOwner {
  readonly #check: HttpCheck;
  readonly #authority: string;
  readonly #scheme: string;
  readonly #owner: ProbeOwner;
  readonly #client: HealthClient;
  readonly #payload: PayloadMatcher;
  #bodyBytes = 0;
  #response: ResponseHeaders | null = null;
  #waiting = false;

  /** `authority`: of the endpoint, '' where it has none. */
  constructor(check: HttpCheck, authority: string, dialer: HealthDialer, owner: ProbeOwner) {
    this.#check = check;
    this.#authority = authority === '' ? check.authority : authority;
    this.#scheme = dialer.secure ? 'https' : 'http';
    this.#owner = owner;
    this.#client = new HealthClient(dialer, check.client, this);
    this.#payload = new PayloadMatcher(check.config.receive);
  }

  start(): void {
    const { config, decorate } = this.#check;
    const headers = new RequestHeaders();
    headers.method = config.method;
    headers.path = config.path;
    headers.authority = this.#authority;
    headers.scheme = this.#scheme;
    headers.push(H.userAgent, USER_AGENT);
    decorate(headers);
    const body = config.send === undefined ? NOTHING : Buffer.from(config.send);
    if (config.send !== undefined) headers.set(H.contentLength, String(body.length));
    this.#waiting = true;
    this.#response = null;
    this.#bodyBytes = 0;
    this.#payload.reset();
    this.#client.send(headers, body);
  }

  abort(): void {
    this.#waiting = false;
    this.#client.abort();
  }

  close(): void {
    this.abort();
  }

  // === HealthClientOwner

  onConnectFailed(): void {
    this.#finish(ProbeResult.Network);
  }

  onResetStream(): void {
    this.#client.abort();
    this.#finish(ProbeResult.Network);
  }

  decode1xxHeaders(): void {}

  decodeHeaders(headers: ResponseHeaders, endStream: boolean): void {
    this.#response = headers;
    if (endStream) this.#complete();
  }

  decodeData(chunk: Buffer, endStream: boolean): void {
    const left = this.#check.config.responseBufferBytes - this.#bodyBytes;
    this.#bodyBytes += Math.min(left, chunk.length);
    if (left > 0 && this.#waiting) this.#payload.feed(chunk.subarray(0, left));
    if (endStream) this.#complete();
  }

  decodeTrailers(): void {
    this.#complete();
  }

  onAboveWriteBufferHighWatermark(): void {}
  onBelowWriteBufferLowWatermark(): void {}

  #complete(): void {
    if (!this.#waiting) return;
    const response = this.#response!;
    const result = this.#judge(response);
    this.#client.finish(this.#check.reuse);
    this.#finish(result, response.status);
  }

  #judge(response: ResponseHeaders): ProbeResult {
    const { config, matchesService } = this.#check;
    const { status } = response;
    if (!within(config.expectedStatuses, status)) {
      this.#noteImmediateFail(response);
      return within(config.retriableStatuses, status) ? ProbeResult.Retriable : ProbeResult.Failed;
    }
    if (!this.#payload.matched) {
      this.#noteImmediateFail(response);
      return ProbeResult.Failed;
    }
    if (matchesService !== null && !matchesService(response.get(X_CHECKED_CLUSTER) ?? ''))
      return ProbeResult.Failed;
    return response.has(X_DEGRADED) ? ProbeResult.Degraded : ProbeResult.Healthy;
  }

  #noteImmediateFail(response: ResponseHeaders): void {
    if (response.has(X_IMMEDIATE_FAIL)) this.#owner.onImmediateFail();
  }

  #finish(result: ProbeResult, status = 0): void {
    if (!this.#waiting) return;
    this.#waiting = false;
    this.#owner.onProbeResult(result, status);
  }
}

const NOTHING: Buffer = Buffer.alloc(0);

const within = (ranges: readonly StatusRangeConfig[], status: number): boolean =>
  ranges.some(({ start, end }) => status >= start && status < end);
