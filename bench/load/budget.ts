// The guard: ratios and amounts that later work must not exceed by more than noise. Reads bench/budget.json and judges a run.
import type { CaseResult } from './measure.ts';
import { METRICS } from './metrics.ts';

export interface BudgetRule {
  readonly case: string;
  /** One where less is better. */
  readonly metric: string;
  /** The peer that Outrigger's value is divided by; undefined: the value itself is limited. */
  readonly against?: string;
  readonly limit: number;
  /** Room for noise in percent of the limit. */
  readonly slackPercent: number;
}

export interface Budget {
  readonly rules: readonly BudgetRule[];
}

export interface BudgetVerdict {
  readonly rule: BudgetRule;
  readonly status: 'kept' | 'missed' | 'skipped';
  readonly text: string;
}

/** Throws with what is wrong. */
export function readBudget(text: string): Budget {
  const budget = JSON.parse(text) as Partial<Budget>;
  if (!Array.isArray(budget.rules)) throw new Error('budget.json: rules is missing');
  for (const [i, rule] of (budget.rules as BudgetRule[]).entries()) {
    const where = `budget.json: rules[${i}]`;
    if (typeof rule.case !== 'string') throw new Error(`${where}.case is missing`);
    if (METRICS.get(rule.metric)?.better !== 'less')
      throw new Error(`${where}.metric: "${rule.metric}" is no metric where less is better`);
    if (!(rule.limit > 0)) throw new Error(`${where}.limit must be above 0`);
    if (!(rule.slackPercent >= 0)) throw new Error(`${where}.slackPercent must be 0 or more`);
  }
  return budget as Budget;
}

/**
 * Noise only ever makes a program look slower, so the best round of either side is the truest; but rounds alternate, and what
 * disturbs one for long disturbs both sides of it. So the better of both counts: the ratio of the best, and the best ratio of a round.
 */
export function checkBudget(budget: Budget, cases: readonly CaseResult[]): BudgetVerdict[] {
  return budget.rules.map((rule) => judge(rule, cases));
}

const best = (values: readonly number[]): number | undefined =>
  values.length === 0 ? undefined : Math.min(...values);

function pairedRatios(ours: readonly number[], theirs: readonly number[]): number[] {
  return ours.flatMap((value, round) => {
    const other = theirs[round];
    return other === undefined ? [] : [value / other];
  });
}

function judge(rule: BudgetRule, cases: readonly CaseResult[]): BudgetVerdict {
  const found = cases.find(({ name }) => name === rule.case);
  const valuesOf = (peer: string): readonly number[] =>
    found?.peers.find((one) => one.peer === peer)?.samples[rule.metric] ?? [];
  const ours = best(valuesOf('outrigger'));
  if (ours === undefined) {
    const failure = found?.failed.find(({ peer }) => peer === 'outrigger')?.reason;
    return { rule, status: 'missed', text: `not measured: ${failure ?? 'the case did not run'}` };
  }
  const { digits = 1, unit = '' } = METRICS.get(rule.metric) ?? {};
  const most = rule.limit * (1 + rule.slackPercent / 100);
  if (rule.against === undefined) {
    const text = `${ours.toFixed(digits)} ${unit}; budget ${rule.limit} + ${rule.slackPercent} %`;
    return { rule, status: ours <= most ? 'kept' : 'missed', text };
  }
  const theirs = best(valuesOf(rule.against));
  if (theirs === undefined)
    return { rule, status: 'skipped', text: `${rule.against} was not measured here` };
  const paired = pairedRatios(valuesOf('outrigger'), valuesOf(rule.against));
  const ratio = Math.min(ours / theirs, ...paired);
  const text = `${ours.toFixed(digits)} against ${theirs.toFixed(digits)} ${unit} of ${rule.against}: ratio ${ratio.toFixed(2)}; budget ${rule.limit} + ${rule.slackPercent} %`;
  return { rule, status: ratio <= most ? 'kept' : 'missed', text };
}
