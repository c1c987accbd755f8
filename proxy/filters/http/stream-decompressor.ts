// [w] StreamDecompressor: decodes a body piece by piece, bounded. What is broken, or a bomb, gives no more output from
// there on, and the body ends with what came before, as in Envoy.
import { zlib } from '../../base/node-builtins.ts';
import type { DecompressorLibraryConfig } from '../../config/compression-config.ts';
import { GzipFraming } from './gzip-framing.ts';
import { InflateResult, Inflater } from './zlib-stream.ts';

export class StreamDecompressor {
  readonly #inflater: Inflater;
  readonly #gzip: GzipFraming | null;
  readonly #redundantIsError: boolean;
  #ended = false;
  /** Nothing comes out any more. */
  #dead = false;

  constructor(config: DecompressorLibraryConfig) {
    this.#inflater = new Inflater(config);
    this.#gzip = config.kind === 'gzip' ? new GzipFraming() : null;
    this.#redundantIsError = config.kind !== 'gzip';
  }

  /** Adds what came out to `pieces`; false: something was wrong with this piece. */
  decompress(chunk: Buffer, pieces: Buffer[]): boolean {
    const gzip = this.#gzip;
    if (chunk.length === 0) return true;
    if (this.#dead) return false;
    if (this.#ended) return gzip === null ? !this.#redundantIsError : gzip.readTrailer(chunk);
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
    return gzip === null
      ? !this.#redundantIsError
      : gzip.readTrailer(body.subarray(this.#inflater.taken));
  }

  close(): void {
    this.#inflater.close();
  }

  #die(): false {
    this.#dead = true;
    return false;
  }
}
