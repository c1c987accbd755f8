// [w] Connection: one socket; read, write, half-close, why it closed.
//
//            write()                     flush() at the end of the event
//   caller ──────────▶ #only, #text / #parts ───────────────────────────▶ socket (done at once, nearly always)
//                                        └─ libuv kept it: #inFlight bytes, the next flush waits for completion
//
// Watermarks count what is left after a flush: above `bufferLimitBytes` the user is told to stop, below half of it
// to go on (envoy-behaviour §8.6).
//
// Longer than most files: every state of one socket's life is here, since they exclude each other only together.
import { WheelTimer } from '../base/timer-wheel.ts';
import type { TimerOwner } from '../base/timer-wheel.ts';
import type { ConnectionSecurity } from './connection-security.ts';
import { ignoreRead, onShutdownComplete, onWriteComplete, takeHandle } from './handle-events.ts';
import type { HandleOwner } from './handle-events.ts';
import { SMALL_SCRATCH_BYTES } from './io-thread.ts';
import type { Flushable, IoThread } from './io-thread.ts';
import { OwnBytes, gather, keepViews } from './outbound-parts.ts';
import type { OutboundPart } from './outbound-parts.ts';
import {
  UV_EOF,
  errnoName,
  isTcp,
  lastWriteWasAsync,
  newShutdownRequest,
} from './socket-binding.ts';
import type { ShutdownRequest, SocketHandle, SocketName, WriteRequest } from './socket-binding.ts';
import { CloseEvent, CloseType } from './transport.ts';
import type { ConnectionCallbacks } from './transport.ts';

/**
 * Chunks up to this size are sent as latin1 text with the head they follow, and by way of the small scratch where nothing else is
 * sent: 130 ns less than as text (bench: tcp-passthrough 16.1 → 14.9 µs).
 */
const INLINE_BYTES = SMALL_SCRATCH_BYTES;
const DEFAULT_BUFFER_LIMIT_BYTES = 1024 * 1024;
const EMPTY = Buffer.alloc(0);

const TIMER_CLOSE = 0;

/** Detail of a close whose peer did not go, or took no byte, within the delayed close time-out. */
export const DELAYED_CLOSE_TIMEOUT = 'delayed_close_timeout';

export class Connection implements Flushable, HandleOwner, TimerOwner {
  readonly id: number;
  readonly io: IoThread;
  bufferLimitBytes = DEFAULT_BUFFER_LIMIT_BYTES;
  /**
   * While closing: how long the peer may take no byte, and then how long it may stay. 0: it may take no byte for ever,
   * but is not waited for after the last one.
   */
  delayedCloseTimeoutMs = 1000;
  /** Bytes over the whole life, for stats and logs. */
  bytesRead = 0;
  bytesWritten = 0;
  /** Null: plaintext. */
  security: ConnectionSecurity | null = null;
  #handle: SocketHandle | null;
  #callbacks: ConnectionCallbacks | null = null;
  /** A small chunk that is all there is to send so far; then #text and #parts are empty. */
  #only: Buffer | null = null;
  /** What follows the last part. */
  #text = '';
  /** What goes before #text; null nearly always. */
  #parts: OutboundPart[] | null = null;
  #pendingBytes = 0;
  #inFlight = 0;
  #dirty = false;
  #above = false;
  #reading = false;
  #readDisableCount = 0;
  #readEnded = false;
  #writeEnded = false;
  #shutdownSent = false;
  #waitingForFin = false;
  #closing: CloseType | '' = '';
  #closeTimer: WheelTimer | null = null;
  /** What was left to send when the close timer was armed; Infinity: not armed for that. */
  #leftAtArming = Infinity;
  #replayed: Buffer | null = null;
  #replayedEnd = false;
  #localName: SocketName | null = null;
  #remoteName: SocketName | null = null;

  /** `handle`: a connected socket. Reading begins with start(). */
  constructor(io: IoThread, handle: SocketHandle) {
    this.id = io.nextConnectionId();
    this.io = io;
    this.#handle = handle;
    takeHandle(handle, this);
  }

  /** Sets who uses the bytes (a listener filter first, later the codec) and begins to read. */
  start(callbacks: ConnectionCallbacks): void {
    this.#callbacks = callbacks;
    this.#updateReading();
  }

  setCallbacks(callbacks: ConnectionCallbacks): void {
    this.#callbacks = callbacks;
  }

  /** From here on bytes go through the security's handle. Before anything was written. */
  secure(security: ConnectionSecurity): void {
    this.security = security;
    this.#handle = security.handle;
    takeHandle(security.handle, this);
  }

