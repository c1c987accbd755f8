// Runs in a pod: lays every option set for real, twice, and takes it back; a JSON line for each. [m] Argument: nft, legacy or native.
import { spawnSync } from 'node:child_process';
import process from 'node:process';
import { applyRules, removeRules } from '../../iptables-init/apply.ts';
import type { IptablesOptions } from '../../iptables-init/options.ts';
import { optionSets, optionsOf } from './option-sets.ts';

export interface SetResult {
  readonly name: string;
  readonly first: readonly string[];
  readonly second: readonly string[];
  readonly removed: readonly string[];
  readonly isAsBefore: boolean;
}

const kind = process.argv[2];
/** Groups of the option sets that a machine need not have, and such as every Debian has. */
const groups: ReadonlyMap<string, string> = new Map([
  ['java', 'games'],
  ['ftp', 'mail'],
]);

for (const set of optionSets) {
  const options: IptablesOptions = { ...withKnownGroups(optionsOf(set)), ...kindOptions() };
  const before = saved();
  const first = applyRules(options, ['IPv4', 'IPv6']);
  const second = applyRules(options, ['IPv4', 'IPv6']);
  const removed = removeRules(options);
  const result: SetResult = {
    name: set.name,
    first,
    second,
    removed,
    isAsBefore: saved() === before,
  };
  process.stdout.write(`${JSON.stringify(result)}\n`);
}

function kindOptions(): Partial<IptablesOptions> {
  if (kind === 'native') return { nativeNftables: true };
  return { iptablesBinary: kind === 'legacy' ? 'legacy' : 'nft' };
}

function withKnownGroups(options: IptablesOptions): IptablesOptions {
  const known = (list: readonly string[]): readonly string[] =>
    list.map((group) => groups.get(group) ?? group);
  const { ownerGroupsInclude: include, ownerGroupsExclude: exclude } = options;
  return {
    ...options,
    ownerGroupsInclude: include === '*' ? include : known(include),
    ownerGroupsExclude: known(exclude),
  };
}

function saved(): string {
  const commands = [
    'iptables-nft-save; ip6tables-nft-save; iptables-legacy-save; ip6tables-legacy-save; nft list ruleset',
    'ip -4 rule; ip -6 rule; ip -4 route show table 133; ip -6 route show table 133; ip addr show dev lo',
  ];
  return spawnSync('sh', ['-c', commands.join(';')], { encoding: 'utf8' })
    .stdout.replaceAll(/^#.*\n/gm, '')
    .replaceAll(/ \[\d+:\d+\]$/gm, '');
}
