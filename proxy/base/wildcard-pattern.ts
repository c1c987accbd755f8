// [b] RE2 patterns that are only text and `.*`, as most are that people write (`/api/.*`) and the one every sidecar gets for its
// stats (`vhost\..*\.route\..*`): matched by searching their pieces, so that a thread may never load the engine.

/** Keeps a search through hostile text cheap; longer patterns are the engine's, which is linear. */
const MAX_PATTERN_CHARS = 256;
/** What has a meaning of its own, and the line break, which is easier to leave to the engine. */
export const META = /[\\^$.|?*+()[\]{}\n]/;
/** Escapes that mean the character itself. */
export const ESCAPED = /[.\-/]/;

export class WildcardPattern {
  /** Text between the `.*`; empty at an end that is open. */
  readonly #pieces: readonly string[];

  private constructor(pieces: readonly string[]) {
    this.#pieces = pieces;
  }

  /** Null: the pattern says more than text and `.*`, or is none at all. */
  static parse(pattern: string): WildcardPattern | null {
    if (pattern.length > MAX_PATTERN_CHARS) return null;
    const pieces: string[] = [];
    let piece = '';
    for (let at = 0; at < pattern.length; at++) {
      const char = pattern[at]!;
      if (!META.test(char)) {
        piece += char;
        continue;
      }
      const next = pattern[++at] ?? '';
      if (char === '\\' && ESCAPED.test(next)) piece += next;
      else if (char === '.' && next === '*' && !isRepeat(pattern[at + 1])) {
        pieces.push(piece);
        piece = '';
      } else return null;
    }
    return new WildcardPattern([...pieces, piece]);
  }

  /** What every text begins with that matches. */
  get start(): string {
    return this.#pieces[0]!;
  }

  /** Whether all of `text` matches. The first place for each piece will do: what follows may be anything. */
  matches(text: string): boolean {
    const pieces = this.#pieces;
    const first = pieces[0]!;
    if (pieces.length === 1) return text === first;
    // Neither `.` nor a piece matches it.
    if (text.includes('\n')) return false;
    const last = pieces[pieces.length - 1]!;
    const end = text.length - last.length;
    if (!text.startsWith(first) || first.length > end || !text.endsWith(last)) return false;
    let at = first.length;
    for (let index = 1; index < pieces.length - 1; index++) {
      const found = text.indexOf(pieces[index]!, at);
      if (found < 0) return false;
      at = found + pieces[index]!.length;
    }
    return at <= end;
  }
}

/** `.*?`, `.**` and the like are for the engine to take or to refuse. */
const isRepeat = (char: string | undefined): boolean =>
  char === '?' || char === '*' || char === '+' || char === '{';