  /** What the peer sent breaks its security: nothing more is read or sent. */
  fail(reason: string): void {
    this.#destroy(CloseEvent.Remote, reason, false);
  }

  /** Null when closed. */
  get socket(): SocketHandle | null {
    return this.security === null || this.#handle === null ? this.#handle : this.security.socket;
  }

  get open(): boolean {
    return this.#handle !== null && this.#closing === '';
  }

  /** File descriptor, -1 when closed. */
  get fd(): number {
    const { socket } = this;
    return socket === null ? -1 : socket.fd;
  }

  get readEnded(): boolean {
    return this.#readEnded;
  }

  /** Bytes not yet taken by the kernel. */
  get bufferedBytes(): number {
    return this.#inFlight + this.#pendingBytes;
  }

  get aboveHighWatermark(): boolean {
    return this.#above;
  }

  /** Ask while the socket is open if the answer is wanted after its end. */
  localName(): SocketName {
    return (this.#localName ??= this.#name('getsockname'));
  }

  remoteName(): SocketName {
    return (this.#remoteName ??= this.#name('getpeername'));
  }

  #name(of: 'getsockname' | 'getpeername'): SocketName {
    const name: SocketName = {};
    const { socket } = this;
    if (socket !== null && isTcp(socket)) socket[of](name);
    return name;
  }

  /** Latin1 text: heads and small literals. */
  writeText(text: string): void {
    if (!this.#writable()) return;
    if (this.#only !== null) this.#onlyToText();
    this.#text += text;
    this.#pendingBytes += text.length;
    this.#markDirty();
  }

  /** `chunk` may be a view that is valid during this event only. */
  write(chunk: Buffer): void {
    const length = chunk.length;
    if (length === 0 || !this.#writable()) return;
    const alone = this.#pendingBytes === 0;
    this.#pendingBytes += length;
    if (length > INLINE_BYTES) {
      this.#push(chunk);
      return;
    }
    if (alone) this.#only = chunk;
    else {
      if (this.#only !== null) this.#onlyToText();
      this.#text += chunk.latin1Slice(0, length);
    }
    this.#markDirty();
  }

  #onlyToText(): void {
    const chunk = this.#only!;
    this.#only = null;
    this.#text = chunk.latin1Slice(0, chunk.length);
  }

  /** `chunk` is memory from allocUnsafeSlow() that the caller forgets: it is freed when it is sent. Not empty. */
  writeOwn(chunk: Buffer): void {
    if (!this.#writable()) return;
    this.#pendingBytes += chunk.length;
    this.#push(new OwnBytes(chunk));
  }

  /** FIN after everything written so far; reading goes on. */
  endWrite(): void {
    if (this.#writeEnded || this.#handle === null) return;
    this.#writeEnded = true;
    this.#markDirty();
  }

  /** Calls nest. The kernel's buffer, and then the peer, feel it. */
  readDisable(disable: boolean): void {
    this.#readDisableCount += disable ? 1 : -1;
    this.#updateReading();
    if (this.#replayed !== null && this.#readDisableCount <= 0) this.#deliverReplayed();
  }

  /** The close event is raised at once for NoFlush and Abort, else when the bytes are out. */
  close(type: CloseType): void {
    const handle = this.#handle;
    if (
      handle === null ||
      (this.#closing !== '' && type !== CloseType.NoFlush && type !== CloseType.Abort)
    )
      return;
    if (type === CloseType.Abort) {
      this.#destroy(CloseEvent.Local, '', true);
      return;
    }
    if (type === CloseType.NoFlush || (this.bufferedBytes === 0 && type === CloseType.FlushWrite)) {
      this.#destroy(CloseEvent.Local, '', false);
      return;
    }
    this.#closing = type;
    this.#writeEnded = true;
    this.#markDirty();
  }

  /** Bytes that were read before and not consumed come again, as soon as reading is on. */
  replay(bytes: Buffer, ended: boolean): void {
    this.#replayed = bytes;
    this.#replayedEnd = ended;
    if (this.#readDisableCount <= 0) this.#deliverReplayed();
  }

  /** Called by the IoThread at the end of an event. */
  flush(): void {
    this.#dirty = false;
    if (this.#handle === null) return;
    if (this.#inFlight > 0) {
      this.#keepPending();
    } else if (this.#pendingBytes > 0) {
      const status = this.#parts === null ? this.#writeSmall() : this.#writeParts();
      if (status < 0) {
        this.#destroy(CloseEvent.Remote, errnoName(status), false);
        return;
      }
    }
    this.#checkWatermarks();
    if (!this.#writeEnded) return;
    if (this.bufferedBytes === 0) this.#finishWrite();
    else if (this.#closing !== '' && this.#leftAtArming === Infinity) this.#watchProgress();
  }

  onTimer(_kind: number): void {
    const left = this.#leftToSend();
    if (left > 0 && left < this.#leftAtArming) this.#watchProgress();
    else this.#destroy(CloseEvent.Local, DELAYED_CLOSE_TIMEOUT, false);
  }

  onRead(bytes: number): void {
    if (this.#handle === null) return;
    if (this.#closing !== '') {
      // Waiting for the peer to go: what it still says is not for anybody.
      if (bytes < 0) this.#onEndWhileClosing(bytes);
      return;
    }
    if (bytes > 0) {
      this.bytesRead += bytes;
      const chunk = this.io.received(bytes);
      if (this.#readDisableCount > 0) this.#hold(chunk, false);
      else this.#callbacks?.onData(chunk, false);
    } else if (bytes === UV_EOF) {
      this.#readEnded = true;
      this.#updateReading();
      if (this.#readDisableCount > 0) this.#hold(EMPTY, true);
      else this.#callbacks?.onData(EMPTY, true);
    } else if (bytes < 0) {
      this.#destroy(CloseEvent.Remote, errnoName(bytes), false);
    }
  }

  /** Security gives all of what it has deciphered, also once nobody reads: no more than the socket gave in one read. */
  #hold(chunk: Buffer, ended: boolean): void {
    const held = this.#replayed;
    this.#replayed = held === null ? Buffer.from(chunk) : Buffer.concat([held, chunk]);
    this.#replayedEnd ||= ended;
  }

  #onEndWhileClosing(bytes: number): void {
    if (bytes === UV_EOF && this.bufferedBytes > 0) {
      // A client may end its side and still read our last words.
      this.#readEnded = true;
      this.#updateReading();
    } else this.#destroy(CloseEvent.Remote, '', false);
  }

  #writable(): boolean {
    return this.#handle !== null && !this.#writeEnded;
  }

  #push(part: OutboundPart): void {
    this.#parts ??= [];
    if (this.#only !== null) this.#onlyToText();
    if (this.#text !== '') {
      this.#parts.push(this.#text);
      this.#text = '';
    }
    this.#parts.push(part);
    this.#markDirty();
  }

  #deliverReplayed(): void {
    const bytes = this.#replayed;
    this.#replayed = null;
    if (bytes === null || this.#handle === null) return;
    this.#callbacks?.onData(bytes, this.#replayedEnd);
  }

  #markDirty(): void {
    if (this.#dirty) return;
    this.#dirty = true;
    this.io.markDirty(this);
  }

  #updateReading(): void {
    const wanted = this.#readDisableCount <= 0 && !this.#readEnded && this.#handle !== null;
    if (wanted === this.#reading) return;
    this.#reading = wanted;
    if (wanted) this.#handle!.readStart();
    else this.#handle?.readStop();
  }

  /** Views must not outlive the event: what cannot be sent now becomes ours. */
  #keepPending(): void {
    if (this.#only !== null) this.#onlyToText();
    if (this.#parts !== null) keepViews(this.#parts, this.io.readBuffer.buffer);
  }

  #writeSmall(): number {
    const only = this.#only;
    // Security takes its own copy, of text too.
    if (only === null || this.security !== null) return this.#writeText();
    this.#only = null;
    const scratch = this.io.smallScratch();
    scratch.bytes.set(only);
    const request = this.io.writeRequest();
    const status = this.#handle!.writeBuffer(request, scratch.first(only.length));
    if (status === 0 && lastWriteWasAsync()) {
      request.buffer = scratch.bytes;
      this.io.keepSmallScratch();
    }
    this.#afterWrite(status, request, only.length);
    return status;
  }

  #writeText(): number {
    if (this.#only !== null) this.#onlyToText();
    const text = this.#text;
    this.#text = '';
    const request = this.io.writeRequest();
    const status = this.#handle!.writeLatin1String(request, text);
    this.#afterWrite(status, request, text.length);
    return status;
  }

  /** A scratch buffer full at a time, until the socket takes no more. */
  #writeParts(): number {
    const parts = this.#parts!;
    if (this.#text !== '') parts.push(this.#text);
    this.#text = '';
    while (parts.length > 0 && this.#inFlight === 0) {
      const target = this.io.scratch();
      const byteCount = gather(parts, target);
      const request = this.io.writeRequest();
      const status = this.#handle!.writeBuffer(request, target.subarray(0, byteCount));
      if (status < 0) return status;
      if (lastWriteWasAsync() && this.security === null) {
        request.buffer = target;
        this.io.keepScratch();
      }
      this.#afterWrite(status, request, byteCount);
    }
    if (parts.length === 0) this.#parts = null;
    else this.#keepPending();
    return 0;
  }

  #afterWrite(status: number, request: WriteRequest, byteCount: number): void {
    this.#pendingBytes -= byteCount;
    if (status !== 0) return;
    this.bytesWritten += byteCount;
    if (!lastWriteWasAsync()) return;
    this.io.keepWriteRequest();
    this.#inFlight += byteCount;
    request.owner = this;
    request.byteCount = byteCount;
    request.oncomplete = onWriteComplete;
  }

  onWritten(byteCount: number, status: number): void {
    this.#inFlight -= byteCount;
    if (this.#handle === null) return;
    if (status < 0) this.#destroy(CloseEvent.Remote, errnoName(status), false);
    else this.flush();
  }

  #checkWatermarks(): void {
    const buffered = this.bufferedBytes;
    if (!this.#above && buffered > this.bufferLimitBytes) {
      this.#above = true;
      this.#callbacks?.onAboveWriteBufferHighWatermark();
    } else if (this.#above && buffered <= this.bufferLimitBytes / 2) {
      this.#above = false;
      this.#callbacks?.onBelowWriteBufferLowWatermark();
    }
  }

  #finishWrite(): void {
    if (this.#closing === CloseType.FlushWrite) {
      this.#destroy(CloseEvent.Local, '', false);
      return;
    }
    if (this.#closing === CloseType.FlushWriteAndDelay) {
      this.#startDelay();
      return;
    }
    if (!this.#shutdownSent) {
      this.#shutdownSent = true;
      const request: ShutdownRequest = newShutdownRequest();
      request.oncomplete = onShutdownComplete;
      request.owner = this;
      this.#handle!.shutdown(request);
    }
  }

  /**
   * envoy-behaviour §1.9, delayed_close_timeout: lets the peer read our last bytes before a RST could take them. No FIN
   * until it has gone or its time is up, as in Envoy.
   */
  #startDelay(): void {
    if (this.delayedCloseTimeoutMs === 0 || this.#readEnded) {
      this.#destroy(CloseEvent.Local, '', false);
      return;
    }
    if (this.#waitingForFin) return;
    this.#waitingForFin = true;
    this.#readDisableCount = 0;
    this.#updateReading();
    this.#armCloseTimer();
  }

  /** A peer that takes nothing must not keep its connection, and our buffers, for ever. */
  #watchProgress(): void {
    if (this.delayedCloseTimeoutMs === 0) return;
    this.#leftAtArming = this.#leftToSend();
    this.#armCloseTimer();
  }

  #armCloseTimer(): void {
    this.#closeTimer ??= new WheelTimer(this, TIMER_CLOSE);
    this.io.timers.arm(this.#closeTimer, this.delayedCloseTimeoutMs);
  }

  #leftToSend(): number {
    const handle = this.#handle;
    if (handle === null) return 0;
    const { security } = this;
    const below = security === null ? 0 : security.socket.writeQueueSize;
    return this.#pendingBytes + handle.writeQueueSize + below;
  }

  #destroy(event: CloseEvent, detail: string, reset: boolean): void {
    const handle = this.#handle;
    if (handle === null) return;
    this.#handle = null;
    this.#closing = CloseType.NoFlush;
    if (this.#closeTimer !== null) this.io.timers.cancel(this.#closeTimer);
    this.#only = null;
    this.#text = '';
    this.#parts = null;
    this.#pendingBytes = 0;
    // Never undefined: Node aborts the process when the field holds no function.
    handle.onread = ignoreRead;
    // A reset that libuv refuses (FIN under way) would leave the descriptor open: Node remembers the handle as closed.
    const { security } = this;
    if (security !== null) {
      const rst = reset && !this.#shutdownSent && isTcp(security.socket);
      security.close(rst, event === CloseEvent.Local && !reset && !this.#shutdownSent);
    } else if (reset && !this.#shutdownSent && isTcp(handle)) handle.reset();
    else handle.close();
    const callbacks = this.#callbacks;
    this.#callbacks = null;
    callbacks?.onClose(event, detail);
  }
}
