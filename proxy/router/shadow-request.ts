// [w] ShadowRequest: a copy of a request to another cluster whose answer nobody waits for (envoy-behaviour §3.7). It is
// counted as a request of its own, from inside.
import { KeptBytes } from '../base/kept-bytes.ts';
import { WheelTimer } from '../base/timer-wheel.ts';
import type { TimerOwner } from '../base/timer-wheel.ts';
import { StreamResetReason } from '../http/codec.ts';
import type { RequestEncoder, ResponseDecoder, StreamCallbacks } from '../http/codec.ts';
import { HeaderMap } from '../http/header-map.ts';
import { isGrpcRequest } from '../http/local-reply.ts';
import type { RequestHeaders, ResponseHeaders } from '../http/header-map.ts';
import type {
  HttpConnPool,
  HttpPoolCallbacks,
  PoolFailureReason,
  PoolTicket,
} from '../upstream/conn-pool/conn-pool.ts';
import type { Host } from '../upstream/host.ts';
import type { ClusterStats } from '../upstream/cluster-stats.ts';
import { statusOfReset } from './reset-reply.ts';
import type { RouterContext } from './router-context.ts';
import type { ChargedRequest } from './upstream-charges.ts';

/**
 * Held while the shadow waits for its connection, or its upstream is slow; beyond it the shadow is given up, never the
 * request.
 */
const MAX_PENDING_BYTES = 1_048_576;
const TIMED_OUT = 504;

export interface ShadowTarget {
  readonly stats: ClusterStats;
  readonly host: Host;
  readonly pool: HttpConnPool;
  /** 0: none. */
  readonly timeoutMs: number;
}

export class ShadowRequest
  implements ResponseDecoder, HttpPoolCallbacks, StreamCallbacks, ChargedRequest, TimerOwner
{
  readonly headers: RequestHeaders;
  readonly scopes = null;
  readonly healthCheck = false;
  readonly #context: RouterContext;
  readonly #target: ShadowTarget;
  readonly #timeout: WheelTimer;
  #ticket: PoolTicket | null = null;
  #encoder: RequestEncoder | null = null;
  #pending = new KeptBytes();
  #trailers: HeaderMap | null = null;
  #backedUp = false;
  #ended = false;
  #endMs = NaN;
  #answered = false;
  #over = false;

  constructor(context: RouterContext, headers: RequestHeaders, target: ShadowTarget) {
    this.#context = context;
    this.headers = headers;
    this.#target = target;
    this.#timeout = new WheelTimer(this, 0);
  }

  get clusterStats(): ClusterStats {
    return this.#target.stats;
  }

  start(endStream: boolean): void {
    if (endStream) this.#onRequestEnd();
    const ticket = this.#target.pool.newStream(this, this);
    if (!this.#over && this.#encoder === null) this.#ticket = ticket;
  }

  sendData(chunk: Buffer, endStream: boolean): void {
    if (this.#over) return;
    if (endStream) this.#onRequestEnd();
    if (this.#encoder !== null && !this.#backedUp) {
      this.#encoder.encodeData(chunk, endStream);
      return;
    }
    if (this.#pending.byteCount + chunk.length > MAX_PENDING_BYTES) this.cancel();
    else this.#pending.add(chunk);
  }

  sendTrailers(trailers: HeaderMap): void {
    if (this.#over) return;
    this.#onRequestEnd();
    // A copy: the codec's own may serve the next request by the time these are sent.
    this.#trailers = new HeaderMap();
    for (let i = 0; i < trailers.size; i++)
      this.#trailers.push(trailers.nameAt(i), trailers.valueAt(i));
    if (this.#encoder !== null && !this.#backedUp) this.#flush();
  }

  /** The request will not become complete, or the copy takes too much. */
  cancel(): void {
    if (this.#over) return;
    const encoder = this.#encoder;
    const ticket = this.#ticket;
    this.#finish();
    if (encoder !== null) encoder.resetStream(StreamResetReason.LocalReset);
    else if (ticket !== null) ticket.cancel();
  }

  onPoolReady(encoder: RequestEncoder): void {
    this.#ticket = null;
    this.#encoder = encoder;
    encoder.setCallbacks(this);
    this.#target.host.monitor?.onConnected();
    const bare = this.#pending.byteCount === 0 && this.#trailers === null;
    encoder.encodeHeaders(this.headers, this.#ended && bare);
    this.#flush();
  }

  onPoolFailure(reason: PoolFailureReason): void {
    this.#fail(reason);
  }

  decode1xxHeaders(): void {}

  decodeHeaders(headers: ResponseHeaders, endStream: boolean): void {
    this.#answered = true;
    this.#target.host.monitor?.onResponse(headers, isGrpcRequest(this.headers));
    this.#context.charges.response(this, this.#target.host, headers);
    if (endStream) this.#onResponseEnd(headers);
  }

  decodeData(_chunk: Buffer, endStream: boolean): void {
    if (endStream) this.#onResponseEnd(null);
  }

  decodeTrailers(trailers: HeaderMap): void {
    this.#onResponseEnd(trailers);
  }

  onResetStream(reason: StreamResetReason): void {
    this.#fail(reason);
  }

  onAboveWriteBufferHighWatermark(): void {
    this.#backedUp = true;
  }

  onBelowWriteBufferLowWatermark(): void {
    this.#backedUp = false;
    this.#flush();
  }

  onTimer(): void {
    const { stats, host } = this.#target;
    stats.store.inc(stats.upstreamRqTimeout);
    host.counts.rqTimeout++;
    if (!this.#answered) host.monitor?.onTimeout(TIMED_OUT);
    this.#chargeAbort(host, TIMED_OUT);
    this.cancel();
  }

  #onRequestEnd(): void {
    const { timers, time } = this.#context;
    this.#ended = true;
    this.#endMs = time.monotonicMs();
    if (this.#target.timeoutMs > 0) timers.arm(this.#timeout, this.#target.timeoutMs);
  }

  #flush(): void {
    const { chunks } = this.#pending;
    const trailers = this.#trailers;
    this.#pending = new KeptBytes();
    this.#trailers = null;
    for (let i = 0; i < chunks.length && this.#encoder !== null; i++) {
      const last = i === chunks.length - 1 && trailers === null;
      this.#encoder.encodeData(chunks[i]!, this.#ended && last);
    }
    if (trailers !== null && this.#encoder !== null) this.#encoder.encodeTrailers(trailers);
  }

  #onResponseEnd(ending: HeaderMap | null): void {
    if (this.#over) return;
    const { charges, time } = this.#context;
    const { host } = this.#target;
    charges.time(this, host, Math.floor(time.monotonicMs() - this.#endMs));
    charges.grpcEnd(this, host, ending);
    if (this.#ended && this.#pending.byteCount === 0) this.#finish();
    else this.cancel();
  }

  #fail(reason: StreamResetReason): void {
    if (this.#over) return;
    const overflow = reason === StreamResetReason.Overflow;
    if (!overflow) this.#target.host.monitor?.onLocalFailure();
    this.#chargeAbort(overflow ? null : this.#target.host, statusOfReset(reason));
    this.#finish();
  }

  #chargeAbort(host: Host | null, status: number): void {
    const { charges } = this.#context;
    if (!this.#answered) charges.localReply(this, host, status);
  }

  #finish(): void {
    this.#over = true;
    this.#encoder = null;
    this.#ticket = null;
    this.#pending = new KeptBytes();
    this.#context.timers.cancel(this.#timeout);
  }
}
