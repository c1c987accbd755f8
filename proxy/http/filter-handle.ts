// [w] FilterHandle: what one filter may do to its stream, by way of the filters' manager.
import type { StreamInfo } from '../stream-info/stream-info.ts';
import type { HeaderMap, RequestHeaders, ResponseHeaders } from './header-map.ts';
import type { DownstreamWatermarkCallbacks, FilterCallbacks, LocalReply } from './http-filter.ts';
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
  recreateStream(response: ResponseHeaders, body: readonly Buffer[]): boolean;
  resetStream(): void;
  requestReadDisable(disable: boolean): void;
  setDownstreamWatermarkCallbacks(callbacks: DownstreamWatermarkCallbacks | null): void;
  /** As if the client took the response too slowly. */
  responseReadDisable(disable: boolean): void;
  /** Chooses the route again. */
  refreshRoute(): void;
  /** Counts and answers a body that is larger than what may be held. */
  refuseLargeRequest(): void;
  /** The same of a response. */
  refuseLargeResponse(): void;
  /** What came out of the encode chain, ready for the codec. */
  writeHeaders1xx(headers: ResponseHeaders): void;
  writeHeaders(headers: ResponseHeaders, endStream: boolean): void;
  writeData(chunk: Buffer, endStream: boolean): void;
  writeTrailers(trailers: HeaderMap): void;
}

/** The manager as its filters' handles see it; `index` is the filter's place in the chain. */
export interface HandleOwner {
  readonly stream: FilterManagerStream;
  readonly bufferLimitBytes: number;
  setBufferLimit(bytes: number): void;
  continueDecoding(index: number): void;
  continueEncoding(index: number): void;
  heldRequestBody(index: number): readonly Buffer[];
  injectDecodedData(index: number, chunk: Buffer, endStream: boolean): void;
  injectEncodedData(index: number, chunk: Buffer, endStream: boolean): void;
  clearRouteCache(index: number, factoryIndex: number): void;
  encodeHeaders(headers: ResponseHeaders, endStream: boolean): void;
  encodeData(chunk: Buffer, endStream: boolean): void;
  encodeTrailers(trailers: HeaderMap): void;
}

/** One filter's view of its stream. */
export class FilterHandle implements FilterCallbacks {
  readonly #manager: HandleOwner;
  readonly #index: number;
  /** Of the factory that the filter came from. */
  factoryIndex = 0;

  constructor(manager: HandleOwner, index: number) {
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
  get bufferLimitBytes(): number {
    return this.#manager.bufferLimitBytes;
  }
  setBufferLimit(bytes: number): void {
    this.#manager.setBufferLimit(bytes);
  }
  heldRequestBody(): readonly Buffer[] {
    return this.#manager.heldRequestBody(this.#index);
  }
  injectDecodedData(chunk: Buffer, endStream: boolean): void {
    this.#manager.injectDecodedData(this.#index, chunk, endStream);
  }
  injectEncodedData(chunk: Buffer, endStream: boolean): void {
    this.#manager.injectEncodedData(this.#index, chunk, endStream);
  }
  responseReadDisable(disable: boolean): void {
    this.#manager.stream.responseReadDisable(disable);
  }
  clearRouteCache(): void {
    this.#manager.clearRouteCache(this.#index, this.factoryIndex);
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
  recreateStream(response: ResponseHeaders, body: readonly Buffer[]): boolean {
    return this.#manager.stream.recreateStream(response, body);
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
