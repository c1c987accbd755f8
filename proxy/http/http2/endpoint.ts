// [w] The half of an HTTP/2 connection that needs no frame to read: what is open, what is sent and in which order, how
// it ends. Http2Session adds what arrives, the two sides add streams and messages.
//
// Memory of a connection, all of it chosen by us and not by the peer (H = hpackTableBytes, B = bufferLimitBytes,
// S = streams at once, at most maxConcurrentStreams; tested by memory.test.ts):
//
//   a frame that was cut             ≤ 16 KiB
//   header block under way           ≤ 2 × maxRequestHeadersKb + 64 KiB, only until its last CONTINUATION
//   HPACK table, reading             ≤ H of text, and H / 32 slots
//   HPACK table, writing             ≤ 128 slots of ≤ 2 KiB
//   request heads being worked on    ≤ S × (maxRequestHeadersKb + 32 bytes a line)
//   bodies nobody takes              ≤ initialConnectionWindowBytes together, initialStreamWindowBytes a stream
//   answers queued for windows       ≤ S × (B + one read buffer)
//   bytes the socket does not take   ≤ B + one read buffer + control frames (≤ maxOutboundFrames)
//   closed streams remembered        ≤ 4.5 KiB
import type { RandomSource } from '../../base/random.ts';
import type { TimerWheel } from '../../base/timer-wheel.ts';
import type { Http2Config } from '../../config/http2-config.ts';
import type { Connection } from '../../network/connection.ts';
import { StreamResetReason } from '../codec.ts';
import type { HeaderMap } from '../header-map.ts';
import { ClosedStreams } from './closed-streams.ts';
import { FloodGuard } from './flood-guard.ts';
import type { OutboundQueue } from './flood-guard.ts';
import { FlowWindows } from './flow-control.ts';
import { FrameWriter } from './frame-writer.ts';
import { HeaderBlockWriter } from './header-block.ts';
import { HpackEncoder } from './hpack-encoder.ts';
import type { Http2Stats } from './http2-stats.ts';
import { Keepalive } from './keepalive.ts';
import type { KeepaliveOwner } from './keepalive.ts';
import type { MessageLimits } from './message-rules.ts';
import { PeerSettings } from './peer-settings.ts';
import { DEFAULT_WINDOW_BYTES, ErrorCode, FrameType } from './protocol.ts';
import { SendOrder } from './send-order.ts';
import type { Http2Stream, StreamHost } from './stream.ts';
import { errorOf, isConnectionError } from './stream-state.ts';
import { StreamTable } from './stream-table.ts';

export interface SessionCallbacks {
  /**
   * The connection is lost by the peer's mistake or silence: GOAWAY was written, streams are still there. `silent`:
   * the peer does not even read, nothing has to be flushed.
   */
  onSessionError(details: string, silent: boolean): void;
}

export interface SessionSettings {
  readonly http2: Http2Config;
  readonly stats: Http2Stats;
  readonly random: RandomSource;
  /** How long queued bytes of an ended stream may find no room; 0: for ever. */
  readonly flushTimeoutMs: number;
  readonly limits: MessageLimits;
}

export abstract class Http2Endpoint implements StreamHost, KeepaliveOwner, OutboundQueue {
  readonly writer: FrameWriter;
  readonly windows: FlowWindows;
  readonly stats: Http2Stats;
  readonly flood: FloodGuard;
  readonly flushTimeoutMs: number;
  protected readonly connection: Connection;
  protected readonly config: Http2Config;
  protected readonly streams = new StreamTable();
  protected readonly closed = new ClosedStreams();
  protected readonly peer = new PeerSettings();
  protected readonly keepalive: Keepalive;
  /** Highest stream the peer opened. */
  protected lastPeerStream = 0;
  protected dead = false;
  readonly #sessionCallbacks: SessionCallbacks;
  protected readonly encoder = new HpackEncoder();
  readonly #blocks: HeaderBlockWriter;
  protected readonly order: SendOrder;

  constructor(connection: Connection, callbacks: SessionCallbacks, settings: SessionSettings) {
    this.connection = connection;
    this.config = settings.http2;
    this.stats = settings.stats;
    this.flushTimeoutMs = settings.flushTimeoutMs;
    this.#sessionCallbacks = callbacks;
    this.writer = new FrameWriter(connection);
    this.windows = new FlowWindows(
      DEFAULT_WINDOW_BYTES,
      settings.http2.initialConnectionWindowBytes,
    );
    this.flood = new FloodGuard(settings.http2, settings.stats, this);
    this.#blocks = new HeaderBlockWriter(this.writer, this.encoder);
    this.order = new SendOrder(connection, this.writer, this.windows);
    this.keepalive = new Keepalive(this, this.writer, this.timers, {
      config: settings.http2.keepalive,
      random: settings.random,
    });
  }

  get timers(): TimerWheel {
    return this.connection.io.timers;
  }

  get bufferLimitBytes(): number {
    return Math.min(this.connection.bufferLimitBytes, this.config.initialStreamWindowBytes);
  }

  get aboveHighWatermark(): boolean {
    return this.connection.aboveHighWatermark;
  }

