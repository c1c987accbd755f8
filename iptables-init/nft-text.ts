// The same plan as nftables tables, for `nft -f`: Istio's names of tables and chains, one table for both families. [m] nft(8).
import { createHash } from 'node:crypto';
import type { Family } from './options.ts';
import { settledChains } from './plan-builder.ts';
import type { Rule, Table } from './plan-builder.ts';
import { parseRule } from './rule-parts.ts';
import type { Match, Target } from './rule-parts.ts';

export const nftTables = ['istio-proxy-mangle', 'istio-proxy-nat', 'istio-proxy-raw'] as const;

export type PlansByFamily = ReadonlyMap<Family, readonly Rule[]>;

/** A chain of a table with its statements. */
interface Chain {
  readonly name: string;
  readonly lines: readonly string[];
}

/** Where the kernel calls a base chain: `type route` lets a packet find its way again once its mark has changed. */
const hooks: ReadonlyMap<string, string> = new Map([
  ['nat PREROUTING', 'type nat hook prerouting priority -100'],
  ['nat OUTPUT', 'type nat hook output priority -100'],
  ['mangle PREROUTING', 'type filter hook prerouting priority -150'],
  ['mangle OUTPUT', 'type route hook output priority -150'],
  ['raw PREROUTING', 'type filter hook prerouting priority -300'],
  ['raw OUTPUT', 'type filter hook output priority -300'],
]);

/** What `nft -f` puts in place in one transaction, whatever tables of ours were there before. */
export function nftText(plans: PlansByFamily): string {
  const tables = nftTableTexts(plans);
  const mark = fingerprint(tables);
  const written = [...tables].map(
    ([name, body]) => `table inet ${name} {\n\tcomment "${mark}"\n${body}}\n`,
  );
  return nftRemovalText() + written.join('');
}

/** `table` before `delete`: a table that is not there cannot be deleted. */
export function nftRemovalText(): string {
  return nftTables.map((name) => `table inet ${name}\ndelete table inet ${name}\n`).join('');
}

/** Comment of our tables: the same for the same plan. */
export function nftFingerprint(plans: PlansByFamily): string {
  return fingerprint(nftTableTexts(plans));
}

/** Rules of each table that the plan makes. */
export function nftRuleCounts(plans: PlansByFamily): ReadonlyMap<string, number> {
  return new Map(
    [...nftTableTexts(plans)].map(([name, body]) => [
      name,
      body.match(/^\t\t(?!type )/gm)?.length ?? 0,
    ]),
  );
}

function fingerprint(tables: ReadonlyMap<string, string>): string {
  const text = [...tables].map(([name, body]) => `${name}\n${body}`).join('');
  return `outrigger ${createHash('sha256').update(text).digest('hex').slice(0, 16)}`;
}

function nftTableTexts(plans: PlansByFamily): ReadonlyMap<string, string> {
  const tables = new Map<string, string>();
  for (const table of ['mangle', 'nat', 'raw'] as const) {
    const chains = mergedChains(plans, table);
    if (chains.length === 0) continue;
    const text = chains.map(
      ({ name, lines }) =>
        `\tchain ${name} {\n${lines.map((line) => `\t\t${line}\n`).join('')}\t}\n`,
    );
    tables.set(`istio-proxy-${table}`, text.join('\n'));
  }
  return tables;
}

/** Chains of ours first, because a jump needs its chain. */
function mergedChains(plans: PlansByFamily, table: Table): readonly Chain[] {
  const byFamily = [...plans].map(
    ([family, rules]) =>
      [family, settledChains(rules).get(table) ?? new Map<string, readonly Rule[]>()] as const,
  );
  const names = [...new Set(byFamily.flatMap(([, chains]) => [...chains.keys()]))];
  const isBase = (name: string): boolean => hooks.has(`${table} ${name}`);
  const ordered = jumpOrder(
    names.filter((name) => !isBase(name)),
    byFamily.flatMap(([, chains]) => [...chains.values()].flat()),
  );
  return [...ordered, ...names.filter(isBase)].map((name) => {
    const lists = byFamily.map(([family, chains]) =>
      (chains.get(name) ?? []).flatMap((rule) => statements(rule, family)),
    );
    const lines = mergeFamilies(
      lists,
      byFamily.map(([family]) => family),
    );
    const hook = hooks.get(`${table} ${name}`);
    if (hook === undefined) return { name: nftChain(name), lines };
    return { name: nftChain(name), lines: [`${hook}; policy accept;`, ...guards(plans), ...lines] };
  });
}

/** A chain comes after those it jumps to. */
function jumpOrder(names: readonly string[], rules: readonly Rule[]): readonly string[] {
  const ordered: string[] = [];
  const place = (name: string): void => {
    if (ordered.includes(name)) return;
    for (const rule of rules) {
      const target = rule.chain === name ? rule.words[rule.words.indexOf('-j') + 1]! : name;
      if (target !== name && names.includes(target)) place(target);
    }
    ordered.push(name);
  };
  for (const name of names) place(name);
  return ordered;
}

