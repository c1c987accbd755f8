// Flags of the commands that measure, and readers of numbers that people type.
import { parseArgs } from 'node:util';

import { LOAD_CASES } from '../load/cases.ts';
import type { LoadCase } from '../load/cases.ts';
import { PEER_NAMES } from '../load/peers.ts';
import { SCALES } from '../scale/scales.ts';
import type { Scale } from '../scale/scales.ts';

/** A mistake in the command line. */
export class UsageError extends Error {}

export interface RunOptions {
  readonly cases: readonly LoadCase[];
  readonly scales: readonly Scale[];
  readonly peers: readonly string[];
  readonly envoy: string | undefined;
  readonly rounds: number;
  readonly durationMs: number;
  readonly warmUpMs: number;
  readonly pin: boolean;
  readonly heap: boolean;
  /** Measure Outrigger's sources instead of emitted JavaScript. */
  readonly source: boolean;
  /** Undefined: bench/results/; '': none. */
  readonly jsonPath: string | undefined;
  readonly positionals: readonly string[];
}

export function readNumber(text: string, flag: string, least: number): number {
  const value = /^[0-9]{1,7}(\.[0-9]{1,3})?$/.test(text) ? Number(text) : Number.NaN;
  if (value >= least) return value;
  throw new UsageError(`${flag}: "${text}" is no number of at least ${least}`);
}

export function readCount(text: string, flag: string, least: number): number {
  const value = readNumber(text, flag, least);
  if (Number.isInteger(value)) return value;
  throw new UsageError(`${flag}: "${text}" is no whole number`);
}

/** Without the parts that take long. */
export const briefCase = (load: LoadCase): LoadCase => ({ ...load, rates: [], startup: false });

/** Words are names or parts of names, of cases, scales or peers. */
function choose(only: readonly string[], quick: boolean): Pick<RunOptions, 'cases' | 'scales'> {
  if (only.length === 0) {
    const cases = quick ? LOAD_CASES.filter((one) => one.quick === true) : LOAD_CASES;
    return { cases, scales: quick ? [] : SCALES };
  }
  const cases = new Set<LoadCase>();
  const scales = new Set<Scale>();
  for (const word of only) {
    const exact = LOAD_CASES.filter(({ name }) => name === word);
    const found = exact.length > 0 ? exact : LOAD_CASES.filter(({ name }) => name.includes(word));
    const foundScales = SCALES.filter(({ name }) => name.includes(word));
    if (found.length + foundScales.length === 0) {
      const names = [...LOAD_CASES, ...SCALES].map(({ name }) => name);
      throw new UsageError(`--only: no case is called "${word}"; there are: ${names.join(', ')}`);
    }
    for (const one of found) cases.add(one);
    for (const one of foundScales) scales.add(one);
  }
  return { cases: [...cases], scales: [...scales] };
}

export function readRunOptions(argv: readonly string[], quick: boolean): RunOptions {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    allowNegative: true,
    options: {
      only: { type: 'string', multiple: true, default: [] },
      case: { type: 'string', multiple: true, default: [] },
      peer: { type: 'string', multiple: true, default: [...PEER_NAMES] },
      envoy: { type: 'string' },
      repeat: { type: 'string' },
      rounds: { type: 'string' },
      duration: { type: 'string' },
      seconds: { type: 'string' },
      'warm-up': { type: 'string', default: '1' },
      pin: { type: 'boolean', default: true },
      heap: { type: 'boolean', default: !quick },
      source: { type: 'boolean', default: false },
      json: { type: 'string' },
      result: { type: 'boolean', default: true },
    },
  });
  const unknown = values.peer.find((name) => !PEER_NAMES.includes(name));
  if (unknown !== undefined)
    throw new UsageError(
      `--peer: no proxy is called "${unknown}"; there are: ${PEER_NAMES.join(', ')}`,
    );
  const { cases, scales } = choose([...values.only, ...values.case], quick);
  return {
    cases: quick ? cases.map(briefCase) : cases,
    scales,
    peers: values.peer,
    envoy: values.envoy,
    rounds: readCount(values.repeat ?? values.rounds ?? '3', '--repeat', 1),
    durationMs: readNumber(values.duration ?? values.seconds ?? '4', '--duration', 1) * 1_000,
    warmUpMs: readNumber(values['warm-up'], '--warm-up', 0.5) * 1_000,
    pin: values.pin,
    heap: values.heap,
    source: values.source,
    jsonPath: values.json ?? (values.result ? undefined : ''),
    positionals,
  };
}
