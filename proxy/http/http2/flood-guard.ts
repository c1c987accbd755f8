// [w] Limits against peers whose frames cost us more than them (envoy-behaviour §2.2; attacks 31 to 35). One a
// connection; every check is a comparison of two numbers.
//
// Frames in the outbound queue are those the kernel has not taken: at a limit the socket is asked, and when it takes all
// of them the count begins anew.
import type { Http2Config } from '../../config/http2-config.ts';
import type { Http2Stats } from './http2-stats.ts';

/** Streams that died without an answer before this age count as premature: Envoy cuts to whole seconds and takes 0 and 1. */
const PREMATURE_LIFETIME_MS = 2000;
const PREMATURE_TOTAL = 500;

/** What is written and not with the kernel yet. */
export interface OutboundQueue {
  /** Writes what there is; true: nothing is left. */
  readonly emptied: boolean;
}

export class FloodGuard {
  readonly #config: Http2Config;
  readonly #stats: Http2Stats;
  readonly #queue: OutboundQueue;
  #outbound = 0;
  #control = 0;
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
  }

  onStreamOpened(): void {
    this.#opened++;
  }

  /** HEADERS or DATA goes out; false: the peer reads too little of what it asks for. */
  onFrameSent(): boolean {
    if (++this.#outbound <= this.#config.maxOutboundFrames || this.#restart()) return true;
    this.#stats.store.inc(this.#stats.outboundFlood);
    return false;
  }

  onDataSent(): boolean {
    this.#dataSent++;
    return this.onFrameSent();
  }

  /** PING or SETTINGS acknowledgement, RST_STREAM. */
  onControlSent(): boolean {
    if (++this.#control > this.#config.maxOutboundControlFrames && !this.#restart()) {
      this.#stats.store.inc(this.#stats.outboundControlFlood);
      return false;
    }
    return this.onFrameSent();
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

  #restart(): boolean {
    if (!this.#queue.emptied) return false;
    this.#outbound = 0;
    this.#control = 0;
    return true;
  }
}
