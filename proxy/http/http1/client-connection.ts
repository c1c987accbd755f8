// [w] Upstream HTTP/1 codec: one request at a time, never pipelined. Strict: whatever a broken or hostile server
// sends, its bytes never reach another request (attacks 27, 30).
import type { HeaderKeyFormat } from '../../config/http-connection-manager-config.ts';
import type { Connection } from '../../network/connection.ts';
import { CloseEvent } from '../../network/transport.ts';
import { StreamResetReason } from '../codec.ts';
import type { RequestEncoder, ResponseDecoder, StreamCallbacks } from '../codec.ts';
import type { WireCounts } from '../../stream-info/stream-meter.ts';
import type { HeaderMap, RequestHeaders, ResponseHeaders } from '../header-map.ts';
import { H } from '../headers.ts';
import { BodyDecoder } from './body-decoder.ts';
import type { BodySink } from './body-decoder.ts';
import { inOwnCase, preserveCaseOf } from './cased-headers.ts';
import { CHUNKED, UNTIL_CLOSE, hasToken, preferChunked, responseFraming } from './framing.ts';
import type { Framing } from './framing.ts';
import { HeadParser } from './head-parser.ts';
import { keepAliveTimeout } from './keep-alive.ts';
import {
  BodyFraming,
  CHUNK_END,
  LAST_CHUNK,
  chunkHead,
  headerBytesReceived,
  headerBytesSent,
  lastChunkWith,
  requestFramingOut,
  fullyQualified,
  requestHead,
} from './message-writer.ts';

export interface ClientConnectionCallbacks {
  /** A stream ends before its time: given up, broken, or answered before its request was complete. */
  onStreamReset(): void;
  /** Both sides of the stream are over; `reusable`: the connection may carry another one. */
  onStreamComplete(reusable: boolean): void;
  /** The answer says that its connection will not be kept. */
  onCloseAsked(): void;
  /** `Keep-Alive: timeout=…` of a connection's first answer. */
  onKeepAliveTimeout(seconds: number): void;
  /** The server broke the protocol; the stream has been told, the connection must go. */
  onProtocolError(): void;
}

export interface ClientConnectionSettings {
  readonly maxResponseHeadersKb: number;
  readonly maxHeadersCount: number;
  readonly enableTrailers: boolean;
  readonly headerKeyFormat?: HeaderKeyFormat;
  readonly allowChunkedLength?: boolean;
  readonly sendFullyQualifiedUrl?: boolean;
}

const EMPTY = Buffer.alloc(0);
/** 1xx heads before one final response. */
const MAX_INFORMATIONAL = 16;
const framing: Framing = { length: 0, error: null };

export class Http1ClientConnection implements RequestEncoder, BodySink {
  readonly #connection: Connection;
  readonly #callbacks: ClientConnectionCallbacks;
  readonly #settings: ClientConnectionSettings;
  readonly #head: HeadParser;
  readonly #body: BodyDecoder;
  #decoder: ResponseDecoder | null = null;
  #streamCallbacks: StreamCallbacks | null = null;
  #requestFraming: BodyFraming = BodyFraming.None;
  #requestComplete = true;
  #headersReceived = false;
  #toHead = false;
  #upgrade = false;
  #connect = false;
  #tunnel = false;
  #keepAlive = true;
  #answered = false;
  #informational = 0;
  #interimTold = false;
  #readDisables = 0;
  /** Where the chunk under work ends in its buffer. */
  #chunkEnd = 0;
  /** Null where no log asks for bytes on the wire. */
  #counts: WireCounts | null = null;
  /** Of the chunk under work. */
  #payloadBytes = 0;

