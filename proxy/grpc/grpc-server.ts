// [m] GrpcServer: gRPC on a unix socket over our own HTTP/2 codec. Who connects is on this machine, and may open the socket's file.
import type { Closable } from '../base/lifetime.ts';
import { realRandom } from '../base/random.ts';
import { DEFAULT_HTTP2 } from '../config/http2-config.ts';
import type { GrpcMethod } from '../../xds-protos/grpc-channel.ts';
import { StreamResetReason } from '../http/codec.ts';
import type { RequestDecoder } from '../http/codec.ts';
import type { SessionSettings } from '../http/http2/endpoint.ts';
import { Http2ServerConnection } from '../http/http2/server-connection.ts';
import type { Http2ServerCallbacks, Http2ServerStream } from '../http/http2/server-connection.ts';
import { Http2Stats } from '../http/http2/http2-stats.ts';
import { Connection } from '../network/connection.ts';
import { ListenSocket } from '../network/listen-socket.ts';
import type { SocketHandle } from '../network/socket-binding.ts';
import { CloseType } from '../network/transport.ts';
import type { CloseEvent, ConnectionCallbacks } from '../network/transport.ts';
import type { GrpcThread } from './grpc-thread.ts';
import { ServerCall } from './server-call.ts';

/** A proxy has one connection for each kind of discovery, and while it restarts those of two. */
const MAX_CONNECTIONS = 64;
const MAX_STREAMS = 1000;
const BACKLOG = 64;
const MAX_HEADER_BYTES = 60 * 1024;
const MAX_HEADER_COUNT = 100;
const OWNER_ALONE = 0o600;

export interface GrpcServerOptions {
  /** By `/package.Service/Method`. */
  readonly methods: ReadonlyMap<string, GrpcMethod>;
  /** A larger message ends its stream with RESOURCE_EXHAUSTED. */
  readonly maxMessageBytes: number;
}

export class GrpcServer implements Closable {
  readonly options: GrpcServerOptions;
  readonly settings: SessionSettings;
  readonly #thread: GrpcThread;
  readonly #peers = new Set<ServerPeer>();
  #socket: ListenSocket | null = null;

  constructor(thread: GrpcThread, options: GrpcServerOptions) {
    this.#thread = thread;
    this.options = options;
    this.settings = {
      // The kernel tells of a peer on this machine that is gone: no PINGs.
      http2: { ...DEFAULT_HTTP2, maxConcurrentStreams: MAX_STREAMS },
      stats: new Http2Stats(thread.stats, ''),
      random: realRandom,
      flushTimeoutMs: 0,
      limits: { maxBytes: MAX_HEADER_BYTES, maxCount: MAX_HEADER_COUNT, underscores: 'ALLOW' },
    };
  }

  /** The file at `path` is replaced, and its owner's alone; its folder must be too, as that takes two steps. Throws where it cannot be bound. */
  listen(path: string): void {
    this.#socket = new ListenSocket(
      this.#thread.io,
      { kind: 'pipe', path, mode: OWNER_ALONE },
      { backlog: BACKLOG },
      (handle) => this.#accept(handle),
    );
  }

  /** Drops every stream and stops listening. */
  close(): void {
    this.#socket?.close();
    for (const peer of this.#peers) peer.close();
  }

  forget(peer: ServerPeer): void {
    this.#peers.delete(peer);
  }

  #accept(handle: SocketHandle): void {
    if (this.#peers.size >= MAX_CONNECTIONS) handle.close();
    else this.#peers.add(new ServerPeer(this, new Connection(this.#thread.io, handle)));
  }
}

/** One connection. */
class ServerPeer implements ConnectionCallbacks, Http2ServerCallbacks {
  readonly #server: GrpcServer;
  readonly #connection: Connection;
  readonly #codec: Http2ServerConnection;

  constructor(server: GrpcServer, connection: Connection) {
    this.#server = server;
    this.#connection = connection;
    this.#codec = new Http2ServerConnection(connection, this, server.settings);
    connection.start(this);
  }

  /** After what was written. */
  close(): void {
    this.#codec.goAway();
    this.#codec.flush();
    this.#codec.killStreams(StreamResetReason.ConnectionTermination, '');
    this.#codec.stop();
    this.#connection.close(CloseType.FlushWrite);
  }

  // === ConnectionCallbacks

  onData(chunk: Buffer, endStream: boolean): void {
    if (chunk.length > 0) this.#codec.dispatch(chunk);
    if (endStream) this.#connection.close(CloseType.NoFlush);
  }

  onClose(_event: CloseEvent, _detail: string): void {
    this.#server.forget(this);
    this.#codec.stop();
    this.#codec.killStreams(StreamResetReason.ConnectionTermination, '');
  }

  onAboveWriteBufferHighWatermark(): void {
    this.#codec.onAboveWriteBufferHighWatermark();
  }

  onBelowWriteBufferLowWatermark(): void {
    this.#codec.onBelowWriteBufferLowWatermark();
  }

  // === Http2ServerCallbacks

  newStream(stream: Http2ServerStream): RequestDecoder {
    const { methods, maxMessageBytes } = this.#server.options;
    return new ServerCall(stream, methods, maxMessageBytes);
  }

  onStreamClosed(): void {}

  onSessionError(details: string, silent: boolean): void {
    this.#codec.killStreams(StreamResetReason.ProtocolError, details);
    this.#connection.close(silent ? CloseType.NoFlush : CloseType.FlushWrite);
  }
}
