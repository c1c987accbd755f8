// [w] FilterManager: decode goes down the chain, encode comes up. One per stream.
//
//   decode:  [0] ─▶ [1] ─▶ … ─▶ [n-1] (router)
//   encode:  [0] ◀─ [1] ◀─ … ◀─ [n-1]
//
// A filter that stops holds everything behind it; body bytes that arrive meanwhile are kept here (copied: chunks are
// views) up to the buffer limit, then the other side is told to stop reading.
import type { StreamInfo } from '../stream-info/stream-info.ts';
import type { HeaderMap, RequestHeaders, ResponseHeaders } from './header-map.ts';
import { FilterStatus } from './http-filter.ts';
import type {
  DownstreamWatermarkCallbacks,
  FilterCallbacks,
  HttpFilter,
  HttpFilterFactory,
  LocalReply,
} from './http-filter.ts';
import type { Route } from './route-provider.ts';

/** The stream as its filters' manager sees it. */
export interface FilterManagerStream {
  readonly streamInfo: StreamInfo;
  readonly route: Route | null;
  readonly requestHeaders: RequestHeaders;
  readonly responseStarted: boolean;
  readonly requestComplete: boolean;
  readonly upgradeRequested: boolean;
  readonly bufferLimitBytes: number;
  sendLocalReply(reply: LocalReply): void;
  resetStream(): void;
  requestReadDisable(disable: boolean): void;
  setDownstreamWatermarkCallbacks(callbacks: DownstreamWatermarkCallbacks | null): void;
  /** What came out of the encode chain, ready for the codec. */
  writeHeaders1xx(headers: ResponseHeaders): void;
  writeHeaders(headers: ResponseHeaders, endStream: boolean): void;
  writeData(chunk: Buffer, endStream: boolean): void;
  writeTrailers(trailers: HeaderMap): void;
}

/** A message half way through the chain: where it stopped and what came after. */
class Held {
  /** Index of the filter that stopped; -1: nothing is held. */
  at = -1;
  chunks: Buffer[] = [];
  byteCount = 0;
  endStream = false;
  trailers: HeaderMap | null = null;
  paused = false;
}

/** One filter's view of its stream. */
class FilterHandle implements FilterCallbacks {
  readonly #manager: FilterManager;
  readonly #index: number;

  constructor(manager: FilterManager, index: number) {
    this.#manager = manager;
    this.#index = index;
  }

  get streamInfo(): StreamInfo {
    return this.#manager.stream.streamInfo;
  }
  get route(): Route | null {
    return this.#manager.stream.route;
  }
  get requestHeaders(): RequestHeaders {
    return this.#manager.stream.requestHeaders;
  }
  get responseStarted(): boolean {
    return this.#manager.stream.responseStarted;
  }
  get requestComplete(): boolean {
    return this.#manager.stream.requestComplete;
  }
  get upgradeRequested(): boolean {
    return this.#manager.stream.upgradeRequested;
  }
  continueDecoding(): void {
    this.#manager.continueDecoding(this.#index);
  }
  continueEncoding(): void {
    this.#manager.continueEncoding(this.#index);
  }
  sendLocalReply(reply: LocalReply): void {
    this.#manager.stream.sendLocalReply(reply);
  }
  encode1xxHeaders(headers: ResponseHeaders): void {
    this.#manager.stream.writeHeaders1xx(headers);
  }
  encodeHeaders(headers: ResponseHeaders, endStream: boolean): void {
    this.#manager.encodeHeaders(headers, endStream);
  }
  encodeData(chunk: Buffer, endStream: boolean): void {
    this.#manager.encodeData(chunk, endStream);
  }
  encodeTrailers(trailers: HeaderMap): void {
    this.#manager.encodeTrailers(trailers);
  }
  resetStream(): void {
    this.#manager.stream.resetStream();
  }
  requestReadDisable(disable: boolean): void {
    this.#manager.stream.requestReadDisable(disable);
  }
  setDownstreamWatermarkCallbacks(callbacks: DownstreamWatermarkCallbacks | null): void {
    this.#manager.stream.setDownstreamWatermarkCallbacks(callbacks);
  }
}

