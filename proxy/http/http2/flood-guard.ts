// [w] Limits against peers whose frames cost us more than them (envoy-behaviour §2.2; attacks 31 to 35). One a
// connection; every check is a comparison of two numbers.
//
// Frames in the outbound queue are those the kernel has not taken. DATA is not among them: it stays in its stream while
// the socket is above its watermark.
import type { Http2Config } from '../../config/http2-config.ts';
import type { Http2Stats } from './http2-stats.ts';

/** Streams that died without an answer before this age count as premature: Envoy cuts to whole seconds and takes 0 and 1. */
const PREMATURE_LIFETIME_MS = 2000;
const PREMATURE_TOTAL = 500;

/** What is written, and how much of it the kernel has: in bytes since the connection began. */
export interface OutboundQueue {
  readonly writtenBytes: number;
  /** Asks the socket to take what there is. */
  readonly takenBytes: number;
}

/**
 * How many frames wait, from two numbers: those written before a point in the stream of bytes, and those after it. When the
 * kernel is past the point the first are gone and a new point is set, so the count is too high by one part at most.
 */
class WaitingFrames {
  readonly #limit: number;
  readonly #step: number;
  #before = 0;
  #pointBytes = 0;
  #after = 0;
  #nextCheck: number;

  constructor(limit: number) {
    this.#limit = limit;
    this.#step = Math.max(1, limit >>> 3);
    this.#nextCheck = this.#limit >>> 1;
  }

  /** False: there are too many. */
  add(queue: OutboundQueue): boolean {
    const count = this.#before + ++this.#after;
    return count <= this.#nextCheck || this.#look(queue);
  }

  #look(queue: OutboundQueue): boolean {
    const taken = queue.takenBytes;
    const written = queue.writtenBytes;
    if (taken >= this.#pointBytes) {
      this.#before = taken >= written ? 0 : this.#after;
      this.#after = 0;
      this.#pointBytes = written;
    }
    const count = this.#before + this.#after;
    this.#nextCheck = Math.min(this.#limit, Math.max(this.#limit >>> 1, count + this.#step));
    return count <= this.#limit;
  }
}

export class FloodGuard {
  readonly #config: Http2Config;
  readonly #stats: Http2Stats;
  readonly #queue: OutboundQueue;
  readonly #frames: WaitingFrames;
  readonly #control: WaitingFrames;
  #consecutiveEmpty = 0;
  #priorities = 0;
  #windowUpdates = 0;
  #opened = 0;
  #dataSent = 0;
  #closed = 0;
  #premature = 0;

  constructor(config: Http2Config, stats: Http2Stats, queue: OutboundQueue) {
    this.#config = config;
    this.#stats = stats;
    this.#queue = queue;
    this.#frames = new WaitingFrames(config.maxOutboundFrames);
    this.#control = new WaitingFrames(config.maxOutboundControlFrames);
  }

  onStreamOpened(): void {
    this.#opened++;
  }

  /** HEADERS goes out; false: the peer reads too little of what it asks for. */
  onFrameSent(): boolean {
    if (this.#frames.add(this.#queue)) return true;
    this.#stats.store.inc(this.#stats.outboundFlood);
    return false;
  }

  onDataSent(): void {
    this.#dataSent++;
  }

  /** PING or SETTINGS acknowledgement, RST_STREAM. */
  onControlSent(): boolean {
    if (this.#control.add(this.#queue)) return this.onFrameSent();
    this.#stats.store.inc(this.#stats.outboundControlFlood);
    return false;
  }

  /** HEADERS, CONTINUATION or DATA without END_STREAM came. */
  onPayload(byteCount: number): boolean {
    if (byteCount > 0) {
      this.#consecutiveEmpty = 0;
      return true;
    }
    if (++this.#consecutiveEmpty <= this.#config.maxConsecutiveEmptyFrames) return true;
    this.#stats.store.inc(this.#stats.emptyFramesFlood);
    return false;
  }

  onPriority(): boolean {
    if (++this.#priorities <= this.#config.maxPriorityFramesPerStream * (1 + this.#opened))
      return true;
    this.#stats.store.inc(this.#stats.priorityFramesFlood);
    return false;
  }

  onWindowUpdate(): boolean {
    const perData = this.#config.maxWindowUpdatesPerDataFrame;
    if (++this.#windowUpdates <= 5 + 2 * (this.#opened + perData * this.#dataSent)) return true;
    this.#stats.store.inc(this.#stats.windowUpdateFramesFlood);
    return false;
  }

  /** A stream is over, `answered` or not. False: too many of them were reset at once (rapid reset, made-you-reset). */
  onStreamClosed(lifetimeMs: number, answered: boolean): boolean {
    this.#closed++;
    if (!answered && lifetimeMs < PREMATURE_LIFETIME_MS) this.#premature++;
    return this.#premature * 2 < Math.max(this.#closed, PREMATURE_TOTAL);
  }
}
