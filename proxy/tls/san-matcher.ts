// [b] Which peer names are let in (envoy-behaviour §9.2): exact bytes from the certificate, of the type that was asked for and
// no other (attack checklist 61, 64).
import type { StringMatchConfig } from '../config/matcher-config.ts';
import type { SanMatchConfig } from '../config/secret-config.ts';
import type { AltNames } from './certificate.ts';

/** A compiled StringMatchConfig over text of one character a byte. */
export interface StringTest {
  matches(value: string): boolean;
}

export type CompileStringTest = (config: StringMatchConfig, place: string) => StringTest;

export class SanMatcher {
  readonly #type: SanMatchConfig['type'];
  readonly #oid: string;
  readonly #test: StringTest;
  /** For DNS names that are asked for as a whole: wildcards of the certificate count. */
  readonly #dnsName: string | null;

  constructor(config: SanMatchConfig, compile: CompileStringTest) {
    this.#type = config.type;
    this.#oid = config.oid ?? '';
    this.#test = compile(config.match, 'match_typed_subject_alt_names');
    this.#dnsName =
      config.match.kind === 'exact' && (config.type === 'DNS' || config.type === 'ANY')
        ? config.match.value
        : null;
  }

  matches(names: AltNames): boolean {
    const type = this.#type;
    if (type === 'OTHER_NAME')
      return names.otherNames.some(
        ({ oid, value }) => oid === this.#oid && this.#test.matches(value),
      );
    const any = type === 'ANY';
    return (
      ((any || type === 'URI') && this.#some(names.uri)) ||
      ((any || type === 'DNS') && this.#someDns(names.dns)) ||
      ((any || type === 'EMAIL') && this.#some(names.email)) ||
      ((any || type === 'IP_ADDRESS') && this.#some(names.ip))
    );
  }

  #some(values: readonly string[]): boolean {
    for (const value of values) if (this.#test.matches(value)) return true;
    return false;
  }

  #someDns(values: readonly string[]): boolean {
    const wanted = this.#dnsName;
    if (wanted === null) return this.#some(values);
    for (const value of values) if (dnsNameMatches(wanted, value)) return true;
    return false;
  }
}

/** RFC 6125 §6.4.3: a `*` stands in the left-most label, once, and for one label only. */
export function dnsNameMatches(name: string, pattern: string): boolean {
  const wanted = asciiLower(name);
  const offered = asciiLower(pattern);
  if (wanted === offered) return true;
  const wantedDot = wanted.indexOf('.');
  const offeredDot = offered.indexOf('.');
  if (wantedDot < 0 || offeredDot < 0) return false;
  const label = offered.slice(0, offeredDot);
  const rest = offered.slice(offeredDot + 1);
  if (!label.includes('*') || rest.includes('*') || label.startsWith('xn--')) return false;
  return wanted.slice(wantedDot + 1) === rest && labelMatches(wanted.slice(0, wantedDot), label);
}

function labelMatches(label: string, pattern: string): boolean {
  if (pattern === '*') return true;
  const star = pattern.indexOf('*');
  if (pattern.includes('*', star + 1)) return false;
  return (
    pattern.length <= label.length + 1 &&
    label.startsWith(pattern.slice(0, star)) &&
    label.endsWith(pattern.slice(star + 1))
  );
}

/** Letters of ASCII only: what else is in a name stays the byte it is. */
const asciiLower = (text: string): string =>
  text.replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase());
