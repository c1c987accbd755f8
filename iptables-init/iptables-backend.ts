// The rules of one family in iptables: looks, adds, replaces, takes away, and puts back what was there. [m]
import { readFileSync } from 'node:fs';
import {
  chooseBinary,
  dropUnusedTables,
  hasRule,
  presentBinaries,
  restore,
  save,
} from './binaries.ts';
import type { Binary, PresentBinary } from './binaries.ts';
import type { Family, IptablesOptions } from './options.ts';
import { Chain } from './plan-builder.ts';
import type { Rule } from './plan-builder.ts';
import { planRules } from './rule-plan.ts';
import { ApplyError } from './run-command.ts';
import { cleanupLines, planLines, restoreText, ruleLine } from './rules-text.ts';
import type { LinesByTable } from './rules-text.ts';
import { compareRules, hasOwnRules, isOwned, linesOf } from './saved-rules.ts';
import type { Comparison, SavedRules } from './saved-rules.ts';
import type { UndoList } from './undo-list.ts';

export interface FamilyState {
  readonly family: Family;
  readonly binary: Binary;
  readonly plan: readonly Rule[];
  readonly saved: SavedRules;
  readonly comparison: Comparison;
}

/** Looks, and changes nothing that lasts. */
export function inspectIptables(options: IptablesOptions, family: Family): FamilyState {
  const plan = planRules(options, family);
  const binary = chooseBinary(options, family);
  const saved = save(binary);
  return { family, binary, plan, saved, comparison: compare(binary, saved, plan) };
}

/** Old rules go and new ones come in one transaction per table, so no packet meets a half-empty table. */
export function applyIptables(options: IptablesOptions, state: FamilyState, undo: UndoList): void {
  const { binary, plan, saved } = state;
  const old = cleanupLines(saved, extraLines(options, state.family, saved));
  const lines = planLines(plan);
  const text = restoreText(old, lines);
  restore(binary, text, 'test');
  undo.add(() => putBack(binary, saved, [...new Set([...old.keys(), ...lines.keys()])]));
  restore(binary, text, 'add');
  const { state: result, missing } = compare(binary, save(binary), plan);
  if (result === 'same') return;
  throw new ApplyError(
    `${binary.name} took the rules, and they are not all there: ${describeRules(missing)}`,
  );
}

/** One program's rules, and the lines that take ours away. */
export interface Removal extends PresentBinary {
  readonly lines: LinesByTable;
}

/** Of the programs that have any of ours. */
export function iptablesRemovals(options: IptablesOptions, family: Family): readonly Removal[] {
  return presentBinaries(options, family)
    .map(({ binary, saved }) => ({
      binary,
      saved,
      lines: cleanupLines(saved, extraLines(options, family, saved)),
    }))
    .filter(({ lines }) => lines.size > 0);
}

export function removeIptables({ binary, saved, lines }: Removal, undo: UndoList): void {
  undo.add(() => putBack(binary, saved, [...lines.keys()]));
  restore(binary, restoreText(lines), 'add');
  dropUnusedTables(binary, [...lines.keys()]);
}

/** Whether a set-up of ours marks packets: in TPROXY mode it has a chain in this table. */
export function marksPackets(saved: SavedRules): boolean {
  return saved.get('mangle')?.chains.has(Chain.inbound) === true;
}

export function describeRules(rules: readonly Rule[]): string {
  return rules.map((rule) => `"-t ${rule.table} ${ruleLine(rule)}" (${rule.why})`).join(', ');
}

function compare(binary: Binary, saved: SavedRules, plan: readonly Rule[]): Comparison {
  const comparison = compareRules(saved, plan, groupId);
  if (!comparison.isUnclear) return comparison;
  const isThere = ({ table, chain, words }: Rule): boolean =>
    hasRule(binary, table, [chain, ...words]);
  return comparison.missing.every(isThere)
    ? { ...comparison, state: 'same', missing: [] }
    : comparison;
}

/** Lines of rules in chains of others that lead into none of ours, as far as a set-up of these options makes them. */
function extraLines(options: IptablesOptions, family: Family, saved: SavedRules): LinesByTable {
  if (!hasOwnRules(saved)) return new Map();
  // TPROXY mode has all that REDIRECT mode has, and more.
  const extra = planRules({ ...options, interceptionMode: 'TPROXY' }, family).filter(
    (rule) => !isOwned(rule),
  );
  const lines = new Map<string, readonly string[]>();
  for (const [name, table] of saved) {
    if (name === 'mangle' && !marksPackets(saved)) continue;
    lines.set(
      name,
      linesOf(
        table,
        extra.filter((rule) => rule.table === name),
        groupId,
      ),
    );
  }
  return lines;
}

function putBack(binary: Binary, before: SavedRules, names: readonly string[]): void {
  // A table that was not there before holds nothing but ours: an empty one takes its place.
  const text = names.map((name) => before.get(name)?.text ?? `*${name}\nCOMMIT\n`).join('');
  if (text !== '') restore(binary, text, 'flush');
  dropUnusedTables(
    binary,
    names.filter((name) => !before.has(name)),
  );
}

function groupId(name: string): string | undefined {
  try {
    const lines = readFileSync('/etc/group', 'utf8').split('\n');
    return lines.find((line) => line.startsWith(`${name}:`))?.split(':')[2];
  } catch {
    return undefined; // No group table: iptables would not have taken the name either.
  }
}
