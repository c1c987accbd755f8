// [w] The half of an HTTP/2 connection that reads frames (RFC 9113 §5, §6): which stream they are for, whether they
// may come now, SETTINGS, PING, windows, floods. The two sides make messages of header blocks.
import type { Connection } from '../../network/connection.ts';
import { StreamResetReason } from '../codec.ts';
import { BlockAssembly } from './block-assembly.ts';
import { Http2Endpoint } from './endpoint.ts';
import type { SessionCallbacks, SessionSettings } from './endpoint.ts';
import { FrameReader } from './frame-reader.ts';
import type { FrameHandler } from './frame-reader.ts';
import { HpackDecoder } from './hpack-decoder.ts';
import {
  ErrorCode,
  FRAME_HEAD_BYTES,
  Flag,
  FrameType,
  MAX_STREAM_ID,
  MAX_WINDOW_BYTES,
} from './protocol.ts';
import type { Http2Stream } from './stream.ts';
import { StreamEvent, StreamState, transition } from './stream-state.ts';

export abstract class Http2Session extends Http2Endpoint implements FrameHandler {
  protected readonly decoder: HpackDecoder;
  protected readonly reader: FrameReader;
  readonly #block: BlockAssembly;
  #settingsReceived = false;
  /** Wire bytes of the header block under work. */
  protected blockBytes = 0;
  /** Of the DATA frame under way; null: its bytes are for nobody. */
  #dataStream: Http2Stream | null = null;

  constructor(connection: Connection, callbacks: SessionCallbacks, settings: SessionSettings) {
    super(connection, callbacks, settings);
    this.decoder = new HpackDecoder(settings.http2.hpackTableBytes);
    this.reader = new FrameReader(this);
    this.#block = new BlockAssembly(settings.limits.maxBytes);
  }

  /** A whole header block. */
  // oxlint-disable-next-line eslint/max-params -- once a message: an object would be garbage
  protected abstract onHeaderBlock(
    streamId: number,
    endStream: boolean,
    bytes: Buffer,
    start: number,
    end: number,
  ): void;
  /** The body is not what content-length said. */
  protected abstract onMessagingError(stream: Http2Stream): void;
  protected abstract onGoAway(lastStreamId: number, code: number): void;
  protected abstract onPeerSettings(): void;
  /** Never opened, by the side that would have opened it. */
  protected abstract isIdle(streamId: number): boolean;

  override stop(): void {
    super.stop();
    this.reader.stop();
  }

  /** Call with every chunk before the reader gets it. */
  protected beginEvent(): void {
    this.keepalive.onActivity();
  }

  // === FrameHandler

  onFrameError(code: ErrorCode, details: string): void {
    this.fail(code, details);
  }

  onStreamSizeError(streamId: number): void {
    const stream = this.streams.get(streamId);
    if (stream !== undefined)
      this.streamError(stream, ErrorCode.FrameSizeError, 'http2.frame_size');
    else if (this.isIdle(streamId)) this.fail(ErrorCode.FrameSizeError, 'http2.frame_size');
    else this.resetUnknown(streamId, ErrorCode.FrameSizeError);
  }

