// [w] FractionalPercent against a random number (envoy-behaviour §3.2).
import type { FractionConfig } from '../config/matcher-config.ts';

export const fractionHolds = (fraction: FractionConfig, random: number): boolean =>
  random % fraction.denominator < fraction.numerator;