  get socketFull(): boolean {
    return this.connection.aboveHighWatermark;
  }

  get streamCount(): number {
    return this.streams.size;
  }

  /** Decodes nothing further, whatever comes; streams are not told. */
  stop(): void {
    this.dead = true;
    this.keepalive.stop();
    this.order.stop();
  }

  /** What was written so far goes to the connection: before it is closed. */
  flush(): void {
    this.writer.flush();
  }

  /** Every stream ends with the connection. */
  killStreams(reason: StreamResetReason, details: string): void {
    for (const stream of this.streams.all()) stream.die(reason, details);
  }

  onAboveWriteBufferHighWatermark(): void {
    for (const stream of this.streams.all()) stream.onAboveWriteBufferHighWatermark();
  }

  onBelowWriteBufferLowWatermark(): void {
    this.order.run();
    for (const stream of this.streams.all()) stream.onBelowWriteBufferLowWatermark();
  }

  // === StreamHost

  writeHeaders(
    stream: Http2Stream,
    headers: HeaderMap,
    endStream: boolean,
    protocol: string,
  ): void {
    const frames = this.#blocks.write(stream.id, headers, endStream, protocol);
    stream.countSentBlock(this.#blocks.wireBytes);
    for (let i = 0; i < frames; i++) this.countSent(this.flood.onFrameSent());
  }

  writeReset(stream: Http2Stream, code: ErrorCode): void {
    stream.resetByUs = true;
    this.closed.addReset(stream.id);
    this.resetUnknown(stream.id, code);
  }

  writeWindowUpdate(stream: Http2Stream, increment: number): void {
    this.writer.word(FrameType.WindowUpdate, stream.id, increment);
  }

  onDataSent(): void {
    this.flood.onDataSent();
  }

  onConsumed(byteCount: number): void {
    const increment = this.windows.release(byteCount);
    if (increment > 0 && !this.dead) this.writer.word(FrameType.WindowUpdate, 0, increment);
  }

  enqueue(stream: Http2Stream): void {
    this.order.add(stream);
  }

  onStreamClosed(stream: Http2Stream): void {
    this.order.remove(stream);
    if (!this.streams.delete(stream.id)) return;
    this.stats.store.dec(this.stats.streamsActive);
    if (!stream.resetByUs) this.closed.addEnded(stream.id);
  }

  // === For the sides

  protected sendSettings(pairs: readonly number[]): void {
    this.writer.settings(pairs);
    const wider = this.config.initialConnectionWindowBytes - DEFAULT_WINDOW_BYTES;
    if (wider > 0) this.writer.word(FrameType.WindowUpdate, 0, wider);
    this.keepalive.start();
  }

  protected addStream(stream: Http2Stream): void {
    this.streams.add(stream.id, stream);
    this.stats.store.inc(this.stats.streamsActive);
    this.flood.onStreamOpened();
  }

  /** RST_STREAM for a stream we keep nothing of. */
  protected resetUnknown(streamId: number, code: ErrorCode): void {
    this.writer.word(FrameType.RstStream, streamId, code);
    this.stats.store.inc(this.stats.txReset);
    this.countSent(this.flood.onControlSent());
  }

  protected sendGoAway(lastStreamId: number, code: ErrorCode): void {
    this.writer.goAway(lastStreamId, code);
    this.stats.store.inc(this.stats.goawaySent);
  }

  /** RFC 9113 §5.4.1: nothing further is read, GOAWAY says why. */
  protected fail(code: ErrorCode, details: string, silent = false): void {
    if (this.dead) return;
    this.stop();
    this.sendGoAway(this.lastPeerStream, code);
    this.writer.flush();
    this.#sessionCallbacks.onSessionError(details, silent);
  }

  protected failOutcome(stream: Http2Stream, outcome: number): void {
    if (isConnectionError(outcome)) this.fail(errorOf(outcome), 'http2.stream_state');
    else this.streamError(stream, errorOf(outcome), 'http2.stream_state');
  }

  // === KeepaliveOwner

  onSettingsTimeout(): void {
    this.fail(ErrorCode.SettingsTimeout, 'http2.settings_timeout');
  }

  onPingTimeout(): void {
    this.stats.store.inc(this.stats.keepaliveTimeout);
    this.fail(ErrorCode.NoError, 'http2_ping_timeout', true);
  }

  // === OutboundQueue

  get writtenBytes(): number {
    return this.writer.writtenBytes;
  }

  get takenBytes(): number {
    this.writer.handOver();
    if (this.connection.bufferedBytes > 0) this.connection.flush();
    return this.writer.writtenBytes - this.connection.bufferedBytes;
  }

  /** RST_STREAM for the peer's mistake. */
  protected streamError(stream: Http2Stream, code: ErrorCode, details: string): void {
    if (this.dead) return;
    this.writeReset(stream, code);
    stream.die(StreamResetReason.ProtocolError, details);
  }

  protected countSent(withinLimits: boolean): void {
    if (!withinLimits) this.fail(ErrorCode.EnhanceYourCalm, 'http2.outbound_frames_flood', true);
  }
}
