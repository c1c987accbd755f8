// [b] RandomSource: real in production, seeded in tests. Not for secrets.

export interface RandomSource {
  /** Uniform in [0, 1). */
  next(): number;
  /** Uniform whole number in [0, 2^32). */
  nextUint32(): number;
}

class RealRandom implements RandomSource {
  next(): number {
    return Math.random();
  }

  nextUint32(): number {
    return Math.floor(Math.random() * 4294967296);
  }
}

export const realRandom: RandomSource = new RealRandom();

/** Reproducible (mulberry32): for tests and for replaying a decision. */
export class SeededRandom implements RandomSource {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  nextUint32(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  }

  next(): number {
    return this.nextUint32() / 4294967296;
  }
}
