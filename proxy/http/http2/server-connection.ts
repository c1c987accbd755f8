// [w] Downstream HTTP/2 codec: many requests at once, each a stream that is its own encoder (envoy-behaviour §2.2).
// To filters a request looks as on HTTP/1: an extended CONNECT (RFC 8441) is a GET with `upgrade`, and the 101 that
// answers it leaves as 200.
import type { Connection } from '../../network/connection.ts';
import { StreamResetReason } from '../codec.ts';
import type { RequestDecoder, ResponseEncoder } from '../codec.ts';
import type { HeaderMap, RequestHeaders, ResponseHeaders } from '../header-map.ts';
import { H } from '../headers.ts';
import { Fault, IGNORED, RequestReader, TrailersReader, isOverflow } from './message-rules.ts';
import { ErrorCode, MAX_STREAM_ID, PREFACE, Setting } from './protocol.ts';
import { Http2Session } from './session.ts';
import type { SessionCallbacks, SessionSettings } from './endpoint.ts';
import { Http2Stream } from './stream.ts';
import type { StreamHost } from './stream.ts';
import { StreamEvent, StreamState, isError, transition } from './stream-state.ts';

export interface Http2ServerCallbacks extends SessionCallbacks {
  /** A stream begins. Its headers follow at once, or its end: some requests are refused before anybody sees them. */
  newStream(stream: Http2ServerStream): RequestDecoder;
  /** The last byte of a stream is written, or it was reset. */
  onStreamClosed(): void;
}

export class Http2ServerStream extends Http2Stream implements ResponseEncoder {
  /** Extended or plain CONNECT. */
  isUpgrade = false;
  /** Set before anything is decoded. */
  decoder: RequestDecoder | null = null;
  #extendedConnect = false;

  constructor(host: StreamHost, id: number, sendBytes: number, receiveBytes: number) {
    super(host, id, sendBytes, receiveBytes);
  }

  /** Makes the request look as on HTTP/1. */
  adopt(headers: RequestHeaders, protocol: string): void {
    this.isUpgrade = headers.method === 'CONNECT';
    if (protocol === '') return;
    this.#extendedConnect = true;
    headers.method = 'GET';
    headers.push(H.connection, 'upgrade');
    headers.push(H.upgrade, protocol);
  }

  onData(chunk: Buffer, endStream: boolean): void {
    this.decoder?.decodeData(chunk, endStream);
  }

  override forget(): void {
    super.forget();
    this.decoder = null;
  }

  override close(): void {
    super.close();
    this.decoder = null;
  }

  // === ResponseEncoder

  encode1xxHeaders(headers: ResponseHeaders): void {
    if (this.open) this.sendHeaders(headers, false, '');
  }

  encodeHeaders(headers: ResponseHeaders, endStream: boolean): void {
    if (!this.open) return;
    if (this.#extendedConnect && headers.status === 101) {
      headers.status = 200;
      headers.remove(H.connection);
      headers.remove(H.upgrade);
    }
    this.sendHeaders(headers, endStream, '');
  }

  encodeData(chunk: Buffer, endStream: boolean): void {
    this.sendData(chunk, endStream);
  }

  encodeTrailers(trailers: HeaderMap): void {
    this.sendTrailers(trailers);
  }

  resetStream(reason: StreamResetReason): void {
    this.reset(
      reason === StreamResetReason.RemoteRefusedStreamReset
        ? ErrorCode.RefusedStream
        : ErrorCode.InternalError,
    );
  }
}

export class Http2ServerConnection extends Http2Session {
  readonly #callbacks: Http2ServerCallbacks;
  readonly #request: RequestReader;
  readonly #trailers: TrailersReader;
  #prefaceBytes = 0;
  /** The final GOAWAY is out: streams above this are ignored. */
  #lastAccepted = MAX_STREAM_ID;

