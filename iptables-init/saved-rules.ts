// What iptables-save printed: which of it is ours, and how it differs from the plan. [m] iptables-save(8).
import { ownedChains, settledChains } from './plan-builder.ts';
import type { Rule } from './plan-builder.ts';
import { parseRule, ruleKey } from './rule-parts.ts';

export interface SavedTable {
  /** The section as it was printed, `*nat` to `COMMIT`: iptables-restore takes it. */
  readonly text: string;
  /** Rules of every chain as they were printed, from `-A` on. */
  readonly chains: ReadonlyMap<string, readonly string[]>;
  /** Nobody has a rule, a chain or a policy in it. */
  readonly isUnused: boolean;
}

export type SavedRules = ReadonlyMap<string, SavedTable>;

export interface Comparison {
  readonly state: 'absent' | 'same' | 'different';
  /** Rules of the plan that are not there, or not in their place. */
  readonly missing: readonly Rule[];
  /** Lines in chains of ours, or into them, that the plan does not have. */
  readonly unexpected: readonly string[];
  /** All that differs is how lines read that we cannot read; only iptables can tell whether they are the missing ones. */
  readonly isUnclear: boolean;
}

/** Number of a group by its name. */
export type GroupId = (name: string) => string | undefined;

export function parseSavedRules(text: string): SavedRules {
  const tables = new Map<string, SavedTable>();
  for (const section of text.split(/^\*/m).slice(1)) {
    const end = section.indexOf('\nCOMMIT');
    const body = end < 0 ? section : section.slice(0, end);
    const [name = '', ...lines] = body.split('\n');
    tables.set(name.trim(), parseTable(lines, `*${body}\nCOMMIT\n`));
  }
  return tables;
}

/** Whether anybody made a rule or a chain: the sign that this iptables is the one in use. */
export function hasRules(saved: SavedRules): boolean {
  return [...saved.values()].some((table) => !table.isUnused);
}

/** Whether any chain of ours is there, or a jump into one. */
export function hasOwnRules(saved: SavedRules): boolean {
  return [...saved.values()].some(
    (table) => ownChainsOf(table).length > 0 || jumpsOf(table).length > 0,
  );
}

export function ownChainsOf(table: SavedTable): readonly string[] {
  return [...table.chains.keys()].filter((chain) => ownedChains.has(chain));
}

/** Lines of chains that are not ours and lead into one of ours. */
export function jumpsOf(table: SavedTable): readonly string[] {
  return [...table.chains]
    .filter(([chain]) => !ownedChains.has(chain))
    .flatMap(([, lines]) => lines.filter((line) => leadsIntoOwned(wordsOf(line))));
}

/**
 * Lines of the table that do what the rules given do, at most one for each: those are rules in chains of others that lead
 * into no chain of ours (such as `-i eth1 -j RETURN`), which clean-up cannot know by their looks.
 */
export function linesOf(
  table: SavedTable,
  rules: readonly Rule[],
  groupId: GroupId,
): readonly string[] {
  const found: string[] = [];
  for (const [chain, planned] of Map.groupBy(rules, (rule) => rule.chain)) {
    const lines = [...(table.chains.get(chain) ?? [])];
    for (const rule of planned) {
      const key = keyOf(rule.words, groupId);
      const at = lines.findIndex((line) => keyOfLine(line, groupId) === key);
      if (at >= 0) found.push(...lines.splice(at, 1));
    }
  }
  return found;
}

/** Whether a rule lies in, or leads into, a chain of ours; clean-up finds these by itself. */
export function isOwned(rule: Rule): boolean {
  return ownedChains.has(rule.chain) || leadsIntoOwned(rule.words);
}

/** Rules are compared by what they do, in their order; chains of others may have more in them, before, between and after. */
export function compareRules(
  saved: SavedRules,
  plan: readonly Rule[],
  groupId: GroupId,
): Comparison {
  if (!hasOwnRules(saved))
    return { state: 'absent', missing: plan, unexpected: [], isUnclear: false };
  const settled = settledChains(plan);
  const missing: Rule[] = [];
  const unexpected: string[] = [];
  for (const [table, chains] of settled) {
    for (const [chain, rules] of chains) {
      const lines = saved.get(table)?.chains.get(chain) ?? [];
      const placed = placeRules(lines, rules, groupId, missing);
      const isOurs = (line: string): boolean =>
        ownedChains.has(chain) || leadsIntoOwned(wordsOf(line));
      unexpected.push(...lines.filter((line, at) => !placed.has(at) && isOurs(line)));
    }
  }
  for (const [name, table] of saved) {
    const planned = new Map<string, unknown>(settled.get(name as Rule['table']) ?? []);
    for (const [chain, lines] of table.chains) {
      if (planned.has(chain)) continue;
      if (ownedChains.has(chain)) unexpected.push(`:${chain} (${name})`, ...lines);
      else unexpected.push(...lines.filter((line) => leadsIntoOwned(wordsOf(line))));
    }
  }
  const isSame = missing.length === 0 && unexpected.length === 0;
  const isUnclear =
    missing.length === unexpected.length &&
    unexpected.every((line) => keyOfLine(line, groupId) === undefined);
  return {
    state: isSame ? 'same' : 'different',
    missing,
    unexpected,
    isUnclear: !isSame && isUnclear,
  };
}

/** Walks both lists in their order. Adds what is missing to the last argument; returns which lines are in their place. */
function placeRules(
  lines: readonly string[],
  rules: readonly Rule[],
  groupId: GroupId,
  missing: Rule[],
): ReadonlySet<number> {
  const keys = lines.map((line) => keyOfLine(line, groupId));
  const placed = new Set<number>();
  let next = 0;
  for (const rule of rules) {
    const at = keys.indexOf(keyOf(rule.words, groupId), next);
    if (at < 0) {
      missing.push(rule);
      continue;
    }
    placed.add(at);
    next = at + 1;
  }
  return placed;
}

function keyOf(words: readonly string[], groupId: GroupId): string | undefined {
  const parts = parseRule(words);
  return parts === undefined ? undefined : ruleKey(parts, groupId);
}

function keyOfLine(line: string, groupId: GroupId): string | undefined {
  return keyOf(wordsOf(line).slice(2), groupId);
}

function parseTable(lines: readonly string[], text: string): SavedTable {
  const chains = new Map<string, string[]>();
  let isUnused = true;
  for (const line of lines) {
    const [, declared, policy] = /^:(\S+) (\S+)/.exec(line) ?? [];
    if (declared !== undefined) {
      chains.set(declared, []);
      if (policy !== 'ACCEPT') isUnused = false;
    }
    const chain = /^-A (\S+)/.exec(line)?.[1];
    if (chain === undefined) continue;
    isUnused = false;
    chains.get(chain)?.push(line);
  }
  return { text, chains, isUnused };
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
