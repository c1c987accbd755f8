// [m] GrpcAnswer: reads one gRPC response stream: messages, and the status it ends with (gRPC over HTTP/2, "Responses").
import { statusCode } from '../../xds-protos/ads-stream.ts';
import type { StreamStatus } from '../../xds-protos/ads-stream.ts';
import { StreamResetReason } from '../http/codec.ts';
import type { ResponseDecoder, StreamCallbacks } from '../http/codec.ts';
import type { HeaderMap, ResponseHeaders } from '../http/header-map.ts';
import { H } from '../http/headers.ts';
import { readReason } from './grpc-status.ts';
import { MessageSplitter } from './message-splitter.ts';

export interface GrpcAnswerOwner {
  onMessage(bytes: Uint8Array): void;
  onDrain(): void;
  /** Once; by then the stream is over or to be reset. */
  onAnswerEnd(status: StreamStatus): void;
}

const UNKNOWN = 2;
const UNIMPLEMENTED = 12;

/** "HTTP to gRPC Status Code Mapping" of the specification. */
const BY_HTTP_STATUS = new Map<number, number>([
  [400, statusCode.internal],
  [401, statusCode.unauthenticated],
  [403, statusCode.permissionDenied],
  [404, UNIMPLEMENTED],
  [429, statusCode.unavailable],
  [502, statusCode.unavailable],
  [503, statusCode.unavailable],
  [504, statusCode.unavailable],
]);

export class GrpcAnswer implements ResponseDecoder, StreamCallbacks {
  readonly #owner: GrpcAnswerOwner;
  readonly #splitter: MessageSplitter;
  #above = false;
  #ended = false;

  constructor(owner: GrpcAnswerOwner, maxMessageBytes: number) {
    this.#owner = owner;
    this.#splitter = new MessageSplitter(maxMessageBytes, (message) => owner.onMessage(message));
  }

  /** The peer, or the way to it, takes less than is sent. */
  get full(): boolean {
    return this.#above;
  }

  /** The owner hears nothing more. */
  stop(): void {
    this.#ended = true;
    this.#splitter.stop();
  }

  // === ResponseDecoder

  decode1xxHeaders(_headers: ResponseHeaders): void {}

  decodeHeaders(headers: ResponseHeaders, endStream: boolean): void {
    const { status } = headers;
    if (status !== 200) {
      this.#end(BY_HTTP_STATUS.get(status) ?? UNKNOWN, `the server answered with HTTP ${status}`);
    } else if (endStream) this.#endWith(headers);
  }

  decodeData(chunk: Buffer, endStream: boolean): void {
    if (this.#ended) return;
    const problem = this.#splitter.push(chunk);
    if (problem !== '') this.#end(statusCode.resourceExhausted, problem);
    else if (endStream) this.#end(UNKNOWN, 'the stream ended without a status');
  }

  decodeTrailers(trailers: HeaderMap): void {
    if (this.#splitter.midMessage)
      this.#end(statusCode.internal, 'the stream ended within a message');
    else this.#endWith(trailers);
  }

  // === StreamCallbacks

  onResetStream(reason: StreamResetReason, details: string): void {
    const lost =
      reason === StreamResetReason.ConnectionTermination ||
      reason === StreamResetReason.RemoteRefusedStreamReset;
    const words = details === '' ? reason : `${reason}: ${details}`;
    this.#end(lost ? statusCode.unavailable : statusCode.internal, words);
  }

  onAboveWriteBufferHighWatermark(): void {
    this.#above = true;
  }

  onBelowWriteBufferLowWatermark(): void {
    this.#above = false;
    if (!this.#ended) this.#owner.onDrain();
  }

  #endWith(lines: HeaderMap): void {
    const text = lines.get(H.grpcStatus) ?? '';
    const code = /^\d{1,3}$/.test(text) ? Number(text) : UNKNOWN;
    this.#end(code, readReason(lines.get(H.grpcMessage) ?? ''));
  }

  #end(code: number, reason: string): void {
    if (this.#ended) return;
    this.stop();
    this.#owner.onAnswerEnd({ code, reason });
  }
}
