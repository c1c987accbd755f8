// [w] Frames to the wire. All that one event writes is gathered in a buffer that is borrowed for the event only, and
// handed to the connection when the event ends: an idle connection holds nothing.
//
// Memory: BUFFER_BYTES while an event writes; what the socket does not take is the connection's.
import type { Connection } from '../../network/connection.ts';
import type { Flushable } from '../../network/io-thread.ts';
import { FRAME_HEAD_BYTES, Flag, FrameType, MAX_FRAME_BYTES } from './protocol.ts';

const BUFFER_BYTES = 2 * (FRAME_HEAD_BYTES + MAX_FRAME_BYTES);
/** Larger bodies go to the connection as they are; smaller ones are copied behind their frame's head. */
const INLINE_BYTES = 2048;
const MAX_SPARES = 8;

const EMPTY = Buffer.alloc(0);
const spares: Buffer[] = [];

export class FrameWriter implements Flushable {
  readonly #connection: Connection;
  #bytes: Buffer = EMPTY;
  #length = 0;
  #handedBytes = 0;
  #dirty = false;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** Since the connection began. */
  get writtenBytes(): number {
    return this.#handedBytes + this.#length;
  }

  get bytes(): Buffer {
    return this.#bytes;
  }

  /** Room for `byteCount` (at most one frame) behind what is there; where it begins in `bytes`. */
  reserve(byteCount: number): number {
    if (!this.#dirty) {
      this.#dirty = true;
      this.#connection.io.markDirty(this);
    }
    if (this.#bytes === EMPTY) this.#bytes = spares.pop() ?? Buffer.allocUnsafeSlow(BUFFER_BYTES);
    if (this.#length + byteCount > BUFFER_BYTES) this.handOver();
    return this.#length;
  }

  /** What was written behind reserve() ends here. */
  commit(end: number): void {
    this.#length = end;
  }

  // oxlint-disable-next-line eslint/max-params -- the fields of a frame's head, in their order
  head(at: number, length: number, type: number, flags: number, streamId: number): void {
    const bytes = this.#bytes;
    bytes[at] = length >>> 16;
    bytes[at + 1] = length >>> 8;
    bytes[at + 2] = length;
    bytes[at + 3] = type;
    bytes[at + 4] = flags;
    bytes[at + 5] = streamId >>> 24;
    bytes[at + 6] = streamId >>> 16;
    bytes[at + 7] = streamId >>> 8;
    bytes[at + 8] = streamId;
  }

  /** Part of a body: at most one frame. */
  // oxlint-disable-next-line eslint/max-params -- once a frame: an object would be garbage
  data(streamId: number, chunk: Buffer, start: number, end: number, endStream: boolean): void {
    const length = end - start;
    if (length <= INLINE_BYTES) this.#inlineData(streamId, chunk, start, end, endStream);
    else {
      this.#dataHead(streamId, length, endStream);
      this.#connection.write(chunk.subarray(start, end));
    }
  }

  /** The same of a chunk that is the caller's own (allocUnsafeSlow) and that he forgets. */
  ownData(streamId: number, chunk: Buffer, endStream: boolean): void {
    const { length } = chunk;
    if (length <= INLINE_BYTES) {
      this.#inlineData(streamId, chunk, 0, length, endStream);
    } else {
      this.#dataHead(streamId, length, endStream);
      this.#connection.writeOwn(chunk);
    }
  }

  /** A part of a header block that does not fit into one frame. */
  block(streamId: number, type: number, flags: number, part: Buffer): void {
    const at = this.reserve(FRAME_HEAD_BYTES + part.length);
    this.head(at, part.length, type, flags, streamId);
    part.copy(this.#bytes, at + FRAME_HEAD_BYTES);
    this.#length = at + FRAME_HEAD_BYTES + part.length;
  }

  /** RST_STREAM and WINDOW_UPDATE: four bytes on a stream. */
  word(type: number, streamId: number, value: number): void {
    const at = this.reserve(FRAME_HEAD_BYTES + 4);
    this.head(at, 4, type, 0, streamId);
    this.#word(at + FRAME_HEAD_BYTES, value);
    this.#length = at + FRAME_HEAD_BYTES + 4;
  }

  /** Identifiers and values by turns. */
  settings(pairs: readonly number[]): void {
    const length = (pairs.length / 2) * 6;
    const at = this.reserve(FRAME_HEAD_BYTES + length);
    this.head(at, length, FrameType.Settings, 0, 0);
    let position = at + FRAME_HEAD_BYTES;
    for (let i = 0; i < pairs.length; i += 2) {
      this.#bytes[position] = pairs[i]! >>> 8;
      this.#bytes[position + 1] = pairs[i]!;
      this.#word(position + 2, pairs[i + 1]!);
      position += 6;
    }
    this.#length = position;
  }

  settingsAck(): void {
    const at = this.reserve(FRAME_HEAD_BYTES);
    this.head(at, 0, FrameType.Settings, Flag.Ack, 0);
    this.#length = at + FRAME_HEAD_BYTES;
  }

  /** Eight bytes of `bytes` from `start`. */
  ping(bytes: Buffer, start: number, ack: boolean): void {
    const at = this.reserve(FRAME_HEAD_BYTES + 8);
    this.head(at, 8, FrameType.Ping, ack ? Flag.Ack : 0, 0);
    bytes.copy(this.#bytes, at + FRAME_HEAD_BYTES, start, start + 8);
    this.#length = at + FRAME_HEAD_BYTES + 8;
  }

  goAway(lastStreamId: number, code: number): void {
    const at = this.reserve(FRAME_HEAD_BYTES + 8);
    this.head(at, 8, FrameType.GoAway, 0, 0);
    this.#word(at + FRAME_HEAD_BYTES, lastStreamId);
    this.#word(at + FRAME_HEAD_BYTES + 4, code);
    this.#length = at + FRAME_HEAD_BYTES + 8;
  }

  preface(text: Buffer): void {
    const at = this.reserve(text.length);
    text.copy(this.#bytes, at);
    this.#length = at + text.length;
  }

  /** Called by the IoThread at the end of an event; before a close, by whoever closes. */
  flush(): void {
    this.#dirty = false;
    this.handOver();
    if (this.#bytes === EMPTY) return;
    if (spares.length < MAX_SPARES) spares.push(this.#bytes);
    this.#bytes = EMPTY;
  }

  handOver(): void {
    if (this.#length === 0) return;
    this.#connection.writeText(this.#bytes.latin1Slice(0, this.#length));
    this.#handedBytes += this.#length;
    this.#length = 0;
  }

  // oxlint-disable-next-line eslint/max-params -- as data()
  #inlineData(
    streamId: number,
    chunk: Buffer,
    start: number,
    end: number,
    endStream: boolean,
  ): void {
    const length = end - start;
    const at = this.reserve(FRAME_HEAD_BYTES + length);
    this.head(at, length, FrameType.Data, endStream ? Flag.EndStream : 0, streamId);
    if (length > 0) chunk.copy(this.#bytes, at + FRAME_HEAD_BYTES, start, end);
    this.#length = at + FRAME_HEAD_BYTES + length;
  }

  /** Of a frame whose payload the caller hands to the connection. */
  #dataHead(streamId: number, length: number, endStream: boolean): void {
    const at = this.reserve(FRAME_HEAD_BYTES);
    this.head(at, length, FrameType.Data, endStream ? Flag.EndStream : 0, streamId);
    this.#length = at + FRAME_HEAD_BYTES;
    this.handOver();
    this.#handedBytes += length;
  }

  #word(at: number, value: number): void {
    const bytes = this.#bytes;
    bytes[at] = value >>> 24;
    bytes[at + 1] = value >>> 16;
    bytes[at + 2] = value >>> 8;
    bytes[at + 3] = value;
  }
}