/** An inet table sees both families; where only one has rules, the other goes its way. */
function guards(plans: PlansByFamily): readonly string[] {
  if (plans.size > 1) return [];
  return [plans.has('IPv4') ? 'meta nfproto ipv6 return' : 'meta nfproto ipv4 return'];
}

/** Both orders are kept; what both have stands once, what one has is bound to its family. */
function mergeFamilies(
  lists: readonly (readonly string[])[],
  families: readonly Family[],
): readonly string[] {
  const [a = [], b] = lists;
  if (b === undefined) return a;
  // Length of the longest common subsequence of the rests.
  const common = Array.from({ length: a.length + 1 }, () => new Uint32Array(b.length + 1));
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      common[i]![j] =
        a[i] === b[j]
          ? common[i + 1]![j + 1]! + 1
          : Math.max(common[i + 1]![j]!, common[i]![j + 1]!);
    }
  }
  const merged: string[] = [];
  const only = (line: string, family: Family): void => void merged.push(boundTo(line, family));
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      merged.push(a[i++]!);
      j++;
    } else if (j >= b.length || (i < a.length && common[i + 1]![j]! >= common[i]![j + 1]!))
      only(a[i++]!, families[0]!);
    else only(b[j++]!, families[1]!);
  }
  return merged;
}

function boundTo(line: string, family: Family): string {
  const protocol = family === 'IPv4' ? 'ip' : 'ip6';
  const isBound = line.includes(`${protocol} saddr`) || line.includes(`${protocol} daddr`);
  return isBound ? line : `meta nfproto ${family === 'IPv4' ? 'ipv4' : 'ipv6'} ${line}`;
}

function statements(rule: Rule, family: Family): readonly string[] {
  const parts = parseRule(rule.words);
  if (parts === undefined) throw new Error(`no nftables form: ${rule.words.join(' ')}`);
  const matches = matchTexts(parts.matches, family);
  const rules = targetTexts(parts.target, family);
  return rules.map((target) => [...matches, 'counter', target].join(' '));
}

function matchTexts(matches: readonly Match[], family: Family): readonly string[] {
  const protocol = matches.find(({ kind }) => kind === 'protocol')?.values[0];
  const hasPorts = matches.some(
    ({ kind }) => kind === 'source-port' || kind === 'destination-port',
  );
  return matches.flatMap((match) => {
    // A match on ports says the protocol itself.
    if (match.kind === 'protocol') return hasPorts ? [] : [`meta l4proto ${protocol}`];
    if (
      (match.kind === 'source' || match.kind === 'destination') &&
      !match.not &&
      match.values[0]!.endsWith('/0')
    )
      return [];
    return [
      `${matchName(match, family, protocol ?? '')} ${match.not ? '!= ' : ''}${matchValue(match)}`,
    ];
  });
}

function matchName({ kind }: Match, family: Family, protocol: string): string {
  const address = family === 'IPv4' ? 'ip' : 'ip6';
  switch (kind) {
    case 'protocol':
      return 'meta l4proto';
    case 'source':
      return `${address} saddr`;
    case 'destination':
      return `${address} daddr`;
    case 'in':
      return 'iifname';
    case 'out':
      return 'oifname';
    case 'source-port':
      return `${protocol} sport`;
    case 'destination-port':
      return `${protocol} dport`;
    case 'uid':
      return 'meta skuid';
    case 'gid':
      return 'meta skgid';
    case 'state':
      return 'ct state';
    case 'mark':
      return 'meta mark';
    case 'connmark':
      return 'ct mark';
  }
}

function matchValue({ kind, values }: Match): string {
  if (kind === 'in' || kind === 'out') return `"${values[0]!.replace(/\+$/, '*')}"`;
  if (kind === 'state') return values.map((state) => state.toLowerCase()).join(',');
  return values.length === 1 ? values[0]! : `{ ${values.join(', ')} }`;
}

/** TPROXY of iptables drops a packet where nobody listens; nftables' lets it pass by the proxy, so that a second rule drops it. */
function targetTexts({ name, value, mark }: Target, family: Family): readonly string[] {
  switch (name) {
    case 'RETURN':
    case 'ACCEPT':
    case 'DROP':
      return [name.toLowerCase()];
    case 'REDIRECT':
      return [`redirect to :${value}`];
    case 'TPROXY':
      return [
        `tproxy ${family === 'IPv4' ? 'ip' : 'ip6'} to :${value} meta mark set ${mark} accept`,
        'drop',
      ];
    case 'MARK':
      return [`meta mark set ${value}`];
    case 'CONNMARK':
      return [value === 'save' ? 'ct mark set meta mark' : 'meta mark set ct mark'];
    case 'CT':
      return [`ct zone set ${value}`];
    default:
      return [`jump ${nftChain(name)}`];
  }
}

function nftChain(name: string): string {
  return name.toLowerCase().replaceAll('_', '-');
}
