// [w] Frames off the wire (RFC 9113 §4, §6): the size, stream and order rules that need no knowledge of a stream.
//
//   bytes ─▶ head (9) ─▶ DATA: handed on as it comes, a view at a time, padding cut off
//                     ├▶ a type we know: handed on whole; one that TCP cut waits in a buffer of its own size
//                     └▶ any other type: skipped without being kept
//
// Memory: one frame at most, so MAX_FRAME_BYTES.
import { ErrorCode, FRAME_HEAD_BYTES, Flag, FrameType, MAX_FRAME_BYTES } from './protocol.ts';

export interface FrameHandler {
  /** A DATA frame begins; see the reader's fields. Its bytes follow. */
  onDataHead(): void;
  /** `last`: the frame is complete (see `padBytes`). */
  onDataBytes(chunk: Buffer, last: boolean): void;
  /** A whole frame of another type: its payload is `bytes` from `start` to `end`. */
  onFrame(bytes: Buffer, start: number, end: number): void;
  /** Nothing more is read. */
  onFrameError(code: ErrorCode, details: string): void;
  /** PRIORITY of a wrong size: the one size rule that costs a stream only. */
  onStreamSizeError(streamId: number): void;
}

const State = {
  Head: 0,
  PadLength: 1,
  Data: 2,
  Padding: 3,
  Payload: 4,
  Skip: 5,
  Stopped: 6,
} as const;
type State = (typeof State)[keyof typeof State];

const EMPTY = Buffer.alloc(0);

export class FrameReader {
  type = 0;
  flags = 0;
  streamId = 0;
  /** Of the whole payload. */
  length = 0;
  /** DATA: padding and its length byte. */
  padBytes = 0;
  readonly #handler: FrameHandler;
  readonly #head = new Uint8Array(FRAME_HEAD_BYTES);
  #headBytes = 0;
  #state: State = State.Head;
  /** Bytes of the current part still to come. */
  #left = 0;
  #partial: Buffer = EMPTY;
  #partialBytes = 0;
  /** Stream whose header block is not complete; 0: none. */
  #blockStream = 0;

  constructor(handler: FrameHandler) {
    this.#handler = handler;
  }

  /** A header block is under way, or a frame was cut. */
  get midway(): boolean {
    return (
      this.#blockStream !== 0 || (this.#state === State.Payload && this.type === FrameType.Headers)
    );
  }

  stop(): void {
    this.#state = State.Stopped;
    this.#partial = EMPTY;
  }

  dispatch(chunk: Buffer): void {
    let at = 0;
    const end = chunk.length;
    while (at < end) {
      switch (this.#state) {
        case State.Head:
          at = this.#readHead(chunk, at);
          break;
        case State.Payload:
          at = this.#readPayload(chunk, at);
          break;
        case State.Data:
          at = this.#readData(chunk, at);
          break;
        case State.PadLength:
          this.#startPadded(chunk[at++]!);
          break;
        case State.Padding:
        case State.Skip:
          at = this.#skip(at, end);
          break;
        default:
          return;
      }
    }
  }

  #readHead(chunk: Buffer, start: number): number {
    let source: Uint8Array = chunk;
    let at = start;
    let next = start + FRAME_HEAD_BYTES;
    if (this.#headBytes > 0 || next > chunk.length) {
      next = start;
      while (this.#headBytes < FRAME_HEAD_BYTES && next < chunk.length)
        this.#head[this.#headBytes++] = chunk[next++]!;
      if (this.#headBytes < FRAME_HEAD_BYTES) return next;
      this.#headBytes = 0;
      source = this.#head;
      at = 0;
    }
    this.length = (source[at]! << 16) | (source[at + 1]! << 8) | source[at + 2]!;
    this.type = source[at + 3]!;
    this.flags = source[at + 4]!;
    this.streamId =
      ((source[at + 5]! & 0x7f) << 24) |
      (source[at + 6]! << 16) |
      (source[at + 7]! << 8) |
      source[at + 8]!;
    this.#begin();
    // Most frames are here as a whole: no second turn of the loop.
    if (this.#state === State.Payload && next < chunk.length) return this.#readPayload(chunk, next);
    return next;
  }

  #begin(): void {
    if (this.length > MAX_FRAME_BYTES) {
      this.#fail(ErrorCode.FrameSizeError, 'http2.frame_size');
      return;
    }
    if (this.#blockStream !== 0) {
      // RFC 9113 §6.10: nothing comes between the parts of a header block.
      if (this.type !== FrameType.Continuation || this.streamId !== this.#blockStream) {
        this.#fail(ErrorCode.ProtocolError, 'http2.header_block_interrupted');
        return;
      }
    }
    if (this.type === FrameType.Data) {
      this.#beginData();
      return;
    }
    if (this.type > FrameType.Continuation) {
      this.#left = this.length;
      this.#state = this.length > 0 ? State.Skip : State.Head;
      return;
    }
    if (!this.#checkFrame()) return;
    this.#partialBytes = 0;
    if (this.length > 0) this.#state = State.Payload;
    else this.#finish(EMPTY, 0, 0);
  }

  #beginData(): void {
    if (this.streamId === 0) {
      this.#fail(ErrorCode.ProtocolError, 'http2.data_on_connection');
      return;
    }
    this.padBytes = 0;
    this.#left = this.length;
    this.#state = State.Data;
    this.#handler.onDataHead();
    if (this.#stopped) return;
    if ((this.flags & Flag.Padded) !== 0) {
      if (this.length === 0) this.#fail(ErrorCode.FrameSizeError, 'http2.padding');
      else this.#state = State.PadLength;
    } else if (this.length === 0) this.#endData(EMPTY);
  }

  /** The handlers may stop the reader within any call. */
  get #stopped(): boolean {
    return this.#state === State.Stopped;
  }

  #startPadded(padding: number): void {
    this.#left = this.length - 1 - padding;
    if (this.#left < 0) {
      this.#fail(ErrorCode.ProtocolError, 'http2.padding');
      return;
    }
    this.padBytes = padding + 1;
    if (this.#left > 0) this.#state = State.Data;
    else if (padding === 0) this.#endData(EMPTY);
    else {
      this.#left = padding;
      this.#state = State.Padding;
    }
  }

  #readData(chunk: Buffer, start: number): number {
    const available = chunk.length - start;
    if (available < this.#left) {
      this.#left -= available;
      this.#handler.onDataBytes(start === 0 ? chunk : chunk.subarray(start), false);
      return chunk.length;
    }
    const end = start + this.#left;
    const padding = this.padBytes > 1 ? this.padBytes - 1 : 0;
    const view = chunk.subarray(start, end);
    if (end + padding <= chunk.length) {
      this.#endData(view);
      return end + padding;
    }
    this.#left = padding;
    this.#state = State.Padding;
    this.#handler.onDataBytes(view, false);
    return end;
  }

