// [w] One stream of an HTTP/2 connection, whichever side: its state, its windows, what waits to be sent.
//
//   sendData() ─ window open ─▶ DATA frames at once
//              └ closed, or others wait, or the socket is full ─▶ queue (copied) ─▶ sendQueued(), one frame a turn
//
// Memory: the queue's watermark is `bufferLimitBytes`: above it the source is told to stop, so at most that and what
// one event brings (a read buffer) wait here.
import { KeptBytes } from '../../base/kept-bytes.ts';
import { WheelTimer } from '../../base/timer-wheel.ts';
import type { TimerOwner, TimerWheel } from '../../base/timer-wheel.ts';
import type { WireCounts } from '../../stream-info/stream-meter.ts';
import { StreamResetReason } from '../codec.ts';
import type { StreamCallbacks } from '../codec.ts';
import type { HeaderMap } from '../header-map.ts';
import { FlowWindows } from './flow-control.ts';
import type { FrameWriter } from './frame-writer.ts';
import type { Http2Stats } from './http2-stats.ts';
import { ErrorCode, FRAME_HEAD_BYTES, MAX_FRAME_BYTES } from './protocol.ts';
import { StreamEvent, StreamState, isError, transition } from './stream-state.ts';

/** The connection as its streams see it. */
export interface StreamHost {
  readonly writer: FrameWriter;
  /** Of the connection. */
  readonly windows: FlowWindows;
  readonly stats: Http2Stats;
  readonly timers: TimerWheel;
  readonly bufferLimitBytes: number;
  /** How long queued bytes of an ended stream may find no room; 0: for ever. */
  readonly flushTimeoutMs: number;
  readonly socketFull: boolean;
  readonly aboveHighWatermark: boolean;
  /** A DATA frame was written. */
  onDataSent(): void;
  writeHeaders(stream: Http2Stream, headers: HeaderMap, endStream: boolean, protocol: string): void;
  writeReset(stream: Http2Stream, code: ErrorCode): void;
  writeWindowUpdate(stream: Http2Stream, increment: number): void;
  /** Bytes of this stream were taken by their consumer. */
  onConsumed(byteCount: number): void;
  /** The stream has queued bytes and window for them. */
  enqueue(stream: Http2Stream): void;
  /** Both sides are done, or it was reset. */
  onStreamClosed(stream: Http2Stream): void;
}

class SendQueue extends KeptBytes {
  endStream = false;
  trailers: HeaderMap | null = null;
  /** Set when the stream is to be reset as soon as all is sent. */
  resetAfter = false;
  timer: WheelTimer | null = null;

  /** Not from Buffer's pool: what waits for a window would pin what was beside it, and is freed when it is sent. */
  protected override copyOf(chunk: Buffer): Buffer {
    const own = Buffer.allocUnsafeSlow(chunk.length);
    chunk.copy(own);
    return own;
  }
}

export abstract class Http2Stream extends FlowWindows implements TimerOwner {
  /** 0 until it is known. */
  id: number;
  state: StreamState = StreamState.Idle;
  /** In the connection's list of those who may send. */
  enqueued = false;
  /** RST_STREAM was sent. */
  resetByUs = false;
  /** Wire bytes of the header block that opened it, when the peer did. */
  openingBytes = 0;
  /** Body bytes still announced by content-length; -1: nothing was announced. */
  bodyBytesLeft = -1;
  protected readonly host: StreamHost;
  protected callbacks: StreamCallbacks | null = null;
  #readDisables = 0;
  /** Delivered while reading was disabled: still charged to both windows. */
  #unconsumed = 0;
  #queue: SendQueue | null = null;
  #counts: WireCounts | null = null;
  /** The source was told to stop because of this stream's queue. */
  #above = false;

  constructor(host: StreamHost, id: number, sendBytes: number, receiveBytes: number) {
    super(sendBytes, receiveBytes);
    this.host = host;
    this.id = id;
  }

  abstract onData(chunk: Buffer, endStream: boolean): void;

  setCallbacks(callbacks: StreamCallbacks): void {
    this.callbacks = callbacks;
    if (this.host.aboveHighWatermark) callbacks.onAboveWriteBufferHighWatermark();
  }

  /** Whether any byte waits for window or socket. */
  get hasQueued(): boolean {
    return this.#queue !== null;
  }

  get open(): boolean {
    return this.state !== StreamState.Closed;
  }

  // === Receiving

