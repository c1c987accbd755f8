// [w] FractionalPercent against a random number (envoy-behaviour §3.2).
import type { Fraction } from '../base/runtime.ts';

export const fractionHolds = (fraction: Fraction, random: number): boolean =>
  random % fraction.denominator < fraction.numerator;
