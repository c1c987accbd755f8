// [w] StreamDecompressor: decodes a body piece by piece, bounded. What is broken, or a bomb, gives no more output from
// there on, and the body ends with what came before, as in Envoy.
import { zlib } from '../../base/node-builtins.ts';
import type { DecompressorLibraryConfig } from '../../config/compression-config.ts';
import { GzipFraming } from './gzip-framing.ts';
import { InflateResult, Inflater } from './zlib-stream.ts';

export class StreamDecompressor {
  readonly #inflater: Inflater;
  readonly #gzip: GzipFraming | null;
  #ended = false;
  /** Nothing comes out any more. */
  #dead = false;

  constructor(config: DecompressorLibraryConfig) {
    this.#inflater = new Inflater(config);
    this.#gzip = config.kind === 'gzip' ? new GzipFraming() : null;
  }

  /** Adds what came out to `pieces`; false: something was wrong with this piece. */
  decompress(chunk: Buffer, pieces: Buffer[]): boolean {
    const gzip = this.#gzip;
    if (chunk.length === 0) return true;
    if (this.#dead) return false;
    if (this.#ended) return this.#readRest(chunk);
    const body = gzip === null ? chunk : gzip.readHeader(chunk);
    if (body === null) return this.#die();
    if (body.length === 0) return true;
    const first = pieces.length;
    const result = this.#inflater.inflate(body, chunk.length, pieces);
    if (gzip !== null)
      for (let i = first; i < pieces.length; i++) gzip.count(pieces[i]!, zlib().crc32);
    if (result === InflateResult.Ok) return true;
    if (result !== InflateResult.End) return this.#die();
    this.#ended = true;
    return this.#readRest(body.subarray(this.#inflater.taken));
  }

  close(): void {
    this.#inflater.close();
  }

  /** Behind the end only gzip has something to say. */
  #readRest(chunk: Buffer): boolean {
    return this.#gzip !== null && this.#gzip.readTrailer(chunk);
  }

  #die(): false {
    this.#dead = true;
    return false;
  }
}
