// [w] Flow-control windows (RFC 9113 §5.2, §6.9) of a connection or a stream, both directions. Plain fields, meant to
// be inherited: a stream's windows cost no object of their own.
//
// What we receive is charged at once and given back when somebody took it: a consumer that stops (readDisable) keeps
// the bytes charged, the window closes, the peer stops. Memory kept for one side that is slow is therefore bounded by
// its stream's window, and by the connection's window for all streams together.
import { MAX_WINDOW_BYTES } from './protocol.ts';

export class FlowWindows {
  /** What the peer lets us send; below 0 after it lowered its SETTINGS_INITIAL_WINDOW_SIZE. */
  sendBytes: number;
  /** What the peer may still send. */
  receiveBytes: number;
  /** Taken by the consumer and not yet told to the peer. */
  #credit = 0;
  readonly #receiveLimit: number;

  constructor(sendBytes: number, receiveBytes: number) {
    this.sendBytes = sendBytes;
    this.receiveBytes = receiveBytes;
    this.#receiveLimit = receiveBytes;
  }

  /** False: the peer sent more than it was allowed (FLOW_CONTROL_ERROR). */
  charge(byteCount: number): boolean {
    this.receiveBytes -= byteCount;
    return this.receiveBytes >= 0;
  }

  /** Bytes were consumed. The increment to announce, 0 while less than half of the window has come back. */
  release(byteCount: number): number {
    this.#credit += byteCount;
    if (this.#credit * 2 < this.#receiveLimit) return 0;
    const increment = this.#credit;
    this.#credit = 0;
    this.receiveBytes += increment;
    return increment;
  }

  /** A WINDOW_UPDATE or a change of the initial size; false: the window would pass 2^31 - 1 (FLOW_CONTROL_ERROR). */
  widen(increment: number): boolean {
    this.sendBytes += increment;
    return this.sendBytes <= MAX_WINDOW_BYTES;
  }
}
