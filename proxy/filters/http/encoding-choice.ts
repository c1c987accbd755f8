// [w] Which of several compressors answers an Accept-Encoding, by Envoy's rules (a chain may have one filter for each
// encoding; they decide together, once per response).
import { numberOf } from './metadata-text.ts';

export interface EncodingOffer {
  readonly encoding: string;
  /** Goes before others of the same weight. */
  readonly chooseFirst: boolean;
  /** `contentType`: without parameters; undefined: the message has none. */
  takes(contentType: string | undefined): boolean;
}

export interface EncodingDecision {
  /** '' for none. */
  readonly encoding: string;
  readonly reason: 'compressor' | 'identity' | 'wildcard' | 'not_valid';
}

interface Wish {
  readonly name: string;
  readonly weight: number;
}

const NOT_VALID: EncodingDecision = { encoding: '', reason: 'not_valid' };

export function chooseEncoding(
  acceptEncoding: string,
  contentType: string | undefined,
  offers: readonly EncodingOffer[],
): EncodingDecision {
  const allowed = new Map<string, EncodingOffer>();
  for (const offer of offers) {
    if (offer.takes(contentType) && !allowed.has(offer.encoding))
      allowed.set(offer.encoding, offer);
  }
  const wishes = parseWishes(acceptEncoding);
  for (const { name, weight } of wishes) if (weight === 0) allowed.delete(name);
  const best = bestWish(wishes, allowed);
  if (best === undefined) return NOT_VALID;
  if (best === 'identity') return { encoding: '', reason: 'identity' };
  if (best !== '*') return { encoding: best, reason: 'compressor' };
  const first = allowed.keys().next().value;
  return first === undefined ? NOT_VALID : { encoding: first, reason: 'wildcard' };
}

/** The first of the greatest weight, or the last of those that go first; undefined where there is none above 0. */
function bestWish(
  wishes: readonly Wish[],
  allowed: ReadonlyMap<string, EncodingOffer>,
): string | undefined {
  let best: string | undefined;
  let greatest = 0;
  for (const { name, weight } of wishes) {
    const offer = allowed.get(name);
    if (offer === undefined && name !== 'identity' && name !== '*') continue;
    if (!(weight > greatest || (best !== undefined && weight === greatest && offer?.chooseFirst)))
      continue;
    best = name;
    greatest = weight;
  }
  return best;
}

/** Elements whose weight cannot be read count for nothing. */
function parseWishes(acceptEncoding: string): readonly Wish[] {
  const wishes: Wish[] = [];
  for (const element of acceptEncoding.split(',')) {
    const semicolon = element.indexOf(';');
    const name = trimmed(semicolon < 0 ? element : element.slice(0, semicolon));
    if (name === '') continue;
    const weight = semicolon < 0 ? 1 : weightOf(element.slice(semicolon + 1));
    if (weight !== undefined) wishes.push({ name, weight });
  }
  return wishes;
}

/** Only the first parameter is looked at. */
function weightOf(parameters: string): number | undefined {
  const equals = parameters.indexOf('=');
  if (equals < 0 || trimmed(parameters.slice(0, equals)).toLowerCase() !== 'q') return 1;
  const value = numberOf(parameters.slice(equals + 1));
  return value === undefined ? undefined : Math.fround(value);
}

const SPACE = /^[ \t\n\v\f\r]+|[ \t\n\v\f\r]+$/g;

export const trimmed = (text: string): string => text.replace(SPACE, '');
