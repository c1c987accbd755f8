// [w] The contract between a connection and whoever uses its bytes.

/** How a connection ended. */
export const CloseEvent = {
  /** The peer closed or reset. */
  Remote: 'remote_close',
  /** We closed. */
  Local: 'local_close',
} as const;
export type CloseEvent = (typeof CloseEvent)[keyof typeof CloseEvent];

export const CloseType = {
  /** What is buffered is thrown away. */
  NoFlush: 'no_flush',
  /** Buffered bytes go out first. */
  FlushWrite: 'flush_write',
  /** Flushes, then leaves the socket open until the peer ends it or the delayed close time-out passes. */
  FlushWriteAndDelay: 'flush_write_and_delay',
  /** RST. */
  Abort: 'abort',
} as const;
export type CloseType = (typeof CloseType)[keyof typeof CloseType];

export interface ConnectionCallbacks {
  /**
   * Bytes arrived (`chunk` is a view of the thread's read buffer, valid during the call only), or the peer ended
   * its side (`endStream`; the chunk may be empty).
   */
  onData(chunk: Buffer, endStream: boolean): void;
  /** Exactly once. `detail` is '', DELAYED_CLOSE_TIMEOUT or an error's name, for example `ECONNRESET`. */
  onClose(event: CloseEvent, detail: string): void;
  onAboveWriteBufferHighWatermark(): void;
  onBelowWriteBufferLowWatermark(): void;
}
