// [m] RE2 patterns that are text and choices of text, as agents ask for stats with (`^(cluster_manager\.cds|…)\.update_success$`): matched without
// the engine, which would cost main 1.7 MB in every sidecar (base/re2.ts).

import { ESCAPED, META } from '../../base/wildcard-pattern.ts';

/** Texts that a pattern may stand for. */
const MAX_TEXTS = 64;

export class ChoicePattern {
  readonly #texts: readonly string[];
  readonly #fromStart: boolean;
  readonly #toEnd: boolean;

  private constructor(texts: readonly string[], fromStart: boolean, toEnd: boolean) {
    this.#texts = texts;
    this.#fromStart = fromStart;
    this.#toEnd = toEnd;
  }

  /** Null: the pattern says something else, or too much, or is none at all. */
  static parse(pattern: string): ChoicePattern | null {
    const fromStart = pattern.startsWith('^');
    const toEnd = pattern.endsWith('$') && !pattern.endsWith('\\$');
    const body = pattern.slice(fromStart ? 1 : 0, toEnd ? -1 : undefined);
    let texts = [''];
    for (let at = 0; at < body.length;) {
      const close = body[at] === '(' ? body.indexOf(')', at) : at;
      if (close < 0) return null;
      const words =
        body[at] === '('
          ? body.slice(at + 1, close).split('|')
          : [body.slice(at, endOfText(body, at))];
      if (texts.length * words.length > MAX_TEXTS) return null;
      const plain = words.map(plainText);
      texts = texts.flatMap((text) => plain.map((word) => `${text}${word ?? ''}`));
      if (plain.includes(null)) return null;
      at = body[at] === '(' ? close + 1 : at + words[0]!.length;
    }
    return new ChoicePattern(texts, fromStart, toEnd);
  }

  /** Whether it is found in `text`. */
  test(text: string): boolean {
    return this.#texts.some((one) => {
      if (this.#fromStart) return this.#toEnd ? text === one : text.startsWith(one);
      return this.#toEnd ? text.endsWith(one) : text.includes(one);
    });
  }

  /** Whether all of `text` matches. */
  testExact(text: string): boolean {
    return this.#texts.includes(text);
  }
}

/** Of what stands before the next choice; one character at least. */
function endOfText(body: string, at: number): number {
  const open = body.indexOf('(', at + 1);
  return open < 0 ? body.length : open;
}

function plainText(word: string): string | null {
  let text = '';
  for (let at = 0; at < word.length; at++) {
    const char = word[at]!;
    if (!META.test(char)) text += char;
    else if (char === '\\' && ESCAPED.test(word[at + 1] ?? '')) text += word[++at]!;
    else return null;
  }
  return text;
}
