// A rule's words taken apart: what it matches, what it does. Reads what we write and what iptables-save makes of it. [m] iptables-extensions(8).
import { parseRange } from './addresses.ts';

export type MatchKind =
  | 'protocol'
  | 'source'
  | 'destination'
  | 'in'
  | 'out'
  | 'source-port'
  | 'destination-port'
  | 'uid'
  | 'gid'
  | 'state'
  | 'mark'
  | 'connmark';

export interface Match {
  readonly kind: MatchKind;
  /** One is enough: ports and states may be several, all others are one. */
  readonly values: readonly string[];
  readonly not: boolean;
}

export interface Target {
  /** RETURN, ACCEPT, DROP, REDIRECT, TPROXY, MARK, CONNMARK, CT, or a chain. */
  readonly name: string;
  /** Port of REDIRECT and TPROXY, mark of MARK, `save` or `restore`, zone of CT; else empty. */
  readonly value: string;
  /** Mark of TPROXY; else empty. */
  readonly mark: string;
}

export interface RuleParts {
  readonly matches: readonly Match[];
  readonly target: Target;
}

const matchWords: ReadonlyMap<string, MatchKind> = new Map([
  ['-p', 'protocol'],
  ['-s', 'source'],
  ['-d', 'destination'],
  ['-i', 'in'],
  ['-o', 'out'],
  ['--sport', 'source-port'],
  ['--dport', 'destination-port'],
  ['--dports', 'destination-port'],
  ['--uid-owner', 'uid'],
  ['--gid-owner', 'gid'],
  ['--ctstate', 'state'],
]);

/** Undefined where a word is none that our rules have: then the rule is somebody else's. */
export function parseRule(words: readonly string[]): RuleParts | undefined {
  const matches: Match[] = [];
  let not = false;
  let extension = '';
  for (let at = 0; at < words.length; at++) {
    const word = words[at]!;
    if (word === '!') {
      not = true;
      continue;
    }
    if (word === '-j') {
      const target = parseTarget(words.slice(at + 1));
      return target === undefined ? undefined : { matches, target };
    }
    const value = words[++at];
    if (value === undefined) return undefined;
    if (word === '-m') {
      extension = value;
      continue;
    }
    const kind =
      word === '--mark' && extension === 'connmark'
        ? 'connmark'
        : word === '--mark'
          ? 'mark'
          : matchWords.get(word);
    const values = kind === undefined ? undefined : spelled(kind, value);
    if (kind === undefined || values === undefined) return undefined;
    matches.push({ kind, values, not });
    not = false;
  }
  return undefined;
}

/** Equal for rules that do the same. @param groupId of a group's name; iptables-save prints numbers. */
export function ruleKey(
  { matches, target }: RuleParts,
  groupId: (name: string) => string | undefined,
): string {
  const parts = matches
    .filter((match) => !isEverything(match))
    .map(({ kind, values, not }) => {
      const spelling =
        kind === 'gid' ? values.map((value) => groupId(value) ?? value) : rangeKeys(kind, values);
      return `${not ? '! ' : ''}${kind} ${[...spelling].sort().join(',')}`;
    });
  return `${parts.sort().join('; ')} -> ${target.name} ${target.value} ${target.mark}`;
}

function rangeKeys(kind: MatchKind, values: readonly string[]): readonly string[] {
  if (kind !== 'source' && kind !== 'destination') return values;
  return values.map((value) => {
    const range = parseRange(value);
    return range === undefined ? value : `${range.first}/${range.bits}`;
  });
}

/** `-d 0.0.0.0/0` matches all; iptables-save leaves it out. */
function isEverything({ kind, values, not }: Match): boolean {
  return (
    !not && (kind === 'source' || kind === 'destination') && values[0]?.endsWith('/0') === true
  );
}

function spelled(kind: MatchKind, value: string): readonly string[] | undefined {
  if (kind === 'destination-port' || kind === 'state') return value.split(',');
  if (kind !== 'mark' && kind !== 'connmark') return [value];
  const mark = markNumber(value);
  return mark === undefined ? undefined : [mark];
}

/** Decimal; undefined where only some bits are meant. */
function markNumber(text: string): string | undefined {
  const [mark = '', mask = '0xffffffff'] = text.split('/');
  if (!/^(?:0x[0-9a-f]{1,8}|\d{1,10})$/i.test(mark) || mask !== '0xffffffff') return undefined;
  return String(Number(mark));
}

function parseTarget([name = '', ...words]: readonly string[]): Target | undefined {
  let value = '';
  let mark = '';
  for (let at = 0; at < words.length; at++) {
    const word = words[at]!;
    if (word === '--save-mark' || word === '--restore-mark') {
      value = word === '--save-mark' ? 'save' : 'restore';
      continue;
    }
    const given = words[++at] ?? '';
    if (['--to-ports', '--to-port', '--on-port', '--zone'].includes(word)) value = given;
    else if (['--set-mark', '--set-xmark'].includes(word)) value = markNumber(given) ?? '?';
    else if (word === '--tproxy-mark') mark = markNumber(given) ?? '?';
    else if (!isDefault(word, given)) return undefined;
  }
  return name === '' ? undefined : { name, value, mark };
}

/** What iptables-save adds although nobody asked for it. */
function isDefault(word: string, given: string): boolean {
  if (word === '--on-ip') return given === '0.0.0.0' || given === '::';
  return (word === '--nfmask' || word === '--ctmask') && given === '0xffffffff';
}
