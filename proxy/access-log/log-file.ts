// [w] LogFile: one file of access logs, written in batches off the hot path. Several workers append to the same file:
// each write is whole lines, and O_APPEND keeps the lines of two writers apart.
//
//   log line ──► chunk (64 KiB) ──full, or timer──► queue ──► one write at a time ──► file
//
// Pipes (a container's stdout) keep only writes of up to 4096 bytes apart, so they get their lines in such pieces,
// without waiting: a reader that stalls makes lines queue up to MAX_QUEUED_BYTES, then lines are dropped and counted.
import { fs } from '../base/node-builtins.ts';
import type { TimeSource, TimerHandle } from '../base/clock.ts';
import type { LogFileStats } from './log-file-stats.ts';
import type { LogTarget } from './log-target.ts';

/** Buffers have the size at which they are flushed, within these bounds. */
const MIN_CHUNK_BYTES = 4096;
const MAX_CHUNK_BYTES = 1024 * 1024;
const MAX_QUEUED_BYTES = 4 * 1024 * 1024;
/** Writes to a pipe up to this size are never torn apart (PIPE_BUF of Linux). */
const PIPE_PIECE_BYTES = 4096;
const RETRY_MS = 10;
/** How long close() waits for a reader that does not read. */
const CLOSE_RETRIES = 40;
const CLOSE_RETRY_MS = 5;

/** What waits is written after `intervalMs`, and when it is `bytes`. */
export interface FlushSettings {
  readonly intervalMs: number;
  readonly bytes: number;
}

