// [m] What users of gRPC streams need of whoever carries them: the proxy does it on its own HTTP/2 codec
// (proxy/grpc/http2-channel.ts), which spares main a library of 7 MB (docs/adr/0008-grpc-on-our-codec.md).
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
