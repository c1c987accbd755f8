// `npm run bench -- smoke`: what CI runs of the benches. Shows that all of them work, and that the budget is kept; under a minute.
import { budgetCommand } from './budget.ts';
import { microCommand } from './micro.ts';

export async function smokeCommand(): Promise<number> {
  const micro = await microCommand(['--smoke']);
  const budget = await budgetCommand([]);
  return micro === 0 && budget === 0 ? 0 : 1;
}
