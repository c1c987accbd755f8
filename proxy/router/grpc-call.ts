// [w] GrpcClient: one message to a gRPC service at a cluster of ours, one back. The call beneath bounds the time and the
// size of the answer.
import type { GrpcServiceConfig } from '../config/grpc-service-config.ts';
import { formatGrpcTimeout } from '../http/grpc-timeout.ts';
import { H } from '../http/headers.ts';
import { RequestHeaders } from '../http/header-map.ts';
import type { HeaderMap, ResponseHeaders } from '../http/header-map.ts';
import type { StreamInfo } from '../stream-info/stream-info.ts';
import { initialMetadata } from './grpc-initial-metadata.ts';
import type { HeaderOperations } from './header-operations.ts';
import { HttpCallClient } from './http-call.ts';
import type { HttpCall, HttpCallOwner } from './http-call.ts';
import type { RouteEnvironment } from './route-environment.ts';
import type { RouterContext } from './router-context.ts';
import { wireText } from './wire-text.ts';

/** A flag and a length. */
const PREFIX_BYTES = 5;
const FINE = '0';

/** Exactly one of them is called, possibly before call() returns, unless the call is cancelled. */
export interface GrpcCallOwner {
  onGrpcMessage(message: Buffer): void;
  /** Whatever went wrong: the service, the way there, or what came back. */
  onGrpcFailure(): void;
}

/** What was asked for and may be given up. */
export interface GrpcCall {
  cancel(): void;
}

export class GrpcClient {
  readonly #config: GrpcServiceConfig;
  readonly #context: RouterContext;
  readonly #calls: HttpCallClient;
  readonly #metadata: HeaderOperations;
  readonly #authority: string;

  constructor(config: GrpcServiceConfig, context: RouterContext, environment: RouteEnvironment) {
    this.#config = config;
    this.#context = context;
    this.#calls = new HttpCallClient(context, config);
    this.#metadata = initialMetadata(config, environment);
    this.#authority = wireText(config.authority);
  }

  /** `path`: `/package.Service/Method`. `parent`: of the stream on whose behalf it is asked. */
  call(path: string, message: Buffer, parent: GrpcCallParent, owner: GrpcCallOwner): GrpcCall {
    const reading = new AnswerReader(owner, this.#config.maxMessageBytes);
    if (this.#context.clusters.get(this.#config.cluster) === undefined) {
      owner.onGrpcFailure();
      return reading;
    }
    const headers = this.#requestHeaders(path, parent);
    const body = framed(message);
    reading.call = this.#calls.send({ headers, body, parent: parent.info }, reading);
    return reading;
  }

  #requestHeaders(path: string, { headers: request, info }: GrpcCallParent): RequestHeaders {
    const headers = new RequestHeaders();
    headers.method = 'POST';
    headers.path = path;
    headers.authority = this.#authority;
    headers.push(H.te, 'trailers');
    const { timeoutMs } = this.#config;
    if (timeoutMs > 0) headers.push(H.grpcTimeout, formatGrpcTimeout(timeoutMs));
    headers.push(H.contentType, 'application/grpc');
    this.#metadata.apply(headers, { request, response: null, info });
    headers.set(H.xEnvoyInternal, 'true');
    headers.append(H.xForwardedFor, this.#context.nodeIp);
    return headers;
  }
}

export interface GrpcCallParent {
  readonly headers: RequestHeaders;
  readonly info: StreamInfo;
}

function framed(message: Buffer): Buffer {
  const frame = Buffer.allocUnsafe(PREFIX_BYTES + message.length);
  frame[0] = 0;
  frame.writeUInt32BE(message.length, 1);
  message.copy(frame, PREFIX_BYTES);
  return frame;
}

class AnswerReader implements GrpcCall, HttpCallOwner {
  readonly #owner: GrpcCallOwner;
  readonly #maxBytes: number;
  call: HttpCall | null = null;

  constructor(owner: GrpcCallOwner, maxBytes: number) {
    this.#owner = owner;
    this.#maxBytes = maxBytes;
  }

  cancel(): void {
    this.call?.cancel();
  }

  onHttpResponse(headers: ResponseHeaders, body: Buffer, trailers: HeaderMap | null): void {
    // An answer without a body has its status in its headers.
    const status = (trailers ?? headers).get(H.grpcStatus);
    const message =
      headers.status === 200 && status === FINE ? lastMessage(body, this.#maxBytes) : null;
    if (message === null) this.#owner.onGrpcFailure();
    else this.#owner.onGrpcMessage(message);
  }

  onHttpFailure(): void {
    this.#owner.onGrpcFailure();
  }
}

/** Null where there is none, or where something is cut, compressed or too long. As in Envoy, the last one counts. */
function lastMessage(body: Buffer, maxBytes: number): Buffer | null {
  let message: Buffer | null = null;
  for (let at = 0; at < body.length;) {
    if (body.length - at < PREFIX_BYTES || body[at] !== 0) return null;
    const length = body.readUInt32BE(at + 1);
    const start = at + PREFIX_BYTES;
    at = start + length;
    if (at > body.length || (maxBytes > 0 && length > maxBytes)) return null;
    message = body.subarray(start, at);
  }
  return message;
}
