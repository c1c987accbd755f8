// [m] Cuts tags out of stat names: `cluster.foo.upstream_rq_200` → `cluster.upstream_rq` and two labels. Rules are the
// bootstrap's stats_tags and Envoy's default ones. All rules look at the whole name; what they found is cut afterwards.
import type { RE2JS } from 're2js';
import { re2 } from '../base/re2.ts';
import type { StatsConfig, StatsTagConfig } from '../config/bootstrap-config.ts';
import { DEFAULT_TAGS } from './default-tags.ts';
import type { DefaultTag } from './default-tags.ts';

export interface TaggedName {
  readonly name: string;
  readonly tags: readonly (readonly [name: string, value: string])[];
}

interface Found {
  readonly start: number;
  readonly end: number;
  readonly value: string;
}

interface TagRule {
  readonly tagName: string;
  find(name: string): Found | null;
}

/** Names kept with their tags; forgets everything when full. */
const MAX_CACHED_NAMES = 50_000;

export class TagExtractor {
  readonly #rules: readonly TagRule[];
  readonly #fixed: readonly (readonly [string, string])[];
  readonly #cache = new Map<string, TaggedName>();
  /** Rules that could not be compiled, in words. */
  readonly problems: readonly string[];

  constructor(config: Pick<StatsConfig, 'tags' | 'useAllDefaultTags'>) {
    const problems: string[] = [];
    const rules: { readonly rule: TagRule; readonly prefixed: boolean }[] = [];
    for (const tag of config.tags) addRule(tag, rules, problems);
    // As in Envoy, rules that start with a name's first token run after the others; their labels come last.
    const configured = [
      ...rules.filter((r) => !r.prefixed),
      ...rules.filter((r) => r.prefixed),
    ].map((r) => r.rule);
    const defaults = config.useAllDefaultTags ? DEFAULT_TAGS.map(defaultRule) : [];
    this.#rules = [...configured, ...defaults];
    this.#fixed = config.tags.flatMap((tag) =>
      tag.kind === 'fixed' ? [[tag.tagName, tag.value] as const] : [],
    );
    this.problems = problems;
  }

  extract(name: string): TaggedName {
    let tagged = this.#cache.get(name);
    if (tagged === undefined) {
      tagged = this.#extract(name);
      if (this.#cache.size >= MAX_CACHED_NAMES) this.#cache.clear();
      this.#cache.set(name, tagged);
    }
    return tagged;
  }

  #extract(name: string): TaggedName {
    const tags = new Map(this.#fixed);
    const cuts: Found[] = [];
    for (const rule of this.#rules) {
      if (tags.has(rule.tagName)) continue;
      const found = rule.find(name);
      if (found === null) continue;
      tags.set(rule.tagName, found.value);
      cuts.push(found);
    }
    return { name: withoutRanges(name, cuts), tags: [...tags] };
  }
}

function withoutRanges(name: string, cuts: readonly Found[]): string {
  if (cuts.length === 0) return name;
  let kept = '';
  let at = 0;
  for (const { start, end } of cuts.toSorted((a, b) => a.start - b.start)) {
    if (start > at) kept += name.slice(at, start);
    at = Math.max(at, end);
  }
  return kept + name.slice(at);
}

function addRule(
  tag: StatsTagConfig,
  rules: { rule: TagRule; prefixed: boolean }[],
  problems: string[],
): void {
  if (tag.kind === 'fixed') return;
  if (tag.kind === 'regex') {
    const rule = regexRule(tag.tagName, tag.regex);
    if (rule !== null) rules.push({ rule, prefixed: startsWithToken(tag.regex) });
    else
      problems.push(
        `stats tag '${tag.tagName}': RE2 does not take its regex '${tag.regex}'; the tag is not extracted`,
      );
    return;
  }
  const found = DEFAULT_TAGS.filter(({ name }) => name === tag.tagName);
  if (found.length === 0)
    problems.push(`stats tag '${tag.tagName}' is none of the default tags and has no regex`);
  for (const each of found)
    rules.push({ rule: defaultRule(each), prefixed: each.pattern.source.startsWith('^') });
}