  /** Calls nest. What comes meanwhile is delivered, but not given back to the peer's windows. */
  readDisable(disable: boolean): void {
    this.#readDisables += disable ? 1 : -1;
    if (this.#readDisables > 0 || this.#unconsumed === 0) return;
    const byteCount = this.#unconsumed;
    this.#unconsumed = 0;
    this.#giveBack(byteCount);
  }

  /** `byteCount` of a DATA frame, padding included, has been handed on. */
  consumed(byteCount: number): void {
    if (this.#readDisables > 0 && this.open) this.#unconsumed += byteCount;
    else this.#giveBack(byteCount);
  }

  /** False: more or fewer bytes than content-length said. */
  countBody(byteCount: number, endStream: boolean): boolean {
    if (this.bodyBytesLeft < 0) return true;
    this.bodyBytesLeft -= byteCount;
    if (this.bodyBytesLeft < 0) {
      this.bodyBytesLeft = 0;
      return false;
    }
    return !endStream || this.bodyBytesLeft === 0;
  }

  /** False: the event is not allowed now, `outcome` says what it costs. */
  accept(outcome: number): boolean {
    if (isError(outcome)) return false;
    this.state = outcome as StreamState;
    return true;
  }

  // === Sending

  sendHeaders(headers: HeaderMap, endStream: boolean, protocol: string): void {
    this.host.writeHeaders(this, headers, endStream, protocol);
    this.#sent(endStream ? StreamEvent.SendHeadersEnd : StreamEvent.SendHeaders);
  }

  protected sendData(chunk: Buffer, endStream: boolean): void {
    if (!this.open) return;
    let at = 0;
    if (this.#queue === null && !this.host.socketFull) at = this.#sendNow(chunk, endStream);
    if (at < 0) return;
    this.#enqueue(chunk, at, endStream);
  }

  protected sendTrailers(trailers: HeaderMap): void {
    if (!this.open) return;
    const queue = this.#queue;
    if (queue === null) this.#writeTrailers(trailers);
    else {
      queue.trailers = trailers;
      this.#watchFlush(queue);
    }
  }

  /** One frame of what waits; true: there is more and room for it. */
  sendQueued(): boolean {
    const queue = this.#queue;
    if (queue === null) return false;
    const chunk = queue.chunks[0];
    if (chunk !== undefined) {
      const room = this.#room();
      if (room === 0 && chunk.length > 0) return false;
      const length = Math.min(chunk.length, room);
      const last = length === chunk.length && queue.chunks.length === 1;
      if (length === chunk.length) queue.chunks.shift();
      else queue.chunks[0] = chunk.subarray(length);
      this.#count(queue, -length);
      if (length < chunk.length) this.#writeData(chunk, 0, length, false);
      else this.#writeOwn(chunk, last && queue.endStream);
    }
    if (!this.open) return false;
    if (queue.timer !== null) this.#watchFlush(queue);
    if (queue.chunks.length === 0) this.#finishQueue(queue);
    if (this.#above && queue.byteCount <= this.host.bufferLimitBytes / 2) {
      this.#above = false;
      this.callbacks?.onBelowWriteBufferLowWatermark();
    }
    return this.#sendable;
  }

  /** The peer's window for this stream grew. */
  resume(): void {
    if (this.#sendable) this.host.enqueue(this);
  }

  // === Ends

  /** Frames of this stream, with their heads: the block that opened it, and all that comes and goes from now on. */
  meter(counts: WireCounts): void {
    this.#counts = counts;
    this.countReceivedBlock(this.openingBytes);
  }

  countReceivedBlock(byteCount: number): void {
    const counts = this.#counts;
    if (counts === null) return;
    counts.received += byteCount;
    counts.headerReceived += byteCount;
  }

  countSentBlock(byteCount: number): void {
    const counts = this.#counts;
    if (counts === null) return;
    counts.sent += byteCount;
    counts.headerSent += byteCount;
  }

  countReceivedData(byteCount: number): void {
    if (this.#counts !== null) this.#counts.received += byteCount + FRAME_HEAD_BYTES;
  }

  /** The user is done with the stream and hears nothing more. */
  forget(): void {
    this.callbacks = null;
  }

  /** RST_STREAM, unless both sides are done. Nobody is told. */
  reset(code: ErrorCode): void {
    if (!this.open) return;
    this.host.writeReset(this, code);
    this.close();
  }

  /** The answer is out and the rest of the request wanted by nobody: reset as soon as nothing is queued. */
  resetWhenFlushed(): void {
    if (!this.open) return;
    if (this.#queue === null) this.reset(ErrorCode.NoError);
    else this.#queue.resetAfter = true;
  }

  /** The peer, or the connection, ended it. */
  die(reason: StreamResetReason, details: string): void {
    const { callbacks } = this;
    this.close();
    callbacks?.onResetStream(reason, details);
  }

  close(): void {
    if (!this.open) return;
    this.state = StreamState.Closed;
    const queue = this.#queue;
    if (queue !== null) {
      this.#count(queue, -queue.byteCount);
      if (queue.timer !== null) this.host.timers.cancel(queue.timer);
      this.#queue = null;
    }
    if (this.#unconsumed > 0) this.host.onConsumed(this.#unconsumed);
    this.#unconsumed = 0;
    this.host.onStreamClosed(this);
    this.callbacks = null;
  }

  onAboveWriteBufferHighWatermark(): void {
    this.callbacks?.onAboveWriteBufferHighWatermark();
  }

  onBelowWriteBufferLowWatermark(): void {
    this.callbacks?.onBelowWriteBufferLowWatermark();
  }

  /** The peer opened no window for what was queued (attack 35). */
  onTimer(_kind: number): void {
    const { stats } = this.host;
    stats.store.inc(stats.txFlushTimeout);
    this.host.writeReset(this, ErrorCode.InternalError);
    this.die(StreamResetReason.LocalReset, 'http2.tx_flush_timeout');
  }

  #giveBack(byteCount: number): void {
    if (byteCount === 0) return;
    this.host.onConsumed(byteCount);
    if (this.state !== StreamState.Open && this.state !== StreamState.HalfClosedLocal) return;
    const increment = this.release(byteCount);
    if (increment > 0) this.host.writeWindowUpdate(this, increment);
  }

  /** Frames as long as there is room. Position behind what was sent; -1: everything is. */
  #sendNow(chunk: Buffer, endStream: boolean): number {
    const { length } = chunk;
    if (length === 0) {
      if (endStream) this.#writeData(chunk, 0, 0, true);
      return -1;
    }
    let at = 0;
    while (at < length) {
      const room = this.#room();
      if (room === 0) return at;
      const stop = Math.min(length, at + room);
      this.#writeData(chunk, at, stop, endStream && stop === length);
      if (!this.open) return -1;
      at = stop;
    }
    return -1;
  }

  /** An end without bytes needs no window. */
  get #sendable(): boolean {
    return this.#queue !== null && (this.sendBytes > 0 || this.#queue.byteCount === 0);
  }

  #room(): number {
    return Math.max(0, Math.min(this.sendBytes, this.host.windows.sendBytes, MAX_FRAME_BYTES));
  }

  #writeData(chunk: Buffer, start: number, end: number, endStream: boolean): void {
    const { host } = this;
    this.sendBytes -= end - start;
    host.windows.sendBytes -= end - start;
    host.writer.data(this.id, chunk, start, end, endStream);
    this.#dataSent(end - start, endStream);
  }

  /** The last of a chunk of the queue. */
  #writeOwn(chunk: Buffer, endStream: boolean): void {
    const { length } = chunk;
    this.sendBytes -= length;
    this.host.windows.sendBytes -= length;
    this.host.writer.ownData(this.id, chunk, endStream);
    this.#dataSent(length, endStream);
  }

  #dataSent(byteCount: number, endStream: boolean): void {
    if (this.#counts !== null) this.#counts.sent += byteCount + FRAME_HEAD_BYTES;
    if (endStream) this.#sent(StreamEvent.SendDataEnd);
    this.host.onDataSent();
  }

  #writeTrailers(trailers: HeaderMap): void {
    const { stats } = this.host;
    stats.store.inc(stats.trailers);
    // Empty trailers end the stream by an empty frame (envoy-behaviour §1.13).
    if (trailers.size === 0) this.#writeData(NOTHING, 0, 0, true);
    else this.sendHeaders(trailers, true, '');
  }

