// [m] What users of gRPC streams, and those who answer them, need of whoever carries them: proxy and agent do it on the proxy's HTTP/2
// codec (proxy/grpc), which spares each of them a library of 5 to 7 MB (docs/adr/0008-grpc-on-our-codec.md, 0018-agent-on-our-codec.md).
import type { StreamStatus } from './ads-stream.ts';

export interface GrpcStreamListener {
  /** One whole message, the listener's to keep. */
  onMessage(bytes: Uint8Array): void;
  /** More may be sent after `send` returned false. */
  onDrain(): void;
  /** Once, with nothing after it, unless this end cancelled. */
  onEnd(status: StreamStatus): void;
}

export interface GrpcStream {
  /** False when the peer does not keep up: the message is queued, better send no more until onDrain. Does nothing on a dead stream. */
  send(message: Uint8Array): boolean;
  /** Nothing more is sent; answers may still come. */
  end(): void;
  /** Drops the stream at once. No listener is called afterwards. */
  cancel(): void;
}

export interface GrpcChannel {
  /** `path`: `/package.Service/Method`. `metadata`: names in lower case. No listener is called before this returns. */
  open(
    path: string,
    metadata: ReadonlyMap<string, string>,
    listener: GrpcStreamListener,
  ): GrpcStream;
  /** Closes the connection; streams that are open end without a word. */
  close(): void;
}

/** How a client makes sure of the server, and shows itself. PEM texts. */
export interface ClientTls {
  readonly rootPem: string;
  readonly identity: { readonly chainPem: string; readonly keyPem: string } | undefined;
  /** What the certificate must name; undefined: the host of the target. */
  readonly serverName: string | undefined;
}

/** One call at a server. */
export interface GrpcCall {
  /** What the client sent as headers, names in lower case; of several of one name the last. */
  readonly metadata: ReadonlyMap<string, string>;
  /** As GrpcStream.send(). */
  send(message: Uint8Array): boolean;
  /** Ends the call after what was sent. No listener is called afterwards. */
  finish(status: StreamStatus): void;
}

/**
 * Answers the calls of one method. The listener's onEnd() says OK where the client ended the stream, which ends the call with OK, and
 * CANCELLED where it went away.
 */
export type GrpcMethod = (call: GrpcCall) => GrpcStreamListener;
