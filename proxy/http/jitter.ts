// [w] Time-outs that are lengthened by chance, so that connections made together do not end together.
import type { RandomSource } from '../base/random.ts';

/** `ms`, and up to `percent` of it more. */
export const lengthened = (ms: number, percent: number, random: RandomSource): number =>
  percent === 0 ? ms : ms + (random.next() * ms * percent) / 100;
