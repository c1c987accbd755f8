// [m] VariableReader: environment variables as texts, flags, counts, ports, durations and addresses; problems are collected.

import { ipFamily } from '../proxy/base/ip-text.ts';
import { parseDurationMs } from './durations.ts';

/** Reads single variables; every problem names its variable. */
export class VariableReader {
  readonly variables: ReadonlyMap<string, string>;
  readonly problems: string[];

  constructor(variables: ReadonlyMap<string, string>, problems: string[]) {
    this.variables = variables;
    this.problems = problems;
  }

  text(name: string, fallback: string): string {
    const value = this.variables.get(name);
    return value === undefined || value === '' ? fallback : value;
  }

  flag(name: string, fallback: boolean): boolean {
    const value = this.text(name, String(fallback));
    if (value === 'true' || value === '1') return true;
    if (value === 'false' || value === '0') return false;
    this.problems.push(`${name}: must be true or false, not "${value}"`);
    return fallback;
  }

  count(name: string, fallback: number, least: number, most: number): number {
    const value = this.text(name, String(fallback));
    const number = /^[0-9]{1,9}$/.test(value) ? Number(value) : -1;
    if (number >= least && number <= most) return number;
    this.problems.push(`${name}: must be a whole number from ${least} to ${most}, not "${value}"`);
    return fallback;
  }

  /** From 0 to 1. */
  fraction(name: string, fallback: number): number {
    const value = this.text(name, String(fallback));
    const number = /^[0-9]{1,9}(?:\.[0-9]{1,9})?$/.test(value) ? Number(value) : -1;
    if (number >= 0 && number <= 1) return number;
    this.problems.push(`${name}: must be a number from 0 to 1, not "${value}"`);
    return fallback;
  }

  port(name: string, fallback: number): number {
    return this.count(name, fallback, 1, 65535);
  }

  durationMs(name: string, fallback: string): number {
    const value = this.text(name, fallback);
    const ms = parseDurationMs(value);
    if (ms !== undefined) return ms;
    this.problems.push(`${name}: must be a duration such as ${fallback}, not "${value}"`);
    return 0;
  }

  address(name: string, fallback: string): string {
    const value = this.text(name, fallback);
    if (ipFamily(value) !== 0) return value;
    this.problems.push(`${name}: must be an IP address, not "${value}"`);
    return fallback;
  }
}
