// [w] FilterManager: decode goes down the chain, encode comes up. One per stream.
//
//   decode:  [0] ─▶ [1] ─▶ … ─▶ [n-1] (router)
//   encode:  [0] ◀─ [1] ◀─ … ◀─ [n-1]
//
// A filter that stops holds everything behind it; body bytes that arrive meanwhile pass the filters before it and are
// kept here. Above the buffer limit the client is told to stop sending; a response that large is given up.
import type { HeaderMap, RequestHeaders, ResponseHeaders } from './header-map.ts';
import { FilterStatus } from './http-filter.ts';
import type { HttpFilter, HttpFilterFactory } from './http-filter.ts';
import { FilterHandle } from './filter-handle.ts';
import type { FilterManagerStream, HandleOwner } from './filter-handle.ts';
import { Held } from './held-message.ts';

const NO_CHUNKS: readonly Buffer[] = [];

export class FilterManager implements HandleOwner {
  readonly stream: FilterManagerStream;
  /** A filter's own limit; 0: none set one. */
  #ownBufferLimit = 0;
  readonly #filters: HttpFilter[] = [];
  #factories: readonly HttpFilterFactory[] = NO_FACTORIES;
  /** By index of the filter that stopped; null while none did, which is nearly always. */
  #decodeHeld: (Held | undefined)[] | null = null;
  #encodeHeld: (Held | undefined)[] | null = null;
  /** Index above those that see the request; a reply of our own ends its way. */
  #decodeEnd = Number.MAX_SAFE_INTEGER;
  /** A reply that a full buffer made goes past the filters: the one that stopped would stop it, too. */
  #encodeDirect = false;
  #destroyed = false;
  /** The last filter that got the request's headers. */
  #reached = -1;

  constructor(stream: FilterManagerStream) {
    this.stream = stream;
  }

  get bufferLimitBytes(): number {
    return this.#ownBufferLimit === 0 ? this.stream.bufferLimitBytes : this.#ownBufferLimit;
  }

  setBufferLimit(bytes: number): void {
    this.#ownBufferLimit = bytes;
  }

  /** After the route is known. */
  createFilters(factories: readonly HttpFilterFactory[]): void {
    this.#factories = factories;
    this.#createFrom(0);
  }

  #createFrom(first: number): void {
    const factories = this.#factories;
    const { route, requestHeaders, streamInfo } = this.stream;
    // A factory that has nothing to do keeps nothing: its handle serves the next one.
    let handle: FilterHandle | null = null;
    for (let i = first; i < factories.length; i++) {
      const factory = factories[i]!;
      if (
        route !== null &&
        route.filterState(factory.name, requestHeaders, streamInfo) === 'disabled'
      )
        continue;
      handle ??= new FilterHandle(this, this.#filters.length);
      handle.factoryIndex = i;
      const filter = factory.createFilter(handle);
      if (filter === null) continue;
      this.#filters.push(filter);
      handle = null;
    }
  }

