// [w] Held: the part of a message that a filter keeps from the filters behind it.
import type { HeaderMap } from './header-map.ts';

/** What waits in front of the filter behind one that stopped. */
export class Held {
  /** Null: the headers went on before. */
  headers: HeaderMap | null = null;
  headersEndStream = false;
  chunks: Buffer[] = [];
  byteCount = 0;
  endStream = false;
  trailers: HeaderMap | null = null;
  paused = false;
  /** The filter that stopped sees what follows before it is kept. */
  watched = false;

  /** Nothing is to follow the headers. */
  get onlyHeaders(): boolean {
    return this.endStream && this.chunks.length === 0 && this.trailers === null;
  }

  /** Copied: chunks are views. */
  keep(chunk: Buffer, endStream: boolean): void {
    if (chunk.length > 0) {
      this.chunks.push(Buffer.from(chunk));
      this.byteCount += chunk.length;
    }
    if (endStream) this.endStream = true;
  }
}