  onDataHead(): void {
    const { streamId, length, flags } = this.reader;
    this.#dataStream = null;
    const endStream = (flags & Flag.EndStream) !== 0;
    if (!this.#checkFirstFrame(FrameType.Data)) return;
    if (!endStream && !this.flood.onPayload(length)) {
      this.fail(ErrorCode.EnhanceYourCalm, 'http2.inbound_empty_frames_flood');
      return;
    }
    // Whoever it is for: the connection's window is used up.
    if (!this.windows.charge(length)) {
      this.fail(ErrorCode.FlowControlError, 'http2.connection_window');
      return;
    }
    const stream = this.streams.get(streamId);
    if (stream === undefined) {
      this.#dataOnUnknown(streamId);
      return;
    }
    const outcome = transition(stream.state, StreamEvent.RecvData);
    if (outcome >= StreamState.Closed) {
      this.failOutcome(stream, outcome);
      return;
    }
    stream.countReceivedData(length);
    if (!stream.charge(length))
      this.streamError(stream, ErrorCode.FlowControlError, 'http2.window');
    else this.#dataStream = stream;
  }

  onDataBytes(chunk: Buffer, last: boolean): void {
    const stream = this.#dataStream;
    const padding = last ? this.reader.padBytes : 0;
    if (stream === null || !stream.open) {
      if (!this.dead) this.onConsumed(chunk.length + padding);
      return;
    }
    const endStream = last && (this.reader.flags & Flag.EndStream) !== 0;
    if (!this.acceptsBody(stream) || !stream.countBody(chunk.length, endStream)) {
      this.onConsumed(chunk.length + padding);
      this.onMessagingError(stream);
      return;
    }
    if (endStream) {
      const next = transition(stream.state, StreamEvent.RecvDataEnd);
      // The state is Closed when the answer is out; the consumer hears the end first.
      if (next !== StreamState.Closed) stream.state = next as StreamState;
      stream.onData(chunk, true);
      if (next === StreamState.Closed) stream.close();
    } else if (chunk.length > 0) stream.onData(chunk, false);
    if (padding + chunk.length > 0) stream.consumed(chunk.length + padding);
  }

  onFrame(bytes: Buffer, start: number, end: number): void {
    if (!this.#checkFirstFrame(this.reader.type)) return;
    switch (this.reader.type) {
      case FrameType.Headers:
        this.#onHeaders(bytes, start, end);
        return;
      case FrameType.Continuation:
        this.#onContinuation(bytes, start, end);
        return;
      case FrameType.Priority:
        this.#onPriority(word(bytes, start) & MAX_STREAM_ID);
        return;
      case FrameType.RstStream:
        this.#onReset(word(bytes, start));
        return;
      case FrameType.Settings:
        this.#onSettings(bytes, start, end);
        return;
      case FrameType.Ping:
        this.#onPing(bytes, start);
        return;
      case FrameType.GoAway:
        this.onGoAway(word(bytes, start) & MAX_STREAM_ID, word(bytes, start + 4));
        return;
      default:
        this.#onWindowUpdate(word(bytes, start) & MAX_WINDOW_BYTES);
    }
  }

  // === Frames

  /** RFC 9113 §3.4: SETTINGS come first. */
  #checkFirstFrame(type: number): boolean {
    if (this.dead) return false;
    if (this.#settingsReceived) return true;
    if (type === FrameType.Settings && (this.reader.flags & Flag.Ack) === 0) {
      this.#settingsReceived = true;
      return true;
    }
    this.fail(ErrorCode.ProtocolError, 'http2.settings_expected');
    return false;
  }

  #dataOnUnknown(streamId: number): void {
    if (this.isIdle(streamId)) this.fail(ErrorCode.ProtocolError, 'http2.data_on_idle_stream');
    else if (!this.closed.wasReset(streamId)) this.resetUnknown(streamId, ErrorCode.StreamClosed);
  }

  #onHeaders(bytes: Buffer, from: number, to: number): void {
    const { flags, streamId } = this.reader;
    let start = from;
    let end = to;
    if ((flags & Flag.Padded) !== 0) {
      const padding = start < end ? bytes[start++]! : 256;
      end -= padding;
    }
    if ((flags & Flag.Priority) !== 0) {
      const dependency = start + 5 <= end ? word(bytes, start) & MAX_STREAM_ID : streamId;
      if (dependency === streamId) {
        this.fail(ErrorCode.ProtocolError, 'http2.priority_on_itself');
        return;
      }
      start += 5;
    }
    if (start > end) {
      this.fail(ErrorCode.ProtocolError, 'http2.padding');
      return;
    }
    const endStream = (flags & Flag.EndStream) !== 0;
    if (!endStream && !this.flood.onPayload(end - start)) {
      this.fail(ErrorCode.EnhanceYourCalm, 'http2.inbound_empty_frames_flood');
      return;
    }
    if ((flags & Flag.EndHeaders) !== 0) {
      this.blockBytes = this.reader.length + FRAME_HEAD_BYTES;
      this.onHeaderBlock(streamId, endStream, bytes, start, end);
      return;
    }
    this.#block.begin(endStream);
    this.#block.add(bytes, start, end);
  }