  #endData(chunk: Buffer): void {
    this.#state = State.Head;
    this.#handler.onDataBytes(chunk, true);
  }

  #skip(start: number, end: number): number {
    const used = Math.min(this.#left, end - start);
    this.#left -= used;
    if (this.#left === 0) {
      if (this.#state === State.Padding) this.#endData(EMPTY);
      else this.#state = State.Head;
    }
    return start + used;
  }

  #readPayload(chunk: Buffer, start: number): number {
    const missing = this.length - this.#partialBytes;
    const available = chunk.length - start;
    if (this.#partialBytes === 0 && available >= missing) {
      this.#finish(chunk, start, start + missing);
      return start + missing;
    }
    // Not from Buffer's pool: what waits for the rest would pin four times as much.
    if (this.#partialBytes === 0) this.#partial = Buffer.allocUnsafeSlow(this.length);
    const used = Math.min(missing, available);
    chunk.copy(this.#partial, this.#partialBytes, start, start + used);
    this.#partialBytes += used;
    if (used === missing) {
      const whole = this.#partial;
      this.#partial = EMPTY;
      this.#finish(whole, 0, this.length);
    }
    return start + used;
  }

  #finish(bytes: Buffer, start: number, end: number): void {
    this.#state = State.Head;
    if (this.type === FrameType.Headers || this.type === FrameType.Continuation)
      this.#blockStream = (this.flags & Flag.EndHeaders) === 0 ? this.streamId : 0;
    this.#handler.onFrame(bytes, start, end);
  }

  /** Sizes and streams by type (RFC 9113 §6). */
  // oxlint-disable-next-line eslint/complexity -- one list of the RFC
  #checkFrame(): boolean {
    const onConnection = this.streamId === 0;
    switch (this.type) {
      case FrameType.Headers:
        return onConnection
          ? this.#fail(ErrorCode.ProtocolError, 'http2.headers_on_connection')
          : true;
      case FrameType.Continuation:
        // Inside a block only, and that was checked.
        return this.#blockStream === 0
          ? this.#fail(ErrorCode.ProtocolError, 'http2.unexpected_continuation')
          : true;
      case FrameType.Priority:
        if (onConnection)
          return this.#fail(ErrorCode.ProtocolError, 'http2.priority_on_connection');
        if (this.length === 5) return true;
        this.#left = this.length;
        this.#state = this.length > 0 ? State.Skip : State.Head;
        this.#handler.onStreamSizeError(this.streamId);
        return false;
      case FrameType.RstStream:
        if (onConnection) return this.#fail(ErrorCode.ProtocolError, 'http2.reset_on_connection');
        return this.#sized(this.length === 4);
      case FrameType.WindowUpdate:
        return this.#sized(this.length === 4);
      case FrameType.PushPromise:
        // We never allow it (SETTINGS_ENABLE_PUSH 0), and no client may send one.
        return this.#fail(ErrorCode.ProtocolError, 'http2.push_promise');
      default:
        break;
    }
    if (!onConnection)
      return this.#fail(ErrorCode.ProtocolError, 'http2.connection_frame_on_stream');
    if (this.type === FrameType.Ping) return this.#sized(this.length === 8);
    if (this.type === FrameType.GoAway) return this.#sized(this.length >= 8);
    return this.#sized(
      this.length % 6 === 0 && ((this.flags & Flag.Ack) === 0 || this.length === 0),
    );
  }

  #sized(right: boolean): boolean {
    return right || this.#fail(ErrorCode.FrameSizeError, 'http2.frame_size');
  }

  #fail(code: ErrorCode, details: string): false {
    this.stop();
    this.#handler.onFrameError(code, details);
    return false;
  }
}
