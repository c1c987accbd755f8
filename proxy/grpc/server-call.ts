// [m] ServerCall: one gRPC call at our server: reads its messages, writes answers and the status (gRPC over HTTP/2, "Requests", "Responses").
import { statusCode } from '../../xds-protos/ads-stream.ts';
import type { StreamStatus } from '../../xds-protos/ads-stream.ts';
import type { GrpcCall, GrpcMethod, GrpcStreamListener } from '../../xds-protos/grpc-channel.ts';
import type { RequestDecoder, StreamCallbacks, StreamResetReason } from '../http/codec.ts';
import { HeaderMap, ResponseHeaders } from '../http/header-map.ts';
import type { RequestHeaders } from '../http/header-map.ts';
import { H } from '../http/headers.ts';
import type { Http2ServerStream } from '../http/http2/server-connection.ts';
import { writeStatus } from './grpc-status.ts';
import { MessageSplitter, withPrefix } from './message-splitter.ts';

const UNIMPLEMENTED = 12;
const OK: StreamStatus = { code: statusCode.ok, reason: '' };
/** `application/grpc`, or that with a format behind it. */
const GRPC_TYPE = /^application\/grpc(?:$|[+;])/;

export class ServerCall implements GrpcCall, RequestDecoder, StreamCallbacks {
  readonly metadata = new Map<string, string>();
  readonly #stream: Http2ServerStream;
  readonly #methods: ReadonlyMap<string, GrpcMethod>;
  readonly #splitter: MessageSplitter;
  /** Null before the headers, and once the call is over. */
  #listener: GrpcStreamListener | null = null;
  #over = false;
  #headSent = false;
  #above = false;

  constructor(
    stream: Http2ServerStream,
    methods: ReadonlyMap<string, GrpcMethod>,
    maxMessageBytes: number,
  ) {
    this.#stream = stream;
    this.#methods = methods;
    this.#splitter = new MessageSplitter(maxMessageBytes, (message) =>
      this.#listener?.onMessage(message),
    );
    stream.setCallbacks(this);
  }

  // === GrpcCall

  send(message: Uint8Array): boolean {
    if (this.#over) return true;
    if (!this.#headSent) {
      this.#headSent = true;
      this.#stream.encodeHeaders(responseHead(200), false);
    }
    this.#stream.encodeData(withPrefix(message), false);
    return !this.#above;
  }

  finish(status: StreamStatus): void {
    if (!this.#leave()) return;
    if (this.#headSent) {
      const trailers = new HeaderMap();
      writeStatus(trailers, status);
      this.#stream.encodeTrailers(trailers);
    } else {
      const head = responseHead(200);
      writeStatus(head, status);
      this.#stream.encodeHeaders(head, true);
    }
    // What the client still has to say is for nobody.
    this.#stream.resetWhenFlushed();
  }

  // === RequestDecoder

  decodeHeaders(headers: RequestHeaders, endStream: boolean): void {
    if (!GRPC_TYPE.test(headers.get(H.contentType) ?? '')) {
      this.#refuse(415);
      return;
    }
    const method = headers.method === 'POST' ? this.#methods.get(headers.path) : undefined;
    if (method === undefined) {
      this.finish({ code: UNIMPLEMENTED, reason: `the server does not implement ${headers.path}` });
      return;
    }
    for (let i = 0; i < headers.size; i++)
      this.metadata.set(headers.nameAt(i).text, headers.valueAt(i));
    const listener = method(this);
    if (this.#over) return;
    this.#listener = listener;
    if (endStream) this.#onClientEnd();
  }

  decodeData(chunk: Buffer, endStream: boolean): void {
    if (this.#over) return;
    const problem = this.#splitter.push(chunk);
    // A message may have ended it.
    if (this.#over) return;
    if (problem !== '') this.#fail({ code: statusCode.resourceExhausted, reason: problem });
    else if (endStream) this.#onClientEnd();
  }

  /** gRPC has none in requests. */
  decodeTrailers(_trailers: HeaderMap): void {
    if (!this.#over) this.#onClientEnd();
  }

  // === StreamCallbacks

  onResetStream(_reason: StreamResetReason, _details: string): void {
    const listener = this.#listener;
    if (!this.#leave()) return;
    listener?.onEnd({ code: statusCode.cancelled, reason: 'the client went away' });
  }

  onAboveWriteBufferHighWatermark(): void {
    this.#above = true;
  }

  onBelowWriteBufferLowWatermark(): void {
    this.#above = false;
    this.#listener?.onDrain();
  }

  #onClientEnd(): void {
    if (this.#splitter.midMessage) {
      const reason = 'the stream ended within a message';
      this.#fail({ code: statusCode.internal, reason });
      return;
    }
    const listener = this.#listener;
    this.finish(OK);
    listener?.onEnd({ code: statusCode.ok, reason: 'the client ended the stream' });
  }

  /** Both sides hear of it. */
  #fail(status: StreamStatus): void {
    const listener = this.#listener;
    this.finish(status);
    listener?.onEnd(status);
  }

  #refuse(httpStatus: number): void {
    if (!this.#leave()) return;
    this.#stream.encodeHeaders(responseHead(httpStatus), true);
    this.#stream.resetWhenFlushed();
  }

  /** From here on no listener is called. False when that was so before. */
  #leave(): boolean {
    if (this.#over) return false;
    this.#over = true;
    this.#listener = null;
    this.#splitter.stop();
    return true;
  }
}

function responseHead(status: number): ResponseHeaders {
  const head = new ResponseHeaders();
  head.status = status;
  head.push(H.contentType, 'application/grpc');
  return head;
}
