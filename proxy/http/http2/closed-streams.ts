// [w] Which streams were closed lately, and by whom: frames that were on their way when we reset a stream are no
// mistake of the peer, frames on a stream that the peer ended are (RFC 9113 §5.1, "closed").
//
// Memory: two rings, made when first needed: 4 KiB for our resets, 512 bytes for the others.

const OUR_RESETS = 1024;
const ENDED = 128;

class IdRing {
  readonly #ids: Int32Array;
  #next = 0;

  constructor(size: number) {
    this.#ids = new Int32Array(size);
  }

  add(id: number): void {
    this.#ids[this.#next] = id;
    this.#next = (this.#next + 1) % this.#ids.length;
  }

  has(id: number): boolean {
    return this.#ids.includes(id);
  }
}

export class ClosedStreams {
  #reset: IdRing | null = null;
  #ended: IdRing | null = null;

  addReset(id: number): void {
    this.#reset ??= new IdRing(OUR_RESETS);
    this.#reset.add(id);
  }

  addEnded(id: number): void {
    this.#ended ??= new IdRing(ENDED);
    this.#ended.add(id);
  }

  /** We reset it: what still comes is to be ignored. */
  wasReset(id: number): boolean {
    return this.#reset !== null && this.#reset.has(id);
  }

  /** It lived and ended in order, or by the peer's own reset. */
  hasEnded(id: number): boolean {
    return this.#ended !== null && this.#ended.has(id);
  }
}
