// [w] The contract of HTTP filters. A factory is made once per filter entry of a connection manager and creates one
// filter per stream, or none when it has nothing to do for that stream: a filter that is not there costs nothing.
//
// Requests go through decode* in list order, responses through encode* in reverse. A filter that returns
// `StopIteration` from decodeHeaders/encodeHeaders holds the message: what follows is kept by the filter manager
// (within the buffer limit, with back-pressure) until continueDecoding()/continueEncoding(). `StopAndBuffer` holds it,
// too, but shows what follows to the filter first.
import type { StreamInfo } from '../stream-info/stream-info.ts';
import type { ResponseFlag } from '../stream-info/response-flags.ts';
import type { HeaderMap, RequestHeaders, ResponseHeaders } from './header-map.ts';
import type { Route } from './route-provider.ts';

export const FilterStatus = {
  Continue: 0,
  StopIteration: 1,
  /**
   * What follows comes to this filter before it is held; `Continue` for a part of it lets all of it go.
   * decode: `StopIteration` holds the rest unseen. More than the buffer limit is answered with 413.
   * encode, of headers only: what is `Consumed` is not held; a message whose last part is consumed goes on as what is held
   * by then, without that part (headers alone, or without trailers).
   */
  StopAndBuffer: 2,
  /** Data only: the filter took the chunk, and may inject something in its place. */
  Consumed: 3,
} as const;
export type FilterStatus = (typeof FilterStatus)[keyof typeof FilterStatus];

export interface HttpFilter {
  decodeHeaders(headers: RequestHeaders, endStream: boolean): FilterStatus;
  decodeData(chunk: Buffer, endStream: boolean): FilterStatus;
  decodeTrailers(trailers: HeaderMap): FilterStatus;
  encodeHeaders(headers: ResponseHeaders, endStream: boolean): FilterStatus;
  encodeData(chunk: Buffer, endStream: boolean): FilterStatus;
  encodeTrailers(trailers: HeaderMap): FilterStatus;
  /** Exactly once, when the stream is over, however it ended. Cancel timers and pool tickets here. */
  onDestroy(): void;
}

/** Base with hooks that let everything through; filters override what they need. */
export class PassThroughFilter implements HttpFilter {
  decodeHeaders(_headers: RequestHeaders, _endStream: boolean): FilterStatus {
    return FilterStatus.Continue;
  }
  decodeData(_chunk: Buffer, _endStream: boolean): FilterStatus {
    return FilterStatus.Continue;
  }
  decodeTrailers(_trailers: HeaderMap): FilterStatus {
    return FilterStatus.Continue;
  }
  encodeHeaders(_headers: ResponseHeaders, _endStream: boolean): FilterStatus {
    return FilterStatus.Continue;
  }
  encodeData(_chunk: Buffer, _endStream: boolean): FilterStatus {
    return FilterStatus.Continue;
  }
  encodeTrailers(_trailers: HeaderMap): FilterStatus {
    return FilterStatus.Continue;
  }
  onDestroy(): void {}
}

/** A response the proxy makes itself (envoy-behaviour §1.15, §5.1). */
export interface LocalReply {
  readonly status: number;
  /** text/plain; '' for none. */
  readonly body: string;
  /** Sent in place of `body` where that cannot be text; `body` is then not '' unless this is empty. */
  readonly bodyBytes?: Uint8Array | undefined;
  /** Response code details, spaces already made `_`. */
  readonly details: string;
  readonly flag: ResponseFlag | undefined;
  /** Explicit gRPC status for gRPC requests; undefined: mapped from `status`. */
  readonly grpcStatus: number | undefined;
  /** Headers of the route come after those of modifyHeaders: redirects and direct responses. Default: before. */
  readonly routeHeadersLast?: boolean;
  /** Called with the headers before they go out; undefined: nothing to add. */
  readonly modifyHeaders: ((headers: ResponseHeaders) => void) | undefined;
}

/** What one filter may do to its stream. */
export interface FilterCallbacks {
  readonly streamInfo: StreamInfo;
  /** Null when nothing matched (the router answers 404 then). */
  readonly route: Route | null;
  readonly requestHeaders: RequestHeaders;
  /** Resume what decodeHeaders/decodeData stopped. */
  continueDecoding(): void;
  continueEncoding(): void;
  /** What StopAndBuffer has kept of the body so far; valid during the call. */
  heldRequestBody(): readonly Buffer[];
  /** Sends request bytes on to the filters behind this one; owned by them. */
  injectDecodedData(chunk: Buffer, endStream: boolean): void;
  /** Sends response bytes on to the filters before this one, which own them; while this one holds the answer, they are held. */
  injectEncodedData(chunk: Buffer, endStream: boolean): void;
  /** Stop or resume reading the response from the upstream; calls nest. */
  responseReadDisable(disable: boolean): void;
  /** What one direction of the stream may hold. */
  readonly bufferLimitBytes: number;
  /** In place of the listener's limit, for the rest of this stream. */
  setBufferLimit(bytes: number): void;
  /** Headers that choose the route were changed: it is chosen again, and the filters behind this one made anew. */
  clearRouteCache(): void;
  /** Ends the stream with a reply of our own; if response headers are out already, the stream is reset. */
  sendLocalReply(reply: LocalReply): void;
  /** Only for the terminal filter: the upstream's answer enters the encode path. */
  encode1xxHeaders(headers: ResponseHeaders): void;
  encodeHeaders(headers: ResponseHeaders, endStream: boolean): void;
  encodeData(chunk: Buffer, endStream: boolean): void;
  encodeTrailers(trailers: HeaderMap): void;
  /**
   * Once the whole request came, and before its answer: the request, with the headers it has by now, becomes a new
   * stream that passes all filters again; this one is logged with `response` and over. False: nothing was done.
   */
  recreateStream(response: ResponseHeaders, body: readonly Buffer[]): boolean;
  /** Cuts the downstream stream (the response had begun and cannot be finished). */
  resetStream(): void;
  /** Back-pressure from the upstream side: stop or resume reading the request's body; calls nest. */
  requestReadDisable(disable: boolean): void;
  /** The terminal filter is told when the client takes the response too slowly, in pairs. */
  setDownstreamWatermarkCallbacks(callbacks: DownstreamWatermarkCallbacks | null): void;
  /** True once response headers were handed to the codec. */
  readonly responseStarted: boolean;
  /** True once the whole request was received. */
  readonly requestComplete: boolean;
  /** The request asks for an upgrade (websocket …) that is allowed here, or is a CONNECT. */
  readonly upgradeRequested: boolean;
}

export interface DownstreamWatermarkCallbacks {
  onAboveWriteBufferHighWatermark(): void;
  onBelowWriteBufferLowWatermark(): void;
}

export interface HttpFilterFactory {
  /** Name of the entry in `http_filters`. */
  readonly name: string;
  /** Null: nothing to do for this stream, and `callbacks` was not kept. The route is already known. */
  createFilter(callbacks: FilterCallbacks): HttpFilter | null;
}
