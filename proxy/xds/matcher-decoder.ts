// [m] Decodes string, header and query matchers, fractions and regex rewrites (envoy-behaviour §3.2).
import type {
  HeaderMatcher,
  QueryParameterMatcher,
} from '../../xds-protos/gen/envoy.config.route.v3.ts';
import type { RuntimeFractionalPercent } from '../../xds-protos/gen/envoy.config.core.v3.ts';
import type {
  RegexMatchAndSubstitute,
  StringMatcher,
} from '../../xds-protos/gen/envoy.type.matcher.v3.ts';
import type { FractionalPercent } from '../../xds-protos/gen/envoy.type.v3.ts';
import type {
  FractionConfig,
  HeaderMatchConfig,
  HeaderTestConfig,
  QueryMatchConfig,
  RegexRewriteConfig,
  StringMatchConfig,
} from '../config/matcher-config.ts';
import type { FieldReader } from './field-reader.ts';
import { decodeRegex } from './regex-check.ts';

const MATCH_NOTHING: StringMatchConfig = { kind: 'exact', value: '', ignoreCase: false };

/** Characters that can never stand in a header name or value; NUL, CR and LF would split a message. */
export const breaksHeader = (text: string): boolean => /[\0\r\n]/.test(text);

export function decodeStringMatch(reader: FieldReader<StringMatcher>): StringMatchConfig {
  const { exact, safe_regex } = reader.message;
  const ignoreCase = reader.bool('ignore_case');
  if (exact !== undefined) return { kind: 'exact', value: exact, ignoreCase };
  for (const kind of ['prefix', 'suffix', 'contains'] as const) {
    if (!reader.has(kind)) continue;
    return { kind, value: reader.requiredString(kind), ignoreCase };
  }
  if (safe_regex !== undefined)
    return { kind: 'regex', pattern: decodeRegex(reader.child('safe_regex')!) };
  if (reader.has('custom')) reader.refuse('custom');
  else reader.problem('', 'one of exact, prefix, suffix, contains, safe_regex is required');
  return MATCH_NOTHING;
}

export const decodeStringMatches = (
  readers: readonly FieldReader<StringMatcher>[],
): readonly StringMatchConfig[] => readers.map(decodeStringMatch);

export function decodeHeaderMatch(reader: FieldReader<HeaderMatcher>): HeaderMatchConfig {
  const name = reader.requiredString('name').toLowerCase();
  if (breaksHeader(name)) reader.problem('name', 'holds characters no header name can have');
  return {
    name,
    test: headerTest(reader),
    invert: reader.bool('invert_match'),
    treatMissingAsEmpty: reader.bool('treat_missing_header_as_empty'),
  };
}

export const decodeHeaderMatches = (
  readers: readonly FieldReader<HeaderMatcher>[],
): readonly HeaderMatchConfig[] => readers.map(decodeHeaderMatch);

function headerTest(reader: FieldReader<HeaderMatcher>): HeaderTestConfig {
  const { message } = reader;
  const match = (test: StringMatchConfig): HeaderTestConfig => ({ kind: 'string', match: test });
  if (message.string_match !== undefined)
    return match(decodeStringMatch(reader.child('string_match')!));
  if (message.present_match !== undefined)
    return { kind: 'present', present: message.present_match };
  if (message.range_match !== undefined) return headerRange(reader);
  if (message.safe_regex_match !== undefined) {
    return match({ kind: 'regex', pattern: decodeRegex(reader.child('safe_regex_match')!) });
  }
  if (message.exact_match !== undefined) {
    // The deprecated form matches anything present when it is empty (§3.2).
    if (message.exact_match === '') return { kind: 'present', present: true };
    return match({ kind: 'exact', value: message.exact_match, ignoreCase: false });
  }
  if (reader.has('prefix_match')) {
    return match({
      kind: 'prefix',
      value: reader.requiredString('prefix_match'),
      ignoreCase: false,
    });
  }
  if (reader.has('suffix_match')) {
    return match({
      kind: 'suffix',
      value: reader.requiredString('suffix_match'),
      ignoreCase: false,
    });
  }
  if (reader.has('contains_match')) {
    return match({
      kind: 'contains',
      value: reader.requiredString('contains_match'),
      ignoreCase: false,
    });
  }
  return { kind: 'present', present: true };
}

function headerRange(reader: FieldReader<HeaderMatcher>): HeaderTestConfig {
  const range = reader.message.range_match!;
  const start = Number(range.start ?? 0n);
  const end = Number(range.end ?? 0n);
  if (!Number.isSafeInteger(start) || !Number.isSafeInteger(end)) {
    reader.problem('range_match', 'bounds beyond 2^53 are not supported');
  }
  return { kind: 'range', start, end };
}

export function decodeQueryMatch(reader: FieldReader<QueryParameterMatcher>): QueryMatchConfig {
  const name = reader.requiredString('name');
  if (name.length > 1024) reader.problem('name', 'must be at most 1024 characters long');
  const string = reader.child('string_match');
  if (string !== undefined)
    return { name, test: { kind: 'string', match: decodeStringMatch(string) } };
  return { name, test: { kind: 'present', present: reader.bool('present_match', true) } };
}

const DENOMINATORS = { HUNDRED: 100, TEN_THOUSAND: 10_000, MILLION: 1_000_000 } as const;

export function decodeFraction(reader: FieldReader<FractionalPercent>): FractionConfig {
  return {
    numerator: reader.number('numerator', 0),
    denominator: DENOMINATORS[reader.enumName('denominator', 'HUNDRED')],
  };
}

/** The default, with the key under which the runtime may say something else. */
export function decodeRuntimeFraction(
  reader: FieldReader<RuntimeFractionalPercent> | undefined,
): FractionConfig | undefined {
  if (reader === undefined) return undefined;
  const value = reader.required('default_value');
  const fraction: FractionConfig =
    value === undefined ? { numerator: 0, denominator: 100 } : decodeFraction(value);
  const runtimeKey = reader.nonEmpty('runtime_key');
  return runtimeKey === undefined ? fraction : { ...fraction, runtimeKey };
}

export function decodeRegexRewrite(
  reader: FieldReader<RegexMatchAndSubstitute>,
): RegexRewriteConfig {
  const matcher = reader.required('pattern');
  const pattern = matcher === undefined ? '' : decodeRegex(matcher);
  const substitution = reader.string('substitution');
  if (breaksHeader(substitution)) reader.problem('substitution', 'must not hold NUL, CR or LF');
  return { pattern, substitution };
}
