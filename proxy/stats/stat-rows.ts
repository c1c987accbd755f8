// [b] How the table of stats is written: groups with a prefix, one line a stat.
import type { StatKind } from './store.ts';

export interface StatRow {
  /** After the group's prefix. */
  readonly name: string;
  readonly kind: StatKind;
  /** '' for plain counts. */
  readonly unit: string;
  readonly meaning: string;
}

export interface StatGroup {
  readonly title: string;
  readonly prefix: string;
  readonly rows: readonly StatRow[];
}

/** `name: meaning` a line; a unit stands in brackets behind the name. */
function rows(kind: StatKind, text: string): readonly StatRow[] {
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  return lines.map((line) => {
    const [, name = '', unit = '', meaning = ''] =
      /^\s*(\S+)(?: \[(\w+)\])?: (.*)$/.exec(line) ?? [];
    return { name, kind, unit, meaning };
  });
}

export const counters = (text: string): readonly StatRow[] => rows('counter', text);
export const gauges = (text: string): readonly StatRow[] => rows('gauge', text);
export const histograms = (text: string): readonly StatRow[] => rows('histogram', text);