  constructor(
    connection: Connection,
    callbacks: ClientConnectionCallbacks,
    settings: ClientConnectionSettings,
  ) {
    this.#connection = connection;
    this.#callbacks = callbacks;
    this.#settings = settings;
    const limits = {
      maxBytes: settings.maxResponseHeadersKb * 1024,
      maxCount: settings.maxHeadersCount,
      underscores: 'ALLOW' as const,
      preserveCase: preserveCaseOf(settings.headerKeyFormat),
    };
    this.#head = new HeadParser('response', limits);
    this.#body = new BodyDecoder(limits);
  }

  get busy(): boolean {
    return this.#decoder !== null;
  }

  /** The caller made sure that no stream is on its way. */
  newStream(decoder: ResponseDecoder): RequestEncoder {
    this.#decoder = decoder;
    this.#requestComplete = false;
    this.#headersReceived = false;
    this.#upgrade = false;
    this.#tunnel = false;
    this.#keepAlive = true;
    this.#informational = 0;
    this.#interimTold = false;
    return this;
  }

  /** Bytes from the server; `endStream`: it closed its side. */
  dispatch(chunk: Buffer, endStream: boolean): void {
    let position = 0;
    this.#chunkEnd = chunk.byteOffset + chunk.length;
    while (position < chunk.length) {
      if (this.#decoder === null) {
        // Nothing was asked, or the answer is over: poison for the next request.
        this.#callbacks.onProtocolError();
        return;
      }
      const before = this.#decoder;
      position = this.#headersReceived
        ? this.#parseBody(chunk, position)
        : this.#parseHead(chunk, position);
      if (position < 0) return;
      if (this.#decoder !== before && position < chunk.length) {
        this.#callbacks.onProtocolError();
        return;
      }
    }
    if (endStream) this.#onRemoteEnd();
  }