  #onContinuation(bytes: Buffer, start: number, end: number): void {
    const last = (this.reader.flags & Flag.EndHeaders) !== 0;
    if (!last && !this.flood.onPayload(end - start)) {
      this.fail(ErrorCode.EnhanceYourCalm, 'http2.inbound_empty_frames_flood');
      return;
    }
    if (!this.#block.add(bytes, start, end)) {
      this.fail(ErrorCode.EnhanceYourCalm, 'http2.header_block_too_large');
      return;
    }
    if (!last) return;
    this.blockBytes = this.#block.wireBytes;
    const block = this.#block.take();
    this.onHeaderBlock(this.reader.streamId, this.#block.endStream, block, 0, block.length);
  }

  #onPriority(dependency: number): void {
    if (!this.flood.onPriority())
      this.fail(ErrorCode.EnhanceYourCalm, 'http2.inbound_priority_frames_flood');
    else if (dependency === this.reader.streamId)
      this.fail(ErrorCode.ProtocolError, 'http2.priority_on_itself');
  }

  #onReset(code: number): void {
    const { streamId } = this.reader;
    const stream = this.streams.get(streamId);
    if (stream === undefined) {
      if (this.isIdle(streamId)) this.fail(ErrorCode.ProtocolError, 'http2.reset_of_idle_stream');
      return;
    }
    this.stats.store.inc(this.stats.rxReset);
    if (code === ErrorCode.RefusedStream) this.stats.store.inc(this.stats.streamRefusedErrors);
    this.onPeerReset(stream, code);
  }

  protected onPeerReset(stream: Http2Stream, code: number): void {
    const refused = code === ErrorCode.RefusedStream;
    stream.die(
      refused ? StreamResetReason.RemoteRefusedStreamReset : StreamResetReason.RemoteReset,
      refused ? 'http2.remote_refuse' : 'http2.remote_reset',
    );
  }

  /** Bytes of a body may come now: a head came before them. */
  protected acceptsBody(_stream: Http2Stream): boolean {
    return true;
  }

  #onPing(bytes: Buffer, start: number): void {
    if ((this.reader.flags & Flag.Ack) === 0) {
      this.writer.ping(bytes, start, true);
      this.countSent(this.flood.onControlSent());
    } else this.keepalive.onPong(bytes, start);
  }

  #onWindowUpdate(increment: number): void {
    const { streamId } = this.reader;
    if (!this.flood.onWindowUpdate()) {
      this.fail(ErrorCode.EnhanceYourCalm, 'http2.inbound_window_update_frames_flood');
      return;
    }
    if (streamId === 0) {
      if (increment === 0) this.fail(ErrorCode.ProtocolError, 'http2.window_update_of_zero');
      else if (!this.windows.widen(increment))
        this.fail(ErrorCode.FlowControlError, 'http2.window_overflow');
      else this.order.run();
      return;
    }
    const stream = this.streams.get(streamId);
    if (stream === undefined) {
      if (this.isIdle(streamId)) this.fail(ErrorCode.ProtocolError, 'http2.window_of_idle_stream');
      return;
    }
    if (increment === 0)
      this.streamError(stream, ErrorCode.ProtocolError, 'http2.window_update_of_zero');
    else if (!stream.widen(increment))
      this.streamError(stream, ErrorCode.FlowControlError, 'http2.window_overflow');
    else {
      stream.resume();
      this.order.run();
    }
  }

  #onSettings(bytes: Buffer, start: number, end: number): void {
    if ((this.reader.flags & Flag.Ack) !== 0) {
      this.keepalive.onSettingsAck();
      return;
    }
    const { peer } = this;
    const before = peer.initialWindowBytes;
    const error = peer.read(bytes, start, end);
    if (error !== ErrorCode.NoError) {
      this.fail(error, 'http2.bad_setting');
      return;
    }
    this.encoder.setPeerTableBytes(peer.headerTableBytes);
    if (!this.#moveWindows(peer.initialWindowBytes - before)) return;
    this.writer.settingsAck();
    this.countSent(this.flood.onControlSent());
    this.onPeerSettings();
    this.order.run();
  }

  /** RFC 9113 §6.9.2: a new initial size moves the window of every stream. */
  #moveWindows(by: number): boolean {
    if (by === 0) return true;
    for (const stream of this.streams.all()) {
      if (!stream.widen(by)) {
        this.fail(ErrorCode.FlowControlError, 'http2.window_overflow');
        return false;
      }
      stream.resume();
    }
    return true;
  }
}

/** Four bytes, unsigned. */
const word = (bytes: Buffer, at: number): number =>
  ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
