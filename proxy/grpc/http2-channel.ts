// [m] Http2Channel: gRPC streams to one server over a connection of our own HTTP/2 codec. Dialled by the first stream and,
// when it broke or takes no more, by the next: who opens streams backs off by himself.
import { statusCode } from '../../xds-protos/ads-stream.ts';
import type { StreamStatus } from '../../xds-protos/ads-stream.ts';
import type { GrpcChannel, GrpcStream, GrpcStreamListener } from '../../xds-protos/grpc-channel.ts';
import { realRandom } from '../base/random.ts';
import { WheelTimer } from '../base/timer-wheel.ts';
import type { TimerOwner } from '../base/timer-wheel.ts';
import { DEFAULT_HTTP2 } from '../config/http2-config.ts';
import type { AddressConfig } from '../config/listener-config.ts';
import { StreamResetReason } from '../http/codec.ts';
import type { RequestEncoder } from '../http/codec.ts';
import { RequestHeaders } from '../http/header-map.ts';
import { H, headerName } from '../http/headers.ts';
import type { Http2ClientConnection } from '../http/http2/client-connection.ts';
import type { SessionSettings } from '../http/http2/endpoint.ts';
import { Http2Stats } from '../http/http2/http2-stats.ts';
import type { Connection } from '../network/connection.ts';
import type { UpstreamTransport } from '../network/upstream-transport.ts';
import type { IoThread } from '../network/io-thread.ts';
import type { StatsStore } from '../stats/store.ts';
import { Dial } from './dial.ts';
import type { DialListener } from './dial.ts';
import { GrpcAnswer } from './grpc-answer.ts';
import type { GrpcAnswerOwner } from './grpc-answer.ts';
import { Http2Peer } from './http2-peer.ts';
import { withPrefix } from './message-splitter.ts';

export interface ChannelOptions {
  readonly io: IoThread;
  /** An IP, a name that the system resolves, or a pipe. */
  readonly address: AddressConfig;
  /** Null: plaintext. */
  readonly transport: UpstreamTransport | null;
  readonly authority: string;
  /** Of the cluster, for `cluster.<name>.http2.*`. */
  readonly statName: string;
  readonly stats: StatsStore;
  readonly connectTimeoutMs: number;
  /** A larger message ends its stream with RESOURCE_EXHAUSTED. */
  readonly maxMessageBytes: number;
}

const MAX_HEADER_BYTES = 60 * 1024;
const MAX_HEADER_COUNT = 100;
/** As Istio's agents: a peer that went without a word is noticed within 40 s. */
const KEEPALIVE = {
  intervalMs: 30_000,
  timeoutMs: 10_000,
  jitterPercent: 0,
  connectionIdleIntervalMs: 0,
};

export class Http2Channel implements GrpcChannel, DialListener, TimerOwner {
  readonly options: ChannelOptions;
  readonly #settings: SessionSettings;
  readonly #timer = new WheelTimer(this, 0);
  #dial: Dial | null = null;
  /** Where new streams go. */
  #peer: Http2Peer | null = null;
  /** Streams that wait for the connection. */
  #waiting: ChannelStream[] = [];
  #closed = false;

