// Rules to the text that iptables-restore reads, or to one command a line; and the text that takes rules away. [m] iptables-restore(8).
import type { Family } from './options.ts';
import { ownedChains } from './plan-builder.ts';
import type { Rule } from './plan-builder.ts';
import { jumpsOf, ownChainsOf } from './saved-rules.ts';
import type { SavedRules } from './saved-rules.ts';

/** Lines of each table, in the order of the tables' names, which is also the order of the text. */
export type LinesByTable = ReadonlyMap<string, readonly string[]>;

/** `-N` for each chain of ours at its first use, then the rules in plan order. */
export function planLines(rules: readonly Rule[]): LinesByTable {
  const chains = new Map<string, Set<string>>();
  const lines = new Map<string, string[]>();
  for (const rule of rules) {
    if (ownedChains.has(rule.chain)) entry(chains, rule.table, () => new Set()).add(rule.chain);
    entry(lines, rule.table, () => []).push(ruleLine(rule));
  }
  const all = new Map<string, readonly string[]>();
  for (const table of [...lines.keys()].sort()) {
    const created = [...(chains.get(table) ?? [])].map((chain) => `-N ${chain}`);
    all.set(table, [...created, ...(lines.get(table) ?? [])]);
  }
  return all;
}

/**
 * Lines that take away what is ours in `saved`: jumps into our chains, wherever they stand, then the chains. `extra` are
 * lines (`-A …`) by table that lie in chains of others and lead to no chain of ours.
 */
export function cleanupLines(saved: SavedRules, extra: LinesByTable): LinesByTable {
  const all = new Map<string, readonly string[]>();
  for (const [name, table] of [...saved].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const chains = ownChainsOf(table);
    const lines = [
      ...[...(extra.get(name) ?? []), ...jumpsOf(table)].map((line) => line.replace(/^-A /, '-D ')),
      ...chains.map((chain) => `-F ${chain}`),
      ...chains.map((chain) => `-X ${chain}`),
    ];
    if (lines.length > 0) all.set(name, lines);
  }
  return all;
}

/** Puts the parts one after the other inside each table, so that one COMMIT swaps old for new with no gap between. */
export function restoreText(...parts: readonly LinesByTable[]): string {
  const tables = [...new Set(parts.flatMap((part) => [...part.keys()]))].sort();
  return tables
    .map((table) => {
      const lines = parts.flatMap((part) => part.get(table) ?? []);
      return `* ${table}\n${lines.join('\n')}\nCOMMIT\n`;
    })
    .join('');
}

/** The same plan as commands for a shell: `--restore-format=false`. */
export function commandText(lines: LinesByTable, family: Family): string {
  const command = family === 'IPv4' ? 'iptables' : 'ip6tables';
  let text = '';
  for (const [table, tableLines] of lines) {
    for (const line of tableLines)
      text += `${command} -t ${table} ${line.replaceAll(' ! ', " '!' ")}\n`;
  }
  return text;
}

/** As iptables-restore reads it. */
export function ruleLine(rule: Rule): string {
  const place =
    rule.position === undefined ? `-A ${rule.chain}` : `-I ${rule.chain} ${rule.position}`;
  return `${place} ${rule.words.join(' ')}`;
}

function entry<V>(map: Map<string, V>, key: string, make: () => V): V {
  const found = map.get(key);
  if (found !== undefined) return found;
  const made = make();
  map.set(key, made);
  return made;
}