export class LogFile {
  readonly #time: TimeSource;
  readonly #flush: FlushSettings;
  readonly #chunkBytes: number;
  readonly #stats: LogFileStats;
  #target: LogTarget;
  #chunk: Buffer | null = null;
  /** Written, to be filled again: garbage of this size waits long for a collection. */
  #spare: Buffer | null = null;
  #used = 0;
  #queue: Buffer[] = [];
  #queuedBytes = 0;
  /** A write is under way, or waits for its retry. */
  #busy = false;
  #inFlight = false;
  #timer: TimerHandle | null = null;
  #retry: TimerHandle | null = null;
  #reopenTo: LogTarget | null = null;
  #closed = false;
  readonly #onTimer = (): void => this.#flushByTimer();
  readonly #onRetry = (): void => {
    this.#busy = false;
    this.#writeNext();
  };

  constructor(target: LogTarget, time: TimeSource, flush: FlushSettings, stats: LogFileStats) {
    this.#target = target;
    this.#time = time;
    this.#flush = flush;
    this.#chunkBytes = Math.min(MAX_CHUNK_BYTES, Math.max(MIN_CHUNK_BYTES, flush.bytes));
    this.#stats = stats;
  }

  /** `line` is a byte string. Never waits; drops the line when too much is queued. */
  write(line: string): void {
    const bytes = line.length;
    if (this.#closed || this.#queuedBytes + this.#used + bytes > MAX_QUEUED_BYTES) {
      this.#stats.dropped();
      return;
    }
    if (this.#chunk === null || this.#used + bytes > this.#chunk.length) this.#newChunk(bytes);
    this.#chunk!.latin1Write(line, this.#used, bytes);
    this.#used += bytes;
    this.#stats.buffered(bytes);
    if (this.#used >= this.#flush.bytes) this.flush();
    else this.#timer ??= this.#time.setTimer(this.#onTimer, this.#flush.intervalMs);
  }

  /** Starts writing what is buffered. */
  flush(): void {
    this.#timer?.cancel();
    this.#timer = null;
    this.#enqueueChunk();
    this.#writeNext();
  }

  /** The next write goes to `target`; the old file is closed when its last write is done. */
  reopen(target: LogTarget): void {
    if (this.#reopenTo !== null) closeTarget(this.#reopenTo);
    this.#reopenTo = target;
    if (!this.#inFlight) this.#switchTarget();
  }

  /** Writes what is left, at once, and closes. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#timer?.cancel();
    this.#retry?.cancel();
    this.#enqueueChunk();
    const rest = this.#queue;
    this.#queue = [];
    // The buffer at the head may be in flight: it is the thread pool's and will be written.
    for (let i = this.#inFlight ? 1 : 0; i < rest.length; i++) this.#writeNow(rest[i]!);
    if (!this.#inFlight) closeTarget(this.#target);
  }

  #newChunk(lineBytes: number): void {
    if (this.#used > 0) this.flush();
    const spare = lineBytes <= this.#chunkBytes ? this.#spare : null;
    if (spare !== null) this.#spare = null;
    this.#chunk = spare ?? Buffer.allocUnsafeSlow(Math.max(this.#chunkBytes, lineBytes));
    this.#used = 0;
  }

  #enqueueChunk(): void {
    if (this.#used === 0) return;
    this.#queue.push(this.#chunk!.subarray(0, this.#used));
    this.#queuedBytes += this.#used;
    this.#chunk = null;
    this.#used = 0;
  }

  #flushByTimer(): void {
    this.#timer = null;
    this.#stats.flushedByTimer();
    this.flush();
  }

  #writeNext(): void {
    if (this.#busy || this.#closed) return;
    if (this.#target.kind === 'pipe') this.#writePieces();
    else this.#writeAsync();
  }

  #writeAsync(): void {
    const head = this.#queue[0];
    if (head === undefined) return;
    this.#busy = true;
    this.#inFlight = true;
    fs.write(this.#target.fd, head, 0, head.length, null, (error, written) =>
      this.#onWritten(error, written),
    );
  }

  #onWritten(error: NodeJS.ErrnoException | null, written: number): void {
    this.#inFlight = false;
    this.#busy = false;
    if (this.#closed) {
      closeTarget(this.#target);
      return;
    }
    const head = this.#queue[0]!;
    if (error === null && written < head.length) this.#queue[0] = head.subarray(written);
    else if (error === null || error.code !== 'EAGAIN') this.#dropHead();
    this.#account(error, error === null ? written : head.length);
    if (this.#reopenTo !== null) this.#switchTarget();
    if (error?.code === 'EAGAIN') this.#retryLater();
    else this.#writeNext();
  }

  #writePieces(): void {
    for (let head = this.#queue[0]; head !== undefined; head = this.#queue[0]) {
      const piece = head.subarray(0, pieceEnd(head));
      const result = tryWrite(this.#target.fd, piece);
      if (result.error?.code === 'EAGAIN') {
        this.#retryLater();
        return;
      }
      const done = result.error === null ? result.written : piece.length;
      if (done === head.length) this.#dropHead();
      else this.#queue[0] = head.subarray(done);
      this.#account(result.error, done);
    }
  }

  /** Nobody writes it any more. */
  #dropHead(): void {
    const { buffer } = this.#queue.shift()!;
    if (buffer.byteLength === this.#chunkBytes) this.#spare = Buffer.from(buffer);
  }

  #account(error: NodeJS.ErrnoException | null, bytes: number): void {
    if (error?.code === 'EAGAIN') return;
    this.#queuedBytes -= bytes;
    if (error === null) this.#stats.completed(bytes);
    else this.#stats.failed(bytes);
  }

  #retryLater(): void {
    this.#busy = true;
    this.#retry = this.#time.setTimer(this.#onRetry, RETRY_MS);
  }

  #switchTarget(): void {
    closeTarget(this.#target);
    this.#target = this.#reopenTo!;
    this.#reopenTo = null;
  }

  #writeNow(buffer: Buffer): void {
    let rest = buffer;
    for (let tries = 0; rest.length > 0 && tries < CLOSE_RETRIES;) {
      const piece = this.#target.kind === 'pipe' ? rest.subarray(0, pieceEnd(rest)) : rest;
      const { error, written } = tryWrite(this.#target.fd, piece);
      if (error !== null && error.code !== 'EAGAIN') break;
      if (error !== null) {
        tries++;
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, CLOSE_RETRY_MS);
      } else rest = rest.subarray(written);
    }
    this.#stats.completed(buffer.length - rest.length);
    if (rest.length > 0) this.#stats.failed(rest.length);
  }
}

/** Whole lines up to PIPE_PIECE_BYTES; a longer line alone. */
function pieceEnd(buffer: Buffer): number {
  if (buffer.length <= PIPE_PIECE_BYTES) return buffer.length;
  const last = buffer.lastIndexOf(0x0a, PIPE_PIECE_BYTES - 1);
  if (last >= 0) return last + 1;
  const next = buffer.indexOf(0x0a);
  return next < 0 ? buffer.length : next + 1;
}

function tryWrite(
  fd: number,
  buffer: Buffer,
): { readonly error: NodeJS.ErrnoException | null; readonly written: number } {
  try {
    return { error: null, written: fs.writeSync(fd, buffer) };
  } catch (error) {
    return { error: error as NodeJS.ErrnoException, written: 0 };
  }
}

function closeTarget(target: LogTarget): void {
  if (!target.owned) return;
  // A file system that hangs must not hang the worker with it, except at the very end.
  if (target.kind === 'file') fs.close(target.fd, () => {});
  else fs.closeSync(target.fd);
}
