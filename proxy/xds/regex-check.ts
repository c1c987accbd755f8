// [m] Compiles every regular expression of a configuration once, on main, so that a worker can never meet a bad one.
import { MAX_PATTERN_LENGTH, MAX_PROGRAM_SIZE, re2 } from '../base/re2.ts';
import { WildcardPattern } from '../base/wildcard-pattern.ts';
import type { RegexMatcher } from '../../xds-protos/gen/envoy.type.matcher.v3.ts';
import type { FieldReader } from './field-reader.ts';

/** Configurations repeat their patterns, and pushes repeat configurations. Bounded: forgets everything when full. */
const verdicts = new Map<string, string | undefined>();
const MAX_VERDICTS = 4096;

function verdict(pattern: string): string | undefined {
  if (pattern.length > MAX_PATTERN_LENGTH) {
    return `regular expression of ${pattern.length} characters is longer than ${MAX_PATTERN_LENGTH}`;
  }
  if (WildcardPattern.parse(pattern) !== null) return undefined;
  try {
    const size = re2().RE2JS.compile(pattern).programSize();
    if (size <= MAX_PROGRAM_SIZE) return undefined;
    return `regex '${pattern}' RE2 program size of ${size} > max program size of ${MAX_PROGRAM_SIZE}`;
  } catch (error) {
    return `invalid regex '${pattern}': ${(error as Error).message}`;
  }
}

/** Why RE2 does not take `pattern`; undefined when it does. */
export function regexProblem(pattern: string): string | undefined {
  if (verdicts.has(pattern)) return verdicts.get(pattern);
  const found = verdict(pattern);
  if (verdicts.size >= MAX_VERDICTS) verdicts.clear();
  verdicts.set(pattern, found);
  return found;
}

/** The pattern of a RegexMatcher, checked. */
export function decodeRegex(reader: FieldReader<RegexMatcher>): string {
  const pattern = reader.requiredString('regex');
  const problem = pattern === '' ? undefined : regexProblem(pattern);
  if (problem !== undefined) reader.problem('regex', problem);
  return pattern;
}
