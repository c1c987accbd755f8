// [w] Downstream HTTP/1 codec: keep-alive, pipelining, upgrade. One request is on its way at a time; what a client
// sends ahead waits here, and the socket is not read while it waits (envoy-behaviour §2.1).
//
//          head parsed             body parsed                    readyForNext()
//   Head ──────────────▶ Body ──────────────────▶ Paused ───────────────────────────▶ Head
//     │                    └─ upgrade, CONNECT: the body is whatever comes until the end
//     └─ any error ─▶ Dead
//
// The connection is its only stream's encoder: no object per request. The connection manager must let go of a stream
// before it says readyForNext().
import type {
  Http1ServerConfig,
  Http1ServerSettings,
} from '../../config/http-connection-manager-config.ts';
import type { Connection } from '../../network/connection.ts';
import { CodecErrors } from '../codec-error.ts';
import type { CodecError } from '../codec-error.ts';
import type {
  RequestDecoder,
  ResponseEncoder,
  StreamCallbacks,
  StreamResetReason,
} from '../codec.ts';
import type { WireCounts } from '../../stream-info/stream-meter.ts';
import type { HeaderMap, RequestHeaders, ResponseHeaders } from '../header-map.ts';
import { H } from '../headers.ts';
import { BodyDecoder } from './body-decoder.ts';
import type { BodySink } from './body-decoder.ts';
import { preserveCaseOf, responseInOwnCase } from './cased-headers.ts';
import { CHUNKED, hasToken, removeNominated, requestFraming, withoutFraming } from './framing.ts';
import type { Framing } from './framing.ts';
import { HeadParser } from './head-parser.ts';
import {
  BodyFraming,
  CHUNK_END,
  LAST_CHUNK,
  chunkHead,
  headerBytesSent,
  lastChunkWith,
  responseFramingOut,
  responseHead,
} from './message-writer.ts';
import { applyTarget, isTarget } from './request-target.ts';

export interface ServerConnectionCallbacks {
  /** A request begins (its head is complete and well-formed). */
  newStream(encoder: ResponseEncoder): RequestDecoder;
  /** The bytes cannot be understood any more; nothing further is decoded. */
  onCodecError(error: CodecError): void;
  /** An Upgrade field without the types that are to be passed over. */
  upgradesLeft(wanted: string): string;
  /** Lines that a request lost, or was refused for, because of underscores in their names. */
  onUnderscores(count: number): void;
}

const State = { Head: 0, Body: 1, Paused: 2, Dead: 3 } as const;
type State = (typeof State)[keyof typeof State];

const EMPTY = Buffer.alloc(0);
const framing: Framing = { length: 0, error: null };

export class Http1ServerConnection implements ResponseEncoder, BodySink {
  readonly #connection: Connection;
  readonly #callbacks: ServerConnectionCallbacks;
  /** Of the settings it began with it holds no more: others may be in force, and those forgotten. */
  readonly #settings: Http1ServerConfig;
  readonly #head: HeadParser;
  readonly #body: BodyDecoder;
  /** An edge without TLS: nobody in front of it may have ended a client's TLS. */
  readonly #refusesHttps: boolean;
  #state: State = State.Head;
  #decoder: RequestDecoder | null = null;
  #streamCallbacks: StreamCallbacks | null = null;
  #saved: Buffer | null = null;
  #dispatching = false;
  #readDisables = 0;
  #savedReadDisable = false;
  /** The client has left so many answers unread that its next request waits. */
  #awaitsDrain = false;
  /** Facts of the current request. */
  #toHead = false;
  #http10 = false;
  #requestWantsClose = false;
  #upgrade = false;
  #responseFraming: BodyFraming = BodyFraming.None;
  #tunnel = false;
  /** Null where no log asks for bytes on the wire. */
  #counts: WireCounts | null = null;
  #headBytes = 0;
  /** Of the chunk under work. */
  #payloadBytes = 0;

  constructor(
    connection: Connection,
    callbacks: ServerConnectionCallbacks,
    settings: Http1ServerSettings,
    secure = false,
  ) {
    const { useRemoteAddress, xffNumTrustedHops } = settings;
    this.#refusesHttps = useRemoteAddress && xffNumTrustedHops === 0 && !secure;
    this.#connection = connection;
    this.#callbacks = callbacks;
    this.#settings = settings.http1;
    const limits = {
      maxBytes: settings.maxRequestHeadersKb * 1024,
      maxCount: settings.maxHeadersCount,
      underscores: settings.headersWithUnderscoresAction,
      customMethods: settings.http1.allowCustomMethods,
      preserveCase: preserveCaseOf(settings.http1.headerKeyFormat),
    };
    this.#head = new HeadParser('request', limits);
    this.#body = new BodyDecoder(limits);
  }

