// [m] Decodes matchers of dynamic metadata, filter state and cookies (envoy-behaviour §3.2).
import type { CookieMatcher } from '../../xds-protos/gen/envoy.config.route.v3.ts';
import type {
  DoubleMatcher,
  FilterStateMatcher,
  MetadataMatcher,
  ValueMatcher,
} from '../../xds-protos/gen/envoy.type.matcher.v3.ts';
import type {
  CookieMatchConfig,
  FilterStateMatchConfig,
  MetadataMatchConfig,
  ValueMatchConfig,
} from '../config/matcher-config.ts';
import { decodeCidr } from './address-decoder.ts';
import type { FieldReader } from './field-reader.ts';
import { decodeStringMatch } from './matcher-decoder.ts';

const NOTHING: ValueMatchConfig = { kind: 'present', present: false };
/** Of values within lists and alternatives: deeper ones are an attack, not a matcher. */
const MAX_VALUE_DEPTH = 16;

export function decodeCookieMatch(reader: FieldReader<CookieMatcher>): CookieMatchConfig {
  const match = reader.required('string_match');
  return {
    name: reader.requiredString('name'),
    match: match ? decodeStringMatch(match) : { kind: 'exact', value: '', ignoreCase: false },
    invert: reader.bool('invert_match'),
  };
}

export function decodeMetadataMatch(reader: FieldReader<MetadataMatcher>): MetadataMatchConfig {
  const path = reader.children('path').map((segment) => segment.requiredString('key'));
  if (path.length === 0) reader.problem('path', 'at least one is required');
  const value = reader.required('value');
  return {
    namespace: reader.requiredString('filter'),
    path,
    value: value === undefined ? NOTHING : decodeValueMatch(value, 0),
    invert: reader.bool('invert'),
  };
}

export function decodeValueMatch(
  reader: FieldReader<ValueMatcher>,
  depth: number,
): ValueMatchConfig {
  const { bool_match, present_match } = reader.message;
  if (depth > MAX_VALUE_DEPTH) {
    reader.problem('', `is nested deeper than ${MAX_VALUE_DEPTH}`);
    return NOTHING;
  }
  if (reader.has('null_match')) return { kind: 'null' };
  const double = reader.child('double_match');
  if (double !== undefined) return decodeDoubleMatch(double);
  const string = reader.child('string_match');
  if (string !== undefined) return { kind: 'string', match: decodeStringMatch(string) };
  if (bool_match !== undefined) return { kind: 'bool', value: bool_match };
  if (present_match !== undefined) return { kind: 'present', present: present_match };
  const list = reader.child('list_match');
  if (list !== undefined) {
    const element = list.required('one_of');
    return element === undefined
      ? NOTHING
      : { kind: 'any_element', match: decodeValueMatch(element, depth + 1) };
  }
  const or = reader.child('or_match');
  if (or !== undefined) {
    const matchers = or.children('value_matchers');
    if (matchers.length < 2) or.problem('value_matchers', 'at least two are required');
    return { kind: 'or', matches: matchers.map((value) => decodeValueMatch(value, depth + 1)) };
  }
  reader.problem(
    '',
    'one of null_match, double_match, string_match, bool_match, present_match, list_match, or_match is required',
  );
  return NOTHING;
}

function decodeDoubleMatch(reader: FieldReader<DoubleMatcher>): ValueMatchConfig {
  const { range, exact } = reader.message;
  if (range !== undefined) return { kind: 'range', start: range.start ?? 0, end: range.end ?? 0 };
  if (exact === undefined) reader.problem('', 'one of range, exact is required');
  return { kind: 'number', value: exact ?? 0 };
}

export function decodeFilterStateMatch(
  reader: FieldReader<FilterStateMatcher>,
): FilterStateMatchConfig {
  const key = reader.requiredString('key');
  const address = reader.child('address_match');
  if (address !== undefined) {
    const ranges = address.children('ranges').map(decodeCidr);
    return { key, test: { kind: 'address', ranges, invert: address.bool('invert_match') } };
  }
  const string = reader.child('string_match');
  if (string === undefined) reader.problem('', 'one of string_match, address_match is required');
  const match = string && decodeStringMatch(string);
  return {
    key,
    test: { kind: 'string', match: match ?? { kind: 'exact', value: '', ignoreCase: false } },
  };
}
