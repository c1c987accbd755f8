// [w] Message bodies (RFC 9112 §6, §7.1): announced length, chunked, until close. One state, one function per state.
//
//   length:   ── n bytes ──▶ done
//   chunked:  size ─▶ extension ─▶ size-lf ─▶ data ─▶ data-cr ─▶ data-lf ─▶ size … 0 ─▶ trailers ─▶ done
//
// Stricter than Envoy in one thing, on purpose: the two bytes behind a chunk's data must be CRLF (attack 19).
import { CodecErrors } from '../codec-error.ts';
import type { CodecError } from '../codec-error.ts';
import { HeadParser } from './head-parser.ts';
import type { HeadLimits } from './head-limits.ts';
import { HEX_VALUE } from './tokens.ts';

export interface BodySink {
  /** A view, valid during the call. */
  onBody(chunk: Buffer): void;
}

const State = {
  Done: 0,
  Length: 1,
  UntilClose: 2,
  ChunkSizeFirst: 3,
  ChunkSize: 4,
  ChunkExtension: 5,
  ChunkSizeLf: 6,
  ChunkData: 7,
  ChunkDataCr: 8,
  ChunkDataLf: 9,
  Trailers: 10,
} as const;
type State = (typeof State)[keyof typeof State];

const CR = 0x0d;
const LF = 0x0a;
/** 13 hex digits stay below 2^53; no honest chunk is larger. */
const MAX_SIZE_DIGITS = 13;
/** All extensions of one message together: nobody uses them, attackers do. */
const MAX_EXTENSION_BYTES = 16384;

export class BodyDecoder {
  error: CodecError | null = null;
  #state: State = State.Done;
  #remaining = 0;
  #digits = 0;
  #extensionBytes = 0;
  #trailers: HeadParser | null = null;
  readonly #limits: HeadLimits;

  constructor(limits: HeadLimits) {
    this.#limits = limits;
  }

  get done(): boolean {
    return this.#state === State.Done;
  }

  get untilClose(): boolean {
    return this.#state === State.UntilClose;
  }

  /** The trailer section, once done and when there was one. */
  get trailers(): HeadParser | null {
    return this.#trailers;
  }

  startLength(byteCount: number): void {
    this.#begin(byteCount === 0 ? State.Done : State.Length);
    this.#remaining = byteCount;
  }

  startChunked(): void {
    this.#begin(State.ChunkSizeFirst);
  }

  startUntilClose(): void {
    this.#begin(State.UntilClose);
  }

  /** Returns the index behind the last byte used; stops at the end of the message or at an error. */
  decode(bytes: Buffer, start: number, end: number, sink: BodySink): number {
    let position = start;
    while (position < end && this.#state !== State.Done && this.error === null) {
      switch (this.#state) {
        case State.Length:
        case State.ChunkData:
          position = this.#data(bytes, position, end, sink);
          break;
        case State.UntilClose:
          sink.onBody(
            position === 0 && end === bytes.length ? bytes : bytes.subarray(position, end),
          );
          return end;
        case State.Trailers:
          position = this.#trailerSection(bytes, position, end);
          break;
        case State.ChunkExtension:
          position = this.#extension(bytes, position, end);
          break;
        default:
          this.#framingByte(bytes[position]!);
          position++;
      }
    }
    return position;
  }

  #begin(state: State): void {
    this.#state = state;
    this.error = null;
    this.#remaining = 0;
    this.#digits = 0;
    this.#extensionBytes = 0;
    this.#trailers = null;
  }

  #data(bytes: Buffer, start: number, end: number, sink: BodySink): number {
    const stop = Math.min(end, start + this.#remaining);
    this.#remaining -= stop - start;
    // The state moves first: the sink may end the stream.
    if (this.#remaining === 0)
      this.#state = this.#state === State.Length ? State.Done : State.ChunkDataCr;
    sink.onBody(bytes.subarray(start, stop));
    return stop;
  }

  #framingByte(byte: number): void {
    switch (this.#state) {
      case State.ChunkSizeFirst:
        this.#remaining = 0;
        this.#digits = 0;
        this.#state = State.ChunkSize;
        this.#sizeDigit(byte);
        return;
      case State.ChunkSize:
        if (byte === CR) this.#state = State.ChunkSizeLf;
        else if (byte === 0x3b || byte === 0x20 || byte === 0x09)
          this.#state = State.ChunkExtension;
        else this.#sizeDigit(byte);
        return;
      case State.ChunkSizeLf:
        if (byte !== LF) this.error = CodecErrors.malformed;
        else if (this.#remaining > 0) this.#state = State.ChunkData;
        else this.#startTrailers();
        return;
      case State.ChunkDataCr:
        if (byte === CR) this.#state = State.ChunkDataLf;
        else this.error = CodecErrors.malformed;
        return;
      case State.ChunkDataLf:
        if (byte === LF) this.#state = State.ChunkSizeFirst;
        else this.error = CodecErrors.malformed;
        return;
      default:
        this.error = CodecErrors.malformed;
    }
  }

  #sizeDigit(byte: number): void {
    const value = HEX_VALUE[byte]!;
    if (value === 255 || ++this.#digits > MAX_SIZE_DIGITS) {
      this.error = CodecErrors.malformed;
      return;
    }
    this.#remaining = this.#remaining * 16 + value;
  }

  /** Skipped up to CRLF; a lone CR, a bare LF or a control byte ends the connection (attack 18). */
  #extension(bytes: Buffer, start: number, end: number): number {
    for (let i = start; i < end; i++) {
      const byte = bytes[i]!;
      if (byte === CR) {
        this.#state = State.ChunkSizeLf;
        return i + 1;
      }
      if (
        (byte < 0x20 && byte !== 0x09) ||
        byte === 0x7f ||
        ++this.#extensionBytes > MAX_EXTENSION_BYTES
      ) {
        this.error = CodecErrors.malformed;
        return i;
      }
    }
    return end;
  }

  #startTrailers(): void {
    this.#state = State.Trailers;
    this.#trailers = new HeadParser('trailers', this.#limits);
  }

  #trailerSection(bytes: Buffer, start: number, end: number): number {
    const trailers = this.#trailers!;
    const position = trailers.parse(bytes, start, end);
    if (trailers.error !== null) this.error = trailers.error;
    else if (trailers.done) this.#state = State.Done;
    return position;
  }
}
