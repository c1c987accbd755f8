// Latencies as an HDR histogram keeps them: buckets of at most 0.1 % of their value, from 0.1 µs to hours, in 200 KB.

const SUB_BITS = 10;
const SUB_COUNT = 1 << SUB_BITS;
const OCTAVES = 40;
/** Values are counted in tenths of a microsecond. */
const UNITS_PER_US = 10;

export class LatencyHistogram {
  readonly #counts = new Float64Array((OCTAVES - SUB_BITS + 1) * SUB_COUNT);
  #count = 0;
  #sumUs = 0;
  #maxUs = 0;

  get count(): number {
    return this.#count;
  }

  get maxUs(): number {
    return this.#maxUs;
  }

  get meanUs(): number {
    return this.#count === 0 ? Number.NaN : this.#sumUs / this.#count;
  }

  /** Negative values count as 0. */
  record(us: number): void {
    const value = us > 0 ? us : 0;
    this.#counts[bucketOf(value * UNITS_PER_US)]!++;
    this.#count++;
    this.#sumUs += value;
    if (value > this.#maxUs) this.#maxUs = value;
  }

  /** The value that `part` (0 to 1) of all values do not exceed, at the middle of its bucket; NaN when empty. */
  quantileUs(part: number): number {
    if (this.#count === 0) return Number.NaN;
    const rank = Math.min(this.#count, Math.max(1, Math.ceil(part * this.#count)));
    let seen = 0;
    for (let bucket = 0; bucket < this.#counts.length; bucket++) {
      seen += this.#counts[bucket]!;
      if (seen >= rank) return Math.min(this.#maxUs, middleOf(bucket) / UNITS_PER_US);
    }
    return this.#maxUs;
  }

  clear(): void {
    this.#counts.fill(0);
    this.#count = this.#sumUs = this.#maxUs = 0;
  }
}

function bucketOf(units: number): number {
  if (units < 2 * SUB_COUNT) return Math.floor(units);
  const octave = Math.min(OCTAVES, Math.floor(Math.log2(units)));
  const shift = octave - SUB_BITS;
  const sub = Math.min(SUB_COUNT - 1, Math.floor(units / 2 ** shift) - SUB_COUNT);
  return Math.min((OCTAVES - SUB_BITS + 1) * SUB_COUNT - 1, (shift + 1) * SUB_COUNT + sub);
}

function middleOf(bucket: number): number {
  if (bucket < 2 * SUB_COUNT) return bucket + 0.5;
  const shift = Math.floor(bucket / SUB_COUNT) - 1;
  return ((bucket % SUB_COUNT) + SUB_COUNT + 0.5) * 2 ** shift;
}
