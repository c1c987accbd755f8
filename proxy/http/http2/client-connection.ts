// [w] Upstream HTTP/2 codec: many streams on one connection, each its own encoder. Strict: what a broken or hostile
// server sends never reaches another stream (attacks 39, 41).
import type { Connection } from '../../network/connection.ts';
import { StreamResetReason } from '../codec.ts';
import type { RequestEncoder, ResponseDecoder } from '../codec.ts';
import type { HeaderMap, RequestHeaders } from '../header-map.ts';
import { H } from '../headers.ts';
import { hasToken } from '../http1/framing.ts';
import { Fault, IGNORED, ResponseReader, TrailersReader, isOverflow } from './message-rules.ts';
import { ErrorCode, MAX_STREAM_ID, PREFACE, Setting } from './protocol.ts';
import { Http2Session } from './session.ts';
import type { SessionCallbacks, SessionSettings } from './endpoint.ts';
import { Http2Stream } from './stream.ts';
import type { StreamHost } from './stream.ts';
import { StreamEvent, StreamState, isError, transition } from './stream-state.ts';

export interface Http2ClientCallbacks extends SessionCallbacks {
  /** A stream that was open comes to a bad end, or was given up; onStreamComplete() follows. */
  onStreamReset(reason: StreamResetReason): void;
  /** A stream is over: both sides are done, or it was reset. Its place is free. */
  onStreamComplete(): void;
  /** The server takes no further stream on this connection. */
  onGoAway(): void;
  /** How many streams the server takes may have changed. */
  onMaxStreams(): void;
}

/** 1xx heads before one final response. */
const MAX_INFORMATIONAL = 16;

export class Http2ClientStream extends Http2Stream implements RequestEncoder {
  readonly decoder: ResponseDecoder;
  readonly #connection: ClientHost;
  informational = 0;
  headersReceived = false;
  toHead = false;
  /** `:protocol` of the extended CONNECT that an upgrade became; '' otherwise. */
  protocol = '';

  constructor(
    connection: ClientHost,
    decoder: ResponseDecoder,
    sendBytes: number,
    receiveBytes: number,
  ) {
    super(connection, 0, sendBytes, receiveBytes);
    this.#connection = connection;
    this.decoder = decoder;
  }

  onData(chunk: Buffer, endStream: boolean): void {
    this.decoder.decodeData(chunk, endStream);
  }

  /** Upstream, details are those of the transport: the reason says it all. */
  override die(reason: StreamResetReason, _details: string): void {
    this.#connection.onReset(this, reason);
    super.die(reason, '');
  }

  // === RequestEncoder

  encodeHeaders(headers: RequestHeaders, endStream: boolean): void {
    if (!this.#connection.open(this)) return;
    this.toHead = headers.method === 'HEAD';
    const connection = headers.get(H.connection);
    if (connection === undefined) {
      this.sendHeaders(headers, endStream, '');
      return;
    }
    // The router keeps its headers for another attempt: changes are made to a copy.
    const copy = headers.clone();
    const upgrade = headers.get(H.upgrade);
    if (upgrade !== undefined && hasToken(connection, 'upgrade')) {
      this.protocol = upgrade;
      copy.method = 'CONNECT';
      if (copy.get(H.contentLength) === '0') copy.remove(H.contentLength);
    }
    copy.remove(H.connection);
    copy.remove(H.upgrade);
    this.sendHeaders(copy, endStream && this.protocol === '', this.protocol);
  }

  encodeData(chunk: Buffer, endStream: boolean): void {
    this.sendData(chunk, endStream);
  }

  encodeTrailers(trailers: HeaderMap): void {
    this.sendTrailers(trailers);
  }

  resetStream(_reason: StreamResetReason): void {
    this.#connection.cancel(this);
  }

  /** A tunnel's bytes are DATA like all others. */
  enableTunnel(): void {}
}

interface ClientHost extends StreamHost {
  /** Gives the stream its number; false: the connection takes no more, the stream has been told. */
  open(stream: Http2ClientStream): boolean;
  cancel(stream: Http2ClientStream): void;
  /** Before the stream is told. */
  onReset(stream: Http2ClientStream, reason: StreamResetReason): void;
}

export class Http2ClientConnection extends Http2Session implements ClientHost {
  readonly #callbacks: Http2ClientCallbacks;
  readonly #response: ResponseReader;
  readonly #trailers: TrailersReader;
  /** Streams that wait for their headers, and so have no number yet. */
  readonly #unopened: Http2ClientStream[] = [];
  #nextStream = 1;
  #goAwayReceived = false;
  #lastActivityMs: number;

