// [b] Which stats are shown: the bootstrap's inclusion or exclusion list (Istio's proxyStatsMatcher ends there).
import { unreachable } from '../base/assert.ts';
import { re2 } from '../base/re2.ts';
import { WildcardPattern } from '../base/wildcard-pattern.ts';
import type { StatsMatcherConfig, StatsPatternConfig } from '../config/bootstrap-config.ts';

export type NamePredicate = (statName: string) => boolean;

/** Full match; patterns were checked when the bootstrap was read. */
export function compileStatsPattern(config: StatsPatternConfig): NamePredicate {
  if (config.kind === 'regex') {
    const wildcards = WildcardPattern.parse(config.pattern);
    if (wildcards !== null) return (name) => wildcards.matches(name);
    const regex = re2().RE2JS.compile(config.pattern);
    return (name) => regex.testExact(name);
  }
  const { kind, ignoreCase } = config;
  const value = ignoreCase ? config.value.toLowerCase() : config.value;
  const folded = (test: NamePredicate): NamePredicate =>
    ignoreCase ? (name) => test(name.toLowerCase()) : test;
  switch (kind) {
    case 'exact':
      return folded((name) => name === value);
    case 'prefix':
      return folded((name) => name.startsWith(value));
    case 'suffix':
      return folded((name) => name.endsWith(value));
    case 'contains':
      return folded((name) => name.includes(value));
    default:
      return unreachable(kind);
  }
}

/** Cheap patterns first: a regular expression is asked only where they all said no. */
function anyOf(patterns: readonly StatsPatternConfig[]): NamePredicate {
  const cheap = patterns.filter((pattern) => pattern.kind !== 'regex').map(compileStatsPattern);
  const dear = patterns.filter((pattern) => pattern.kind === 'regex').map(compileStatsPattern);
  return (name) => cheap.some((test) => test(name)) || dear.some((test) => test(name));
}

/** Whether a stat of that full name is shown. */
export function compileStatsMatcher(config: StatsMatcherConfig): NamePredicate {
  switch (config.kind) {
    case 'all':
      return () => true;
    case 'none':
      return () => false;
    case 'inclusion':
      return remembered(anyOf(config.patterns));
    case 'exclusion': {
      const listed = anyOf(config.patterns);
      return remembered((name) => !listed(name));
    }
    default:
      return unreachable(config);
  }
}

/**
 * Tells of the beginning of names (`cluster.a.`) whether nothing is shown that consists of it and one of `ends`. True is certain. A thousand
 * clusters have twenty such names each: most lists of patterns rule them out by the beginning.
 */
export function compileHidden(config: StatsMatcherConfig, ends: readonly string[]): NamePredicate {
  if (config.kind === 'none') return () => true;
  if (config.kind !== 'inclusion') return () => false;
  const starts: { readonly text: string; readonly ignoreCase: boolean }[] = [];
  for (const pattern of config.patterns) {
    const start = startOf(pattern);
    if (start !== undefined) starts.push(start);
    else if (pattern.kind !== 'suffix' || ends.some((end) => mayEndIn(end, pattern)))
      return () => false;
  }
  return (prefix) => {
    for (const { text, ignoreCase } of starts) {
      const name = ignoreCase ? prefix.toLowerCase() : prefix;
      if (name.startsWith(text) || text.startsWith(name)) return false;
    }
    return true;
  };
}

/** What every name begins with that fits; undefined: anything. */
function startOf(
  pattern: StatsPatternConfig,
): { readonly text: string; readonly ignoreCase: boolean } | undefined {
  if (pattern.kind === 'regex') {
    const text = WildcardPattern.parse(pattern.pattern)?.start ?? '';
    return text === '' ? undefined : { text, ignoreCase: false };
  }
  const { kind, value, ignoreCase } = pattern;
  if (kind !== 'exact' && kind !== 'prefix') return undefined;
  return { text: ignoreCase ? value.toLowerCase() : value, ignoreCase };
}

/** Also where the pattern reaches further than `end`. */
function mayEndIn(end: string, { value }: { readonly value: string }): boolean {
  const one = end.toLowerCase();
  const other = value.toLowerCase();
  return one.endsWith(other) || other.endsWith(one);
}

const MAX_REMEMBERED = 50_000;

/** Names repeat from scrape to scrape. Bounded: forgets everything when full. */
function remembered(test: NamePredicate): NamePredicate {
  const answers = new Map<string, boolean>();
  return (name) => {
    let answer = answers.get(name);
    if (answer === undefined) {
      answer = test(name);
      if (answers.size >= MAX_REMEMBERED) answers.clear();
      answers.set(name, answer);
    }
    return answer;
  };
}
