// [m] LastGoodFile: the configuration that the proxy took last, as a journal of changes in one file of the owner's alone.
//
// A proxy that starts from nothing begins a new generation beside the one there is, which it replaces once it is whole. A file that has
// grown to twice of what is in it is written anew. What cannot be written is told once and not kept; serving goes on.
import type { Closable } from '../../proxy/base/lifetime.ts';
import type { Logger } from '../../proxy/base/logger.ts';
import { fs } from '../../proxy/base/node-builtins.ts';
import { changesOf, decodeFrames, encodeFrame, wholeMark } from './kept-config.ts';
import type { Change, DecodedFrames, KeptConfig } from './kept-config.ts';

export interface LastGoodFileParts {
  readonly path: string;
  /** Another node's configuration is of no use. */
  readonly nodeId: string;
  readonly logger: Logger;
  /** Default 32 MiB, packed. */
  readonly maxBytes?: number;
}

export interface ReadBack {
  readonly kept: KeptConfig;
  /** When it was last changed. */
  readonly savedMs: number;
}

const MAX_BYTES = 33_554_432;
/** Below, nothing is gained by writing it anew. */
const LEAST_COMPACTION_BYTES = 1_048_576;
const MAGIC = 'outrigger-last-good/1 ';

export class LastGoodFile implements Closable {
  readonly #parts: LastGoodFileParts;
  readonly #maxBytes: number;
  readonly #head: Buffer;
  #fd: number | undefined;
  #isNext = false;
  #bytes = 0;
  #compactAtBytes = LEAST_COMPACTION_BYTES;

  constructor(parts: LastGoodFileParts) {
    this.#parts = parts;
    this.#maxBytes = parts.maxBytes ?? MAX_BYTES;
    this.#head = Buffer.from(`${MAGIC}${encodeURIComponent(parts.nodeId)}\n`);
  }

  /** Of the generation that is written; 0: none is. */
  get bytes(): number {
    return this.#bytes;
  }

  /** A proxy that has nothing is being configured. */
  startOver(): void {
    this.#attempt(() => {
      this.#closeFile();
      this.#open(this.#nextPath, [], true);
    });
  }

  append(change: Change): void {
    if (this.#fd === undefined) return;
    this.#attempt(() => {
      this.#write(encodeFrame(change));
      if (this.#bytes > this.#compactAtBytes) this.#compact();
    });
  }

  /** The new generation is whole. */
  settle(): void {
    if (this.#fd === undefined || !this.#isNext) return;
    this.#attempt(() => {
      this.#write(wholeMark());
      fs.renameSync(this.#nextPath, this.#parts.path);
      this.#isNext = false;
    });
  }

  /** What was last whole; undefined: nothing, or another node's. */
  read(): ReadBack | undefined {
    try {
      const { path } = this.#parts;
      const found = this.#readFrom(path);
      if (found?.whole !== true || found.kept.size === 0) return undefined;
      return { kept: found.kept, savedMs: fs.statSync(path).mtimeMs };
    } catch {
      return undefined;
    }
  }

  /** Changes from now on are to what read() gives. */
  goOn(): void {
    this.#attempt(() => {
      this.#closeFile();
      fs.rmSync(this.#nextPath, { force: true });
      const { path } = this.#parts;
      const found = this.#readFrom(path);
      if (found?.whole !== true) return;
      this.#fd = fs.openSync(path, 'r+');
      fs.ftruncateSync(this.#fd, found.end);
      this.#isNext = false;
      this.#bytes = found.end;
      this.#compactAtBytes = Math.max(LEAST_COMPACTION_BYTES, 2 * found.end);
    });
  }

  close(): void {
    this.#closeFile();
  }

  get #nextPath(): string {
    return `${this.#parts.path}.next`;
  }

  #open(path: string, changes: readonly Change[], isNext: boolean): void {
    fs.rmSync(path, { force: true });
    this.#fd = fs.openSync(path, 'wx', 0o600);
    this.#isNext = isNext;
    this.#bytes = 0;
    this.#put(this.#head);
    for (const change of changes) this.#write(encodeFrame(change));
    this.#compactAtBytes = Math.max(LEAST_COMPACTION_BYTES, 2 * this.#bytes);
  }

  #write(frame: Buffer | undefined): void {
    if (frame === undefined) throw new Error('one response alone is too large');
    this.#put(frame);
    if (this.#bytes > 2 * this.#maxBytes) throw new Error(`more than ${this.#maxBytes} bytes`);
  }

  /** Always at the end, also where the file was cut. */
  #put(bytes: Buffer): void {
    let at = 0;
    while (at < bytes.length)
      at += fs.writeSync(this.#fd!, bytes, at, bytes.length - at, this.#bytes + at);
    this.#bytes += bytes.length;
  }

  #compact(): void {
    const path = this.#isNext ? this.#nextPath : this.#parts.path;
    const found = this.#readFrom(path);
    const isNext = this.#isNext;
    if (found?.end !== this.#bytes) throw new Error('it is not as it was written');
    const partial = `${path}.partial`;
    this.#closeFile();
    this.#open(partial, changesOf(found.kept), isNext);
    if (!isNext) this.#write(wholeMark());
    fs.renameSync(partial, path);
    if (this.#bytes > this.#maxBytes) throw new Error(`more than ${this.#maxBytes} bytes`);
  }

  #readFrom(path: string): DecodedFrames | undefined {
    const { size } = fs.statSync(path, { throwIfNoEntry: false }) ?? { size: 0 };
    if (size < this.#head.length || size > 2 * this.#maxBytes + LEAST_COMPACTION_BYTES)
      return undefined;
    const bytes = fs.readFileSync(path);
    if (!bytes.subarray(0, this.#head.length).equals(this.#head)) return undefined;
    return decodeFrames(bytes, this.#head.length);
  }

  #closeFile(): void {
    if (this.#fd !== undefined) fs.closeSync(this.#fd);
    this.#fd = undefined;
    this.#bytes = 0;
  }

  #attempt(step: () => void): void {
    try {
      step();
    } catch (error) {
      this.giveUp((error as Error).message);
    }
  }

  /** Nothing is kept: a generation that cannot be written whole is worth nothing, and an older one would be out of date. */
  giveUp(reason: string): void {
    const { path, logger } = this.#parts;
    logger.warn(`${path}: the configuration is not kept: ${reason}`);
    this.#closeFile();
    for (const file of [path, this.#nextPath, `${path}.partial`, `${this.#nextPath}.partial`]) {
      try {
        fs.rmSync(file, { force: true });
      } catch {
        // A folder that cannot be written to has been told of.
      }
    }
  }
}