  constructor(connection: Connection, callbacks: Http2ClientCallbacks, settings: SessionSettings) {
    super(connection, callbacks, settings);
    this.#callbacks = callbacks;
    const { http2, limits } = settings;
    this.#response = new ResponseReader(limits);
    this.#trailers = new TrailersReader(limits);
    this.#lastActivityMs = this.timers.nowMs();
    this.writer.preface(PREFACE);
    // prettier-ignore
    this.sendSettings([
      Setting.HeaderTableSize, http2.hpackTableBytes,
      Setting.EnablePush, 0,
      Setting.EnableConnectProtocol, http2.allowConnect ? 1 : 0,
      Setting.MaxConcurrentStreams, http2.maxConcurrentStreams,
      Setting.InitialWindowSize, http2.initialStreamWindowBytes,
    ]);
  }

  /** Streams the connection takes at once, as both sides have it. */
  get maxConcurrentStreams(): number {
    return Math.min(this.config.maxConcurrentStreams, this.peer.maxConcurrentStreams);
  }

  get activeStreams(): number {
    return this.streams.size + this.#unopened.length;
  }

  /** Whether another stream may be opened now. */
  get acceptsStream(): boolean {
    return (
      !this.dead &&
      !this.#goAwayReceived &&
      this.activeStreams < this.maxConcurrentStreams &&
      this.#nextStream < MAX_STREAM_ID - 2
    );
  }

  /** The numbers of this connection are used up. */
  get exhausted(): boolean {
    return this.#nextStream >= MAX_STREAM_ID - 2;
  }