  /** The client asked for it, or HTTP/1.0 without keep-alive (envoy-behaviour §1.10). */
  get requestWantsClose(): boolean {
    return this.#requestWantsClose;
  }

  /** The response just sent ends with the connection only. */
  get responseEndsWithConnection(): boolean {
    return this.#responseFraming === BodyFraming.UntilClose || this.#tunnel;
  }

  get requestIsUpgrade(): boolean {
    return this.#upgrade;
  }

  get protocol(): 'HTTP/1.0' | 'HTTP/1.1' {
    return this.#http10 ? 'HTTP/1.0' : 'HTTP/1.1';
  }

  /** Asked after bytes came: some of them are of a request whose head is not complete. Envoy counts CR LF before it. */
  get headBegun(): boolean {
    return this.#state === State.Head && !this.#head.done;
  }

  dispatch(chunk: Buffer): void {
    if (this.#state === State.Dead) return;
    if (this.#dispatching || this.#state === State.Paused) {
      this.#save(chunk, 0);
      return;
    }
    this.#dispatching = true;
    let position = 0;
    while (position < chunk.length) {
      if (this.#state === State.Head) position = this.#parseHead(chunk, position);
      else if (this.#state === State.Body) position = this.#parseBody(chunk, position);
      else {
        if (this.#state === State.Paused) this.#save(chunk, position);
        break;
      }
    }
    this.#dispatching = false;
  }

  /** The stream before is gone and the connection stays: on to the next request. */
  readyForNext(): void {
    if (this.#state !== State.Paused) return;
    this.#forgetStream();
    if (this.#tooMuchUnread()) {
      this.#awaitsDrain = true;
      return;
    }
    // The flush may have ended the connection.
    if (this.#state === State.Paused) this.#next();
  }

  #next(): void {
    this.#state = State.Head;
    const saved = this.#saved;
    if (saved === null || this.#dispatching) return;
    this.#saved = null;
    if (this.#savedReadDisable) {
      this.#savedReadDisable = false;
      this.#connection.readDisable(false);
    }
    this.dispatch(saved);
  }

  /** Decodes nothing further, whatever comes. */
  stop(): void {
    this.#state = State.Dead;
    this.#saved = null;
    this.#forgetStream();
  }

  onAboveWriteBufferHighWatermark(): void {
    this.#streamCallbacks?.onAboveWriteBufferHighWatermark();
  }

  onBelowWriteBufferLowWatermark(): void {
    this.#streamCallbacks?.onBelowWriteBufferLowWatermark();
    if (!this.#awaitsDrain) return;
    this.#awaitsDrain = false;
    if (this.#state === State.Paused) this.#next();
  }

  // === ResponseEncoder

  encode1xxHeaders(headers: ResponseHeaders): void {
    // RFC 9110 §15.2: HTTP/1.0 knows no interim answers.
    if (this.#http10) return;
    this.#writeHead(headers, BodyFraming.None, false, this.#http10);
  }

  encodeHeaders(headers: ResponseHeaders, endStream: boolean): void {
    if (
      headers.status === 101 ||
      (this.#upgrade && this.#decoder !== null && isConnectOk(headers, this.#head.request))
    ) {
      this.#tunnel = true;
      this.#responseFraming = BodyFraming.None;
      this.#writeHead(headers, BodyFraming.Length, false, false);
      return;
    }
    this.#responseFraming = responseFramingOut(headers, endStream, this.#toHead, this.#http10);
    this.#writeHead(headers, this.#responseFraming, endStream, this.#http10);
  }

  #writeHead(
    headers: ResponseHeaders,
    framingOut: BodyFraming,
    endStream: boolean,
    http10: boolean,
  ): void {
    const text = responseHead(headers, framingOut, endStream, http10);
    const format = this.#settings.headerKeyFormat;
    this.#sendHead(
      format === 'lower' && headers.casing === null
        ? text
        : responseInOwnCase(text, headers, format),
    );
  }

  encodeData(chunk: Buffer, endStream: boolean): void {
    if (!this.#toHead) {
      if (this.#responseFraming === BodyFraming.Chunked) {
        if (chunk.length > 0) {
          this.#send(chunkHead(chunk.length));
          this.#sendData(chunk);
          this.#send(CHUNK_END);
          if (endStream) this.#connection.writeText(LAST_CHUNK);
        } else if (endStream) this.#connection.writeText(LAST_CHUNK);
      } else this.#sendData(chunk);
    }
  }

  encodeTrailers(trailers: HeaderMap): void {
    if (this.#responseFraming !== BodyFraming.Chunked || this.#toHead) return;
    const forwarded = this.#settings.enableTrailers;
    this.#send(forwarded ? lastChunkWith(trailers) : LAST_CHUNK);
  }

  readDisable(disable: boolean): void {
    this.#readDisables += disable ? 1 : -1;
    this.#connection.readDisable(disable);
  }

  /** HTTP/1 ends a stream early by ending the connection: its manager does, once the stream is over. */
  resetStream(_reason: StreamResetReason): void {
    this.stop();
  }

  setCallbacks(callbacks: StreamCallbacks): void {
    this.#streamCallbacks = callbacks;
    // A client that left an earlier answer unread starts this stream above the mark.
    if (this.#connection.aboveHighWatermark) callbacks.onAboveWriteBufferHighWatermark();
  }

  meter(counts: WireCounts): void {
    this.#counts = counts;
    // Else the stream was made while its head still comes.
    if (this.#head.done || this.#head.error !== null) this.#countHead(counts);
  }

  // === BodySink

  onBody(chunk: Buffer): void {
    const decoder = this.#decoder;
    if (decoder === null) return;
    const endStream = this.#body.done;
    if (endStream) this.#state = State.Paused;
    if (this.#counts !== null) this.#countPayload(chunk.length);
    decoder.decodeData(chunk, endStream);
  }

  #parseHead(chunk: Buffer, start: number): number {
    const head = this.#head;
    if (head.done) {
      head.reset();
      // A refusal of this head must not be framed by what the request before it was.
      this.#toHead = false;
      this.#http10 = false;
      this.#headBytes = 0;
    }
    const position = head.parse(chunk, start, chunk.length);
    this.#headBytes += (head.error === null ? position : chunk.length) - start;
    if (head.droppedUnderscores > 0) this.#tellUnderscores(head);
    if (head.error !== null) this.#fail(head.error);
    else if (head.done) this.#onHead(head.request);
    return position;
  }

  #tellUnderscores(head: HeadParser): void {
    this.#callbacks.onUnderscores(head.droppedUnderscores);
    head.droppedUnderscores = 0;
  }

  #onHead(headers: RequestHeaders): void {
    const version = this.#head.version;
    this.#toHead = headers.method === 'HEAD';
    this.#http10 = version !== 11;
    const error = this.#checkHead(headers, version);
    if (error !== null) {
      this.#fail(error);
      return;
    }
    requestFraming(headers, this.#settings.allowChunkedLength, framing);
    if (framing.error !== null) {
      this.#fail(framing.error);
      return;
    }
    const length = framing.length;
    // Whatever length an upgrade names: its bytes are the other protocol's, and never a request (attack 26).
    const untilClose = this.#upgrade;
    const endStream = length === 0 && !untilClose;
    if (untilClose) this.#body.startUntilClose();
    else if (length === CHUNKED) this.#body.startChunked();
    else this.#body.startLength(length);
    this.#state = endStream ? State.Paused : State.Body;
    this.#decoder = this.#callbacks.newStream(this);
    if (this.#counts !== null) this.#countHead(this.#counts);
    this.#decoder.decodeHeaders(headers, endStream);
  }

  #checkHead(headers: RequestHeaders, version: number): CodecError | null {
    const http1 = this.#settings;
    if (version !== 11 && !http1.acceptHttp10) {
      // The refusal itself is HTTP/1.1 (envoy-behaviour §2.1).
      this.#http10 = false;
      return isTarget(headers) ? CodecErrors.lowVersion : CodecErrors.malformed;
    }
    if (this.#http10 && headers.authority === undefined && http1.defaultHostForHttp10 !== '') {
      headers.authority = http1.defaultHostForHttp10;
    }
    const error = applyTarget(headers, http1.allowAbsoluteUrl);
    if (error !== null) return error;
    if (headers.scheme === 'https' && this.#refusesHttps) return CodecErrors.httpsOnPlaintext;
    return this.#connectionOptions(headers);
  }

  #connectionOptions(headers: RequestHeaders): CodecError | null {
    this.#upgrade = headers.method === 'CONNECT';
    // RFC 9112 §6.1: HTTP/1.0 has no transfer coding; whoever forwarded one may see the end elsewhere (attack 9).
    const faulty = this.#http10 && headers.has(H.transferEncoding);
    this.#requestWantsClose = this.#http10;
    const connection = headers.get(H.connection);
    const proxyConnection = headers.get(H.proxyConnection);
    if (proxyConnection !== undefined && hasToken(proxyConnection, 'close'))
      this.#requestWantsClose = true;
    if (connection === undefined) return null;
    // Envoy lets HTTP/1.0 stay where both are asked for.
    if (this.#http10 && !faulty && hasToken(connection, 'keep-alive'))
      this.#requestWantsClose = false;
    else if (hasToken(connection, 'close')) this.#requestWantsClose = true;
    const upgrade = headers.get(H.upgrade);
    if (upgrade !== undefined && hasToken(connection, 'upgrade')) {
      this.#upgrade = this.#isUpgrade(headers, upgrade);
    }
    if (connection === 'keep-alive' || connection === 'close' || connection === 'Keep-Alive')
      return null;
    return removeNominated(headers, connection);
  }

  /** False: the request goes on as HTTP/1.1 (envoy-behaviour §1.11). */
  #isUpgrade(headers: RequestHeaders, wanted: string): boolean {
    if (hasToken(wanted, 'h2c')) {
      headers.remove(H.upgrade);
      headers.remove(H.http2Settings);
      return false;
    }
    const left = this.#callbacks.upgradesLeft(wanted);
    if (left === wanted) return true;
    if (left === '') headers.remove(H.upgrade);
    else headers.set(H.upgrade, left);
    return left !== '';
  }

  #parseBody(chunk: Buffer, start: number): number {
    const body = this.#body;
    const counts = this.#counts;
    this.#payloadBytes = 0;
    const position = body.decode(chunk, start, chunk.length, this);
    if (counts !== null) counts.received += position - start - this.#payloadBytes;
    if (body.error !== null) this.#fail(body.error);
    else if (body.done && this.#state === State.Body) this.#finishChunked();
    return position;
  }

  /** The last chunk carries no bytes: the end is told by trailers or an empty chunk. */
  #finishChunked(): void {
    this.#state = State.Paused;
    const trailers = this.#body.trailers;
    const forward = this.#settings.enableTrailers;
    if (trailers !== null && forward && withoutFraming(trailers.trailers).size > 0) {
      this.#decoder?.decodeTrailers(trailers.trailers);
    } else this.#decoder?.decodeData(EMPTY, true);
  }

  #fail(error: CodecError): void {
    this.#state = State.Dead;
    this.#saved = null;
    if (this.#counts !== null && this.#head.error !== null) this.#countHead(this.#counts);
    this.#callbacks.onCodecError(error);
  }

  /** Bytes of the next request: kept, and no more are read until their turn comes. */
  #save(chunk: Buffer, start: number): void {
    const rest = chunk.subarray(start);
    if (this.#saved === null && rest.buffer !== this.#connection.io.readBuffer.buffer) {
      // Ours already: a long pipeline is not copied once per request.
      this.#saved = rest;
      this.#pauseForSaved();
      return;
    }
    this.#saved = this.#saved === null ? Buffer.from(rest) : Buffer.concat([this.#saved, rest]);
    this.#pauseForSaved();
  }

  #pauseForSaved(): void {
    if (this.#savedReadDisable) return;
    this.#savedReadDisable = true;
    this.#connection.readDisable(true);
  }

  /** Envoy ends such a connection (`response_flood`); waiting bounds the buffer as well and harms no honest client. */
  #tooMuchUnread(): boolean {
    const connection = this.#connection;
    if (connection.bufferedBytes <= connection.bufferLimitBytes) return false;
    connection.flush();
    return connection.aboveHighWatermark;
  }

  #countHead(counts: WireCounts): void {
    const { request } = this.#head;
    counts.received = this.#headBytes;
    counts.headerReceived = request.byteSize() - request.size;
    if (request.authority !== undefined)
      counts.headerReceived += 'host'.length + request.authority.length + 3;
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

  /** A head: what is no header line of it is start line and blank line. */
  #sendHead(text: string): void {
    if (this.#counts !== null) this.#counts.headerSent += headerBytesSent(text);
    this.#send(text);
  }

  #forgetStream(): void {
    this.#decoder = null;
    this.#counts = null;
    this.#streamCallbacks = null;
    while (this.#readDisables > 0) {
      this.#readDisables--;
      this.#connection.readDisable(false);
    }
  }
}

const isConnectOk = (headers: ResponseHeaders, request: RequestHeaders): boolean =>
  request.method === 'CONNECT' && headers.status >= 200 && headers.status < 300;
