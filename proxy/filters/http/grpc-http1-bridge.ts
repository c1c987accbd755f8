// [w] envoy.filters.http.grpc_http1_bridge: an HTTP/1 client may speak gRPC: what HTTP/2 says in trailers it gets in the head of
// its answer, which is held until they have come; or it sends plain protobuf, which gets its frame (envoy-behaviour §10.6).
import type { GrpcHttp1BridgeConfig } from '../../config/http-filter-config.ts';
import type { HeaderMap, RequestHeaders, ResponseHeaders } from '../../http/header-map.ts';
import { H } from '../../http/headers.ts';
import { FilterStatus, PassThroughFilter } from '../../http/http-filter.ts';
import type { FilterCallbacks, HttpFilter, HttpFilterFactory } from '../../http/http-filter.ts';
import { isGrpcRequest } from '../../http/local-reply.ts';

const PREFIX_BYTES = 5;
const PROTOBUF = 'application/x-protobuf';
const GRPC = 'application/grpc';

class BridgeFilter extends PassThroughFilter {
  readonly #config: GrpcHttp1BridgeConfig;
  readonly #callbacks: FilterCallbacks;
  /** The request is plain protobuf. */
  readonly #framing: boolean;
  #request: Buffer[] = [];
  #requestBytes = 0;
  #response: ResponseHeaders | null = null;
  #responseBytes = 0;
  /** Of the frame of the answer, still to be taken off. */
  #prefixLeft = 0;

  constructor(config: GrpcHttp1BridgeConfig, callbacks: FilterCallbacks, framing: boolean) {
    super();
    this.#config = config;
    this.#callbacks = callbacks;
    this.#framing = framing;
    if (framing) callbacks.streamInfo.repliesAsHttp = true;
  }

  override decodeHeaders(headers: RequestHeaders): FilterStatus {
    if (this.#framing) {
      headers.set(H.contentType, GRPC);
      headers.remove(H.contentLength);
      this.#prefixLeft = PREFIX_BYTES;
    }
    const query = this.#config.ignoreQueryParameters ? headers.path.indexOf('?') : -1;
    if (query >= 0) headers.path = headers.path.slice(0, query);
    return FilterStatus.Continue;
  }

  override decodeData(chunk: Buffer, endStream: boolean): FilterStatus {
    if (!this.#framing) return FilterStatus.Continue;
    this.#requestBytes += chunk.length;
    if (this.#requestBytes > this.#callbacks.bufferLimitBytes) this.#refuseLarge();
    else {
      // A chunk is a view; the last one is used at once.
      this.#request.push(endStream ? chunk : Buffer.from(chunk));
      if (endStream) this.#sendFramed(true);
    }
    return FilterStatus.Consumed;
  }

  override decodeTrailers(_trailers: HeaderMap): FilterStatus {
    if (this.#framing) this.#sendFramed(false);
    return FilterStatus.Continue;
  }

  override encodeHeaders(headers: ResponseHeaders, endStream: boolean): FilterStatus {
    if (!(headers.get(H.contentType) ?? '').startsWith(GRPC)) this.#prefixLeft = 0;
    if (endStream) return FilterStatus.Continue;
    this.#response = headers;
    return FilterStatus.StopAndBuffer;
  }

  override encodeData(chunk: Buffer, endStream: boolean): FilterStatus {
    const skipped = Math.min(this.#prefixLeft, chunk.length);
    if (skipped > 0) {
      this.#prefixLeft -= skipped;
      const rest = chunk.subarray(skipped);
      this.#responseBytes += rest.length;
      if (rest.length > 0) this.#callbacks.injectEncodedData(rest, endStream);
      return FilterStatus.Consumed;
    }
    this.#responseBytes += chunk.length;
    return endStream ? FilterStatus.Continue : FilterStatus.StopAndBuffer;
  }

  override encodeTrailers(trailers: HeaderMap): FilterStatus {
    const headers = this.#response!;
    const status = trailers.get(H.grpcStatus);
    const message = trailers.get(H.grpcMessage);
    if (status !== undefined) {
      if (status !== '0') headers.status = 503;
      headers.set(H.grpcStatus, status);
    }
    if (message !== undefined) headers.set(H.grpcMessage, message);
    headers.set(H.contentLength, String(this.#responseBytes));
    return FilterStatus.Consumed;
  }

  #sendFramed(endStream: boolean): void {
    const prefix = Buffer.alloc(PREFIX_BYTES);
    prefix.writeUInt32BE(this.#requestBytes, 1);
    this.#callbacks.injectDecodedData(Buffer.concat([prefix, ...this.#request]), endStream);
    this.#request = [];
  }

  #refuseLarge(): void {
    this.#callbacks.sendLocalReply({
      status: 413,
      body: 'Payload Too Large',
      details: 'request_payload_too_large',
      flag: undefined,
      grpcStatus: undefined,
      modifyHeaders: undefined,
    });
  }
}

export class GrpcHttp1BridgeFilterFactory implements HttpFilterFactory {
  readonly name: string;
  readonly #config: GrpcHttp1BridgeConfig;

  constructor(name: string, config: GrpcHttp1BridgeConfig) {
    this.name = name;
    this.#config = config;
  }

  createFilter(callbacks: FilterCallbacks): HttpFilter | null {
    const { requestHeaders, streamInfo } = callbacks;
    if (streamInfo.protocol === 'HTTP/2') return null;
    const framing = this.#config.upgradeProtobuf && requestHeaders.get(H.contentType) === PROTOBUF;
    if (!framing && !isGrpcRequest(requestHeaders)) return null;
    return new BridgeFilter(this.#config, callbacks, framing);
  }
}
