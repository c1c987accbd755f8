// [w] ResponseRateLimiter: lets a response's body through at so many KiB a second, in slices of 50 ms (Envoy's
// StreamRateLimiter). Keeps what waits, and stops the upstream's socket when that is more than the buffer limit.
import { KeptBytes } from '../../base/kept-bytes.ts';
import { TokenBucket } from '../../base/token-bucket.ts';
import { WheelTimer } from '../../base/timer-wheel.ts';
import type { TimerOwner, TimerWheel } from '../../base/timer-wheel.ts';
import type { TimeSource } from '../../base/clock.ts';
import type { FilterCallbacks } from '../../http/http-filter.ts';

const SLICE_MS = 50;

export interface LimiterClock {
  readonly timers: TimerWheel;
  readonly time: TimeSource;
}

export class ResponseRateLimiter implements TimerOwner {
  readonly #callbacks: FilterCallbacks;
  readonly #timers: TimerWheel;
  readonly #timer = new WheelTimer(this, 0);
  readonly #bucket: TokenBucket;
  readonly #waiting = new KeptBytes();
  #ended = false;
  #trailersWait = false;
  #paused = false;

  constructor(callbacks: FilterCallbacks, clock: LimiterClock, kbps: number) {
    const bytesPerSecond = kbps * 1024;
    this.#callbacks = callbacks;
    this.#timers = clock.timers;
    const firstSlice = (bytesPerSecond * SLICE_MS) / 1000;
    this.#bucket = new TokenBucket(clock.time, bytesPerSecond, bytesPerSecond, firstSlice);
  }

  write(chunk: Buffer, endStream: boolean): void {
    this.#waiting.add(chunk);
    this.#ended = endStream;
    if (!this.#timer.armed) this.#sendSlice();
    if (!this.#paused && this.#waiting.byteCount > this.#callbacks.bufferLimitBytes)
      this.#pause(true);
  }

  /** False: they may pass at once. */
  holdTrailers(): boolean {
    this.#trailersWait = this.#waiting.byteCount > 0;
    return this.#trailersWait;
  }

  onTimer(): void {
    this.#sendSlice();
  }

  destroy(): void {
    this.#timers.cancel(this.#timer);
  }

  #sendSlice(): void {
    const slice = this.#take(this.#bucket.takeUpTo(this.#waiting.byteCount));
    const empty = this.#waiting.byteCount === 0;
    if (!empty) this.#timers.arm(this.#timer, SLICE_MS);
    if (this.#paused && this.#waiting.byteCount <= this.#callbacks.bufferLimitBytes / 2)
      this.#pause(false);
    const last = this.#ended && empty;
    if (slice.length > 0 || last) this.#callbacks.injectEncodedData(slice, last);
    if (empty && this.#trailersWait) {
      this.#trailersWait = false;
      this.#callbacks.continueEncoding();
    }
  }

  #take(length: number): Buffer {
    const parts: Buffer[] = [];
    let left = length;
    while (left > 0) {
      const first = this.#waiting.chunks[0]!;
      if (first.length > left) {
        parts.push(first.subarray(0, left));
        this.#waiting.chunks[0] = first.subarray(left);
        break;
      }
      parts.push(first);
      left -= first.length;
      this.#waiting.chunks.shift();
    }
    this.#waiting.byteCount -= length;
    return parts.length === 1 ? parts[0]! : Buffer.concat(parts, length);
  }

  #pause(pause: boolean): void {
    this.#paused = pause;
    this.#callbacks.responseReadDisable(pause);
  }
}
