// [w] Held: the part of a message that a filter keeps from the filters behind it.
import { KeptBytes } from '../base/kept-bytes.ts';
import type { HeaderMap } from './header-map.ts';

/** What waits in front of the filter behind one that stopped. */
export class Held extends KeptBytes {
  /** Null: the headers went on before. */
  headers: HeaderMap | null = null;
  headersEndStream = false;
  endStream = false;
  trailers: HeaderMap | null = null;
  paused = false;
  /** The filter that stopped sees what follows before it is kept. */
  watched = false;

  /** Nothing is to follow the headers. */
  get onlyHeaders(): boolean {
    return this.endStream && this.chunks.length === 0 && this.trailers === null;
  }

  keep(chunk: Buffer, endStream: boolean): void {
    this.add(chunk);
    if (endStream) this.endStream = true;
  }
}
