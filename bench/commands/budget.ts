// `npm run bench -- budget`: a short run, held against bench/budget.json.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { checkBudget, readBudget } from '../load/budget.ts';
import type { Budget, BudgetVerdict } from '../load/budget.ts';
import { LOAD_CASES } from '../load/cases.ts';
import type { RunReport } from '../load/report.ts';
import { briefCase, readRunOptions } from './options.ts';
import { Session, print } from './session.ts';

const PATH = join(import.meta.dirname, '../budget.json');
const SHORT = ['--duration', '1', '--warm-up', '1', '--repeat', '3', '--heap', '--no-result'];

function line({ rule, status, text }: BudgetVerdict): string {
  const word = { kept: 'ok     ', missed: 'EXCEEDED', skipped: 'SKIPPED' }[status];
  return `${word} ${rule.case} ${rule.metric}: ${text}`;
}

/** Flags of the measuring commands; the default is three rounds of one second. */
export async function budgetCommand(argv: readonly string[]): Promise<number> {
  const budget = readBudget(readFileSync(PATH, 'utf8'));
  const wanted = new Set(budget.rules.map((rule) => rule.case));
  const peers = new Set([
    'outrigger',
    ...budget.rules.map(({ against }) => against ?? 'outrigger'),
  ]);
  const base = readRunOptions([...SHORT, ...argv], true);
  const cases = LOAD_CASES.filter(({ name }) => wanted.has(name)).map(briefCase);
  const options = { ...base, cases, peers: [...peers] };
  const session = new Session();
  try {
    const trees = [session.tree(options)];
    let report = await session.measure(options, trees);
    let verdicts = tell(budget, report);
    if (hasMissed(verdicts)) {
      print('\nexceeded: once more, as the machine may have been busy');
      const missed = verdicts.filter(({ status }) => status === 'missed').map(({ rule }) => rule);
      const again = cases.filter(({ name }) => missed.some((rule) => rule.case === name));
      report = await session.measure({ ...options, cases: again }, trees);
      verdicts = tell({ rules: missed }, report);
    }
    if (!hasMissed(verdicts)) return 0;
    print(
      '\nBudget EXCEEDED twice: something got slower. Find it with `npm run bench -- compare` and `npm run bench -- micro`; raise bench/budget.json only with a reason in the commit message.',
    );
    return 1;
  } finally {
    session.close();
  }
}

const hasMissed = (verdicts: readonly BudgetVerdict[]): boolean =>
  verdicts.some(({ status }) => status === 'missed');

function tell(budget: Budget, report: RunReport): BudgetVerdict[] {
  const verdicts = checkBudget(budget, report.cases);
  print('\nbudget, by the best of the rounds:');
  for (const verdict of verdicts) print(line(verdict));
  return verdicts;
}
