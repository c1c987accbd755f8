// How the client's bytes are cut into packets. The result of a case must not depend on it.
import { SeededRandom } from '../../proxy/base/random.ts';

export interface Cutting {
  readonly name: string;
  readonly cut: (text: string) => readonly string[];
}

/** Larger texts are not sent byte by byte. */
const SINGLE_BYTES_MAX = 600;

export const WHOLE: Cutting = { name: 'whole', cut: (text) => [text] };

function randomParts(text: string, seed: number): string[] {
  const random = new SeededRandom(seed);
  const most = text.length > 2000 ? 6000 : text.length > 200 ? 60 : 12;
  const parts: string[] = [];
  for (let at = 0; at < text.length;) {
    const length = 1 + (random.nextUint32() % most);
    parts.push(text.slice(at, at + length));
    at += length;
  }
  return parts;
}

/** `seed` differs from case to case. */
export function cuttings(seed: number): readonly Cutting[] {
  return [
    {
      name: 'byte by byte',
      cut: (text) => (text.length > SINGLE_BYTES_MAX ? randomParts(text, seed) : text.split('')),
    },
    { name: 'cut at random', cut: (text) => randomParts(text, seed + 1) },
    { name: 'cut at random again', cut: (text) => randomParts(text, seed + 2) },
  ];
}
