// `npm run bench -- budget`: a short run, held against bench/budget.json.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { checkBudget, readBudget } from '../load/budget.ts';
import type { BudgetVerdict } from '../load/budget.ts';
import { LOAD_CASES } from '../load/cases.ts';
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
    const report = await session.measure(options, [session.tree(options)]);
    const verdicts = checkBudget(budget, report.cases);
    print(`\nbudget (best of ${options.rounds} rounds, as the machine may be busy):`);
    for (const verdict of verdicts) print(line(verdict));
    const missed = verdicts.filter(({ status }) => status === 'missed').length;
    if (missed > 0)
      print(
        `\n${missed} of ${verdicts.length} budgets EXCEEDED: something got slower. Find it with \`npm run bench -- compare\` and \`npm run bench -- micro\`; raise bench/budget.json only with a reason in the commit message.`,
      );
    const broken = report.cases.some(({ failed }) =>
      failed.some(({ peer }) => peer === 'outrigger'),
    );
    return missed > 0 || broken ? 1 : 0;
  } finally {
    session.close();
  }
}
