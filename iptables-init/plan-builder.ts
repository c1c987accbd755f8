// Rules as plain data, and the list that a plan is built in. [m] Istio contract: istio-iptables.
import type { Family, IptablesOptions } from './options.ts';

export type Table = 'mangle' | 'nat' | 'raw';

/** One rule of the plan, in the order in which it has to be given to iptables. */
export interface Rule {
  readonly table: Table;
  readonly chain: string;
  /** 1-based place of an insertion (`-I`); undefined appends (`-A`). */
  readonly position: number | undefined;
  /** Matches and target, one word each. */
  readonly words: readonly string[];
  /** What the rule is for, in words that follow "because"; for `explain` and for messages about missing rules. */
  readonly why: string;
}

export const Chain = {
  inbound: 'ISTIO_INBOUND',
  inRedirect: 'ISTIO_IN_REDIRECT',
  output: 'ISTIO_OUTPUT',
  redirect: 'ISTIO_REDIRECT',
  outputDns: 'ISTIO_OUTPUT_DNS',
  divert: 'ISTIO_DIVERT',
  tproxy: 'ISTIO_TPROXY',
  drop: 'ISTIO_DROP',
} as const;

/**
 * Every chain that Istio's set-up may have made in a pod: clean-up removes these and no other, so that chains of other
 * tools (also `ISTIO_PRERT` of ambient mode) stay.
 */
export const ownedChains: ReadonlySet<string> = new Set(Object.values(Chain));

/** Source address of inbound clusters, by which the rules know traffic that goes on to the application. */
export const passthroughSource = { IPv4: '127.0.0.6/32', IPv6: '::6/128' } as const;

/** Destinations that count as the pod's own localhost. */
export function loopbackCidr(options: IptablesOptions, family: Family): string {
  return family === 'IPv4' ? options.loopbackCidrIPv4 : '::1/128';
}

/**
 * Whom the proxy runs as. With TPROXY it has to be root, for its transparent sockets, and is known by its group alone: the
 * user's rule would send what it hands on to the application back to it.
 */
export function proxyUser({ interceptionMode, proxyUids, proxyGids }: IptablesOptions): {
  readonly uid: string;
  readonly gid: string;
} {
  const isRoot = interceptionMode === 'TPROXY' && !proxyUids.includes('0');
  return { uid: isRoot ? '0' : proxyUids[0]!, gid: proxyGids[0]! };
}

export class PlanBuilder {
  readonly rules: Rule[] = [];

  /** @param text matches and target, separated by single blanks; checked option values hold none. */
  append(chain: string, text: string, why: string, table: Table = 'nat'): void {
    this.rules.push({ table, chain, position: undefined, words: text.split(' '), why });
  }

  insert(
    table: Table,
    [chain, position]: readonly [string, number],
    text: string,
    why: string,
  ): void {
    this.rules.push({ table, chain, position, words: text.split(' '), why });
  }
}

export type RulesByChain = ReadonlyMap<string, readonly Rule[]>;

/** The rules as they stand once all are in place, insertions at their places; tables by name, chains by first use. */
export function settledChains(rules: readonly Rule[]): ReadonlyMap<Table, RulesByChain> {
  const tables = new Map<Table, Map<string, Rule[]>>();
  for (const rule of rules) {
    const chains = tables.get(rule.table) ?? new Map<string, Rule[]>();
    tables.set(rule.table, chains);
    const chain = chains.get(rule.chain) ?? [];
    chains.set(rule.chain, chain);
    chain.splice(rule.position === undefined ? chain.length : rule.position - 1, 0, rule);
  }
  return new Map([...tables].sort(([a], [b]) => (a < b ? -1 : 1)));
}