  constructor(options: ChannelOptions) {
    this.options = options;
    this.#settings = {
      http2: { ...DEFAULT_HTTP2, keepalive: KEEPALIVE },
      stats: new Http2Stats(options.stats, `cluster.${options.statName}.`),
      random: realRandom,
      flushTimeoutMs: 0,
      limits: { maxBytes: MAX_HEADER_BYTES, maxCount: MAX_HEADER_COUNT, underscores: 'ALLOW' },
    };
  }

  open(
    path: string,
    metadata: ReadonlyMap<string, string>,
    listener: GrpcStreamListener,
  ): GrpcStream {
    const stream = new ChannelStream(this, { path, metadata }, listener);
    if (this.#closed) queueMicrotask(() => stream.fail('the channel is closed'));
    else if (this.#peer?.codec.acceptsStream === true) stream.begin(this.#peer.codec);
    else {
      this.#waiting.push(stream);
      this.#startDial();
    }
    return stream;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const stream of this.#waiting) stream.cancel();
    this.#waiting = [];
    this.#stopDial();
    this.#peer?.close();
    this.#peer = null;
  }

  forget(stream: ChannelStream): void {
    const index = this.#waiting.indexOf(stream);
    if (index >= 0) this.#waiting.splice(index, 1);
  }

  // === DialListener

  onConnected(connection: Connection): void {
    this.#stopDial();
    const peer = new Http2Peer(connection, this.#settings, () => {
      if (this.#peer === peer) this.#peer = null;
    });
    this.#peer = peer;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const stream of waiting) stream.begin(peer.codec);
  }

  onConnectFailed(reason: string): void {
    this.#stopDial();
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const stream of waiting) stream.fail(reason);
  }

  // === TimerOwner

  onTimer(_kind: number): void {
    this.onConnectFailed(`no connection within ${this.options.connectTimeoutMs} ms`);
  }

  #startDial(): void {
    if (this.#dial !== null) return;
    const { io, connectTimeoutMs } = this.options;
    this.#dial = new Dial(io, this.options, this);
    io.timers.arm(this.#timer, connectTimeoutMs);
  }

  #stopDial(): void {
    this.options.io.timers.cancel(this.#timer);
    this.#dial?.cancel();
    this.#dial = null;
  }
}

interface Call {
  readonly path: string;
  readonly metadata: ReadonlyMap<string, string>;
}

class ChannelStream implements GrpcStream, GrpcAnswerOwner {
  readonly #channel: Http2Channel;
  readonly #call: Call;
  readonly #listener: GrpcStreamListener;
  readonly #answer: GrpcAnswer;
  #encoder: RequestEncoder | null = null;
  /** Sent before there was a connection. */
  #early: Buffer[] = [];
  #endAsked = false;
  #over = false;

  constructor(channel: Http2Channel, call: Call, listener: GrpcStreamListener) {
    this.#channel = channel;
    this.#call = call;
    this.#listener = listener;
    this.#answer = new GrpcAnswer(this, channel.options.maxMessageBytes);
  }

  begin(codec: Http2ClientConnection): void {
    const encoder = codec.newStream(this.#answer);
    this.#encoder = encoder;
    encoder.setCallbacks(this.#answer);
    encoder.encodeHeaders(this.#requestHeaders(), false);
    const early = this.#early;
    this.#early = [];
    for (const framed of early) encoder.encodeData(framed, false);
    if (this.#endAsked) encoder.encodeData(NOTHING, true);
  }

  /** There is no connection. */
  fail(reason: string): void {
    if (this.#over) return;
    this.#answer.stop();
    this.onAnswerEnd({ code: statusCode.unavailable, reason });
  }

  // === GrpcStream

  send(message: Uint8Array): boolean {
    if (this.#over || this.#endAsked) return true;
    const framed = withPrefix(message);
    if (this.#encoder === null) this.#early.push(framed);
    else this.#encoder.encodeData(framed, false);
    return !this.#answer.full;
  }

  end(): void {
    if (this.#over || this.#endAsked) return;
    this.#endAsked = true;
    this.#encoder?.encodeData(NOTHING, true);
  }

  cancel(): void {
    if (this.#over) return;
    this.#over = true;
    this.#answer.stop();
    this.#channel.forget(this);
    this.#encoder?.resetStream(StreamResetReason.LocalReset);
  }

  // === GrpcAnswerOwner

  onMessage(bytes: Uint8Array): void {
    if (!this.#over) this.#listener.onMessage(bytes);
  }

  onDrain(): void {
    if (!this.#over) this.#listener.onDrain();
  }

  onAnswerEnd(status: StreamStatus): void {
    if (this.#over) return;
    this.#over = true;
    // Nothing to reset where the stream is over already.
    this.#encoder?.resetStream(StreamResetReason.LocalReset);
    this.#listener.onEnd(status);
  }

  #requestHeaders(): RequestHeaders {
    const headers = new RequestHeaders();
    headers.method = 'POST';
    headers.path = this.#call.path;
    headers.authority = this.#channel.options.authority;
    headers.scheme = this.#channel.options.transport === null ? 'http' : 'https';
    headers.push(H.te, 'trailers');
    headers.push(H.contentType, 'application/grpc');
    for (const [name, value] of this.#call.metadata) headers.push(headerName(name), value);
    return headers;
  }
}

const NOTHING = Buffer.alloc(0);