  /** The socket is gone. A body that lasts until the peer closes is not complete when it was us who did. */
  onConnectionClosed(event: CloseEvent): void {
    if (event === CloseEvent.Remote) this.#onRemoteEnd();
    else if (this.#decoder !== null) this.#abort(StreamResetReason.ConnectionTermination);
  }

  onAboveWriteBufferHighWatermark(): void {
    this.#streamCallbacks?.onAboveWriteBufferHighWatermark();
  }

  onBelowWriteBufferLowWatermark(): void {
    this.#streamCallbacks?.onBelowWriteBufferLowWatermark();
  }

  // === RequestEncoder

  encodeHeaders(headers: RequestHeaders, endStream: boolean): void {
    this.#toHead = headers.method === 'HEAD';
    this.#connect = headers.method === 'CONNECT';
    this.#upgrade = this.#connect || headers.has(H.upgrade);
    this.#requestFraming = requestFramingOut(headers, endStream, this.#upgrade);
    let text = requestHead(headers, this.#requestFraming, endStream);
    if (this.#settings.sendFullyQualifiedUrl === true) text = fullyQualified(text, headers);
    const format = this.#settings.headerKeyFormat ?? 'lower';
    if (this.#counts !== null) this.#counts.headerSent += headerBytesSent(text);
    this.#send(
      format === 'lower' && headers.casing === null ? text : inOwnCase(text, headers, format),
    );
    if (endStream) this.#onRequestComplete();
  }

  encodeData(chunk: Buffer, endStream: boolean): void {
    if (this.#requestFraming === BodyFraming.Chunked) {
      if (chunk.length > 0) {
        this.#send(chunkHead(chunk.length));
        this.#sendData(chunk);
        this.#send(CHUNK_END);
        if (endStream) this.#connection.writeText(LAST_CHUNK);
      } else if (endStream) this.#connection.writeText(LAST_CHUNK);
    } else this.#sendData(chunk);
    if (!endStream) return;
    // Of a tunnel there is no other sign that its bytes are at their end.
    if (this.#connect && this.#requestFraming === BodyFraming.None) this.#connection.endWrite();
    this.#onRequestComplete();
  }

  encodeTrailers(trailers: HeaderMap): void {
    if (this.#requestFraming === BodyFraming.Chunked) {
      this.#send(this.#settings.enableTrailers ? lastChunkWith(trailers) : LAST_CHUNK);
    }
    this.#onRequestComplete();
  }

  readDisable(disable: boolean): void {
    this.#readDisables += disable ? 1 : -1;
    this.#connection.readDisable(disable);
  }

  /** The connection cannot serve anybody else after this. */
  resetStream(_reason: StreamResetReason): void {
    if (this.#decoder === null) return;
    this.#callbacks.onStreamReset();
    this.#endStream();
    this.#callbacks.onStreamComplete(false);
  }

  setCallbacks(callbacks: StreamCallbacks): void {
    this.#streamCallbacks = callbacks;
  }

  /** Whatever framing the request had: after a 101 or 2xx to CONNECT its bytes go out raw. */
  enableTunnel(): void {
    this.#requestFraming = BodyFraming.None;
  }

  meter(counts: WireCounts): void {
    this.#counts = counts;
  }

  // === BodySink

  onBody(chunk: Buffer): void {
    const endStream = this.#body.done;
    const decoder = this.#decoder;
    if (this.#counts !== null) this.#countPayload(chunk.length);
    if (endStream) this.#onResponseComplete(chunk.byteOffset + chunk.length < this.#chunkEnd);
    decoder?.decodeData(chunk, endStream);
  }

  #parseHead(chunk: Buffer, start: number): number {
    const head = this.#head;
    if (head.done) head.reset();
    const position = head.parse(chunk, start, chunk.length);
    if (this.#counts !== null) this.#countHead(position - start);
    if (head.error !== null) return this.#fail();
    if (head.done) return this.#onHead(head.response, position < chunk.length) ? position : -1;
    return position;
  }

  /** False: the protocol was broken. `more`: bytes follow. */
  // oxlint-disable-next-line eslint/complexity -- RFC 9112 §6.3 is one list of decisions, read in order
  #onHead(headers: ResponseHeaders, more: boolean): boolean {
    const version = this.#head.version;
    const status = headers.status;
    if (this.#settings.allowChunkedLength === true) preferChunked(headers);
    responseFraming(headers, this.#toHead, framing);
    if (framing.error !== null || (status === 101 && !this.#upgrade)) return this.#fail() > 0;
    if (status < 200 && status !== 101) {
      if (++this.#informational > MAX_INFORMATIONAL) return this.#fail() > 0;
      // As Envoy: one of those whose meaning is known, the others are thrown away.
      if (!this.#interimTold && (status === 100 || (status >= 102 && status <= 104))) {
        this.#interimTold = true;
        this.#decoder!.decode1xxHeaders(headers);
      }
      return true;
    }
    this.#headersReceived = true;
    this.#noteKeepAlive(headers, version);
    const tunnel = this.#opensTunnel(headers);
    this.#tunnel = tunnel;
    const length = framing.length;
    const endStream = length === 0 && !tunnel;
    if (tunnel || length === UNTIL_CLOSE) {
      this.#keepAlive = false;
      this.#body.startUntilClose();
    } else if (length === CHUNKED) this.#body.startChunked();
    else this.#body.startLength(length);
    const decoder = this.#decoder!;
    if (endStream) this.#onResponseComplete(more);
    decoder.decodeHeaders(headers, endStream);
    return true;
  }

  /** A 101 that names no protocol is the whole answer, as in Envoy. */
  #opensTunnel(headers: ResponseHeaders): boolean {
    const status = headers.status;
    if (status === 101) return headers.has(H.upgrade);
    return this.#upgrade && status < 300 && (this.#connect || framing.length === UNTIL_CLOSE);
  }

  #noteKeepAlive(headers: ResponseHeaders, version: number): void {
    const connection = headers.get(H.connection);
    // Other versions are met as Envoy meets them: like HTTP/1.0.
    if (version !== 11)
      this.#keepAlive = connection !== undefined && hasToken(connection, 'keep-alive');
    else if (connection !== undefined && hasToken(connection, 'close')) this.#keepAlive = false;
    const proxyConnection = headers.get(H.proxyConnection);
    if (proxyConnection !== undefined && hasToken(proxyConnection, 'close'))
      this.#keepAlive = false;
    if (!this.#keepAlive) this.#callbacks.onCloseAsked();
    if (this.#answered) return;
    this.#answered = true;
    const announced = headers.get(H.keepAlive);
    const seconds = announced === undefined ? undefined : keepAliveTimeout(announced);
    if (seconds !== undefined) this.#callbacks.onKeepAliveTimeout(seconds);
  }

  #parseBody(chunk: Buffer, start: number): number {
    const body = this.#body;
    const decoder = this.#decoder;
    const counts = this.#counts;
    this.#payloadBytes = 0;
    const position = body.decode(chunk, start, chunk.length, this);
    if (counts !== null) counts.received += position - start - this.#payloadBytes;
    if (body.error !== null) return this.#fail();
    if (body.done && decoder !== null && this.#decoder === decoder) {
      const trailers = body.trailers;
      this.#onResponseComplete(position < chunk.length);
      if (trailers !== null && trailers.trailers.size > 0 && this.#settings.enableTrailers) {
        decoder.decodeTrailers(trailers.trailers);
      } else decoder.decodeData(EMPTY, true);
    }
    return position;
  }

  /** Before the last decode call: the user may start the next stream from within it. */
  #onResponseComplete(more: boolean): void {
    // Bytes behind the answer belong to nobody: who waits must not be given this connection (attack 30).
    const reusable = this.#keepAlive && this.#requestComplete && !this.#upgrade && !more;
    if (!this.#requestComplete) this.#callbacks.onStreamReset();
    this.#endStream();
    this.#callbacks.onStreamComplete(reusable);
  }

  #onRequestComplete(): void {
    this.#requestComplete = true;
  }

  #onRemoteEnd(): void {
    const decoder = this.#decoder;
    if (decoder === null) return;
    if (this.#headersReceived && this.#body.untilClose && !this.#tunnel) {
      this.#onResponseComplete(false);
      decoder.decodeData(EMPTY, true);
      return;
    }
    // An answer that was cut is the server's mistake, one that never began is a lost connection.
    const begun =
      !this.#tunnel && (this.#headersReceived || (this.#head.begun && !this.#head.done));
    if (begun) this.#fail();
    else this.#abort(StreamResetReason.ConnectionTermination);
  }

  #fail(): number {
    this.#abort(StreamResetReason.ProtocolError);
    this.#callbacks.onProtocolError();
    return -1;
  }

  #abort(reason: StreamResetReason): void {
    const callbacks = this.#streamCallbacks;
    this.#callbacks.onStreamReset();
    this.#endStream();
    this.#callbacks.onStreamComplete(false);
    callbacks?.onResetStream(reason, '');
  }

  #countHead(byteCount: number): void {
    const counts = this.#counts!;
    counts.received += byteCount;
    if (this.#head.done && this.#head.error === null)
      counts.headerReceived += headerBytesReceived(this.#head.response);
  }

  #countPayload(byteCount: number): void {
    this.#counts!.received += byteCount;
    this.#payloadBytes += byteCount;
  }

  /** All but the last chunk, which Envoy's meter does not see. */
  #send(text: string): void {
    if (this.#counts !== null) this.#counts.sent += text.length;
    this.#connection.writeText(text);
  }

  #sendData(chunk: Buffer): void {
    if (this.#counts !== null) this.#counts.sent += chunk.length;
    this.#connection.write(chunk);
  }

  #endStream(): void {
    this.#decoder = null;
    this.#counts = null;
    this.#streamCallbacks = null;
    while (this.#readDisables > 0) {
      this.#readDisables--;
      this.#connection.readDisable(false);
    }
  }
}
