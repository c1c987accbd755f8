// [m] Http2Peer: one connection to a gRPC server. Out of use with the first sign of its end (GOAWAY, an error, a FIN); streams that
// the server still serves keep it open until the last of them is over.
import { StreamResetReason } from '../http/codec.ts';
import { Http2ClientConnection } from '../http/http2/client-connection.ts';
import type { Http2ClientCallbacks } from '../http/http2/client-connection.ts';
import type { SessionSettings } from '../http/http2/endpoint.ts';
import type { Connection } from '../network/connection.ts';
import { CloseType } from '../network/transport.ts';
import type { CloseEvent, ConnectionCallbacks } from '../network/transport.ts';

export class Http2Peer implements ConnectionCallbacks, Http2ClientCallbacks {
  readonly codec: Http2ClientConnection;
  readonly #connection: Connection;
  readonly #onOutOfUse: () => void;
  #draining = false;

  /** `onOutOfUse`: no stream is to be opened here any more; may be called more than once. */
  constructor(connection: Connection, settings: SessionSettings, onOutOfUse: () => void) {
    this.#connection = connection;
    this.#onOutOfUse = onOutOfUse;
    this.codec = new Http2ClientConnection(connection, this, settings);
    connection.start(this);
  }

  /** After what was written. */
  close(): void {
    this.codec.flush();
    this.codec.stop();
    this.#connection.close(CloseType.FlushWrite);
  }

  // === ConnectionCallbacks

  onData(chunk: Buffer, endStream: boolean): void {
    if (chunk.length > 0) this.codec.dispatch(chunk);
    if (endStream) this.#connection.close(CloseType.NoFlush);
  }

  onClose(_event: CloseEvent, _detail: string): void {
    this.#onOutOfUse();
    this.codec.onConnectionClosed();
  }

  onAboveWriteBufferHighWatermark(): void {
    this.codec.onAboveWriteBufferHighWatermark();
  }

  onBelowWriteBufferLowWatermark(): void {
    this.codec.onBelowWriteBufferLowWatermark();
  }

  // === Http2ClientCallbacks

  /** Each stream counts its own end. */
  onStreamReset(): void {}

  onStreamComplete(): void {
    if (this.#draining && this.codec.activeStreams === 0) this.close();
  }

  onGoAway(): void {
    this.#draining = true;
    this.#onOutOfUse();
    if (this.codec.activeStreams === 0) this.close();
  }

  onMaxStreams(): void {}

  onSessionError(details: string, silent: boolean): void {
    this.#onOutOfUse();
    this.codec.killStreams(StreamResetReason.ConnectionTermination, details);
    this.#connection.close(silent ? CloseType.NoFlush : CloseType.FlushWrite);
  }
}