export class FilterManager {
  readonly stream: FilterManagerStream;
  readonly #filters: HttpFilter[] = [];
  #decodeHeld: Held | null = null;
  #encodeHeld: Held | null = null;
  #destroyed = false;
  /** Headers that wait with what is held behind them. */
  #heldHeaders = false;
  #heldHeadersEndStream = false;
  #heldResponse: ResponseHeaders | null = null;
  #heldResponseEndStream = false;

  constructor(stream: FilterManagerStream) {
    this.stream = stream;
  }

  /** After the route is known. */
  createFilters(factories: readonly HttpFilterFactory[]): void {
    for (let i = 0; i < factories.length; i++) {
      const factory = factories[i]!;
      const route = this.stream.route;
      if (route !== null && route.filterState(factory.name) === 'disabled') continue;
      const filter = factory.createFilter(new FilterHandle(this, this.#filters.length));
      if (filter !== null) this.#filters.push(filter);
    }
  }

  decodeHeaders(headers: RequestHeaders, endStream: boolean): void {
    this.#runDecodeHeaders(0, headers, endStream);
  }

  decodeData(chunk: Buffer, endStream: boolean): void {
    if (this.#decodeHeld !== null && this.#decodeHeld.at >= 0)
      this.#hold(this.#decodeHeld, chunk, endStream, true);
    else this.#runDecodeData(0, chunk, endStream);
  }

  decodeTrailers(trailers: HeaderMap): void {
    const held = this.#decodeHeld;
    if (held !== null && held.at >= 0) held.trailers = trailers;
    else this.#runDecodeTrailers(0, trailers);
  }

  encodeHeaders(headers: ResponseHeaders, endStream: boolean): void {
    this.#runEncodeHeaders(this.#filters.length - 1, headers, endStream);
  }

  encodeData(chunk: Buffer, endStream: boolean): void {
    if (this.#encodeHeld !== null && this.#encodeHeld.at >= 0)
      this.#hold(this.#encodeHeld, chunk, endStream, false);
    else this.#runEncodeData(this.#filters.length - 1, chunk, endStream);
  }

  encodeTrailers(trailers: HeaderMap): void {
    const held = this.#encodeHeld;
    if (held !== null && held.at >= 0) held.trailers = trailers;
    else this.#runEncodeTrailers(this.#filters.length - 1, trailers);
  }

  continueDecoding(index: number): void {
    const held = this.#decodeHeld;
    if (this.#destroyed || held === null || held.at !== index) return;
    held.at = -1;
    if (this.#heldHeaders) {
      this.#heldHeaders = false;
      const bodyFollows =
        held.chunks.length > 0 || held.trailers !== null || !this.#heldHeadersEndStream;
      this.#runDecodeHeaders(index + 1, this.stream.requestHeaders, !bodyFollows);
    }
    this.#releaseDecode(held, index);
  }

  continueEncoding(index: number): void {
    const held = this.#encodeHeld;
    if (this.#destroyed || held === null || held.at !== index) return;
    held.at = -1;
    const headers = this.#heldResponse;
    if (headers !== null) {
      this.#heldResponse = null;
      this.#runEncodeHeaders(index - 1, headers, this.#heldResponseEndStream);
    }
    this.#releaseEncode(held, index);
  }

  /** The reply of our own takes the stream: nothing held goes anywhere any more. */
  abandonHeld(): void {
    if (this.#decodeHeld !== null) this.#decodeHeld.at = Number.MAX_SAFE_INTEGER;
    if (this.#encodeHeld !== null) {
      this.#encodeHeld.at = -1;
      this.#encodeHeld.chunks = [];
    }
    this.#heldResponse = null;
  }

  destroy(): void {
    if (this.#destroyed) return;
    this.#destroyed = true;
    for (let i = 0; i < this.#filters.length; i++) this.#filters[i]!.onDestroy();
  }

  #runDecodeHeaders(from: number, headers: RequestHeaders, endStream: boolean): void {
    const filters = this.#filters;
    for (let i = from; i < filters.length; i++) {
      const status = filters[i]!.decodeHeaders(headers, endStream);
      if (this.#destroyed) return;
      if (status === FilterStatus.StopIteration && i < filters.length - 1) {
        this.#heldHeaders = true;
        this.#heldHeadersEndStream = endStream;
        this.#decodeHeld ??= new Held();
        this.#decodeHeld.at = i;
        return;
      }
    }
  }

  #runDecodeData(from: number, chunk: Buffer, endStream: boolean): void {
    const filters = this.#filters;
    for (let i = from; i < filters.length; i++) {
      const status = filters[i]!.decodeData(chunk, endStream);
      if (this.#destroyed) return;
      if (status === FilterStatus.StopIteration && i < filters.length - 1) {
        this.#decodeHeld ??= new Held();
        this.#decodeHeld.at = i;
        this.#hold(this.#decodeHeld, chunk, endStream, true);
        return;
      }
    }
  }

  #runDecodeTrailers(from: number, trailers: HeaderMap): void {
    const filters = this.#filters;
    for (let i = from; i < filters.length; i++) {
      if (
        filters[i]!.decodeTrailers(trailers) === FilterStatus.StopIteration &&
        i < filters.length - 1
      ) {
        this.#decodeHeld ??= new Held();
        this.#decodeHeld.at = i;
        this.#decodeHeld.trailers = trailers;
        return;
      }
      if (this.#destroyed) return;
    }
  }

  #runEncodeHeaders(from: number, headers: ResponseHeaders, endStream: boolean): void {
    for (let i = from; i >= 0; i--) {
      const status = this.#filters[i]!.encodeHeaders(headers, endStream);
      if (this.#destroyed) return;
      if (status === FilterStatus.StopIteration) {
        this.#heldResponse = headers;
        this.#heldResponseEndStream = endStream;
        this.#encodeHeld ??= new Held();
        this.#encodeHeld.at = i;
        return;
      }
    }
    this.stream.writeHeaders(headers, endStream);
  }

  #runEncodeData(from: number, chunk: Buffer, endStream: boolean): void {
    for (let i = from; i >= 0; i--) {
      const status = this.#filters[i]!.encodeData(chunk, endStream);
      if (this.#destroyed) return;
      if (status === FilterStatus.StopIteration) {
        this.#encodeHeld ??= new Held();
        this.#encodeHeld.at = i;
        this.#hold(this.#encodeHeld, chunk, endStream, false);
        return;
      }
    }
    this.stream.writeData(chunk, endStream);
  }

  #runEncodeTrailers(from: number, trailers: HeaderMap): void {
    for (let i = from; i >= 0; i--) {
      const status = this.#filters[i]!.encodeTrailers(trailers);
      if (this.#destroyed) return;
      if (status === FilterStatus.StopIteration) {
        this.#encodeHeld ??= new Held();
        this.#encodeHeld.at = i;
        this.#encodeHeld.trailers = trailers;
        return;
      }
    }
    this.stream.writeTrailers(trailers);
  }

  #hold(held: Held, chunk: Buffer, endStream: boolean, request: boolean): void {
    if (chunk.length > 0) {
      held.chunks.push(Buffer.from(chunk));
      held.byteCount += chunk.length;
    }
    if (endStream) held.endStream = true;
    if (request && !held.paused && held.byteCount > this.stream.bufferLimitBytes) {
      held.paused = true;
      this.stream.requestReadDisable(true);
    }
  }

  #releaseDecode(held: Held, index: number): void {
    const { chunks, endStream, trailers } = held;
    held.chunks = [];
    held.byteCount = 0;
    held.endStream = false;
    held.trailers = null;
    for (let i = 0; i < chunks.length && !this.#destroyed; i++) {
      this.#runDecodeData(index + 1, chunks[i]!, endStream && i === chunks.length - 1);
    }
    if (this.#destroyed) return;
    if (endStream && chunks.length === 0) this.#runDecodeData(index + 1, EMPTY, true);
    if (trailers !== null && !this.#destroyed) this.#runDecodeTrailers(index + 1, trailers);
    if (held.paused && !this.#destroyed) {
      held.paused = false;
      this.stream.requestReadDisable(false);
    }
  }

  #releaseEncode(held: Held, index: number): void {
    const { chunks, endStream, trailers } = held;
    held.chunks = [];
    held.byteCount = 0;
    held.endStream = false;
    held.trailers = null;
    for (let i = 0; i < chunks.length && !this.#destroyed; i++) {
      this.#runEncodeData(index - 1, chunks[i]!, endStream && i === chunks.length - 1);
    }
    if (this.#destroyed) return;
    if (endStream && chunks.length === 0) this.#runEncodeData(index - 1, EMPTY, true);
    if (trailers !== null && !this.#destroyed) this.#runEncodeTrailers(index - 1, trailers);
  }
}

const EMPTY = Buffer.alloc(0);