  constructor(connection: Connection, callbacks: Http2ServerCallbacks, settings: SessionSettings) {
    super(connection, callbacks, settings);
    this.#callbacks = callbacks;
    const { http2, limits } = settings;
    this.#request = new RequestReader(limits, http2.allowConnect);
    this.#trailers = new TrailersReader(limits);
    // prettier-ignore
    this.sendSettings([
      Setting.HeaderTableSize, http2.hpackTableBytes,
      Setting.EnableConnectProtocol, http2.allowConnect ? 1 : 0,
      Setting.MaxConcurrentStreams, http2.maxConcurrentStreams,
      Setting.InitialWindowSize, http2.initialStreamWindowBytes,
    ]);
  }

  /** A header block is not complete yet. */
  get headBegun(): boolean {
    return this.reader.midway;
  }

  dispatch(chunk: Buffer): void {
    if (this.dead) return;
    this.beginEvent();
    if (this.#prefaceBytes === PREFACE.length) {
      this.reader.dispatch(chunk);
      return;
    }
    let at = 0;
    while (at < chunk.length && this.#prefaceBytes < PREFACE.length) {
      if (chunk[at++] === PREFACE[this.#prefaceBytes]) this.#prefaceBytes++;
      else {
        this.fail(ErrorCode.ProtocolError, 'http2.bad_preface');
        return;
      }
    }
    if (at < chunk.length) this.reader.dispatch(chunk.subarray(at));
  }

  /** First step of a drain: no stream is refused yet (RFC 9113 §6.8). */
  shutdownNotice(): void {
    if (!this.dead) this.sendGoAway(MAX_STREAM_ID, ErrorCode.NoError);
  }

  /** Second step: what was begun is served, what comes now is not. */
  goAway(): void {
    if (this.dead || this.#lastAccepted !== MAX_STREAM_ID) return;
    this.#lastAccepted = this.lastPeerStream;
    this.sendGoAway(this.lastPeerStream, ErrorCode.NoError);
  }

  /** The client asks for more than is good: GOAWAY, and nothing further is read. */
  abandon(): void {
    this.stop();
    this.sendGoAway(this.lastPeerStream, ErrorCode.EnhanceYourCalm);
    this.flush();
  }

  override onStreamClosed(stream: Http2Stream): void {
    super.onStreamClosed(stream);
    this.#callbacks.onStreamClosed();
  }

  protected isIdle(streamId: number): boolean {
    return streamId > this.lastPeerStream || (streamId & 1) === 0;
  }

  protected onGoAway(): void {}

  protected onPeerSettings(): void {}

  // oxlint-disable-next-line eslint/max-params -- see Http2Session
  protected onHeaderBlock(
    streamId: number,
    endStream: boolean,
    bytes: Buffer,
    start: number,
    end: number,
  ): void {
    const stream = this.streams.get(streamId) as Http2ServerStream | undefined;
    if (stream !== undefined) {
      this.#onTrailers(stream, endStream, bytes, start, end);
      return;
    }
    if ((streamId & 1) === 0) {
      this.fail(ErrorCode.ProtocolError, 'http2.stream_id');
      return;
    }
    if (streamId <= this.lastPeerStream) {
      if (!this.closed.wasReset(streamId))
        this.fail(
          this.closed.hasEnded(streamId) ? ErrorCode.StreamClosed : ErrorCode.ProtocolError,
          'http2.stream_id',
        );
      else this.#ignore(bytes, start, end);
      return;
    }
    this.lastPeerStream = streamId;
    if (streamId > this.#lastAccepted) {
      this.#ignore(bytes, start, end);
      return;
    }
    if (this.streams.size >= this.config.maxConcurrentStreams) {
      if (!this.#ignore(bytes, start, end)) return;
      this.closed.addReset(streamId);
      this.resetUnknown(streamId, ErrorCode.RefusedStream);
      return;
    }
    this.#onRequest(streamId, endStream, bytes, start, end);
  }

  /** Costs the stream only, whatever is configured: the message began in order (seen on Envoy 1.40). */
  protected onMessagingError(stream: Http2Stream): void {
    this.stats.store.inc(this.stats.rxMessagingError);
    this.streamError(stream, ErrorCode.ProtocolError, Fault.Messaging);
  }

  /** Decodes for the compression state's sake; false: it is lost. */
  #ignore(bytes: Buffer, start: number, end: number): boolean {
    if (this.decoder.decode(bytes, start, end, IGNORED)) return true;
    this.fail(ErrorCode.CompressionError, 'http2.compression');
    return false;
  }

  // oxlint-disable-next-line eslint/max-params -- see Http2Session
  #onRequest(
    streamId: number,
    endStream: boolean,
    bytes: Buffer,
    start: number,
    end: number,
  ): void {
    const request = this.#request;
    request.begin();
    if (!this.decoder.decode(bytes, start, end, request)) {
      this.fail(ErrorCode.CompressionError, 'http2.compression');
      return;
    }
    request.finish(endStream);
    const stream = new Http2ServerStream(
      this,
      streamId,
      this.peer.initialWindowBytes,
      this.config.initialStreamWindowBytes,
    );
    stream.accept(
      transition(stream.state, endStream ? StreamEvent.RecvHeadersEnd : StreamEvent.RecvHeaders),
    );
    stream.bodyBytesLeft = request.contentLength;
    stream.openingBytes = this.blockBytes;
    this.addStream(stream);
    const { headers } = request;
    stream.adopt(headers, request.protocol);
    const decoder = this.#callbacks.newStream(stream);
    if (request.droppedUnderscores > 0)
      this.stats.store.add(this.stats.droppedHeadersWithUnderscores, request.droppedUnderscores);
    if (request.fault !== Fault.None) {
      this.#refuse(stream, request.fault);
      return;
    }
    stream.decoder = decoder;
    decoder.decodeHeaders(headers, endStream);
  }

  // oxlint-disable-next-line eslint/max-params -- see Http2Session
  #onTrailers(
    stream: Http2ServerStream,
    endStream: boolean,
    bytes: Buffer,
    start: number,
    end: number,
  ): void {
    const reader = this.#trailers;
    stream.countReceivedBlock(this.blockBytes);
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
    // RFC 9113 §8.1: trailers end the message (attack 36).
    if (!endStream || !stream.countBody(0, true)) reader.fault = Fault.Messaging;
    if (reader.fault !== Fault.None) {
      this.#refuse(stream, reader.fault);
      return;
    }
    const { trailers } = reader;
    const decoder = stream.decoder;
    if (next === StreamState.Closed) stream.close();
    else stream.accept(next);
    if (decoder === null) return;
    if (trailers.size > 0) decoder.decodeTrailers(trailers);
    else decoder.decodeData(NOTHING, true);
  }

  /** A message that is none (envoy-behaviour §2.2). */
  #refuse(stream: Http2ServerStream, fault: Fault): void {
    const { stats } = this;
    if (isOverflow(fault)) {
      stats.store.inc(stats.headerOverflow);
      this.writeReset(stream, ErrorCode.InternalError);
      stream.die(StreamResetReason.LocalReset, fault);
      return;
    }
    if (fault === Fault.Underscore) {
      stats.store.inc(stats.requestsRejectedWithUnderscores);
      this.writeReset(stream, ErrorCode.ProtocolError);
      stream.die(StreamResetReason.ProtocolError, fault);
      return;
    }
    stats.store.inc(stats.rxMessagingError);
    this.writeReset(stream, ErrorCode.ProtocolError);
    stream.die(StreamResetReason.ProtocolError, fault);
    if (!this.config.streamErrorOnInvalidMessage) this.fail(ErrorCode.ProtocolError, fault);
  }
}

const NOTHING = Buffer.alloc(0);