  newStream(decoder: ResponseDecoder): RequestEncoder {
    const idleMs = this.config.keepalive?.connectionIdleIntervalMs ?? 0;
    if (idleMs > 0 && this.timers.nowMs() - this.#lastActivityMs >= idleMs) this.keepalive.ping();
    const stream = new Http2ClientStream(
      this,
      decoder,
      this.peer.initialWindowBytes,
      this.config.initialStreamWindowBytes,
    );
    this.#unopened.push(stream);
    return stream;
  }

  dispatch(chunk: Buffer): void {
    if (this.dead) return;
    this.#lastActivityMs = this.timers.nowMs();
    this.beginEvent();
    this.reader.dispatch(chunk);
  }

  /** The socket is gone. */
  onConnectionClosed(): void {
    this.stop();
    this.killStreams(StreamResetReason.ConnectionTermination, '');
  }

  override killStreams(reason: StreamResetReason, details: string): void {
    super.killStreams(reason, details);
    for (const stream of [...this.#unopened]) stream.die(reason, details);
  }

  // === ClientHost

  open(stream: Http2ClientStream): boolean {
    if (!stream.open) return false;
    if (this.dead || this.#goAwayReceived) {
      // Nothing went out: another connection may take it.
      stream.die(StreamResetReason.RemoteRefusedStreamReset, '');
      return false;
    }
    this.#forgetUnopened(stream);
    stream.id = this.#nextStream;
    this.#nextStream += 2;
    // The server's SETTINGS may have come meanwhile.
    stream.sendBytes = this.peer.initialWindowBytes;
    this.addStream(stream);
    return true;
  }

  cancel(stream: Http2ClientStream): void {
    if (!stream.open) return;
    // An answer that came early ends the request in peace (envoy-behaviour §2.2).
    const answered = stream.state === StreamState.HalfClosedRemote;
    const code = answered ? ErrorCode.NoError : ErrorCode.InternalError;
    this.onReset(stream, StreamResetReason.LocalReset);
    if (stream.id === 0) stream.close();
    else stream.reset(code);
  }

  onReset(stream: Http2ClientStream, reason: StreamResetReason): void {
    if (stream.open && stream.id !== 0) this.#callbacks.onStreamReset(reason);
  }

  override onStreamClosed(stream: Http2Stream): void {
    super.onStreamClosed(stream);
    if (stream.id === 0) this.#forgetUnopened(stream);
    this.#callbacks.onStreamComplete();
  }

  // === Http2Session

  protected isIdle(streamId: number): boolean {
    return (streamId & 1) === 0 || streamId >= this.#nextStream;
  }

  protected onPeerSettings(): void {
    this.#callbacks.onMaxStreams();
  }

  /** Streams above `lastStreamId` were not looked at: they may be sent again, elsewhere (RFC 9113 §6.8). */
  protected onGoAway(lastStreamId: number, _code: number): void {
    this.#goAwayReceived = true;
    this.#callbacks.onGoAway();
    for (const stream of this.streams.all()) {
      if (stream.id > lastStreamId) stream.die(StreamResetReason.RemoteRefusedStreamReset, '');
    }
  }

  protected override onPeerReset(stream: Http2Stream, code: number): void {
    // After a complete answer this only says that the rest of the request is not wanted.
    if (code === ErrorCode.NoError && stream.state === StreamState.HalfClosedRemote) stream.close();
    else if (code === ErrorCode.ProtocolError) stream.die(StreamResetReason.ProtocolError, '');
    else if (code === ErrorCode.ConnectError) stream.die(StreamResetReason.ConnectError, '');
    else super.onPeerReset(stream, code);
  }

  protected override acceptsBody(stream: Http2Stream): boolean {
    return (stream as Http2ClientStream).headersReceived;
  }

  // oxlint-disable-next-line eslint/max-params -- see Http2Session
  protected onHeaderBlock(
    streamId: number,
    endStream: boolean,
    bytes: Buffer,
    start: number,
    end: number,
  ): void {
    const stream = this.streams.get(streamId) as Http2ClientStream | undefined;
    if (stream === undefined) {
      if (!this.decoder.decode(bytes, start, end, IGNORED))
        this.fail(ErrorCode.CompressionError, 'http2.compression');
      else if (this.isIdle(streamId)) this.fail(ErrorCode.ProtocolError, 'http2.stream_id');
      else if (!this.closed.wasReset(streamId))
        this.fail(ErrorCode.StreamClosed, 'http2.stream_id');
      return;
    }
    stream.countReceivedBlock(this.blockBytes);
    const reader = stream.headersReceived ? this.#trailers : this.#response;
    reader.begin();
    if (!this.decoder.decode(bytes, start, end, reader)) {
      this.fail(ErrorCode.CompressionError, 'http2.compression');
      return;
    }
    const next = transition(
      stream.state,
      endStream ? StreamEvent.RecvHeadersEnd : StreamEvent.RecvHeaders,
    );
    if (isError(next)) {
      this.failOutcome(stream, next);
      return;
    }
    reader.finish();
    if (stream.headersReceived) this.#onTrailers(stream, endStream, next);
    else this.#onResponse(stream, endStream, next);
  }

  protected onMessagingError(stream: Http2Stream): void {
    this.#refuse(stream, Fault.Messaging);
  }

  #onResponse(stream: Http2ClientStream, endStream: boolean, next: number): void {
    const response = this.#response;
    const { headers } = response;
    if (response.fault !== Fault.None) {
      this.#refuse(stream, response.fault);
      return;
    }
    if (headers.status < 200) {
      // An interim answer cannot be the last one (RFC 9113 §8.1).
      if (endStream || ++stream.informational > MAX_INFORMATIONAL)
        this.#refuse(stream, Fault.Messaging);
      else stream.decoder.decode1xxHeaders(headers);
      return;
    }
    stream.headersReceived = true;
    const bodiless = stream.toHead || headers.status === 204 || headers.status === 304;
    stream.bodyBytesLeft = bodiless ? 0 : response.contentLength;
    if (endStream && !stream.countBody(0, true)) {
      this.#refuse(stream, Fault.Messaging);
      return;
    }
    if (stream.protocol !== '' && headers.status === 200) {
      headers.status = 101;
      headers.push(H.connection, 'upgrade');
      headers.push(H.upgrade, stream.protocol);
    }
    this.#enter(stream, next);
    stream.decoder.decodeHeaders(headers, endStream);
  }

  #onTrailers(stream: Http2ClientStream, endStream: boolean, next: number): void {
    const reader = this.#trailers;
    if (!endStream || !stream.countBody(0, true)) reader.fault = Fault.Messaging;
    if (reader.fault !== Fault.None) {
      this.#refuse(stream, reader.fault);
      return;
    }
    const { trailers } = reader;
    this.#enter(stream, next);
    if (trailers.size > 0) stream.decoder.decodeTrailers(trailers);
    else stream.decoder.decodeData(NOTHING, true);
  }

  /** The place of a stream that is over is free before its user hears of it: the next one may take it. */
  #enter(stream: Http2ClientStream, next: number): void {
    if (next === StreamState.Closed) stream.close();
    else stream.accept(next);
  }

  #forgetUnopened(stream: Http2Stream): void {
    const index = this.#unopened.lastIndexOf(stream as Http2ClientStream);
    if (index >= 0) this.#unopened.splice(index, 1);
  }

  #refuse(stream: Http2Stream, fault: Fault): void {
    const { stats } = this;
    stats.store.inc(isOverflow(fault) ? stats.headerOverflow : stats.rxMessagingError);
    this.writeReset(stream, ErrorCode.ProtocolError);
    stream.die(StreamResetReason.ProtocolError, fault);
    if (!isOverflow(fault) && !this.config.streamErrorOnInvalidMessage)
      this.fail(ErrorCode.ProtocolError, fault);
  }
}

const NOTHING = Buffer.alloc(0);