function defaultRule({ name: tagName, pattern }: DefaultTag): TagRule {
  return {
    tagName,
    find: (name) => {
      const match = pattern.exec(name);
      const range = match?.indices?.[1];
      return range === undefined ? null : { start: range[0], end: range[1], value: match![2]! };
    },
  };
}

const MAX_REGEX_LENGTH = 8192;
const MAX_PROGRAM_SIZE = 32_768;

/** Null when RE2 does not take the pattern. */
function regexRule(tagName: string, pattern: string): TagRule | null {
  const regex = compileRegex(withoutLookahead(pattern));
  if (regex === null) return null;
  const literal = requiredLiteral(pattern);
  return {
    tagName,
    find: (name) => {
      if (!name.includes(literal)) return null;
      const matcher = regex.matcher(name);
      if (!matcher.find() || matcher.groupCount() < 1) return null;
      const removed = matcher.group(1);
      if (removed === null || removed === undefined) return null;
      const value = matcher.groupCount() > 1 ? (matcher.group(2) ?? '') : removed;
      return { start: matcher.start(1), end: matcher.end(1), value };
    },
  };
}

function compileRegex(pattern: string): RE2JS | null {
  if (pattern.length > MAX_REGEX_LENGTH) return null;
  try {
    const regex = re2().RE2JS.compile(pattern);
    return regex.programSize() <= MAX_PROGRAM_SIZE ? regex : null;
  } catch {
    return null;
  }
}

/**
 * Istio's template asks for `(?=\.).*?\.`, which RE2 has no look-ahead for: a dot follows, and a later (or that same)
 * dot ends the stretch. That is `(?:\..*?)?\.`.
 */
const withoutLookahead = (pattern: string): string =>
  pattern.replaceAll('(?=\\.).*?\\.', '(?:\\..*?)?\\.');

/** `^token\.` and `^token(?=\.)`: Envoy sorts these under the first token of a name. */
const startsWithToken = (pattern: string): boolean =>
  /^\^\w+(?:\\\.|\(\?=\\\.\)|\$$)/.test(pattern);

/**
 * Text that every match holds: the pattern's first plain characters. '' when there is none for sure. It saves running
 * the regex on nearly every name.
 */
export function requiredLiteral(pattern: string): string {
  // An alternative might go without the literal; only groups that open after it may have alternatives.
  const start = /^\^?\(?/.exec(pattern)![0].length;
  if (pattern[start] === '?' || pattern[start] === '(') return '';
  let literal = '';
  let at = start;
  for (; at < pattern.length;) {
    const escaped = pattern[at] === '\\';
    const char = escaped ? pattern[at + 1] : pattern[at];
    if (
      char === undefined ||
      (escaped ? /[A-Za-z0-9]/.test(char) : /[\\^$.|?*+()[\]{}]/.test(char))
    )
      break;
    literal += char;
    at += escaped ? 2 : 1;
  }
  if (/[?*{]/.test(pattern[at] ?? '')) literal = literal.slice(0, -1);
  return hasOuterAlternative(pattern, start) ? '' : literal;
}

/** A `|` outside all groups, or in the first group when the pattern begins with one; or that group is optional. */
function hasOuterAlternative(pattern: string, start: number): boolean {
  const outer = pattern[start - 1] === '(' ? 1 : 0;
  let depth = outer;
  let inClass = false;
  for (let at = start; at < pattern.length; at++) {
    const char = pattern[at];
    if (char === '\\') at++;
    else if (inClass) inClass = !(char === ']');
    else if (char === '[') inClass = true;
    else if (char === '(') depth++;
    else if (char === ')') {
      depth--;
      if (depth < outer && /[?*{]/.test(pattern[at + 1] ?? '')) return true;
    } else if (char === '|' && depth <= outer) return true;
  }
  return false;
}