  /**
   * A filter exists by what its route says, so those behind the caller, which have seen nothing yet, are made anew.
   * Once the request is past the caller, or is answered, only later readers see the new route.
   */
  clearRouteCache(index: number, factoryIndex: number): void {
    if (this.#destroyed) return;
    this.stream.refreshRoute();
    if (this.#decodeEnd === 0 || this.#reached > index) return;
    for (const filter of this.#filters.splice(index + 1)) filter.onDestroy();
    this.#createFrom(factoryIndex + 1);
  }

  heldRequestBody(index: number): readonly Buffer[] {
    return this.#decodeHeld?.[index]?.chunks ?? NO_CHUNKS;
  }

  injectDecodedData(index: number, chunk: Buffer, endStream: boolean): void {
    if (!this.#destroyed) this.#runDecodeData(index + 1, chunk, endStream);
  }

  injectEncodedData(index: number, chunk: Buffer, endStream: boolean): void {
    if (this.#destroyed) return;
    const held = this.#encodeHeld?.[index];
    if (held === undefined) this.#runEncodeData(index - 1, chunk, endStream);
    else this.#holdResponse(held, chunk, endStream);
  }

  decodeHeaders(headers: RequestHeaders, endStream: boolean): void {
    this.#runDecodeHeaders(0, headers, endStream);
  }

  decodeData(chunk: Buffer, endStream: boolean): void {
    this.#runDecodeData(0, chunk, endStream);
  }

  decodeTrailers(trailers: HeaderMap): void {
    this.#runDecodeTrailers(0, trailers);
  }

  encodeHeaders(headers: ResponseHeaders, endStream: boolean): void {
    this.#runEncodeHeaders(this.#lastEncoder(), headers, endStream);
  }

  encodeData(chunk: Buffer, endStream: boolean): void {
    this.#runEncodeData(this.#lastEncoder(), chunk, endStream);
  }

  encodeTrailers(trailers: HeaderMap): void {
    this.#runEncodeTrailers(this.#lastEncoder(), trailers);
  }

  continueDecoding(index: number): void {
    const held = this.#decodeHeld?.[index];
    if (this.#destroyed || held === undefined) return;
    this.#decodeHeld![index] = undefined;
    if (held.headers !== null) {
      const { endStream, chunks, trailers } = held;
      const ended = endStream && chunks.length === 0 && trailers === null;
      const alone = held.headersEndStream || ended;
      this.#runDecodeHeaders(index + 1, this.stream.requestHeaders, alone);
      if (alone) return;
    }
    this.#releaseRequest(held, index + 1);
  }

  #releaseRequest(held: Held, from: number): void {
    const { chunks, endStream, trailers } = held;
    const last = chunks.length - 1;
    for (let i = 0; i <= last && !this.#destroyed; i++) {
      this.#runDecodeData(from, chunks[i]!, endStream && i === last);
    }
    if (endStream && last < 0 && !this.#destroyed) this.#runDecodeData(from, EMPTY, true);
    if (trailers !== null && !this.#destroyed) this.#runDecodeTrailers(from, trailers);
    if (held.paused && !this.#destroyed) this.stream.requestReadDisable(false);
  }

  continueEncoding(index: number): void {
    const held = this.#encodeHeld?.[index];
    if (this.#destroyed || held === undefined) return;
    this.#encodeHeld![index] = undefined;
    if (held.headers !== null) {
      const alone = held.watched && held.onlyHeaders;
      const headers = held.headers as ResponseHeaders;
      this.#runEncodeHeaders(index - 1, headers, held.headersEndStream || alone);
      if (alone) return;
    }
    this.#releaseResponse(held, index - 1);
  }

  #releaseResponse({ chunks, endStream, trailers }: Held, from: number): void {
    const last = chunks.length - 1;
    for (let i = 0; i <= last && !this.#destroyed; i++) {
      this.#runEncodeData(from, chunks[i]!, endStream && i === last);
    }
    if (endStream && last < 0 && !this.#destroyed) this.#runEncodeData(from, EMPTY, true);
    if (trailers !== null && !this.#destroyed) this.#runEncodeTrailers(from, trailers);
  }

  /** The reply of our own takes the stream: nothing held goes anywhere any more. */
  abandonHeld(): void {
    this.#decodeEnd = 0;
    this.#decodeHeld = null;
    this.#encodeHeld = null;
  }

  destroy(): void {
    if (this.#destroyed) return;
    this.#destroyed = true;
    for (let i = 0; i < this.#filters.length; i++) this.#filters[i]!.onDestroy();
  }

  #lastEncoder(): number {
    return this.#encodeDirect ? -1 : this.#filters.length - 1;
  }

  #runDecodeHeaders(from: number, headers: RequestHeaders, endStream: boolean): void {
    const filters = this.#filters;
    for (let i = from; i < filters.length && i < this.#decodeEnd; i++) {
      this.#reached = i;
      const status = filters[i]!.decodeHeaders(headers, endStream);
      if (this.#destroyed) return;
      if (status !== FilterStatus.Continue && i < filters.length - 1) {
        const held = this.#stopDecode(i, status);
        held.headers = headers;
        held.headersEndStream = endStream;
        return;
      }
    }
  }

  #runDecodeData(from: number, chunk: Buffer, endStream: boolean): void {
    const filters = this.#filters;
    for (let i = from; i < filters.length && i < this.#decodeEnd; i++) {
      const waiting = this.#decodeHeld?.[i];
      if (waiting !== undefined) {
        this.#decodeHeldData(i, waiting, chunk, endStream);
        return;
      }
      const status = filters[i]!.decodeData(chunk, endStream);
      if (this.#destroyed || status === FilterStatus.Consumed) return;
      if (status !== FilterStatus.Continue && i < filters.length - 1) {
        this.#holdRequest(this.#stopDecode(i, status), chunk, endStream);
        return;
      }
    }
  }

  #runDecodeTrailers(from: number, trailers: HeaderMap): void {
    const filters = this.#filters;
    for (let i = from; i < filters.length && i < this.#decodeEnd; i++) {
      const waiting = this.#decodeHeld?.[i];
      if (waiting !== undefined) {
        waiting.trailers = trailers;
        if (!waiting.watched) return;
        const answer = filters[i]!.decodeTrailers(trailers);
        if (this.#decodeHeld?.[i] !== waiting) return;
        if (answer === FilterStatus.Continue) this.continueDecoding(i);
        else waiting.watched = answer === FilterStatus.StopAndBuffer;
        return;
      }
      const status = filters[i]!.decodeTrailers(trailers);
      if (this.#destroyed) return;
      if (status !== FilterStatus.Continue && i < filters.length - 1) {
        this.#stopDecode(i, status).trailers = trailers;
        return;
      }
    }
  }

  #runEncodeHeaders(from: number, headers: ResponseHeaders, endStream: boolean): void {
    for (let i = from; i >= 0; i--) {
      const status = this.#filters[i]!.encodeHeaders(headers, endStream);
      if (this.#destroyed) return;
      if (status !== FilterStatus.Continue) {
        const held = this.#stopEncode(i);
        held.watched = status === FilterStatus.StopAndBuffer;
        held.headers = headers;
        held.headersEndStream = endStream;
        return;
      }
    }
    this.stream.writeHeaders(headers, endStream);
  }

  #runEncodeData(from: number, chunk: Buffer, endStream: boolean): void {
    for (let i = from; i >= 0; i--) {
      const waiting = this.#encodeHeld?.[i];
      if (waiting !== undefined) {
        if (waiting.watched) this.#encodeHeldData(i, waiting, chunk, endStream);
        else this.#holdResponse(waiting, chunk, endStream);
        return;
      }
      const status = this.#filters[i]!.encodeData(chunk, endStream);
      if (this.#destroyed || status === FilterStatus.Consumed) return;
      if (status === FilterStatus.StopIteration) {
        this.#holdResponse(this.#stopEncode(i), chunk, endStream);
        return;
      }
    }
    this.stream.writeData(chunk, endStream);
  }

  #runEncodeTrailers(from: number, trailers: HeaderMap): void {
    for (let i = from; i >= 0; i--) {
      const waiting = this.#encodeHeld?.[i];
      if (waiting !== undefined) {
        if (waiting.watched) this.#encodeHeldTrailers(i, waiting, trailers);
        else waiting.trailers = trailers;
        return;
      }
      const status = this.#filters[i]!.encodeTrailers(trailers);
      if (this.#destroyed) return;
      if (status === FilterStatus.StopIteration) {
        this.#stopEncode(i).trailers = trailers;
        return;
      }
    }
    this.stream.writeTrailers(trailers);
  }

  /** A part of a held request: first to the filter where that wants to see it. */
  #decodeHeldData(index: number, held: Held, chunk: Buffer, endStream: boolean): void {
    if (!held.watched) {
      this.#holdRequest(held, chunk, endStream);
      return;
    }
    const status = this.#filters[index]!.decodeData(chunk, endStream);
    if (this.#destroyed || status === FilterStatus.Consumed) return;
    if (this.#decodeHeld?.[index] !== held) {
      // Let go, or answered, by the filter itself.
      this.#runDecodeData(index + 1, chunk, endStream);
      return;
    }
    held.watched = status === FilterStatus.StopAndBuffer;
    if (status === FilterStatus.Continue) {
      held.keep(chunk, endStream);
      if (held.byteCount > this.bufferLimitBytes) this.stream.refuseLargeRequest();
      else this.continueDecoding(index);
    } else this.#holdRequest(held, chunk, endStream);
  }

  #encodeHeldData(index: number, held: Held, chunk: Buffer, endStream: boolean): void {
    const status = this.#filters[index]!.encodeData(chunk, endStream);
    if (this.#destroyed) return;
    if (status !== FilterStatus.Consumed) this.#holdResponse(held, chunk, endStream);
    else if (endStream) held.endStream = true;
    const whole = status === FilterStatus.Continue || held.endStream;
    if (whole && this.#encodeHeld?.[index] === held) this.continueEncoding(index);
  }

  #encodeHeldTrailers(index: number, held: Held, trailers: HeaderMap): void {
    const status = this.#filters[index]!.encodeTrailers(trailers);
    if (this.#destroyed) return;
    if (status === FilterStatus.Consumed) held.endStream = true;
    else held.trailers = trailers;
    this.continueEncoding(index);
  }

  #stopDecode(index: number, status: FilterStatus): Held {
    const held = new Held();
    held.watched = status === FilterStatus.StopAndBuffer;
    (this.#decodeHeld ??= [])[index] = held;
    return held;
  }

  #stopEncode(index: number): Held {
    const held = new Held();
    (this.#encodeHeld ??= [])[index] = held;
    return held;
  }

  #holdRequest(held: Held, chunk: Buffer, endStream: boolean): void {
    held.keep(chunk, endStream);
    if (held.paused || held.byteCount <= this.bufferLimitBytes) return;
    if (held.watched) {
      this.stream.refuseLargeRequest();
      return;
    }
    held.paused = true;
    this.stream.requestReadDisable(true);
  }

  /** envoy-behaviour §1.14: too much held is answered with 500, or the response is cut where it had begun. */
  #holdResponse(held: Held, chunk: Buffer, endStream: boolean): void {
    if (held.byteCount + chunk.length <= this.bufferLimitBytes) {
      held.keep(chunk, endStream);
      return;
    }
    this.#encodeDirect = true;
    this.stream.refuseLargeResponse();
    // It was a reply of our own that was too large to hold.
    if (!this.#destroyed) this.stream.resetStream();
  }
}

const EMPTY = Buffer.alloc(0);

const NO_FACTORIES: readonly HttpFilterFactory[] = [];
