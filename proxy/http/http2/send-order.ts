// [w] Who sends next: streams with queued bytes take turns, one frame each, as long as windows and socket take them.
import type { Connection } from '../../network/connection.ts';
import type { FlowWindows } from './flow-control.ts';
import type { FrameWriter } from './frame-writer.ts';
import type { Http2Stream } from './stream.ts';

/** Written at once, so that the socket is asked before more is taken out of the queues. */
const FLUSH_BYTES = 65_536;

export class SendOrder {
  readonly #connection: Connection;
  readonly #writer: FrameWriter;
  readonly #windows: FlowWindows;
  readonly #ready: Http2Stream[] = [];
  #running = false;
  #stopped = false;

  constructor(connection: Connection, writer: FrameWriter, windows: FlowWindows) {
    this.#connection = connection;
    this.#writer = writer;
    this.#windows = windows;
  }

  /** The stream has queued bytes and window for them. */
  add(stream: Http2Stream): void {
    if (stream.enqueued) return;
    stream.enqueued = true;
    this.#ready.push(stream);
  }

  /** The stream is over: its place is free though the window stays closed. */
  remove(stream: Http2Stream): void {
    if (!stream.enqueued) return;
    stream.enqueued = false;
    const index = this.#ready.indexOf(stream);
    if (index >= 0) this.#ready.splice(index, 1);
  }

  stop(): void {
    this.#stopped = true;
    this.#ready.length = 0;
  }

  run(): void {
    // A stream that sends may end others, and those may ask again.
    if (this.#running) return;
    this.#running = true;
    const ready = this.#ready;
    const connection = this.#connection;
    while (
      ready.length > 0 &&
      this.#windows.sendBytes > 0 &&
      !connection.aboveHighWatermark &&
      !this.#stopped
    ) {
      const stream = ready.shift()!;
      stream.enqueued = false;
      if (stream.sendQueued()) this.add(stream);
      if (connection.bufferedBytes >= FLUSH_BYTES) {
        this.#writer.handOver();
        connection.flush();
      }
    }
    this.#running = false;
  }
}
