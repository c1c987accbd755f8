// [w] What a TCP session sends to: a connection of its own, or the body of an HTTP request (tcp-tunnel.ts).
import type { CloseEvent, CloseType, ConnectionCallbacks } from '../../network/transport.ts';

export interface TcpUpstream {
  /** The peer has ended its side. */
  readonly readEnded: boolean;
  /** `chunk` is valid during the call only. */
  write(chunk: Buffer): void;
  /** No more will be written; reading goes on. */
  endWrite(): void;
  /** Calls nest. */
  readDisable(disable: boolean): void;
  /** The session hears of the close. */
  close(type: CloseType): void;
}

/** The session as its upstream sees it. */
export interface UpstreamUser {
  onUpstreamData(chunk: Buffer, endStream: boolean): void;
  onUpstreamClose(event: CloseEvent, detail: string): void;
  pauseDownstream(pause: boolean): void;
}

/** The upstream connection's side of a session. */
export class UpstreamSide implements ConnectionCallbacks {
  readonly #session: UpstreamUser;

  constructor(session: UpstreamUser) {
    this.#session = session;
  }

  onData(chunk: Buffer, endStream: boolean): void {
    this.#session.onUpstreamData(chunk, endStream);
  }
  onClose(event: CloseEvent, detail: string): void {
    this.#session.onUpstreamClose(event, detail);
  }
  onAboveWriteBufferHighWatermark(): void {
    this.#session.pauseDownstream(true);
  }
  onBelowWriteBufferLowWatermark(): void {
    this.#session.pauseDownstream(false);
  }
}
