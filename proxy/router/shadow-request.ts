// [w] ShadowRequest: a copy of a request to another cluster whose answer nobody waits for (envoy-behaviour §3.7).
import { WheelTimer } from '../base/timer-wheel.ts';
import type { TimerOwner, TimerWheel } from '../base/timer-wheel.ts';
import { StreamResetReason } from '../http/codec.ts';
import type { RequestEncoder, ResponseDecoder, StreamCallbacks } from '../http/codec.ts';
import type { HeaderMap, RequestHeaders } from '../http/header-map.ts';
import { H } from '../http/headers.ts';
import type { StreamInfo } from '../stream-info/stream-info.ts';
import type { HttpPoolCallbacks, PoolTicket } from '../upstream/conn-pool/conn-pool.ts';
import type { ThreadLocalClusterManager } from '../upstream/thread-local-cluster.ts';
import { portStart } from './authority-port.ts';
import { fractionHolds } from './fraction.ts';
import type { MirrorPolicy, RouteAction } from './route-action.ts';

/** Held while the shadow waits for its connection; beyond it the shadow is given up, never the request. */
const MAX_PENDING_BYTES = 1_048_576;

export interface ShadowContext {
  readonly clusters: ThreadLocalClusterManager;
  readonly timers: TimerWheel;
}

export class ShadowRequest
  implements ResponseDecoder, HttpPoolCallbacks, StreamCallbacks, TimerOwner
{
  readonly #timers: TimerWheel;
  readonly #headers: RequestHeaders;
  readonly #timeout: WheelTimer;
  #ticket: PoolTicket | null = null;
  #encoder: RequestEncoder | null = null;
  #pending: Buffer[] = [];
  #pendingBytes = 0;
  #backedUp = false;
  #ended: boolean;
  #over = false;

  constructor(timers: TimerWheel, headers: RequestHeaders, endStream: boolean) {
    this.#timers = timers;
    this.#headers = headers;
    this.#ended = endStream;
    this.#timeout = new WheelTimer(this, 0);
  }

  /** Null where the policy's fraction says no, or cluster or host is missing. `headers` as sent to the real upstream. */
  static start(
    policy: MirrorPolicy,
    action: RouteAction,
    context: ShadowContext,
    request: {
      readonly headers: RequestHeaders;
      readonly info: StreamInfo;
      readonly endStream: boolean;
    },
  ): ShadowRequest | null {
    if (policy.fraction !== undefined && !fractionHolds(policy.fraction, request.info.streamRandom))
      return null;
    const cluster = context.clusters.get(policy.cluster);
    const host = cluster?.chooseHost(null) ?? null;
    if (cluster === undefined || host === null) return null;
    const headers = request.headers.clone();
    if (policy.appendHostSuffix) headers.authority = shadowHost(headers.authority ?? '');
    headers.set(H.xEnvoyInternal, 'true');
    headers.append(H.xForwardedFor, request.info.connection.localIp);
    const shadow = new ShadowRequest(context.timers, headers, request.endStream);
    if (action.timeoutMs > 0) context.timers.arm(shadow.#timeout, action.timeoutMs);
    const ticket = cluster.httpPool(host, action.priority).newStream(shadow, shadow);
    if (!shadow.#over && shadow.#encoder === null) shadow.#ticket = ticket;
    return shadow;
  }

  sendData(chunk: Buffer, endStream: boolean): void {
    if (this.#over) return;
    this.#ended = endStream;
    if (this.#encoder !== null && !this.#backedUp) {
      this.#encoder.encodeData(chunk, endStream);
      return;
    }
    this.#pendingBytes += chunk.length;
    if (this.#pendingBytes > MAX_PENDING_BYTES) this.cancel();
    else this.#pending.push(Buffer.from(chunk));
  }

  /** Trailers are not mirrored; the body ends. */
  sendTrailers(): void {
    this.sendData(Buffer.alloc(0), true);
  }

  cancel(): void {
    if (this.#over) return;
    const encoder = this.#encoder;
    const ticket = this.#ticket;
    this.#finish();
    if (encoder !== null) encoder.resetStream(StreamResetReason.LocalReset);
    else if (ticket !== null) ticket.cancel();
  }

  get requestComplete(): boolean {
    return this.#ended;
  }

  onPoolReady(encoder: RequestEncoder): void {
    this.#ticket = null;
    this.#encoder = encoder;
    encoder.setCallbacks(this);
    const bare = this.#pending.length === 0;
    encoder.encodeHeaders(this.#headers, this.#ended && bare);
    this.#flush();
  }

  onPoolFailure(): void {
    this.#finish();
  }

  decode1xxHeaders(): void {}

  decodeHeaders(_headers: unknown, endStream: boolean): void {
    if (endStream) this.#onResponseEnd();
  }

  decodeData(_chunk: Buffer, endStream: boolean): void {
    if (endStream) this.#onResponseEnd();
  }

  decodeTrailers(_trailers: HeaderMap): void {
    this.#onResponseEnd();
  }

  onResetStream(): void {
    this.#finish();
  }

  onAboveWriteBufferHighWatermark(): void {
    this.#backedUp = true;
  }

  onBelowWriteBufferLowWatermark(): void {
    this.#backedUp = false;
    this.#flush();
  }

  onTimer(): void {
    this.cancel();
  }

  #flush(): void {
    const chunks = this.#pending;
    if (chunks.length === 0) return;
    this.#pending = [];
    this.#pendingBytes = 0;
    for (let i = 0; i < chunks.length && this.#encoder !== null; i++) {
      this.#encoder.encodeData(chunks[i]!, this.#ended && i === chunks.length - 1);
    }
  }

  #onResponseEnd(): void {
    if (this.#over) return;
    if (this.#ended && this.#pending.length === 0) this.#finish();
    else this.cancel();
  }

  #finish(): void {
    this.#over = true;
    this.#encoder = null;
    this.#ticket = null;
    this.#pending = [];
    this.#timers.cancel(this.#timeout);
  }
}

/** `foo:80` → `foo-shadow:80`. */
export function shadowHost(host: string): string {
  const colon = portStart(host);
  return colon < 0 ? `${host}-shadow` : `${host.slice(0, colon)}-shadow${host.slice(colon)}`;
}