  #sent(event: StreamEvent): void {
    const next = transition(this.state, event);
    if (isError(next)) return;
    if (next === StreamState.Closed) this.close();
    else this.state = next as StreamState;
  }

  #enqueue(chunk: Buffer, at: number, endStream: boolean): void {
    this.#queue ??= new SendQueue();
    const queue = this.#queue;
    if (at < chunk.length) {
      queue.add(at === 0 ? chunk : chunk.subarray(at));
      this.#countPending(chunk.length - at);
    } else if (endStream && queue.chunks.length === 0) queue.chunks.push(NOTHING);
    queue.endStream = endStream;
    if (endStream) this.#watchFlush(queue);
    if (!this.#above && queue.byteCount > this.host.bufferLimitBytes) {
      this.#above = true;
      this.callbacks?.onAboveWriteBufferHighWatermark();
    }
    if (this.#sendable) this.host.enqueue(this);
  }

  #finishQueue(queue: SendQueue): void {
    this.#queue = null;
    if (queue.timer !== null) this.host.timers.cancel(queue.timer);
    if (queue.trailers !== null) this.#writeTrailers(queue.trailers);
    if (queue.resetAfter) this.reset(ErrorCode.NoError);
  }

  #watchFlush(queue: SendQueue): void {
    if (this.host.flushTimeoutMs === 0) return;
    queue.timer ??= new WheelTimer(this, 0);
    this.host.timers.arm(queue.timer, this.host.flushTimeoutMs);
  }

  #count(queue: SendQueue, byteCount: number): void {
    queue.byteCount += byteCount;
    this.#countPending(byteCount);
  }

  #countPending(byteCount: number): void {
    const { stats } = this.host;
    stats.store.add(stats.pendingSendBytes, byteCount);
  }
}

const NOTHING = Buffer.alloc(0);
