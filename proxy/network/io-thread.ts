// [w] IoThread: what all connections of one worker share: one read buffer, scratch buffers for writes, the timer wheel,
// and the list of connections that have bytes to send at the end of this event.
//
// Everything written while one event is worked on goes out in one system call per connection: head and first body
// bytes together, pipelined answers together.
import { TimerWheel } from '../base/timer-wheel.ts';
import type { TimeSource } from '../base/clock.ts';
import { EventTime } from './event-time.ts';
import { freeBytes } from './outbound-parts.ts';
import { PrefixViews } from './prefix-views.ts';
import { newWriteRequest } from './socket-binding.ts';
import type { WriteRequest } from './socket-binding.ts';

export const READ_BUFFER_BYTES = 65536;
/** A full read and the head that goes before it. */
export const SCRATCH_BYTES = READ_BUFFER_BYTES + 16384;
/** Of the scratch for a small chunk that is sent alone. A peer that stops reading keeps this much of ours. */
export const SMALL_SCRATCH_BYTES = 2048;

export interface Flushable {
  flush(): void;
}

export class IoThread {
  readonly time: EventTime;
  readonly timers: TimerWheel;
  readonly readBuffer: Buffer = Buffer.allocUnsafeSlow(READ_BUFFER_BYTES);
  readonly #received: PrefixViews = new PrefixViews(this.readBuffer);
  #scratch: Buffer | null = null;
  #smallScratch: PrefixViews | null = null;
  #spareRequest: WriteRequest | null = null;
  /** Its first #dirtyCount entries; never emptied by length, which would drop its storage at each event. */
  readonly #dirty: (Flushable | null)[] = [];
  #dirtyCount = 0;
  #depth = 0;
  #eventCount = 0;
  #microtaskArmed = false;
  #nextConnectionId = 0;
  readonly #onMicrotask = (): void => {
    this.#microtaskArmed = false;
    this.#flushAll();
  };

  constructor(time: TimeSource) {
    this.time = new EventTime(time);
    this.timers = new TimerWheel(this.time);
  }

  /** Socket events so far, nested ones counted too. */
  get eventCount(): number {
    return this.#eventCount;
  }

  nextConnectionId(): number {
    return this.#nextConnectionId++;
  }

  /** What was just read. */
  received(byteCount: number): Buffer {
    return this.#received.first(byteCount);
  }

  /** Brackets the work on one socket event; bytes go out when the outermost one ends. */
  enter(): void {
    this.#eventCount++;
    if (this.#depth++ === 0) this.time.beginEvent();
  }

  leave(): void {
    if (--this.#depth > 0) return;
    if (this.#dirtyCount > 0) this.#flushAll();
    this.time.endEvent();
  }

  /** `connection` has bytes to send; called once until its flush(). */
  markDirty(connection: Flushable): void {
    this.#dirty[this.#dirtyCount++] = connection;
    // Outside of a socket event (a timer, a message from main) the microtask queue is the end of the event.
    if (this.#depth === 0 && !this.#microtaskArmed) {
      this.#microtaskArmed = true;
      queueMicrotask(this.#onMicrotask);
    }
  }

  /** A buffer for one gathered write; say keepScratch() when libuv kept it, and returnScratch() when it needs it no more. */
  scratch(): Buffer {
    this.#scratch ??= Buffer.allocUnsafeSlow(SCRATCH_BYTES);
    return this.#scratch;
  }

  keepScratch(): void {
    this.#scratch = null;
  }

  /** The same for what fits into SMALL_SCRATCH_BYTES; see keepSmallScratch(). */
  smallScratch(): PrefixViews {
    this.#smallScratch ??= new PrefixViews(Buffer.allocUnsafeSlow(SMALL_SCRATCH_BYTES));
    return this.#smallScratch;
  }

  keepSmallScratch(): void {
    this.#smallScratch = null;
  }

  /** Either kind. */
  returnScratch(buffer: Buffer): void {
    if (this.#scratch === null && buffer.length === SCRATCH_BYTES) this.#scratch = buffer;
    else freeBytes(buffer);
  }

  /** A request object; one that was not used (the write was done at once) serves the next write too. */
  writeRequest(): WriteRequest {
    this.#spareRequest ??= newWriteRequest();
    return this.#spareRequest;
  }

  keepWriteRequest(): void {
    this.#spareRequest = null;
  }

  #flushAll(): void {
    this.#depth++;
    // A flush may dirty others (a close event answers a peer): they join at the end, and the loop sees them.
    for (let i = 0; i < this.#dirtyCount; i++) {
      const connection = this.#dirty[i]!;
      this.#dirty[i] = null;
      connection.flush();
    }
    this.#dirtyCount = 0;
    this.#depth--;
  }
}
