// [w] MT19937, the 32-bit Mersenne Twister (Matsumoto and Nishimura, 1998): bounded load must try hosts in the order in
// which Envoy does, which seeds std::mt19937 with the key.

const N = 624;
const M = 397;

export class MersenneTwister {
  readonly #state = new Int32Array(N);
  #index = N;

  constructor(seed: number) {
    const state = this.#state;
    state[0] = seed | 0;
    for (let i = 1; i < N; i++) {
      const previous = state[i - 1]!;
      state[i] = Math.imul(1812433253, previous ^ (previous >>> 30)) + i;
    }
  }

  nextUint32(): number {
    if (this.#index === N) this.#refill();
    let value = this.#state[this.#index++]!;
    value ^= value >>> 11;
    value ^= (value << 7) & 0x9d2c5680;
    value ^= (value << 15) & 0xefc60000;
    return (value ^ (value >>> 18)) >>> 0;
  }

  #refill(): void {
    const state = this.#state;
    for (let i = 0; i < N; i++) {
      const mixed = (state[i]! & 0x80000000) | (state[(i + 1) % N]! & 0x7fffffff);
      const twist = (mixed & 1) === 0 ? 0 : 0x9908b0df;
      state[i] = state[(i + M) % N]! ^ (mixed >>> 1) ^ twist;
    }
    this.#index = 0;
  }
}
