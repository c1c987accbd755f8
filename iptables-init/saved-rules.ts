// What iptables-save printed, as far as it is ours: our chains, their sizes, and the jumps into them. [m] iptables-save(8).
import { ownedChains } from './rule-plan.ts';
import type { Rule } from './rule-plan.ts';

export interface SavedTable {
  readonly ownChains: readonly string[];
  /** Rules per chain of ours. */
  readonly ruleCounts: ReadonlyMap<string, number>;
  /** Our chain and port of each REDIRECT in it, such as `ISTIO_REDIRECT 15001`. */
  readonly redirects: readonly string[];
  /** Lines (`-A …`) of chains that are not ours and lead into one of ours. */
  readonly jumps: readonly string[];
}

/** Tables in which nothing is ours are left out. */
export function parseSavedRules(text: string): ReadonlyMap<string, SavedTable> {
  const tables = new Map<string, SavedTable>();
  for (const section of text.split(/^\*/m).slice(1)) {
    const [name = '', ...lines] = section.split('\n');
    const table = parseTable(lines);
    if (table.ownChains.length > 0 || table.jumps.length > 0) tables.set(name.trim(), table);
  }
  return tables;
}

/** Whether the text has any rule or any chain made by somebody: the sign that this iptables is the one in use. */
export function hasRules(text: string): boolean {
  return /^(?:-A |:\S+ - )/m.test(text);
}

/**
 * Same chains, same number of rules in each, same number of jumps, same ports. The caller then asks iptables whether each
 * single rule is there (`-C`), because only iptables knows how it rewrites a rule. The ports are looked at here because
 * `ip6tables-legacy -C` takes any port of a REDIRECT for the right one (1.8.9). An order changed by hand is not noticed.
 */
export function sameShape(saved: ReadonlyMap<string, SavedTable>, rules: readonly Rule[]): boolean {
  const planned = shapeOfPlan(rules);
  const found = shapeOfSaved(saved);
  if (planned.size !== found.size) return false;
  for (const [key, rules] of planned) if (found.get(key) !== rules) return false;
  return true;
}

/** Whether a rule lies in, or leads into, a chain of ours; clean-up finds these by itself. */
export function isOwned(rule: Rule): boolean {
  return ownedChains.has(rule.chain) || leadsIntoOwned(rule.words);
}

function parseTable(lines: readonly string[]): SavedTable {
  const ownChains: string[] = [];
  const ruleCounts = new Map<string, number>();
  const redirects: string[] = [];
  const jumps: string[] = [];
  for (const line of lines) {
    const declared = /^:(\S+) /.exec(line)?.[1];
    if (declared !== undefined && ownedChains.has(declared)) {
      ownChains.push(declared);
      ruleCounts.set(declared, 0);
    }
    const chain = /^-A (\S+) /.exec(line)?.[1];
    if (chain === undefined) continue;
    const words = wordsOf(line);
    if (ownedChains.has(chain)) {
      ruleCounts.set(chain, (ruleCounts.get(chain) ?? 0) + 1);
      const port = redirectPort(words);
      if (port !== undefined) redirects.push(`${chain} ${port}`);
    } else if (leadsIntoOwned(words)) jumps.push(line);
  }
  return { ownChains, ruleCounts, redirects, jumps };
}

function shapeOfPlan(rules: readonly Rule[]): ReadonlyMap<string, number> {
  const shape = new Map<string, number>();
  for (const rule of rules) {
    if (!isOwned(rule)) continue;
    count(shape, `${rule.table} ${ownedChains.has(rule.chain) ? rule.chain : 'jumps'}`);
    const port = redirectPort(rule.words);
    if (port !== undefined) count(shape, `${rule.table} ${rule.chain} ${port}`);
  }
  return shape;
}

function shapeOfSaved(saved: ReadonlyMap<string, SavedTable>): ReadonlyMap<string, number> {
  const shape = new Map<string, number>();
  for (const [name, table] of saved) {
    for (const [chain, rules] of table.ruleCounts) shape.set(`${name} ${chain}`, rules);
    for (const redirect of table.redirects) count(shape, `${name} ${redirect}`);
    if (table.jumps.length > 0) shape.set(`${name} jumps`, table.jumps.length);
  }
  return shape;
}

function count(shape: Map<string, number>, key: string): void {
  shape.set(key, (shape.get(key) ?? 0) + 1);
}

function redirectPort(words: readonly string[]): string | undefined {
  const at = words.indexOf('--to-ports');
  return at < 0 ? undefined : words[at + 1];
}

/** Target of `-j` or `-g`. Matches with quoted text (comments) stay one word, so a comment that mentions our names is no jump. */
function leadsIntoOwned(words: readonly string[]): boolean {
  return words.some(
    (word, i) => (word === '-j' || word === '-g') && ownedChains.has(words[i + 1] ?? ''),
  );
}

function wordsOf(line: string): readonly string[] {
  return line.match(/"(?:\\.|[^"\\])*"|\S+/g) ?? [];
}
